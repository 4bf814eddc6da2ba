import numpy as np
import pytest

from tagger.networks import ARCHITECTURES


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "labels", "parameters"),
    [("three-block", 10, 241_546), ("residual", 11, 375_651)],
)
def test_a_network_is_what_its_name_says(
    name: str, labels: int, parameters: int
) -> None:
    architecture = ARCHITECTURES[name]
    network = architecture.build(labels)

    assert network.name == name
    assert network.count_params() == parameters
    assert network.input_shape == (None, 28, 28, architecture.views)
    assert network.output_shape == (None, labels)


@pytest.mark.model
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_a_network_says_of_a_picture_is_probabilities(name: str) -> None:
    architecture = ARCHITECTURES[name]
    shape = (4, 28, 28, architecture.views)
    pictures = np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)
    rows = np.asarray(architecture.build(11)(pictures))

    assert rows.min() >= 0
    assert rows.sum(axis=1) == pytest.approx(1)
