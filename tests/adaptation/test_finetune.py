from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tagger.adaptation.finetune import USUAL, adapt
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError, TrainingError
from tagger.imaging.views import views_of_gray
from tagger.training.architectures import probabilities
from tagger.training.replay import Replay
from tagger.training.surgery import expand_head

pytestmark = pytest.mark.model

Network = Any
"""A Keras model; Keras has no types."""

LABELS = ("up", "middle", "down")
QUICK = replace(USUAL, pictures=4800, batch_size=32, rate=1e-2, memory=0.9)


def bars(labels: tuple[str, ...], count: int, seed: int) -> LabelledImages:
    """Draw views with a bar whose height says the label."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, len(labels), count)
    images = chance.integers(0, 40, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, truth, strict=True):
        image[3 + 8 * label : 8 + 8 * label] = 230
    names = np.arange(count).astype(str)
    views = np.stack([views_of_gray(image) for image in images])
    return LabelledImages("bars", views, np.array(labels)[truth], names, names)


def nothing(data: LabelledImages) -> LabelledImages:
    return data.take(np.zeros(len(data), np.bool_))


def rehearsal() -> Replay:
    data = bars(LABELS[:2], 40, 5)
    return Replay(data, nothing(data), data)


@pytest.fixture(scope="module")
def network() -> Network:
    """Build a small network that knows two heights and normalises by batches."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((28, 28, 3)),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D(4),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", name="tags"),
        ]
    )
    made.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    data = bars(LABELS[:2], 200, 1)
    truth = (data.labels == LABELS[1]).astype(np.int64)
    made.fit(data.images.astype(np.float32), truth, epochs=4, verbose=0)
    return made


def share_right(network: Network, data: LabelledImages) -> float:
    found = np.array(LABELS)[probabilities(network, data.images).argmax(axis=1)]
    return float((found == data.labels).mean())


def test_a_network_learns_what_the_answers_say_and_keeps_what_it_knew(
    network: Network,
) -> None:
    upside_down = bars(LABELS[:2], 80, 7)
    upside_down.images[:] = 255 - upside_down.images
    held = bars(LABELS[:2], 80, 8)
    held.images[:] = 255 - held.images
    before, steps = share_right(network, held), []

    found = adapt(
        network,
        upside_down,
        rehearsal(),
        LABELS[:2],
        schedule=QUICK,
        on_step=lambda step, of: steps.append((step, of)),
    )

    assert share_right(found, held) > max(0.9, before)
    assert share_right(found, bars(LABELS[:2], 80, 9)) > 0.9
    assert steps == [(step, QUICK.steps) for step in range(1, QUICK.steps + 1)]


def test_what_is_rehearsed_is_what_the_network_said_whatever_the_labels(
    network: Network,
) -> None:
    answers, data = bars(LABELS[:2], 20, 2), bars(LABELS[:2], 40, 5)
    swapped = np.where(data.labels == "up", "middle", "up")
    wrong = replace(data, labels=swapped)

    found = adapt(
        network,
        answers,
        Replay(wrong, wrong, data),
        LABELS[:2],
        schedule=replace(QUICK, answers=0.1, photographs=0.5),
    )

    assert share_right(found, bars(LABELS[:2], 80, 9)) > 0.9


def test_the_network_it_starts_from_is_left_alone_and_so_are_statistics(
    network: Network,
) -> None:
    before = [weights.copy() for weights in network.get_weights()]

    short = replace(QUICK, pictures=320)
    found = adapt(
        network, bars(LABELS[:2], 20, 2), rehearsal(), LABELS[:2], schedule=short
    )

    for was, weights in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(was, weights)
    kept = found.get_layer("norm")
    former = network.get_layer("norm")
    np.testing.assert_array_equal(kept.moving_mean, former.moving_mean)
    np.testing.assert_array_equal(kept.moving_variance, former.moving_variance)
    assert not np.array_equal(found.get_weights()[0], before[0])


def test_the_same_seed_makes_the_same_network(network: Network) -> None:
    answers = bars(LABELS[:2], 20, 2)
    short = replace(QUICK, pictures=128)
    one, same, other = (
        adapt(network, answers, rehearsal(), LABELS[:2], schedule=short, seed=seed)
        for seed in (3, 3, 4)
    )

    for weights, again in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, again)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_a_grown_network_says_the_same_until_it_learns_more(network: Network) -> None:
    data = bars(LABELS[:2], 50, 3)
    before = probabilities(network, data.images)
    after = probabilities(expand_head(network, 3), data.images)

    assert after.shape == (50, 3)
    assert after[:, 2].max() < 0.05
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))


def test_a_new_label_is_learnt(network: Network) -> None:
    found = adapt(network, bars(LABELS, 120, 4), rehearsal(), LABELS, schedule=QUICK)

    assert share_right(found, bars(LABELS, 90, 6)) > 0.9


def test_a_network_does_not_shrink(network: Network) -> None:
    with pytest.raises(TrainingError, match="has 2 outputs"):
        expand_head(network, 1)


def test_an_answer_the_network_has_no_output_for_is_refused(network: Network) -> None:
    with pytest.raises(DataError, match="has no tag down"):
        adapt(network, bars(LABELS, 20, 2), rehearsal(), LABELS[:2])


def test_a_training_that_diverges_is_told(network: Network) -> None:
    wild = replace(QUICK, rate=1e30)

    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step"):
        adapt(network, bars(LABELS, 20, 2), rehearsal(), LABELS, schedule=wild)
