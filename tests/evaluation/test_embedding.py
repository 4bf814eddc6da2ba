import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from support import SAMPLES, write_labelled_samples
from typer.testing import CliRunner

from tagger.bundles.bundle import find_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.cli import app
from tagger.datasets.load import load
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError, EvaluationError, MissingExtraError
from tagger.evaluation.embedding import (
    check_axis,
    check_embedding,
    embed,
    mixed_up_most,
    neighbourhood,
    some_of,
)
from tagger.evaluation.predictions import ask
from tagger.evaluation.projections import label_axis, matching, principal
from tagger.records import Policy

vectors = arrays(
    np.float64,
    st.tuples(st.integers(2, 30), st.integers(1, 8)),
    elements=st.floats(-100, 100, width=16),
)


@given(vectors, st.integers(1, 4))
def test_principal_components_hold_the_most_and_do_not_overlap(
    found: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", count: int
) -> None:
    points, shares = principal(found, count)

    assert points.shape == (len(found), min(count, *found.shape))
    assert list(shares) == sorted(shares, reverse=True)
    assert -1e-9 <= shares.sum() <= 1 + 1e-9
    overlap = points.T @ points
    np.testing.assert_allclose(
        overlap, np.diag(np.diag(overlap)), atol=1e-5 * found.size
    )
    # No other direction spreads the points further than the first component.
    spread = ((found - found.mean(axis=0)) ** 2).sum(axis=0)
    assert overlap[0, 0] >= spread.max() * (1 - 1e-9) - 1e-6


@given(vectors, st.data())
def test_the_axis_runs_from_one_mean_to_the_other(
    found: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", data: st.DataObject
) -> None:
    left = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    )
    left[0], left[-1] = True, False

    along = label_axis(found, left, ~left)[:, 0]

    gap = found[~left].mean(axis=0) - found[left].mean(axis=0)
    assert along[left].mean() == pytest.approx(0, abs=1e-6)
    if np.abs(gap).max() > 1e-3:
        assert along[~left].mean() == pytest.approx(1)
    else:
        assert np.isfinite(along).all()


def test_labels_are_searched_in_any_case() -> None:
    labels = np.array(["Ankle boot", "Sneaker", "other"])

    assert matching(labels, "BOOT").tolist() == [True, False, False]
    assert matching(labels, "e").tolist() == [True, True, True]


def test_what_is_a_label_means_no_longer_one_that_contains_it() -> None:
    labels = np.array(["T-shirt/top", "Shirt", "shirt", "Coat"])

    assert matching(labels, "Shirt").tolist() == [False, True, False, False]
    assert matching(labels, "SHIRT").tolist() == [False, True, True, False]
    assert matching(labels, "t-shirt").tolist() == [True, False, False, False]


def test_neighbours_stay_neighbours() -> None:
    chance = np.random.default_rng(1)
    two = np.concatenate([chance.normal(0, 1, (30, 20)), chance.normal(9, 1, (30, 20))])

    points = neighbourhood(two, seed=1)

    within = np.linalg.norm(points[:30] - points[:30].mean(axis=0), axis=1).max()
    between = np.linalg.norm(points[:30].mean(axis=0) - points[30:].mean(axis=0))
    assert between > within
    np.testing.assert_array_equal(points, neighbourhood(two, seed=1))


@pytest.fixture
def data(tmp_path: Path) -> LabelledImages:
    return load(str(write_labelled_samples(tmp_path / "samples")))


def test_searches_that_draw_no_line_are_told(data: LabelledImages) -> None:
    with pytest.raises(DataError, match=r"no label contains 'hat'; .*other"):
        check_axis(data, ("sneaker", "hat"))
    with pytest.raises(DataError, match="both searches find Sneaker"):
        check_axis(data, ("sneaker", "SNEAK"))
    with pytest.raises(DataError, match="at least 5 images"):
        embed(find_bundle("shops"), some_of(data, 4, 1), Path("x"), None, 1)


