"""Train a network and write it as a bundle.

`train_bundle` trains a network of an article on one set of images, as its article does.
`train_by_recipe` trains the residual network on a mixture of domains. TensorFlow is
imported by the functions that need it.
"""

import io
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.bundle import (
    CARD_FILE,
    KERAS_FILE,
    LITERT_FILE,
    REFERENCE_FILE,
    REHEARSAL_FILE,
    TEST_FIGURE,
    Bundle,
    ModelCard,
    load_bundle,
    sha256_of,
    write_card,
)
from tagger.bundles.keras_types import KerasModel
from tagger.datasets.load import load, load_test_part
from tagger.datasets.records import LabelledImages, numbered, split
from tagger.errors import DataError, ModelError, TrainingError
from tagger.evaluation.measures import calibration_error, reliability
from tagger.labels import OTHER
from tagger.policy.calibration import accuracy, choose_policy, choose_temperature
from tagger.policy.covariate_shift import packed, reference_statistics
from tagger.records import AMBIGUOUS, FASHION_LABELS, PREPARING, Policy
from tagger.system.native_stderr import suppress_native_stderr
from tagger.training import replay
from tagger.training.architectures import (
    ARCHITECTURES,
    Schedule,
    Variation,
    probabilities,
)
from tagger.training.checkpoint import Checkpoint, key_of
from tagger.training.epoch_loop import Epoch, TrainingJob, fit_epochs
from tagger.training.recipe import Materials, Recipe, drawn, gather, test_parts
from tagger.training.replay import Replay
from tagger.training.step_loop import OnStep, fit
from tagger.training.surgery import both_ways, calibrated, copied

DEFAULT_ARCHITECTURE: Final = "three-block"

_REHEARSED: Final = 1300
"""Arrays of replay for an article's network, and as many to measure its forgetting: as
many as `shops` has of Fashion-MNIST."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a training: the network, and changes to its article's schedule.

    A setting of None is that of the article (`architectures.Schedule`). `weights` is a
    file for a pre-trained network. `seed` seeds all random generators.
    """

    architecture: str = DEFAULT_ARCHITECTURE
    epochs: int | None = None
    batch_size: int | None = None
    rate: float | None = None
    variation: Variation | None = None
    patient: bool | None = None
    weights: Path | None = None
    seed: int = 1


def train_bundle(  # noqa: PLR0913
    source: str,
    folder: Path,
    settings: Settings,
    on_epoch: Epoch = lambda *_: None,
    *,
    custom_tags: bool = False,
    tell: Callable[[str], object] = lambda _: None,
) -> Bundle:
    """Train on a source of labelled images and write the bundle `folder`.

    With `custom_tags` all labels of the data are tags. The threshold is chosen on the
    held-back part. The test part, if the source has one, only measures. During the
    training `folder`.training keeps the checkpoint, from which a training of the same
    data and settings continues. `tell` takes lines about pictures that are left out,
    and one about the number of images. Raises DataError, before the training starts, if
    the data is unfit; ModelError if `folder` exists and is not a bundle; TrainingError
    if the loss is not finite.
    """
    _refuse_foreign(folder)
    folder = _by_name(folder)
    data = load(source, custom_tags=custom_tags, tell=tell)
    test_part = load_test_part(source)
    labels = _labels_of(data)
    data = data.take(np.isin(data.labels, labels))
    schedule = _schedule(settings)
    fitting, held_back = split(data, schedule.held_back, settings.seed)
    if not len(fitting):
        raise DataError(f"{data.name}: two or more groups of pictures are needed")
    held = f"{len(held_back):,} held back"
    tell(f"{data.name}: {len(fitting):,} images to learn from, {held}")
    sides = [a for one in (fitting, held_back) for a in (one.images, one.labels)]
    key = key_of(repr((data.name, labels, settings)), sides)
    kept = Checkpoint(training_folder(folder), key)
    job = TrainingJob(fitting, held_back, labels, schedule, settings.seed)
    architecture = ARCHITECTURES[settings.architecture]
    network, curves = fit_epochs(
        job, lambda: architecture.make(len(labels), settings.weights), kept, on_epoch
    )
    on_held_back = probabilities(network, held_back.images)
    truth = numbered(held_back, labels)
    metrics = {"held_back_accuracy": accuracy(on_held_back, truth)}
    if test_part is not None:
        on_test = probabilities(network, test_part.images)
        metrics[TEST_FIGURE] = accuracy(on_test, numbered(test_part, labels))
    bundle = write_bundle(
        network,
        folder,
        labels=labels,
        policy=choose_policy(on_held_back, truth, labels),
        metrics=metrics,
        training={
            "data": f"{data.name}: {len(data):,} images",
            "arch": network.name,
            "parameters": network.count_params(),
            "epochs": len(curves),
            "schedule": asdict(schedule),
            "seed": settings.seed,
            "own_tags": custom_tags,
            "curves": curves,
        },
        more=_files(_to_rehearse(network, fitting, test_part or held_back)),
    )
    shutil.rmtree(kept.folder)
    return bundle


