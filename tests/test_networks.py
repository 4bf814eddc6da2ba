import numpy as np
import pytest

from tagger.networks import ARCHITECTURES, probabilities

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


@pytest.mark.model
@pytest.mark.parametrize("name", WITH_BUILDERS)
def test_a_network_is_what_its_name_says(name: str) -> None:
    labels = 11 if name == "residual" else 10
    network = ARCHITECTURES[name].make(labels)
    images = np.random.default_rng(1).integers(0, 256, (3, 28, 28, 3)).astype(np.uint8)

    rows = probabilities(network, images)

    assert network.name == name
    assert network.count_params() == PARAMETERS[name]
    assert rows.shape == (3, labels)
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_every_network_is_tested() -> None:
    assert list(PARAMETERS) == WITH_BUILDERS
