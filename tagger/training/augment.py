"""Augment pictures for training: vary them at random.

Augmentation hides which set a picture is from: the sets differ in sharpness, contrast,
resampling and background (*ground*). A network would learn these differences as a short
cut, and then tag the photographs of a new shop by their style. All sets are augmented
with the same probabilities.

Pure functions of pixels and a generator; knows no labels, no files and no network.
Takes about a quarter of a millisecond a picture on one core.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tagger.imaging.views import (
    CANVAS_ITEM_SIDE,
    CANVAS_SIDE,
    Gray,
    Views,
    sharpen,
    views_of_gray,
)
from tagger.records import IMAGE_SIDE

Chance = np.random.Generator


@dataclass(frozen=True, slots=True)
class Chances:
    """The probability of each variation, 0..1.

    `untouched_gray`: a 28x28 array stays as published, apart from mirroring and
    whole-pixel shifts, because Fashion-MNIST is tested like that.
    `untouched_photograph`: a photograph is only prepared as in a scan; otherwise all
    pictures of the training would be blurrier than those of a scan.
    `clutter`: a textured ground appears behind the item. `no_skin`: the skin view is 0,
    as for black-and-white pictures. `plain_distance`: the distance view is made from
    the gray view, as for a 28x28 array. `erase`: a rectangle is painted over.
    """

    untouched_gray: float = 0.5
    untouched_photograph: float = 0.35
    clutter: float = 0.25
    no_skin: float = 0.15
    plain_distance: float = 0.15
    erase: float = 0.15


USUAL: Final = Chances()
"""The probabilities that the bundled network is trained with."""

NO_TEXTURES: Final[NDArray[np.uint8]] = np.empty(
    (0, CANVAS_SIDE, CANVAS_SIDE), np.uint8
)
"""No grounds to put behind items: clutter is then made from waves."""

_GRAY_SHIFT, _PHOTOGRAPH_SHIFT = 2, 1
"""Largest shift of an untouched picture, in pixels. Photographs are trimmed more
exactly than Fashion-MNIST is centred."""

_MIDWAY_SIDE = 2 * IMAGE_SIDE
"""Pictures are warped to twice the network's side, then averaged down to it, so that
the warp aliases no more than the resizing in a scan."""

_TURN, _SHEAR = np.deg2rad(6.0), 0.05
_WIDEN, _HEIGHTEN = 0.07, 0.05
_SCALES = (0.82, 1.08)
_SHIFT = 4.0
"""Limits of the warp: standard deviations of turn, shear and logarithms of width and
height; range of the scale; largest shift in pixels of the midway side."""

_TEXTURE_CROPS = (16, 40)
"""Range of the side, in pixels, of a crop from a texture's canvas."""

_CLUTTER_ALPHA = 120.0
"""Distance value from which the item hides the ground behind it completely."""

_ERASED_SIDES = (3, 11)
"""Range of the sides in pixels of an erased rectangle, the end excluded."""


def vary(
    picture: NDArray[np.uint8],
    chance: Chance,
    textures: NDArray[np.uint8] = NO_TEXTURES,
    chances: Chances = USUAL,
) -> Views:
    """Return a random variation of a picture, (28, 28, 3) uint8 views.

    `picture` has one of three forms: views on the larger canvas, (96, 96, 3), with the
    item's longest edge at 88 and the gray not sharpened; a gray array, (28, 28); or
    prepared views, (28, 28, 3), which are varied less. `textures` are the grounds that
    may appear behind it, gray (n, 96, 96); they must come from the training part. The
    picture is not changed. Raises ValueError for any other shape.
    """
    if picture.shape == (IMAGE_SIDE, IMAGE_SIDE):
        return _vary_gray(picture, chance, textures, chances)
    if picture.shape == (CANVAS_SIDE, CANVAS_SIDE, 3):
        return _vary_canvas(picture, chance, textures, chances)
    if picture.shape == (IMAGE_SIDE, IMAGE_SIDE, 3):
        return _vary_prepared(picture, chance, chances)
    raise ValueError(f"neither views nor a gray array: {picture.shape}")


