"""Train a network, evaluate it, and write it as a bundle.

Two recipes: `train` fits the articles' network to one set of images, `train_on_shops`
the residual network to a mixture of domains. The only module that trains; TensorFlow
is imported by the functions that need it.
"""

import io
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.augment import NO_TEXTURES, USUAL, Chances
from tagger.bundle import (
    CARD_FILE,
    KERAS_FILE,
    LITERT_FILE,
    Bundle,
    ModelCard,
    load_bundle,
    sha256_of,
    write_card,
)
from tagger.data import LabelledImages, load, load_test_part, numbered, split
from tagger.domains import LABELS, Batch, Domain, batches
from tagger.errors import DataError, ModelError
from tagger.networks import residual, three_block
from tagger.records import FASHION_LABELS, IMAGE_SIDE, PREPARING, Policy
from tagger.silence import native_errors_silenced

MAX_SHIFT: Final = 2
"""Pixels an image is moved by at most, in either direction, while training."""

TARGET_PRECISION: Final = 0.97
"""Share of what is accepted that must be right on the validation part."""

HELD_BACK: Final = 0.1
"""Share of the training data that is not fitted, but chooses pass and threshold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train: passes over the data, images a step, and the seed of all chance."""

    epochs: int = 30
    batch_size: int = 64
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training: how many pictures are seen, and the highest learning rate.

    `seconds` may shorten it: the rate then falls by the clock where that is ahead of
    the pictures, and two runs are no longer the same.
    """

    pictures: int
    rate: float
    seconds: float | None = None


PRETRAINING: Final = Stage(pictures=360_000, rate=2e-3)
FITTING: Final = Stage(pictures=300_000, rate=1.3e-3)
"""What the bundled network is trained with, first without a picture of any shop. Its
own second stage was ended by the clock, after some 200,000 to 450,000 pictures."""


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """How to train on shops: two stages, pictures a step, accidents, and the seed."""

    pretraining: Stage = PRETRAINING
    fitting: Stage = FITTING
    batch_size: int = 64
    chances: Chances = USUAL
    seed: int = 1


WEIGHT_DECAY: Final = 0.02
LABEL_SMOOTHING: Final = 0.05
WARM_UP: Final = 100
"""Steps over which a stage's learning rate rises from nothing."""

LEAST_RATE: Final = 0.002
"""Share of the rate that is left when the cosine has fallen to nothing."""


Epoch = Callable[[int, dict[str, float]], None]
"""Told the number of the finished pass, from 1, and its measures."""

Step = Callable[[int, int, float], None]
"""Told the number of the finished step of a stage, from 1, how many there are at most,
and the mean loss of the stage so far."""


def train(
    data: LabelledImages, settings: Settings, on_epoch: Epoch = lambda *_: None
) -> tuple[Any, LabelledImages]:
    """Train the three-block network; return the Keras model and the part held back.

    The weights returned are those of the pass that did best on the part held back.
    """
    keras = _keras(settings.seed)
    fitting, held_back = split(data, HELD_BACK, settings.seed)
    if not len(fitting):
        raise DataError(f"{data.name}: one group cannot be split; more are needed")
    network = three_block(len(FASHION_LABELS))
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(
        _augmented(fitting, settings),
        steps_per_epoch=max(1, len(fitting) // settings.batch_size),
        epochs=settings.epochs,
        validation_data=(
            held_back.images[..., :1].astype(np.float32),
            numbered(held_back, FASHION_LABELS),
        ),
        validation_batch_size=512,
        shuffle=False,  # the batches come shuffled
        verbose=0,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=3),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=10, restore_best_weights=True
            ),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, dict(logs))
            ),
        ],
    )
    return network, held_back


def train_on_shops(
    pretraining: Sequence[Domain],
    fitting: Sequence[Domain],
    settings: ShopSettings,
    textures: NDArray[np.uint8] = NO_TEXTURES,
    on_step: Step = lambda *_: None,
) -> Any:  # noqa: ANN401
    """Train the residual network on two mixtures of domains; return the Keras model.

    It tells the labels of `domains.LABELS` apart. The first mixture is for what can be
    learnt without any shop, as 0.70 Fashion-MNIST, 0.25 drawn people, 0.05 drawings of
    other things; the second for everything, with photographs at least as often as
    arrays. `textures` are those of `augment.vary`, (n, 96, 96), of the training part
    only. Raises DataError where a mixture is empty.
    """
    if not pretraining or not fitting:
        raise DataError("both stages need a domain to train on")
    _keras(settings.seed)
    network = residual(len(LABELS))
    stages = ((pretraining, settings.pretraining), (fitting, settings.fitting))
    for number, (domains, stage) in enumerate(stages):
        seed = settings.seed + number
        source = batches(domains, settings.batch_size, seed, textures, settings.chances)
        _fit_stage(
            network, stage, stage.pictures // settings.batch_size, source, on_step
        )
    return network


def train_bundle(
    source: str, folder: Path, settings: Settings, on_epoch: Epoch = lambda *_: None
) -> Bundle:
    """Train on a source of labelled images and write the bundle `folder`.

    The threshold is chosen on the part held back; a test part, where the source has
    one, is only measured. Raises DataError before the training starts where the data
    is unfit, ModelError where `folder` holds something that is no bundle.
    """
    if folder.exists() and not (folder / CARD_FILE).exists():
        raise ModelError(f"{folder} exists and is no bundle: name another folder")
    data, test_part = load(source), load_test_part(source)
    network, held_back = train(data, settings, on_epoch)
    on_held_back = probabilities(network, held_back.images)
    truth = numbered(held_back, FASHION_LABELS)
    metrics = {"held_back_accuracy": accuracy(on_held_back, truth)}
    if test_part is not None:
        on_test = probabilities(network, test_part.images)
        metrics["fashion_mnist_test_accuracy"] = accuracy(
            on_test, numbered(test_part, FASHION_LABELS)
        )
    return write_bundle(
        network,
        folder,
        policy=Policy(choose_threshold(on_held_back, truth, TARGET_PRECISION)),
        metrics={name: round(value, 4) for name, value in metrics.items()},
        training={
            "data": f"{data.name}: {len(data):,} images",
            "arch": network.name,
            "parameters": network.count_params(),
            **asdict(settings),
        },
    )