def _to_rehearse(
    network: KerasModel,
    fitting: LabelledImages,
    test: LabelledImages,
) -> Replay | None:
    """Draw the replay of a network, so that it can be adapted without forgetting.

    None for a network that cannot be adapted: its output is not a softmax, or it has
    frozen layers of another network.
    """
    head = network.layers[-1]
    softmax = getattr(getattr(head, "activation", None), "__name__", "") == "softmax"
    if not softmax or not all(layer.trainable for layer in network.layers):
        return None
    return Replay(
        drawn(fitting, _REHEARSED),
        fitting.take(np.empty(0, np.int64)),
        drawn(test, _REHEARSED),
    )


def train_by_recipe(
    recipe: Recipe,
    folder: Path,
    on_step: OnStep = lambda _: None,
    tell: Callable[[str], object] = lambda _: None,
) -> Bundle:
    """Train by a recipe and write the bundle `folder`.

    Confidence is calibrated on the held-back parts. The policy is the recipe's, or
    chosen on these parts. During the training `folder`.training keeps the checkpoint
    and `curves.csv`, and a training by the same recipe continues from it. `tell` takes
    a line about each domain. Raises as `train_bundle`.
    """
    _refuse_foreign(folder)
    folder = _by_name(folder)
    materials = gather(recipe, tell)
    state = training_folder(folder)
    network = fit(recipe, materials, state, on_step)
    bundle = finish(network, recipe, materials, folder)
    (state / "curves.csv").replace(folder / "curves.csv")
    shutil.rmtree(state)
    return bundle


def finish(
    network: KerasModel,
    recipe: Recipe,
    materials: Materials,
    folder: Path,
) -> Bundle:
    """Calibrate a trained network on the held-back pictures, and write its bundle.

    The network of the bundle looks both ways, because shops mirror their pictures.
    """
    network = both_ways(_in_full_precision(network, recipe.architecture))
    held = _decided(materials.held_back)
    policy = recipe.policy or Policy(1.0)
    labels, temperature = recipe.labels, recipe.temperature or 1.0
    if held and recipe.temperature is None:
        temperature = choose_temperature(*_seen(network, held.values(), labels))
    network = calibrated(network, temperature)
    photographs = [d for name, d in held.items() if recipe.domains[name].photographs]
    if recipe.policy is None and held:
        rows_and_truth = _seen(network, photographs or held.values(), labels)
        policy = choose_policy(*rows_and_truth, labels)
    metrics: dict[str, float] = {}
    known: dict[str, NDArray[np.float32]] = {}
    for name, data in held.items():
        rows, truth = _seen(network, [data], labels)
        known[name] = rows
        tags = truth < len(FASHION_LABELS)
        right = rows.argmax(axis=1) == truth
        named = name.replace("-", "_")
        of_tags = rows[tags, : len(FASHION_LABELS)]
        metrics[f"{named}_accuracy"] = accuracy(of_tags, truth[tags])
        bins = reliability(rows.max(axis=1).astype(np.float64), right)
        metrics[f"{named}_calibration_error"] = calibration_error(bins) or 0.0
    for name, data in test_parts(recipe).items():
        rows, truth = _seen(network, [data], labels)
        named = f"{name.replace('-', '_')}_test_accuracy"
        metrics[named] = accuracy(rows[:, : len(FASHION_LABELS)], truth)
    rehearsed = replay.gather(recipe)
    return write_bundle(
        network,
        folder,
        labels=labels,
        policy=policy,
        metrics=metrics,
        training={
            "recipe": recipe.name,
            "recipe_digest": recipe.digest,
            "data": {name: len(domain) for name, domain in materials.domains.items()},
            "arch": network.name,
            "parameters": network.count_params(),
            "pictures": recipe.pictures,
            "batch_size": recipe.batch_size,
            "seed": recipe.seed,
            "temperature": temperature,
        },
        # A recipe's policy was chosen on unseen shops, so it needs no shift guard.
        more=_files(rehearsed) | ({} if recipe.policy else _familiar(known, labels)),
        prior=tuple(recipe.prior[label] for label in labels) if recipe.prior else (),
    )


def _files(rehearsed: Replay | None) -> dict[str, bytes]:
    return {} if rehearsed is None else {REHEARSAL_FILE: replay.packed(rehearsed)}