def mirror_and_move(image: NDArray[np.uint8], chance: Chance) -> NDArray[np.uint8]:
    """Return an image mirrored at random and moved by up to two pixels each way.

    Shops photograph shoes facing either way, and items off centre. Fashion-MNIST has
    neither, and a network trained on it alone tags a shoe that points right as a
    sandal. The result is (28, 28, views) uint8, like the image.
    """
    if chance.random() < 0.5:  # noqa: PLR2004
        image = image[:, ::-1]
    reach = _GRAY_SHIFT
    down, right = chance.integers(0, 2 * reach + 1, size=2)
    roomy = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    return roomy[down : down + IMAGE_SIDE, right : right + IMAGE_SIDE]


def turn_move_and_zoom(image: NDArray[np.uint8], chance: Chance) -> NDArray[np.uint8]:
    """Return an image turned by up to 8 degrees, moved and zoomed by up to 8 %.

    The augmentation of the articles. The result is (28, 28, views) uint8, like the
    image.
    """
    turn, zoom = chance.uniform(-8, 8), chance.uniform(0.92, 1.08)
    centre = (IMAGE_SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), turn, zoom)
    matrix[:, 2] = matrix[:, 2] + chance.uniform(-0.08, 0.08, 2) * IMAGE_SIDE
    warped = cv2.warpAffine(image, matrix, (IMAGE_SIDE, IMAGE_SIDE))
    return warped.reshape(image.shape).astype(np.uint8, copy=False)


def _vary_gray(
    gray: Gray, chance: Chance, textures: NDArray[np.uint8], chances: Chances
) -> Views:
    views = views_of_gray(gray)
    if _happens(chance, chances.untouched_gray):
        moved = _moved(views, chance, _GRAY_SHIFT)
        return _perhaps_erased(moved, chance, chances.erase)
    warped = _warped(views, chance, IMAGE_SIDE, cv2.INTER_CUBIC)
    views = _restyled(warped, chance, textures, chances)
    return _perhaps_erased(
        _with_other_distance(views, chance, chances), chance, chances.erase
    )


def _vary_canvas(
    canvas: Views, chance: Chance, textures: NDArray[np.uint8], chances: Chances
) -> Views:
    if _happens(chance, chances.untouched_photograph):
        views = _as_the_product_prepares(canvas)
        if _happens(chance, 0.1):
            views[..., 2] = 0
        moved = _moved(views, chance, _PHOTOGRAPH_SHIFT)
        return _perhaps_erased(moved, chance, chances.erase)
    warped = _warped(canvas, chance, CANVAS_ITEM_SIDE, cv2.INTER_LINEAR)
    views = _restyled(warped, chance, textures, chances)
    if _happens(chance, chances.no_skin):
        views[..., 2] = 0
    return _perhaps_erased(
        _with_other_distance(views, chance, chances), chance, chances.erase
    )


def _vary_prepared(views: Views, chance: Chance, chances: Chances) -> Views:
    # The views are small and sharpened: another lens, ground or noise would look wrong.
    if _happens(chance, chances.untouched_photograph):
        moved = _moved(views, chance, _PHOTOGRAPH_SHIFT)
        return _perhaps_erased(moved, chance, chances.erase)
    warped = _warped(views, chance, IMAGE_SIDE, cv2.INTER_CUBIC)
    lit = _lit(_gray_of(warped), chance)
    warped[..., 0] = (255 * np.clip(lit, 0, 1)).astype(np.uint8)
    return _perhaps_erased(warped, chance, chances.erase)


def _happens(chance: Chance, probability: float) -> bool:
    return bool(chance.random() < probability)


def _as_the_product_prepares(canvas: Views) -> Views:
    margin = (CANVAS_SIDE - CANVAS_ITEM_SIDE) // 2
    item = np.ascontiguousarray(canvas[margin:-margin, margin:-margin])
    views = _resized(item, cv2.INTER_AREA)
    views[..., 0] = sharpen(_gray_of(views))
    return views