def test_the_axis_that_nobody_named_is_that_of_the_commonest_mistake(
    data: LabelledImages,
) -> None:
    bundle = find_bundle("three-block")
    answers = ask(BundleClassifier(bundle), data, Policy(0.5))
    ends = mixed_up_most(answers)

    def mistakes(one: str, two: str) -> int:
        labels, tags = answers.data.labels, answers.tag
        there, back = (labels == one) & (tags == two), (labels == two) & (tags == one)
        return int((there | back).sum())

    others = [mistakes(a, b) for a in answers.tags for b in answers.tags if a != b]
    assert mistakes(*ends) == max(others)
    right = answers.data.take(answers.right)
    without = ask(BundleClassifier(bundle), right, Policy(0.5))
    assert set(mixed_up_most(without)) <= set(right.labels)


def test_the_axis_that_nobody_named_has_pictures_at_both_ends(
    data: LabelledImages,
) -> None:
    network = BundleClassifier(find_bundle("three-block"))
    answers = ask(network, data, Policy(0.5))
    # Those of the tags that are taken for nothing else here, and their mistakes.
    wrong = answers.item & ~answers.right
    taken = set(answers.tag[wrong].tolist())
    left = data.take(answers.item & ~np.isin(data.labels, sorted(taken)))
    assert len(set(left.labels.tolist())) > 1

    ends = mixed_up_most(ask(network, left, Policy(0.5)))

    assert len(set(ends)) == 2
    assert set(ends) <= set(left.labels.tolist())
    check_axis(left, ends)
    alike = left.take(left.labels == left.labels[0])
    with pytest.raises(DataError, match="items of two tags are needed"):
        mixed_up_most(ask(network, alike, Policy(0.5)))


def test_what_is_drawn_by_lot_is_the_same_by_the_same_seed(
    data: LabelledImages,
) -> None:
    assert len(some_of(data, 7, 1)) == 7
    assert len(some_of(data, 99, 1)) == len(data)
    assert some_of(data, 7, 1).names.tolist() == some_of(data, 7, 1).names.tolist()


def test_what_is_missing_is_found_out_before_tensorflow_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EvaluationError, match="has other content"):
        check_embedding(SAMPLES)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*scikit-learn"):
        check_embedding(tmp_path / "e")


@pytest.mark.model
def test_the_last_hidden_layer_is_drawn_and_can_be_walked_through(
    tmp_path: Path,
) -> None:
    samples, target = write_labelled_samples(tmp_path / "samples"), tmp_path / "drawn"
    arguments = ["model", "embed", "shops", str(samples), "-o", str(target)]

    told = CliRunner().invoke(
        app, [*arguments, "--axis", "sneaker", "bag"], catch_exceptions=False
    )

    assert told.exit_code == 0
    assert told.stderr == ""  # signs of life are for a terminal
    assert "axis.png (sneaker to bag)" in told.stdout
    for name in ("pca.png", "tsne.png", "axis.png"):
        with Image.open(target / name) as picture:
            assert picture.size == (1200, 900)
    projector = target / "projector"
    numbers = np.loadtxt(projector / "vectors.tsv", delimiter="\t")
    assert numbers.shape == (20, 128)
    header, *rows = (projector / "metadata.tsv").read_text().splitlines()
    assert header.split("\t")[:4] == ["label", "tag", "right", "confidence"]
    assert len(rows) == 20
    places = {"Sneaker": [], "Bag": []}  # type: dict[str, list[float]]
    for row in rows:
        cells = row.split("\t")
        places.get(cells[0], []).append(float(cells[4]))
    assert np.mean(places["Sneaker"]) == pytest.approx(0, abs=1e-3)
    assert np.mean(places["Bag"]) == pytest.approx(1, abs=1e-3)
    with Image.open(projector / "sprite.png") as sprite:
        assert sprite.size == (5 * 28, 4 * 28)
    config = (projector / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "vectors.tsv"' in config
