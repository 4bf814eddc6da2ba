"""Fit a network pass by pass over one set of images, as the articles do.

Kept after every pass, and gone on with after a kill. TensorFlow is imported by the
functions that need it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages, numbered
from tagger.training.architectures import Schedule
from tagger.training.augment import mirror_and_move, turn_move_and_zoom
from tagger.training.checkpoint import Checkpoint, seed_dropout, start_keras
from tagger.training.schedule import check_finite

HALVE_AFTER: Final = 3
"""Passes without a lower held-back loss after which a patient schedule halves the rate,
again and again."""

STOP_AFTER: Final = 10
"""Passes without a lower held-back loss after which it ends."""

Curves = list[dict[str, float]]
"""What each pass measured: loss and accuracy of the images fitted (`loss`, `accuracy`)
and of those held back (`val_loss`, `val_accuracy`)."""

Epoch = Callable[[int, int, Mapping[str, float]], object]
"""Told the number of the finished pass, from 1, how many there are at most, and what it
measured."""

_Batch = tuple[NDArray[np.float32], NDArray[np.int64]]
_VARIATIONS: Final = {"mirror": mirror_and_move, "turn": turn_move_and_zoom}


@dataclass(frozen=True, slots=True, eq=False)
class TrainingJob:
    """What is learnt, what measures it, the tags to tell apart, how, and the seed."""

    fitting: LabelledImages
    held_back: LabelledImages
    labels: Sequence[str]
    schedule: Schedule
    seed: int


def fit_epochs(
    job: TrainingJob, build: Callable[[], Any], kept: Checkpoint, on_epoch: Epoch
) -> tuple[Any, Curves]:
    """Fit the network that `build` returns; return the Keras model and the curves.

    Its weights are those of the pass with the lowest loss on the part held back. Raises
    TrainingError where the loss is no number any more.
    """
    start_keras(job.seed)
    network, note = kept.load_or_create(lambda: _compiled(build(), job.schedule))
    curves: Curves = note.get("curves", [])
    best = kept.folder / "best.weights.h5"
    for number in range(len(curves), job.schedule.epochs):
        waited = _epochs_without_gain(curves)
        if job.schedule.patient and waited >= STOP_AFTER:
            break
        if job.schedule.patient and waited and waited % HALVE_AFTER == 0:
            network.optimizer.learning_rate = network.optimizer.learning_rate / 2
        measures = _fit_one_epoch(network, job, number)
        check_finite(
            measures["loss"],
            f"in pass {number + 1}",
            f"the state before it is kept in {kept.folder}: remove it and try a lower "
            "--rate",
        )
        curves = [*curves, measures]
        if not _epochs_without_gain(curves):
            network.save_weights(best)
        kept.save(network, number + 1, {"curves": curves})
        on_epoch(number + 1, job.schedule.epochs, measures)
    network.load_weights(best)
    return network, curves


def _compiled(network: Any, schedule: Schedule) -> Any:  # noqa: ANN401
    import keras

    network.compile(
        keras.optimizers.Adam(schedule.rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def _fit_one_epoch(network: Any, job: TrainingJob, number: int) -> dict[str, float]:  # noqa: ANN401
    """Fit one pass; its chance depends on its number alone, gone on to or not."""
    seed_dropout(network, job.seed, number)
    views, held_back = network.input_shape[-1], job.held_back
    history = network.fit(
        _batches(job, number, views),
        steps_per_epoch=max(1, len(job.fitting) // job.schedule.batch_size),
        validation_data=(
            held_back.images[..., :views].astype(np.float32),
            numbered(held_back, job.labels),
        ),
        validation_batch_size=512,
        shuffle=False,  # the batches come shuffled
        verbose=0,
    ).history
    return {name: float(values[0]) for name, values in history.items()}


def _epochs_without_gain(curves: Curves) -> int:
    """Count the passes since the one of the lowest loss on the part held back."""
    losses = [measures["val_loss"] for measures in curves]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def _batches(job: TrainingJob, number: int, views: int) -> Iterator[_Batch]:
    """Yield the shuffled batches of one pass, varied as the article does."""
    data, schedule = job.fitting, job.schedule
    chance = np.random.default_rng([job.seed, number])
    vary = _VARIATIONS.get(schedule.variation) if number >= schedule.plain else None
    truth, order = numbered(data, job.labels), chance.permutation(len(data))
    size = min(schedule.batch_size, len(data))
    for start in range(0, len(data) - size + 1, size):
        batch = order[start : start + size]
        images = data.images[batch, ..., :views]
        if vary is not None:
            images = np.stack([vary(image, chance) for image in images])
        yield images.astype(np.float32), truth[batch]