def _moved(views: Views, chance: Chance, reach: int) -> Views:
    """Shift by whole pixels, and mirror at random, without resampling."""
    down, right = chance.integers(-reach, reach + 1, 2).tolist()
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = (IMAGE_SIDE, IMAGE_SIDE)
    moved = cv2.warpAffine(views, shift, size, flags=cv2.INTER_NEAREST)
    if _happens(chance, 0.5):
        moved = moved[:, ::-1]
    return np.ascontiguousarray(moved, np.uint8)


def _warped(views: Views, chance: Chance, item_side: int, how: int) -> Views:
    """Mirror, turn, scale, stretch, shear and shift at random; resize to 28."""
    scale = _MIDWAY_SIDE / item_side * chance.uniform(*_SCALES)
    shift = chance.uniform(-_SHIFT, _SHIFT, 2)
    linear = scale * _turned_and_sheared(chance)
    # the centre of the picture stays in the centre, apart from the shift
    centre = np.full(2, len(views) / 2 - 0.5)
    offset = _MIDWAY_SIDE / 2 - 0.5 + shift - linear @ centre
    affine = np.column_stack([linear, offset])
    size = (_MIDWAY_SIDE, _MIDWAY_SIDE)
    midway = cv2.warpAffine(views, affine, size, flags=how)
    return _resized(midway, cv2.INTER_AREA)  # type: ignore[arg-type]


def _turned_and_sheared(chance: Chance) -> NDArray[np.float64]:
    angle = chance.normal() * _TURN
    width = np.exp(chance.normal() * _WIDEN)
    height = np.exp(chance.normal() * _HEIGHTEN)
    facing = -1 if _happens(chance, 0.5) else 1
    turned = np.array(
        [
            [np.cos(angle) * width * facing, -np.sin(angle)],
            [np.sin(angle) * facing, np.cos(angle) * height],
        ]
    )
    return turned @ np.array([[1, chance.normal() * _SHEAR], [0, 1]])  # type: ignore[no-any-return]


def _restyled(
    views: Views, chance: Chance, textures: NDArray[np.uint8], chances: Chances
) -> Views:
    """Imitate another photograph of the item: other ground, lens, light and noise."""
    if _happens(chance, chances.clutter):
        views = _cluttered(views, chance, textures)
    gray = _lit(_focused(_gray_of(views), chance), chance)
    if _happens(chance, 0.25):
        noise = chance.normal(size=gray.shape).astype(np.float32)
        gray += noise * chance.uniform(0.005, 0.04)
    if _happens(chance, 0.2):
        clouds = _waves(chance, int(chance.integers(2, 9)), int(chance.integers(2, 9)))
        gray = np.maximum(gray, clouds * chance.uniform(0.05, 0.6))
    views[..., 0] = (255 * np.clip(gray, 0, 1)).astype(np.uint8)
    return views


def _focused(gray: Gray, chance: Chance) -> Gray:
    """Sharpen 60 % of the pictures, as shops' software does; blur 20 %."""
    kind = chance.random()
    if kind < 0.6:  # noqa: PLR2004
        return sharpen(gray, chance.uniform(0.1, 1.3), chance.uniform(0.7, 1.3))
    if kind < 0.8:  # noqa: PLR2004
        return cv2.GaussianBlur(gray, (0, 0), chance.uniform(0.35, 0.8))  # type: ignore[return-value]
    return gray


def _lit(gray: Gray, chance: Chance) -> NDArray[np.float32]:
    """Scale to 0..1; change gamma and contrast, and invert a few items."""
    light = gray.astype(np.float32) / np.float32(255)
    if _happens(chance, 0.7):
        light **= np.float32(np.exp(chance.normal() * 0.35))
    if _happens(chance, 0.5):
        light *= np.float32(chance.uniform(0.45, 1.15))
    if _happens(chance, 0.12):
        item = light > 0.06  # noqa: PLR2004  the ground stays black
        light[item] = np.float32(1.06) - light[item]
    return light