def _familiar(
    known: Mapping[str, NDArray[np.float32]], labels: Sequence[str]
) -> dict[str, bytes]:
    return (
        {REFERENCE_FILE: packed(reference_statistics(known, labels))} if known else {}
    )


def training_folder(folder: Path) -> Path:
    """Return the folder of a training's checkpoint, until its bundle is written."""
    return folder.with_name(f"{folder.name}.training")


def write_bundle(  # noqa: PLR0913  as a card has fields
    network: KerasModel,
    folder: Path,
    *,
    labels: Sequence[str],
    policy: Policy,
    metrics: dict[str, float],
    training: dict[str, Any],
    more: Mapping[str, bytes] = MappingProxyType({}),
    prior: tuple[float, ...] = (),
) -> Bundle:
    """Write Keras file, LiteRT file and card into `folder`, all of them or none.

    An existing bundle is replaced only when the new one is complete. `labels` are those
    of the network's outputs, in order; metrics are shares, in [0, 1]. `more` are other
    files of the bundle, by name. `prior` are the shares of the labels that the network
    expects, or empty.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        # The copy has no optimiser: Adam's moments are two thirds of a saved file.
        copied(network).save(draft / KERAS_FILE)
        _convert(network, draft / LITERT_FILE)
        for name, content in more.items():
            (draft / name).write_bytes(content)
        card = ModelCard(
            name=folder.name,
            labels=tuple(labels),
            preparing=PREPARING,
            policy=policy,
            views=int(network.input_shape[-1]),
            files={n: sha256_of(draft / n) for n in (KERAS_FILE, LITERT_FILE, *more)},
            metrics={name: round(value, 4) for name, value in metrics.items()},
            training=training | _circumstances(),
            prior=prior,
        )
        write_card(draft, card)
        load_bundle(draft)  # check it before it replaces a working bundle
        if folder.exists():
            folder.rename(Path(scratch) / "former")
        draft.rename(folder)
    return load_bundle(folder)


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not (folder / CARD_FILE).exists():
        raise ModelError(f"{folder} exists and is not a bundle: give another folder")


def _by_name(folder: Path) -> Path:
    """Return a path that ends in the folder's name; "." and ".." are resolved."""
    return folder if folder.name not in {"", ".."} else folder.resolve()


def _labels_of(data: LabelledImages) -> tuple[str, ...]:
    """Return the labels of a network for this data.

    All ten tags of Fashion-MNIST, or a shop's own tags in alphabetical order; then
    OTHER if the data has it.
    """
    present = set(data.labels.tolist()) - {AMBIGUOUS}
    tags = present - {OTHER}
    ordered = FASHION_LABELS if tags <= set(FASHION_LABELS) else tuple(sorted(tags))
    return (*ordered, OTHER) if OTHER in present else ordered


def _schedule(settings: Settings) -> Schedule:
    """Return the article's schedule with the changes of the settings."""
    schedule = ARCHITECTURES[settings.architecture].schedule
    if schedule is None:
        raise TrainingError(
            f"the {settings.architecture} network is trained by a recipe: --recipe"
        )
    changes = {
        name: getattr(settings, name)
        for name in ("epochs", "batch_size", "rate", "variation", "patient")
    }
    if settings.variation is not None:  # augment from the first pass on
        changes["plain"] = 0
    return replace(
        schedule,
        **{name: value for name, value in changes.items() if value is not None},
    )


def _decided(held_back: Mapping[str, LabelledImages]) -> dict[str, LabelledImages]:
    return {n: data.take(data.labels != AMBIGUOUS) for n, data in held_back.items()}


def _seen(
    network: KerasModel,
    sets: Iterable[LabelledImages],
    labels: Sequence[str],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the probabilities and the true labels of several sets together."""
    pairs = [(probabilities(network, d.images), numbered(d, labels)) for d in sets]
    rows, truth = zip(*pairs, strict=True)
    return np.concatenate(rows), np.concatenate(truth)


def _in_full_precision(network: KerasModel, architecture: str) -> KerasModel:
    """Copy a network to full precision; it may have been trained in half precision."""
    copy = ARCHITECTURES[architecture].make(network.output_shape[-1], None)
    copy.set_weights(network.get_weights())
    return copy


def _convert(network: KerasModel, target: Path) -> None:
    """Convert for LiteRT, with weights of eight bits ("dynamic range").

    The range of the activations comes from the picture itself, so that neither its
    batch nor the order changes its prediction. The bundled network is four times as
    fast; models/README.md has the small loss of accuracy.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with redirect_stdout(io.StringIO()), suppress_native_stderr():  # hide its output
        target.write_bytes(converter.convert())


def _circumstances() -> dict[str, Any]:
    packages = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pillow")
    return {
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages},
    }
