from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagger.imaging.views import CANVAS_ITEM_SIDE, CANVAS_SIDE, lay
from tagger.records import FASHION_LABELS
from tagger.training.worn_garments import (
    WORN_TAGS,
    Torso,
    draw_figure,
    wear_cut_out,
    wear_gray,
)

MARGIN = (CANVAS_SIDE - CANVAS_ITEM_SIDE) // 2

seeds = st.integers(0, 2**32 - 1)
worn_tags = st.sampled_from(sorted(WORN_TAGS))


@st.composite
def garments(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Draw a 28x28 array with a rectangle of noise, large enough to be a garment."""
    height, width = draw(st.integers(5, 28)), draw(st.integers(3, 28))
    top, left = draw(st.integers(0, 28 - height)), draw(st.integers(0, 28 - width))
    gray = np.zeros((28, 28), np.uint8)
    noise = np.random.default_rng(draw(seeds)).integers(30, 256, (height, width))
    gray[top : top + height, left : left + width] = noise
    return gray


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def cut_out(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay an array on the canvas as if it had been cut out of a photograph."""
    mask = np.where(gray > 0, 255, 0).astype(np.uint8)
    item = np.dstack([gray, mask, np.zeros_like(gray)])
    return lay(item, CANVAS_SIDE, CANVAS_ITEM_SIDE)


def assert_is_a_person_on_the_canvas(views: NDArray[np.uint8] | None) -> None:
    assert views is not None
    assert views.shape == (CANVAS_SIDE, CANVAS_SIDE, 3)
    assert views.dtype == np.uint8
    rows = np.flatnonzero(views[..., 1].any(axis=1))
    columns = np.flatnonzero(views[..., 1].any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(height, width) == CANVAS_ITEM_SIDE
    for places in (rows, columns):
        assert places.min() >= MARGIN
        assert places.max() < CANVAS_SIDE - MARGIN
    off = views[..., 1] == 0
    assert not views[off].any()


@given(garments(), worn_tags, seeds)
def test_a_person_wearing_an_array_stands_on_the_canvas(
    gray: NDArray[np.uint8], tag: str, seed: int
) -> None:
    before = gray.copy()
    person = wear_gray(gray, tag, generator(seed))

    assert_is_a_person_on_the_canvas(person)
    np.testing.assert_array_equal(person, wear_gray(gray, tag, generator(seed)))
    np.testing.assert_array_equal(gray, before)


@given(garments(), worn_tags, seeds)
def test_a_person_wearing_a_cut_out_stands_on_the_canvas(
    gray: NDArray[np.uint8], tag: str, seed: int
) -> None:
    canvas = cut_out(gray)
    before = canvas.copy()
    person = wear_cut_out(canvas, tag, generator(seed))

    assert_is_a_person_on_the_canvas(person)
    np.testing.assert_array_equal(person, wear_cut_out(canvas, tag, generator(seed)))
    np.testing.assert_array_equal(canvas, before)


@pytest.mark.parametrize("tag", sorted(WORN_TAGS))
def test_most_people_show_skin(tag: str) -> None:
    gray = np.zeros((28, 28), np.uint8)
    gray[2:26, 6:22] = 180
    people = [wear_gray(gray, tag, generator(seed)) for seed in range(100)]
    skinned = [person for person in people if person is not None]

    assert sum(bool((person[..., 2] > 100).any()) for person in skinned) > 50


@given(worn_tags, seeds)
def test_a_figure_is_drawn_by_its_seed_and_stays(tag: str, seed: int) -> None:
    figure = draw_figure(tag, generator(seed))

    assert figure == draw_figure(tag, generator(seed))
    assert isinstance(figure.body, Torso) == (tag == "Trouser")
    with pytest.raises(FrozenInstanceError):
        figure.height = 1  # type: ignore[misc]


@given(worn_tags, seeds)
def test_nobody_wears_an_empty_picture(tag: str, seed: int) -> None:
    assert wear_gray(np.zeros((28, 28), np.uint8), tag, generator(seed)) is None
    assert wear_cut_out(np.zeros((96, 96, 3), np.uint8), tag, generator(seed)) is None


@pytest.mark.parametrize("tag", sorted({*FASHION_LABELS, "other", ""} - WORN_TAGS))
def test_nobody_wears_a_bag(tag: str) -> None:
    for shade in (0, 200):
        with pytest.raises(ValueError, match="nobody is drawn wearing"):
            wear_gray(np.full((28, 28), shade, np.uint8), tag, generator(1))
        with pytest.raises(ValueError, match="nobody is drawn wearing"):
            wear_cut_out(np.full((96, 96, 3), shade, np.uint8), tag, generator(1))
