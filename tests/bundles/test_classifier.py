import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import SAMPLES, expected_by_file

from tagger.bundles.bundle import Bundle, find_bundle
from tagger.bundles.classifier import CHUNK, BundleClassifier
from tagger.errors import ModelError
from tagger.imaging.prepare import prepare
from tagger.records import PreparedImage, Runtime


@pytest.fixture(scope="module", params=["shops", "three-block"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return find_bundle(request.param)


@pytest.fixture(scope="module")
def litert(bundle: Bundle) -> BundleClassifier:
    return BundleClassifier(bundle)


@pytest.fixture(scope="module")
def samples() -> NDArray[np.uint8]:
    prepared = (prepare(SAMPLES / name) for name in sorted(expected_by_file()))
    return np.stack([one.pixels for one in prepared if isinstance(one, PreparedImage)])


def noise(count: int) -> NDArray[np.uint8]:
    chance = np.random.default_rng(count)
    return chance.integers(0, 256, (count, 28, 28, 3), np.uint8)


def test_rows_are_probabilities(litert: BundleClassifier) -> None:
    rows = litert.classify(noise(100))

    assert rows.shape == (100, len(litert.identity.labels))
    assert rows.min() >= 0
    assert rows.max() <= 1
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_no_images_are_no_rows(litert: BundleClassifier) -> None:
    assert litert.classify(noise(0)).shape == (0, len(litert.identity.labels))


@settings(max_examples=20)
@given(count=st.integers(1, 2 * CHUNK + 3), cut=st.integers(0, 2 * CHUNK + 3))
def test_rows_do_not_depend_on_who_else_is_in_the_batch(
    litert: BundleClassifier, count: int, cut: int
) -> None:
    images = noise(count)

    whole = litert.classify(images)
    parts = [litert.classify(images[:cut]), litert.classify(images[cut:])]

    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.model
def test_keras_and_litert_agree(
    bundle: Bundle, litert: BundleClassifier, samples: NDArray[np.uint8]
) -> None:
    keras = BundleClassifier(bundle, Runtime.KERAS)

    trained, converted = keras.classify(samples), litert.classify(samples)

    # Eight bits a weight: about a photograph the two say the same, nearly as surely.
    np.testing.assert_array_equal(trained.argmax(axis=1), converted.argmax(axis=1))
    np.testing.assert_allclose(trained, converted, atol=0.025)
    distance = np.abs(keras.classify(noise(200)) - litert.classify(noise(200)))
    assert distance.mean() < 0.005


@pytest.mark.parametrize(
    "runtime", [Runtime.LITERT, pytest.param(Runtime.KERAS, marks=pytest.mark.model)]
)
def test_a_network_with_other_outputs_than_its_card_is_refused(
    bundle: Bundle, runtime: Runtime
) -> None:
    card = replace(bundle.card, labels=("one", "two"))

    with pytest.raises(ModelError, match=r"\d\d outputs, its card 2 labels"):
        BundleClassifier(replace(bundle, card=card), runtime).classify(noise(1))


def test_a_file_that_is_no_network_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"no network")
    damaged = replace(bundle, folder=tmp_path)

    with pytest.raises(ModelError, match="cannot be loaded with litert"):
        BundleClassifier(damaged).classify(noise(1))


def test_litert_says_nothing_on_standard_error() -> None:
    program = (
        "import numpy as np\n"
        "from tagger.bundles.bundle import find_bundle\n"
        "from tagger.bundles.classifier import BundleClassifier\n"
        "classifier = BundleClassifier(find_bundle('three-block'))\n"
        "classifier.classify(np.zeros((1, 28, 28, 3), np.uint8))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("", "")
