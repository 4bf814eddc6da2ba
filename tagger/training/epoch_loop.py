"""Train a network in passes over one set of images, as the articles do.

Saves a checkpoint after every pass, from which a killed training continues. TensorFlow
is imported by the functions that need it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.keras_types import KerasModel
from tagger.datasets.records import LabelledImages, numbered
from tagger.training.architectures import Schedule
from tagger.training.augment import mirror_and_move, turn_move_and_zoom
from tagger.training.checkpoint import Checkpoint, seed_dropout, start_keras
from tagger.training.schedule import check_finite

HALVE_AFTER: Final = 3
"""A patient schedule halves the rate each time that the held-back loss has not fallen
for so many passes."""

STOP_AFTER: Final = 10
"""It ends when the held-back loss has not fallen for so many passes."""

Curves = list[dict[str, float]]
"""The measurements of each pass: loss and accuracy of the fitted images (`loss`,
`accuracy`) and of the held-back ones (`val_loss`, `val_accuracy`)."""

Epoch = Callable[[int, int, Mapping[str, float]], object]
"""Takes the number of the finished pass, from 1, the most passes, and the
measurements."""

_Batch = tuple[NDArray[np.float32], NDArray[np.int64]]
_VARIATIONS: Final = {"mirror": mirror_and_move, "turn": turn_move_and_zoom}


@dataclass(frozen=True, slots=True, eq=False)
class TrainingJob:
    """The data, the labels, the schedule and the seed of one training."""

    fitting: LabelledImages
    held_back: LabelledImages
    labels: Sequence[str]
    schedule: Schedule
    seed: int


def fit_epochs(
    job: TrainingJob, build: Callable[[], KerasModel], kept: Checkpoint, on_epoch: Epoch
) -> tuple[KerasModel, Curves]:
    """Train the network that `build` returns; return the Keras model and the curves.

    The weights are those of the pass with the lowest held-back loss. Raises
    TrainingError if the loss is not finite.
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
            f"the state before it is in {kept.folder}: remove it and try a lower "
            "--rate",
        )
        curves = [*curves, measures]
        if not _epochs_without_gain(curves):
            network.save_weights(best)
        kept.save(network, number + 1, {"curves": curves})
        on_epoch(number + 1, job.schedule.epochs, measures)
    network.load_weights(best)
    return network, curves


def _compiled(network: KerasModel, schedule: Schedule) -> KerasModel:
    import keras

    network.compile(
        keras.optimizers.Adam(schedule.rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def _fit_one_epoch(
    network: KerasModel, job: TrainingJob, number: int
) -> dict[str, float]:
    """Train one pass; its randomness depends on its number only, even after a kill."""
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
        shuffle=False,  # the batches are shuffled already
        verbose=0,
    ).history
    return {name: float(values[0]) for name, values in history.items()}


def _epochs_without_gain(curves: Curves) -> int:
    """Count the passes since the one with the lowest held-back loss."""
    losses = [measures["val_loss"] for measures in curves]
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def _batches(job: TrainingJob, number: int, views: int) -> Iterator[_Batch]:
    """Yield the shuffled batches of one pass, augmented as in the article."""
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
