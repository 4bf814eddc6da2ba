from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Photo

from tagger.datasets.load import load, load_canvases
from tagger.datasets.records import LabelledImages
from tagger.errors import DataError
from tagger.labels import OTHER
from tagger.records import (
    AMBIGUOUS,
    FASHION_LABELS,
)
from tagger.training.augment import Chances
from tagger.training.mixture import LABELS, Domain, batches, domain_of, dressed
from tagger.training.worn_garments import WORN_TAGS


def labelled(
    images: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", *tags: str
) -> LabelledImages:
    names = np.arange(len(tags)).astype(str)
    return LabelledImages("set", images, np.array(tags), names, names)


def arrays(*labels: int, weight: float = 1.0) -> Domain:
    """Make a domain of arrays whose brightness is their label."""
    pictures = np.zeros((len(labels), 28, 28), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[4:24, 8:20] = 100 + 10 * label
    return Domain(weight, pictures, np.array(labels))


def shops(photo: Photo) -> Path:
    rows = [("red.png", "Dress"), ("blue.png", OTHER), ("both.png", AMBIGUOUS)]
    paths = [photo(name, 40 + 60 * n) for n, (name, _) in enumerate(rows)]
    photo("bag.png", 40)
    lines = [f"{name},{label}" for name, label in rows]
    table = "\n".join(["file,label", "bag.png,Bag", *lines])
    (paths[0].parent / "labels.csv").write_text(table, encoding="utf-8")
    return paths[0].parent


def test_a_folder_of_photographs_becomes_canvases(photo: Photo) -> None:
    folder = shops(photo)
    domain = domain_of(load_canvases(folder), weight=0.3)

    assert domain.weight == 0.3
    assert [LABELS[n] for n in domain.labels] == ["Bag", "Dress", OTHER]
    assert domain.pictures.shape == (3, 96, 96, 3)
    assert domain.pictures.dtype == np.uint8
    outlines = domain.pictures[..., 1] > 0
    assert outlines.any(axis=2).sum(axis=1).tolist() == [88, 88, 88]


def test_what_training_varies_is_what_the_product_prepares(photo: Photo) -> None:
    folder = shops(photo)
    canvases = load_canvases(folder).images[:, 4:92, 4:92].mean(axis=(1, 2))
    prepared = load(str(folder)).images.mean(axis=(1, 2))

    assert canvases == pytest.approx(prepared, abs=12)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no labels\.csv and no folders"):
        load_canvases(tmp_path)


def test_an_unreadable_photograph_is_refused(photo: Photo) -> None:
    folder = shops(photo)
    (folder / "red.png").write_bytes(b"")

    with pytest.raises(DataError, match="the file is empty"):
        load_canvases(folder)


def test_of_prepared_images_only_the_gray_is_taken() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 3)).astype(np.uint8)
    domain = domain_of(labelled(images, "Coat", "other"), 1)

    np.testing.assert_array_equal(domain.pictures, images[..., 0])
    assert domain.labels.tolist() == [4, 10]


def test_what_makes_no_domain_is_refused() -> None:
    images = np.zeros((2, 28, 28, 3), np.uint8)
    with pytest.raises(DataError, match="no labelled images"):
        domain_of(labelled(images, AMBIGUOUS, AMBIGUOUS), 1)
    with pytest.raises(DataError, match="has no tag Hat"):
        domain_of(labelled(images, "Hat", "Coat"), 1)


@given(st.integers(0, 2**32 - 1))
def test_batches_are_the_same_for_the_same_seed(seed: int) -> None:
    domains = [arrays(0, 1, 2, weight=0.2), arrays(7, weight=0.8)]
    first, again = (list(islice(batches(domains, 8, seed), 2)) for _ in range(2))

    for batch, same in zip(first, again, strict=True):
        assert batch.images.shape == (8, 28, 28, 3)
        assert batch.images.dtype == np.uint8
        for mine, others in zip(batch, same, strict=True):
            np.testing.assert_array_equal(mine, others)
        assert set(batch.labels.tolist()) <= {0, 1, 2, 7}
        np.testing.assert_array_equal(batch.domains == 1, batch.labels == 7)


def test_batches_go_on_from_any_number() -> None:
    domains = [arrays(0, 1, 2, weight=0.2), arrays(7, weight=0.8)]
    whole = list(islice(batches(domains, 8, 1), 4))
    rest = list(islice(batches(domains, 8, 1, start=2), 2))

    for batch, same in zip(whole[2:], rest, strict=True):
        for mine, others in zip(batch, same, strict=True):
            np.testing.assert_array_equal(mine, others)


def test_domains_come_by_weight_and_tags_by_the_root_of_their_count() -> None:
    domains = [arrays(*[0] * 90, *[1] * 10, weight=3), arrays(10, weight=1)]
    counts = Counter(next(batches(domains, 4000, 1)).labels.tolist())

    assert counts[10] / 4000 == pytest.approx(1 / 4, abs=0.03)
    assert counts[0] / counts[1] == pytest.approx(3, abs=0.4)


def test_of_a_tag_a_shop_is_drawn_by_the_root_of_its_count() -> None:
    domain = arrays(*[0] * 100)
    domain = replace(domain, sets=np.array(["large"] * 90 + ["small"] * 10))
    marked = domain.pictures.copy()
    marked[:90], marked[90:] = 40, 200
    domain = replace(domain, pictures=marked)
    untouched = Chances(untouched_gray=1, erase=0)

    batch = next(batches([domain], 4000, 1, chances=untouched))
    middles = batch.images[:, 14, 14, 0]

    assert (middles == 40).sum() / (middles == 200).sum() == pytest.approx(3, abs=0.4)


def test_garments_are_worn_and_nothing_else() -> None:
    everything = arrays(*range(10))
    people = dressed(everything, 0.25, seed=1)
    tags = [FASHION_LABELS[label] for label in people.labels]

    assert people.weight == 0.25
    assert people.pictures.shape == (6, 96, 96, 3)
    assert set(tags) == WORN_TAGS
    np.testing.assert_array_equal(
        people.pictures, dressed(everything, 0.25, seed=1).pictures
    )


def test_a_cut_out_is_worn_by_many_and_rare_tags_by_more() -> None:
    canvases = np.zeros((3, 96, 96, 3), np.uint8)
    canvases[:, 4:92, 20:76] = 200
    labels = [LABELS.index(tag) for tag in ("T-shirt/top", "Dress", "Bag")]
    people = dressed(Domain(1, canvases, np.array(labels)), 0.05, seed=1)

    assert Counter(people.labels.tolist()) == {labels[0]: 3, labels[1]: 8}


def test_where_there_is_nothing_to_wear_nobody_wears_it() -> None:
    with pytest.raises(DataError, match="no garment that can be drawn"):
        dressed(arrays(8, 9), 1, seed=1)
    with pytest.raises(DataError, match="no garment that can be drawn"):
        dressed(Domain(1, np.zeros((1, 28, 28), np.uint8), np.array([3])), 1, seed=1)
