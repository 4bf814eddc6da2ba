from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import write_idx
from typer.testing import CliRunner

from tagger.bundle import load_bundle
from tagger.classifier import BundleClassifier
from tagger.cli import app
from tagger.data import load, numbered
from tagger.domains import LABELS, Domain, domain_of
from tagger.errors import DataError, ModelError
from tagger.records import FASHION_LABELS, OTHER, Policy
from tagger.training import (
    LEAST_RATE,
    Settings,
    ShopSettings,
    Stage,
    accuracy,
    choose_threshold,
    probabilities,
    share_of_rate,
    train,
    train_bundle,
    train_on_shops,
    write_bundle,
)


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
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@given(
    arrays(np.float32, (30, 4), elements=st.floats(0.125, 1, width=32)),
    arrays(np.int64, 30, elements=st.integers(0, 3)),
    st.floats(0.05, 1),
)
def test_what_the_threshold_accepts_is_as_precise_as_asked(
    found: "np.ndarray[tuple[int, int], np.dtype[np.float32]]",
    labels: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    precision: float,
) -> None:
    threshold = choose_threshold(found, labels, precision)

    accepted = found.max(axis=1).astype(np.float64) >= threshold
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
    test = load(str(data), "test")
    rows = BundleClassifier(bundle).classify(test.images)
    found = accuracy(rows, numbered(test, FASHION_LABELS))
    assert found > 0.5
    assert bundle.card.name == "bars"
    assert bundle.card.labels == FASHION_LABELS
    assert bundle.card.metrics["fashion_mnist_test_accuracy"] == pytest.approx(found)
    assert bundle.card.training["parameters"] == 241_546
    assert bundle.card.training["seed"] == 3
    assert [path.name for path in folder.parent.iterdir()] == ["bars"]


def test_a_folder_that_is_no_bundle_is_not_written_over(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()

    with pytest.raises(ModelError, match="is no bundle"):
        train_bundle(str(data), tmp_path / "mine", Settings(epochs=1))

    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.model
def test_fewer_images_than_a_batch_are_trained_with(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few = load(str(data)).take(np.arange(24))
    train(few, Settings(epochs=1))

    assert capfd.readouterr() == ("", "")
    one_group = replace(few, groups=np.full(24, "one"))
    with pytest.raises(DataError, match="cannot be split"):
        train(one_group, Settings(epochs=1))


@pytest.mark.model
def test_training_again_replaces_the_bundle_whole(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    first = train_bundle(str(data), folder, Settings(epochs=1, seed=1))
    second = train_bundle(str(data), folder, Settings(epochs=1, seed=2))

    assert first.card.digest != second.card.digest
    assert load_bundle(folder).card == second.card


@pytest.fixture
def bars(data: Path) -> Domain:
    return domain_of(load(str(data)), weight=0.8)


@pytest.fixture
def noise() -> Domain:
    """Canvases of noise, which are nothing."""
    canvases = np.random.default_rng(2).integers(0, 256, (20, 96, 96, 3))
    labels = np.full(20, LABELS.index(OTHER))
    return Domain(0.2, canvases.astype(np.uint8), labels)


SHORT = ShopSettings(Stage(1280, 2e-3), Stage(640, 1e-3), batch_size=32)


@pytest.mark.model
def test_a_network_of_shops_learns_in_two_stages(
    bars: Domain, noise: Domain, data: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int, float]] = []
    network = train_on_shops(
        [bars], [bars, noise], SHORT, on_step=lambda *step: told.append(step)
    )

    losses = [loss for _, _, loss in told]
    counts = [(step, steps) for step, steps, _ in told]
    assert counts == [(n, 40) for n in range(1, 41)] + [(n, 20) for n in range(1, 21)]
    assert np.isfinite(losses).all()
    assert losses[39] < losses[0]
    assert losses[-1] < losses[0]
    bundle = write_bundle(
        network, tmp_path / "shops", policy=Policy(0.9), metrics={}, training={}
    )
    assert bundle.card.labels == (*FASHION_LABELS, OTHER)
    assert bundle.card.views == 3
    images = load(str(data), "test").images
    np.testing.assert_allclose(
        BundleClassifier(bundle).classify(images),
        probabilities(network, images),
        atol=1e-3,
    )


@pytest.mark.model
def test_the_same_seed_trains_the_same_network(bars: Domain, noise: Domain) -> None:
    brief = ShopSettings(Stage(64, 1e-3), Stage(64, 1e-3), batch_size=32)
    first, second = (
        train_on_shops([bars], [noise], brief).get_weights() for _ in range(2)
    )

    for weight, again in zip(first, second, strict=True):
        np.testing.assert_allclose(weight, again, atol=1e-5)


@pytest.mark.model
def test_a_clock_ends_a_stage(bars: Domain) -> None:
    told: list[int] = []
    stages = Stage(32, 1e-3), Stage(10**9, 1e-3, seconds=0.5)
    train_on_shops(
        [bars],
        [bars],
        ShopSettings(*stages, batch_size=32),
        on_step=lambda _, steps, __: told.append(steps),
    )

    assert told.count(1) == 1
    assert 1 <= told.count(10**9 // 32) < 1000


def test_a_stage_of_nothing_is_refused(bars: Domain) -> None:
    with pytest.raises(DataError, match="need a domain"):
        train_on_shops([], [bars], ShopSettings())
    with pytest.raises(DataError, match="need a domain"):
        train_on_shops([bars], [], ShopSettings())


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_the_rate_rises_falls_and_never_ends(step: int, done: float) -> None:
    share = share_of_rate(step, done)

    assert 0 < share <= 1 + LEAST_RATE
    assert share <= share_of_rate(step + 1, done)
    assert share >= share_of_rate(step, 1)
