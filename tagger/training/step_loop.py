"""Train a network by a recipe, step by step.

Saves a checkpoint every two minutes, from which a killed training continues. TensorFlow
is imported by the functions that need it.
"""

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.keras_types import KerasModel, KerasModule
from tagger.datasets.records import LabelledImages, numbered
from tagger.policy.calibration import accuracy
from tagger.records import AMBIGUOUS
from tagger.training.architectures import ARCHITECTURES, probabilities
from tagger.training.augment import USUAL, Chances
from tagger.training.checkpoint import Checkpoint, key_of, seed_dropout, start_keras
from tagger.training.mixture import Batch, Domain, batches, prefetch
from tagger.training.recipe import Materials, Recipe, Stage
from tagger.training.schedule import check_finite, cosine_with_warm_up

WEIGHT_DECAY: Final = 0.02
LABEL_SMOOTHING: Final = 0.05
WARM_UP: Final = 100
"""Steps in which a stage's learning rate rises from 0."""

LEAST_RATE: Final = 0.002
"""Share of the rate that remains when the cosine has fallen to 0."""

KEPT_EVERY: Final = 120.0
"""Seconds between two checkpoints: the most work that a kill loses."""

CURVE_EVERY: Final = 250
"""Steps between two lines of the curves."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of the step just done, of all steps, and the recent mean loss."""

    step: int
    steps: int
    loss: float


OnStep = Callable[[Progress], object]


def fit(
    recipe: Recipe,
    materials: Materials,
    folder: Path,
    on_step: OnStep = lambda _: None,
    chances: Chances = USUAL,
) -> KerasModel:
    """Train the recipe's network; return the Keras model.

    `folder` keeps the checkpoint (network, optimiser, step) and `curves.csv`. If it has
    a checkpoint of the same recipe and materials, training continues from it, to the
    same network and curves as an uninterrupted run. Raises TrainingError if the loss is
    not finite, naming the step, or if `folder` has a checkpoint of another training.
    """
    keras = start_keras(recipe.seed)
    kept = Checkpoint(folder, key_of(recipe.digest, _all_arrays(materials)))
    network, note = kept.load_or_create(lambda: _new_network(keras, recipe))
    done = int(note.get("step", 0))
    curves = _Curves(folder / "curves.csv", materials.held_back, recipe.labels, done)
    recent: list[float] = note.get("recent", [])
    kept_at = time.monotonic()
    one_hot = np.eye(len(recipe.labels), dtype=np.float32)
    for work in _plan(recipe, materials, chances, done):
        network.optimizer.learning_rate = work.rate
        seed_dropout(network, recipe.seed, work.step)
        images, labels, _ = work.batch
        loss = float(network.train_on_batch(images.astype(np.float32), one_hot[labels]))
        check_finite(
            loss,
            f"at step {work.step}",
            f"the state before it is in {folder}: remove it and lower the recipe's "
            "rate",
        )
        recent = [*recent[1 - CURVE_EVERY :], loss]
        on_step(Progress(work.step, work.steps, float(np.mean(recent))))
        if work.step % CURVE_EVERY == 0 or work.step == work.steps:
            curves.add(work.step, float(np.mean(recent)), work.rate, network)
        if time.monotonic() - kept_at > KEPT_EVERY or work.step == work.steps:
            kept.save(network, work.step, {"step": work.step, "recent": recent})
            kept_at = time.monotonic()
    return network


def _all_arrays(materials: Materials) -> Iterator[NDArray[Any]]:
    for domain in materials.domains.values():
        yield from (domain.pictures, domain.labels)
        if domain.sets is not None:
            yield domain.sets
    for data in materials.held_back.values():
        yield from (data.images, data.labels)


@dataclass(frozen=True, slots=True)
class _Work:
    """One step: its number from 1 in the whole training, its rate and its batch."""

    step: int
    steps: int
    rate: float
    batch: Batch


def _plan(
    recipe: Recipe, materials: Materials, chances: Chances, done: int
) -> Iterator[_Work]:
    """Yield the remaining steps, with prefetched batches."""
    lengths = [stage.pictures // recipe.batch_size for stage in recipe.stages]
    before = 0
    for number, (stage, length) in enumerate(zip(recipe.stages, lengths, strict=True)):
        start = max(0, done - before)
        if start < length:
            made = batches(
                _mixed(stage, materials.domains),
                recipe.batch_size,
                recipe.seed + number,
                materials.textures,
                chances=chances,
                start=start,
            )
            for step, batch in zip(range(start, length), prefetch(made), strict=False):
                share = cosine_with_warm_up(
                    step, step / length, warm_up=WARM_UP, floor=LEAST_RATE
                )
                rate = stage.rate * share
                yield _Work(before + step + 1, sum(lengths), rate, batch)
        before += length


def _mixed(stage: Stage, domains: Mapping[str, Domain]) -> list[Domain]:
    return [
        replace(domains[name], weight=weight) for name, weight in stage.mixture.items()
    ]


def _new_network(keras: KerasModule, recipe: Recipe) -> KerasModel:
    from tagger.training.muon import Muon  # noqa: PLC0415  imports Keras

    former = keras.config.dtype_policy()
    if recipe.half_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = ARCHITECTURES[recipe.architecture].build(len(recipe.labels))
    finally:
        keras.config.set_dtype_policy(former)
    network.compile(
        Muon(recipe.stages[0].rate, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
    )
    return network


class _Curves:
    """Writes `curves.csv`: step, loss, rate, and accuracy on held-back pictures."""

    def __init__(
        self,
        path: Path,
        held_back: Mapping[str, LabelledImages],
        labels: Sequence[str],
        done: int,
    ) -> None:
        self._path = path
        self._labels = labels
        self._held_back = {
            name: data.take(data.labels != AMBIGUOUS)
            for name, data in held_back.items()
        }
        rows = _rows_until(path, done) or [["step", "loss", "rate", *held_back]]
        self._write(rows, "w")

    def add(self, step: int, loss: float, rate: float, network: KerasModel) -> None:
        shares = [
            accuracy(probabilities(network, data.images), numbered(data, self._labels))
            for data in self._held_back.values()
        ]
        self._write([[step, *(f"{n:.5f}" for n in (loss, rate, *shares))]], "a")

    def _write(self, rows: list[list[Any]], mode: str) -> None:
        with self._path.open(mode, encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)


def _rows_until(path: Path, done: int) -> list[list[str]]:
    """Return the header and the lines of steps up to the checkpoint."""
    if not done or not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return [header, *(row for row in rows if int(row[0]) <= done)]