def probabilities(network: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """Return a Keras model's probabilities of each label, one row an image.

    `images` are views (n, 28, 28, 3), of which it gets as many as it takes.
    """
    outputs = network.predict(
        images[..., : network.input_shape[-1]].astype(np.float32),
        batch_size=512,
        verbose=0,
    )
    return np.asarray(outputs, np.float32)


def accuracy(found: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of rows whose most probable label is the true one."""
    return float((found.argmax(axis=1) == labels).mean())


def choose_threshold(
    found: NDArray[np.float32], labels: NDArray[np.int64], precision: float
) -> float:
    """Return the least confidence from which on `precision` of the tags are right.

    In hundredths; 1.0 where no confidence reaches it.
    """
    # In double precision, as `policy.decide` compares.
    confidence = found.max(axis=1).astype(np.float64)
    right = found.argmax(axis=1) == labels
    for threshold in np.arange(0, 100) / 100:
        accepted = confidence >= threshold
        if accepted.any() and right[accepted].mean() >= precision:
            return float(threshold)
    return 1.0


def share_of_rate(step: int, done: float) -> float:
    """Return what share of its highest rate a stage learns at, in 0..1.002.

    `step` counts from 0; `done` is the share of the stage that is over, 0..1.
    """
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * (0.5 * (1 + math.cos(math.pi * done)) + LEAST_RATE)


def write_bundle(
    network: Any,  # noqa: ANN401
    folder: Path,
    *,
    policy: Policy,
    metrics: dict[str, float],
    training: dict[str, Any],
) -> Bundle:
    """Write Keras file, LiteRT file and card into `folder`, all of them or nothing.

    An existing bundle there is replaced only when the new one is complete. A network
    of eleven outputs is one that knows what is no catalogue item.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        _without_optimizer(network).save(draft / KERAS_FILE)
        _convert(network, draft / LITERT_FILE)
        card = ModelCard(
            name=folder.name,
            labels=LABELS[: network.output_shape[-1]],
            preparing=PREPARING,
            policy=policy,
            views=int(network.input_shape[-1]),
            files={n: sha256_of(draft / n) for n in (KERAS_FILE, LITERT_FILE)},
            metrics=metrics,
            training=training | _circumstances(),
        )
        write_card(draft, card)
        if folder.exists():
            folder.rename(Path(scratch) / "former")
        draft.rename(folder)
    return load_bundle(folder)


def _keras(seed: int) -> Any:  # noqa: ANN401
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with native_errors_silenced():
        import keras

    keras.utils.set_random_seed(seed)
    return keras


def _fit_stage(
    network: Any,  # noqa: ANN401
    stage: Stage,
    steps: int,
    source: Iterator[Batch],
    on_step: Step,
) -> None:
    """Fit by AdamW; its rate warms up and then falls by a cosine."""
    import keras

    optimizer = keras.optimizers.AdamW(stage.rate, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
    network.compile(optimizer, loss)
    wanted = np.eye(len(LABELS), dtype=np.float32)
    start = time.monotonic()
    for step in range(steps):
        elapsed = time.monotonic() - start
        done = max(step / steps, elapsed / stage.seconds if stage.seconds else 0)
        if done >= 1:
            return
        optimizer.learning_rate = stage.rate * share_of_rate(step, done)
        images, labels = next(source)
        found = network.train_on_batch(images.astype(np.float32), wanted[labels])
        on_step(step + 1, steps, float(found))


def _without_optimizer(network: Any) -> Any:  # noqa: ANN401
    """Copy the network without Adam's moments, two thirds of a saved file."""
    import keras

    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def _convert(network: Any, target: Path) -> None:  # noqa: ANN401
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    with redirect_stdout(io.StringIO()), native_errors_silenced():  # it chats
        target.write_bytes(converter.convert())


def _circumstances() -> dict[str, Any]:
    packages = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pillow")
    return {
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages},
    }


def _augmented(
    data: LabelledImages, settings: Settings
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield shuffled batches for ever, each image mirrored and moved by chance.

    Shops photograph shoes facing either way and items off centre; Fashion-MNIST has
    neither, and a network that never saw them takes a shoe that points right for a
    sandal.
    """
    chance = np.random.default_rng(settings.seed)
    size, labels = min(settings.batch_size, len(data)), numbered(data, FASHION_LABELS)
    while True:
        order = chance.permutation(len(data))
        for start in range(0, len(data) - size + 1, size):
            batch = order[start : start + size]
            images = np.stack(
                [_vary(image, chance) for image in data.images[batch, ..., :1]]
            )
            yield images.astype(np.float32), labels[batch]


def _vary(image: NDArray[np.uint8], chance: np.random.Generator) -> NDArray[np.uint8]:
    if chance.random() < 0.5:  # noqa: PLR2004
        image = image[:, ::-1]
    down, right = chance.integers(0, 2 * MAX_SHIFT + 1, size=2)
    roomy = np.pad(image, ((MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT), (0, 0)))
    return roomy[down : down + IMAGE_SIDE, right : right + IMAGE_SIDE]
