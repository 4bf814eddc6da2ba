from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tagger.imaging.views import CANVAS_ITEM_SIDE, CANVAS_SIDE, lay, network_input
from tagger.training.augment import NO_TEXTURES, USUAL, Chances, vary

NEVER = Chances(0, 0, 0, 0, 0, 0)
ALWAYS = Chances(0, 0, 1, 1, 1, 1)
UNTOUCHED = replace(NEVER, untouched_gray=1, untouched_photograph=1)

seeds = st.integers(0, 2**32 - 1)
grays = arrays(np.uint8, (28, 28))
probabilities = st.floats(0, 1)


def canvas(seed: int) -> NDArray[np.uint8]:
    """Lay an item of noise on the canvas, its three views alike."""
    item = np.random.default_rng(seed).integers(0, 256, (44, 30, 1))
    views = np.repeat(item, 3, axis=2).astype(np.uint8)
    return lay(views, CANVAS_SIDE, CANVAS_ITEM_SIDE)


def prepared(seed: int) -> NDArray[np.uint8]:
    """Return views of noise, as they are kept with a decision."""
    return np.random.default_rng(seed).integers(0, 256, (28, 28, 3)).astype(np.uint8)


def textures(count: int) -> NDArray[np.uint8]:
    shape = (count, CANVAS_SIDE, CANVAS_SIDE)
    return np.random.default_rng(count).integers(0, 256, shape).astype(np.uint8)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(
    st.one_of(grays, seeds.map(canvas), seeds.map(prepared)),
    seeds,
    st.integers(0, 2).map(textures),
    st.builds(Chances, *[probabilities] * 6),
)
def test_a_variation_is_three_views_and_the_same_again_for_the_same_seed(
    picture: NDArray[np.uint8],
    seed: int,
    behind: NDArray[np.uint8],
    chances: Chances,
) -> None:
    before = picture.copy()
    found = vary(picture, generator(seed), behind, chances)
    again = vary(picture, generator(seed), behind, chances)

    assert found.shape == (28, 28, 3)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(picture, before)


@given(seeds)
def test_an_untouched_array_is_itself_moved_and_perhaps_mirrored(seed: int) -> None:
    gray = np.zeros((28, 28), np.uint8)
    gray[8:20, 9:19] = generator(seed).integers(1, 256, (12, 10))
    found = vary(gray, generator(seed), NO_TEXTURES, UNTOUCHED)[..., 0]
    shifts = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    moved = [
        np.roll(way, shift, (0, 1)) for way in (gray, gray[:, ::-1]) for shift in shifts
    ]

    assert any(np.array_equal(found, one) for one in moved)


@given(seeds)
def test_an_untouched_photograph_is_what_the_product_prepares(seed: int) -> None:
    item = canvas(seed)[4:92, 4:92]
    usual = network_input(np.ascontiguousarray(item))
    found = vary(canvas(seed), generator(seed), NO_TEXTURES, UNTOUCHED)
    ways = [usual, usual[:, ::-1]]
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]

    def inside(views: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return views[2:-2, 2:-2, :2]

    assert any(
        np.array_equal(inside(found), inside(np.roll(way, shift, (0, 1))))
        for way in ways
        for shift in shifts
    )


@given(seeds)
def test_untouched_views_are_themselves_moved_and_perhaps_mirrored(seed: int) -> None:
    picture = prepared(seed)
    found = vary(picture, generator(seed), NO_TEXTURES, UNTOUCHED)
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]

    assert any(
        np.array_equal(found[2:-2, 2:-2], np.roll(way, shift, (0, 1))[2:-2, 2:-2])
        for way in (picture, picture[:, ::-1])
        for shift in shifts
    )


@given(seeds)
def test_a_lost_skin_view_is_empty(seed: int) -> None:
    chances = replace(NEVER, no_skin=1)

    assert vary(canvas(seed), generator(seed), NO_TEXTURES, chances)[..., 2].max() == 0


@given(grays, seeds)
def test_an_array_has_no_skin_unless_something_is_painted_over_it(
    gray: NDArray[np.uint8], seed: int
) -> None:
    chances = replace(USUAL, erase=0)

    assert vary(gray, generator(seed), textures(2), chances)[..., 2].max() == 0


@given(seeds)
def test_a_plain_distance_is_made_of_the_gray(seed: int) -> None:
    chances = replace(ALWAYS, erase=0)
    found = vary(canvas(seed), generator(seed), textures(1), chances).astype(int)

    np.testing.assert_array_equal(found[..., 1], np.minimum(255, 6 * found[..., 0]))


@given(seeds)
def test_clutter_leaves_the_skin_where_it_is(seed: int) -> None:
    calm, cluttered = (
        vary(canvas(7), generator(seed), textures(1), replace(NEVER, clutter=often))
        for often in (0, 1)
    )

    np.testing.assert_array_equal(calm[..., 2], cluttered[..., 2])


@pytest.mark.parametrize("shape", [(28, 28, 2), (96, 96), (96, 96, 1), (0, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="neither views nor"):
        vary(np.zeros(shape, np.uint8), generator(1))
