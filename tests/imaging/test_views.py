import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tagger.imaging.views import (
    CANVAS_ITEM_SIDE,
    CANVAS_SIDE,
    Views,
    find,
    lay,
    look_at,
    network_input,
    views_of_gray,
)

WHITE = (255, 255, 255)
SKIN = (224, 172, 140)


def item_of(rgb: NDArray[np.uint8]) -> Views:
    return look_at(rgb, find(rgb))


def picture(
    ground: tuple[int, int, int] = WHITE, size: tuple[int, int] = (160, 120)
) -> NDArray[np.uint8]:
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = ground
    return canvas


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
)
@example(np.zeros((4, 1, 3), np.uint8))  # which OpenCV takes for a colour
def test_any_picture_has_three_views(rgb: NDArray[np.uint8]) -> None:
    views = network_input(item_of(rgb))

    assert views.shape == (28, 28, 3)
    assert views.dtype == np.uint8


def test_the_same_picture_gives_the_same_views() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (90, 70, 3), np.uint8)

    np.testing.assert_array_equal(item_of(noise), item_of(noise.copy()))


def test_distance_is_a_silhouette_whether_the_item_is_lighter_or_darker() -> None:
    silhouettes = []
    for item in ((250, 250, 250), (10, 10, 10)):
        rgb = picture(ground=(128, 128, 128))
        rgb[20:140, 40:80] = item
        silhouettes.append(network_input(item_of(rgb))[..., 1] > 128)

    np.testing.assert_array_equal(silhouettes[0], silhouettes[1])
    assert silhouettes[0][:, 10:18].all()
    assert not silhouettes[0][:, :8].any()


def test_distance_sees_a_colour_that_gray_does_not() -> None:
    rgb = picture(ground=(120, 120, 120))
    rgb[20:140, 40:80] = (200, 90, 90)  # of nearly the ground's luma

    gray, distance, _ = np.moveaxis(network_input(item_of(rgb)), 2, 0)

    assert gray.max() < 40
    assert distance[10:18, 12:16].min() > 200


def test_skin_is_where_skin_is_and_not_on_the_garment() -> None:
    rgb = picture()
    rgb[20:60, 40:80] = SKIN
    rgb[60:140, 40:80] = (30, 60, 160)

    skin = network_input(item_of(rgb))[..., 2]

    assert skin[2:7, 11:17].min() > 150
    assert skin[12:26, 11:17].max() < 40


def test_an_item_on_a_cluttered_ground_is_cut_out() -> None:
    chance = np.random.default_rng(4)
    rgb = (np.array([120, 90, 60]) + chance.integers(-40, 40, (160, 120, 1))).astype(
        np.uint8
    )
    rgb[30:130, 30:90] = (30, 60, 200)

    views = network_input(item_of(rgb))

    item = views[..., 0] > 0
    assert item.mean() > 0.4
    assert not item[:, :3].any()
    assert not item[:, -3:].any()


def test_a_close_up_on_white_keeps_white_as_its_ground() -> None:
    rgb = picture()
    rgb[:, 15:105] = (40, 40, 90)  # cut by the border above and below

    gray = network_input(item_of(rgb))[..., 0]

    assert gray[14, 14] > 180
    assert not gray[:, :5].any()


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([(28, 28), (CANVAS_SIDE, CANVAS_ITEM_SIDE)]),
)
def test_an_item_is_laid_in_the_middle(
    height: int, width: int, sides: tuple[int, int]
) -> None:
    side, item_side = sides
    laid = lay(np.full((height, width, 3), 255, np.uint8), side, item_side)

    rows = np.flatnonzero(laid.any(axis=(1, 2)))
    columns = np.flatnonzero(laid.any(axis=(0, 2)))
    assert max(len(rows), len(columns)) == item_side
    for found in (rows, columns):
        before, after = found[0], side - 1 - found[-1]
        assert abs(int(before) - int(after)) <= 1


def test_an_array_of_fashion_mnist_has_no_skin() -> None:
    gray = np.zeros((28, 28), np.uint8)
    gray[5:20, 5:20] = 60

    views = views_of_gray(gray)

    np.testing.assert_array_equal(views[..., 0], gray)
    assert views[10, 10].tolist() == [60, 255, 0]
    assert views[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("ground", [WHITE, (0, 0, 0), (30, 90, 140)])
def test_a_blank_picture_has_blank_views(ground: tuple[int, int, int]) -> None:
    assert not network_input(item_of(picture(ground))).any()
