import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from tagger.bundle import load_bundle
from tagger.classifier import BundleClassifier
from tagger.cli import app
from tagger.errors import DataError
from tagger.records import FASHION_LABELS
from tagger.training import (
    Settings,
    accuracy,
    choose_threshold,
    load_fashion_mnist,
    train_bundle,
)


def write_idx(
    path: Path, magic: int, values: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
) -> None:
    head = struct.pack(f">I{values.ndim}I", magic, *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small set in the form of Fashion-MNIST: bars whose place is their label."""
    folder = tmp_path / "data"
    folder.mkdir()
    chance = np.random.default_rng(1)
    for part, count in (("train", 640), ("t10k", 100)):
        labels = chance.integers(0, 10, count).astype(np.uint8)
        images = chance.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 + 2 * label : 5 + 2 * label] = 230
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", 0x803, images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", 0x801, labels)
    return folder


def test_the_idx_files_are_read_as_prepared_images(data: Path) -> None:
    training, test = load_fashion_mnist(data)

    assert training.images.shape == (640, 28, 28, 1)
    assert (len(training), len(test)) == (640, 100)
    assert training.images.max() == 230


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train-images-idx3-ubyte.gz", None, "No such file"),
        ("train-images-idx3-ubyte.gz", b"not gzip", "no IDX file"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"ab"), "no IDX file"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(b"\0\0\x08\x03" * 9), "IDX file"),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(b"\0\0\x08\x01\0\0\0\x02\x01\x02"),
            "do not belong together",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(b"\0\0\x08\x01\0\0\0\x64" + b"\x0b" * 100),
            "not those of Fashion-MNIST",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(b"\0\0\x08\x01\0\0\0\x64" + b"\x01" * 100),
            "not those of Fashion-MNIST",
        ),
    ],
)
def test_data_that_cannot_be_trained_with_is_named(
    data: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is None:
        (data / name).unlink()
    else:
        (data / name).write_bytes(content)

    with pytest.raises(DataError, match=says):
        load_fashion_mnist(data)


@given(
    arrays(np.float32, (30, 4), elements=st.floats(0.125, 1, width=32)),
    arrays(np.uint8, 30, elements=st.integers(0, 3)),
    st.floats(0.05, 1),
)
def test_what_the_threshold_accepts_is_as_precise_as_asked(
    found: "np.ndarray[tuple[int, int], np.dtype[np.float32]]",
    labels: "np.ndarray[tuple[int], np.dtype[np.uint8]]",
    precision: float,
) -> None:
    threshold = choose_threshold(found, labels, precision)

    accepted = found.max(axis=1) >= threshold
    assert 0 <= threshold <= 1
    if threshold < 1 and accepted.any():
        assert accuracy(found[accepted], labels[accepted]) >= precision


@pytest.mark.model
def test_a_network_is_trained_written_and_found_to_have_learnt(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "bars"
    told = CliRunner().invoke(
        app,
        [
            "model",
            "train",
            str(data),
            "-o",
            str(folder),
            "--epochs",
            "12",
            "--seed",
            "3",
        ],
        catch_exceptions=False,
    )

    assert told.exit_code == 0
    assert "epoch 12/12" in told.stdout
    bundle = load_bundle(folder)
    _, test = load_fashion_mnist(data)
    rows = BundleClassifier(bundle).classify(test.images)
    found = accuracy(rows, test.labels)
    assert found > 0.5
    assert bundle.card.name == "bars"
    assert bundle.card.labels == FASHION_LABELS
    assert bundle.card.metrics["fashion_mnist_test_accuracy"] == pytest.approx(found)
    assert bundle.card.training["parameters"] == 241_546
    assert bundle.card.training["seed"] == 3
    assert [path.name for path in folder.parent.iterdir()] == ["bars"]


@pytest.mark.model
def test_training_again_replaces_the_bundle_whole(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    first = train_bundle(data, folder, Settings(epochs=1, seed=1))
    second = train_bundle(data, folder, Settings(epochs=1, seed=2))

    assert first.card.digest != second.card.digest
    assert load_bundle(folder).card == second.card
