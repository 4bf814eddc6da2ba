from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.training.architectures import ARCHITECTURES, probabilities
from tagger.training.surgery import both_ways, one_way

PARAMETERS = {
    "residual": 537_851,
    "two-conv": 69_642,
    "two-conv-sigmoid": 69_642,
    "strided": 1_146_890,
    "one-conv": 804_554,
    "three-conv": 241_546,
    "four-conv": 1_738_858,
    "three-block": 241_546,
}
WITH_BUILDERS = [name for name in ARCHITECTURES if name != "vgg19"]

ROUNDING = 1e-6
"""Most that one probability may differ by the order of float32 sums: of the few
thousand products in a sum here, each rounded by 6e-8 of it."""


def seeded(name: str, labels: int) -> Any:  # noqa: ANN401
    """Return a network with random weights, the same weights in every run."""
    import keras

    keras.utils.set_random_seed(1)
    return ARCHITECTURES[name].make(labels)


def some_images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (3, 28, 28, 3)).astype(np.uint8)


@pytest.mark.model
@pytest.mark.parametrize("name", WITH_BUILDERS)
def test_a_network_is_what_its_name_says(name: str) -> None:
    labels = 11 if name == "residual" else 10
    network = ARCHITECTURES[name].make(labels)

    rows = probabilities(network, some_images())

    assert network.name == name
    assert network.count_params() == PARAMETERS[name]
    assert rows.shape == (3, labels)
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_every_network_is_tested() -> None:
    assert list(PARAMETERS) == WITH_BUILDERS


@pytest.mark.model
def test_to_a_network_that_looks_both_ways_a_mirror_image_is_the_same() -> None:
    network = seeded("residual", 11)
    images = some_images()
    mirrored = np.ascontiguousarray(images[:, :, ::-1])

    both = both_ways(network)

    # A picture and its mirror image change places in the batch, and a processor's
    # vector units sum each place in an order of their own: 7e-9 apart on an AMD EPYC.
    np.testing.assert_allclose(
        probabilities(both, images), probabilities(both, mirrored), atol=ROUNDING
    )
    once = probabilities(network, images) * probabilities(network, mirrored)
    expected = np.sqrt(once) / np.sqrt(once).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(both, images), expected, atol=ROUNDING)


@pytest.mark.model
def test_a_network_that_looks_both_ways_learns_looking_once() -> None:
    network = seeded("residual", 11)

    once = one_way(both_ways(network))

    images = some_images()
    np.testing.assert_allclose(
        probabilities(once, images), probabilities(network, images), atol=ROUNDING
    )
    for mine, former in zip(once.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, former)


@pytest.mark.model
def test_a_network_that_looks_once_is_copied() -> None:
    network = seeded("three-block", 10)

    copy = one_way(network)

    assert copy is not network
    images = some_images()
    np.testing.assert_allclose(
        probabilities(copy, images), probabilities(network, images), atol=ROUNDING
    )