def _cluttered(views: Views, chance: Chance, textures: NDArray[np.uint8]) -> Views:
    """Put a texture (a floor, a bed) or waves behind the item."""
    if len(textures) and _happens(chance, 0.7):
        ground = _texture(chance, textures)
    else:
        waves = _waves(chance, *chance.integers(2, 14, 2).tolist())
        ground = waves * chance.uniform(40, 200) + chance.uniform(0, 80)
    ground = np.clip(ground, 0, 255)
    item = np.clip(views[..., 1] / _CLUTTER_ALPHA, 0, 1)
    views[..., 0] = (views[..., 0] * item + ground * (1 - item)).astype(np.uint8)
    views[..., 1] = _distance_on_clutter(views, ground, chance)
    return views


def _texture(chance: Chance, textures: NDArray[np.uint8]) -> NDArray[np.float32]:
    texture = textures[chance.integers(len(textures))]
    side = chance.integers(*_TEXTURE_CROPS)
    top, left = chance.integers(0, CANVAS_SIDE - side, 2)
    crop = np.ascontiguousarray(texture[top : top + side, left : left + side])
    how = cv2.INTER_AREA if side > IMAGE_SIDE else cv2.INTER_LINEAR
    ground = _resized(crop, how).astype(np.float32)
    ground = ground.T if _happens(chance, 0.5) else ground
    return ground * np.float32(chance.uniform(0.3, 1.1))


def _distance_on_clutter(
    views: Views, ground: NDArray[np.float32], chance: Chance
) -> Gray:
    """Disturb the distance view as a cluttered ground does, in three of four cases."""
    kind = chance.random()
    distance = views[..., 1]
    if kind < 0.5:  # noqa: PLR2004
        faded = distance * chance.uniform(0.3, 1)
        shows = ground * chance.uniform(0, 0.35)
        return np.asarray(np.maximum(faded, shows), np.uint8)
    if kind < 0.75:  # noqa: PLR2004
        usual = np.full_like(distance, np.uint8(np.median(ground)))
        off = cv2.absdiff(_gray_of(views), usual)
        return cv2.convertScaleAbs(off, alpha=chance.uniform(0.7, 2))  # type: ignore[return-value]
    return distance


def _with_other_distance(views: Views, chance: Chance, chances: Chances) -> Views:
    """Make the distance view from the gray view, or change its gamma, or leave it."""
    if _happens(chance, chances.plain_distance):
        views[..., 1] = views_of_gray(_gray_of(views))[..., 1]
    elif _happens(chance, 0.4):
        bend = np.exp(chance.normal() * 0.5)
        views[..., 1] = (255 * (views[..., 1] / 255) ** bend).astype(np.uint8)
    return views


def _perhaps_erased(views: Views, chance: Chance, probability: float) -> Views:
    """Erase a rectangle (Zhong et al. 2017, arXiv:1708.04896), half of them in black.

    It stands for a hand, a label or a strap: no part of an item may decide alone.
    """
    if not _happens(chance, probability):
        return views
    height, width = chance.integers(*_ERASED_SIDES, 2)
    top = chance.integers(0, IMAGE_SIDE + 1 - height)
    left = chance.integers(0, IMAGE_SIDE + 1 - width)
    paint = chance.integers(0, 256, 3) if _happens(chance, 0.5) else 0
    views[top : top + height, left : left + width] = paint
    return views


def _waves(chance: Chance, height: int, width: int) -> NDArray[np.float32]:
    """Return smooth noise, (28, 28), about 0..1, with so many hills down and across."""
    hills = chance.random((height, width)).astype(np.float32)
    return cv2.resize(  # type: ignore[return-value]
        hills, (IMAGE_SIDE, IMAGE_SIDE), interpolation=cv2.INTER_CUBIC
    )


def _resized(picture: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    return cv2.resize(picture, (IMAGE_SIDE, IMAGE_SIDE), interpolation=how)  # type: ignore[return-value]


def _gray_of(views: Views) -> Gray:
    return np.ascontiguousarray(views[..., 0])
