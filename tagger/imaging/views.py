"""Make the network's three 28x28 views of one crop of an upright picture.

1. *gray*: the item as in Fashion-MNIST, by its published recipe (Xiao, Rasul, Vollgraf
   2017, arXiv:1708.07747, section 2): trim the edges that match the background
   (*ground*), resize the longest edge to 28, sharpen, extend the short edge to 28 with
   the item in the centre, negate, gray. The ground is 0, the farthest gray 255.
2. *distance*: how far a pixel's colour is from the ground's. It gives a silhouette for
   garments darker or lighter than the ground, even of the same gray.
3. *skin*: how much a pixel looks like skin. It separates a garment from the head, arms
   and legs of the person who wears it.

Pure functions of pixels; knows no files. OpenCV does the work on each pixel, with
tables of the 256 values of a channel: five times as fast as NumPy, which makes whole
pictures of floats between its steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tagger.records import IMAGE_SIDE, VIEWS

CANVAS_SIDE: Final = 96
CANVAS_ITEM_SIDE: Final = 88
"""The canvas on which training augments pictures, and the item's longest edge on it:
three times the network's size, with room to turn and move."""

GROUND_TOLERANCE = 13
"""5 % of 255: by the recipe, a pixel is ground up to this distance in every channel."""

_PLAIN_SHARE = 0.5
"""A ground is plain if at least this share of the border has one colour."""

_PAPER_WHITE = 240
_PAPER_WHITE_SHARE = 0.10
"""A close-up that crosses the border shows white paper on at least this share of it."""

_COARSE_SIDE = 112
"""To find the item, a picture is halved while its short edge keeps more than so many
pixels. At that size the result hardly depends on how finely it was decoded."""

_FRAME_SHARE = 0.95
"""The outer ring is a frame if at least this share of each of two rings is plain."""

_FRAME_INSET = 0.04
"""How far in the second ring lies, as a share of the short edge."""

_ITEM_SHARE = 0.005
"""A row or column belongs to the item if more than this share of it is not ground, so
that one speck of JPEG noise does not stop the trimming."""

_SHARPEN_SIGMA = 1.0
_SHARPEN_AMOUNT = 0.6
"""Unsharp mask at 28 pixels. The recipe says "a Gaussian operator of radius and
standard deviation 1". The amount gives shops' photographs the mean edge energy of
Fashion-MNIST (0.92 and 1.02 in two sets of photographs, 0.91 there)."""

_GROUND_COLOURS = 4
_GROUND_COLOUR_SHARE = 0.08
_GROUND_SAMPLES = 600
"""A cluttered ground is described by up to four colours of its border, found by k-means
on 600 of its pixels. A colour needs at least 8 % of them."""

_LAB_WEIGHTS = np.array([0.6, 1.3, 1.3], np.float32)
"""Weights of the CIELAB channels: a shadow changes lightness, so that counts less."""

_PLAIN_SPREADS = np.array([3.0])
_NEAREST_SPREADS, _SPREADS_SHOWN = 0.8, 5.0
"""The distance view is 0 up to 0.8 spreads from the ground, and 255 from 5.8 on."""

_CUT_THRESHOLD = 70
_CUT_LEAST, _CUT_MOST = 0.12, 0.80
_CUT_SOLID, _CUT_FILLS_BOX = 0.75, 0.35
"""When to trust a silhouette on a cluttered ground: its filled outline covers 12 to
80 % of the picture, three quarters of it differ from the ground, and it fills 35 % of
its box. Checked by eye on 1,735 pictures: 996 pass, and look right."""

_SKIN_CR, _SKIN_CB, _SKIN_SPREAD = 152.0, 106.0, 12.0
"""Centre and spread of skin of all shades in the chroma plane of YCrCb (8 bit); after
Chai and Ngan 1999 (IEEE TCSVT 9:4), Cr 133 to 173, Cb 77 to 127."""

_VALUES = np.arange(256, dtype=np.float32)
_TRUNCATE = -0.4999
"""OpenCV rounds to bytes; adding this first makes it truncate."""


Rgb = NDArray[np.uint8]
Gray = NDArray[np.uint8]
Views = NDArray[np.uint8]
Lab = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The place of an item in a picture, and the colour of its ground if plain."""

    rows: slice
    columns: slice
    ground: Floats | None

    @property
    def side(self) -> int:
        """The longest edge, in pixels."""
        return max(int(n.stop - n.start) for n in (self.rows, self.columns))


def find(rgb: Rgb) -> Found:
    """Find the item in an upright (h, w, 3) picture of any resolution.

    On a plain ground the item is the part that differs from it; on a cluttered ground
    it is the whole picture without its frame.
    """
    coarse = _halved(rgb)
    inset, colour, share = _frame(coarse)
    inside = coarse[inset : coarse.shape[0] - inset, inset : coarse.shape[1] - inset]
    ground = colour if share >= _PLAIN_SHARE else _paper(inside)
    rows, columns = _whole(inside) if ground is None else _trimmed(inside, ground)
    return Found(
        _in_full(rows, inset, rgb.shape[0] / coarse.shape[0]),
        _in_full(columns, inset, rgb.shape[1] / coarse.shape[1]),
        ground,
    )


def look_at(rgb: Rgb, found: Found) -> Views:
    """Return the views of the item found in a picture, (h, w, 3), at most 88 long.

    An item on a plain ground fills the 88. On a cluttered ground (a floor, a bed, a
    street) it is cut out if its silhouette can be trusted; otherwise all of it stays.
    """
    item = _resized(rgb[found.rows, found.columns], CANVAS_ITEM_SIDE)
    if found.ground is not None:
        return _item_on_plain(item, found.ground)
    whole = _whole_on_clutter(item)
    cut = _cut_out(_extended(whole, CANVAS_SIDE))
    return whole if cut is None else cut


def network_input(item: Views) -> Views:
    """Resize the item's views to the network's input: (28, 28, 3)."""
    gray, distance, skin = cv2.split(_resized(item, IMAGE_SIDE))
    return _extended(_merged(sharpen(gray), distance, skin), IMAGE_SIDE)


def lay(item: Views, side: int, item_side: int) -> Views:
    """Resize the longest edge to `item_side`, centred on a canvas of 0, `side` wide."""
    return _extended(_resized(item, item_side), side)


def views_of_gray(gray: Gray) -> Views:
    """Return the views of a 28x28 gray array, such as a Fashion-MNIST picture."""
    distance = cv2.convertScaleAbs(gray, alpha=6)
    return np.dstack([gray, distance, np.zeros_like(gray)])


def sharpen(
    gray: Array, amount: float = _SHARPEN_AMOUNT, sigma: float = _SHARPEN_SIGMA
) -> Gray:
    """Sharpen a gray array with an unsharp mask of this amount and radius."""
    blurred = cv2.GaussianBlur(gray, (0, 0), sigma)
    return cv2.addWeighted(gray, 1 + amount, blurred, -amount, 0)  # type: ignore[return-value]


def _item_on_plain(rgb: Rgb, ground: Floats) -> Views:
    distance = _distance_view(_lab(rgb), _lab_of(ground), _PLAIN_SPREADS)
    skin = cv2.min(_skin_likeness(rgb), distance)
    return _merged(_level(rgb, ground), distance, skin)


def _halved(rgb: Rgb) -> Rgb:
    """Halve a picture as often as its item can still be found."""
    height, width = rgb.shape[:2]
    halved = coarsest(height, width)
    if halved == 1:
        return rgb
    size = (width // halved, height // halved)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _in_full(edges: slice, inset: int, scale: float) -> slice:
    """Convert edges within a coarse picture's frame to those of the full picture."""
    return slice(
        round((edges.start + inset) * scale), round((edges.stop + inset) * scale)
    )


def _whole(rgb: Rgb) -> tuple[slice, slice]:
    return slice(0, rgb.shape[0]), slice(0, rgb.shape[1])


def _trimmed(rgb: Rgb, ground: Floats) -> tuple[slice, slice]:
    """Return the rows and columns that remain when edges of ground are trimmed.

    A picture that is all ground stays whole.
    """
    distance = _channel_distance(rgb, ground)
    _, off = cv2.threshold(distance, GROUND_TOLERANCE, 1, cv2.THRESH_BINARY)
    rows, columns = _items_lines(off, axis=1), _items_lines(off, axis=0)
    if not len(rows) or not len(columns):
        return _whole(rgb)
    down, across = (slice(int(n[0]), int(n[-1]) + 1) for n in (rows, columns))
    return down, across


def _items_lines(off: Array, axis: int) -> NDArray[np.intp]:
    """Return the rows (or columns) of a mask of 0 and 1 that belong to the item."""
    sums = cv2.reduce(off, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    return np.flatnonzero(sums > _ITEM_SHARE * off.shape[axis])


def _whole_on_clutter(rgb: Rgb) -> Views:
    """Return the views of the whole picture, negated as if its ground were white."""
    lab = _lab(rgb)
    distance = _distance_view(lab, *_cluttered_grounds(lab))
    skin = _scaled(
        cv2.multiply(_skin_likeness(rgb), distance, dtype=cv2.CV_32F), 1 / 255
    )
    return _merged(cv2.bitwise_not(_gray(rgb)), distance, skin)


def coarsest(height: int, width: int) -> int:
    """Return by how much a picture may shrink before its item is searched for.

    A power of two. A picture that a decoder has already halved shrinks to the same
    size, whether the decoder rounds an odd edge up or down.
    """
    return power_of_two((min(height, width) - 1) // _COARSE_SIDE)


def power_of_two(number: int) -> int:
    """Return the largest power of two up to `number`, at least 1."""
    return 1 << max(number, 1).bit_length() - 1


def _resized(item: Views, item_side: int) -> Views:
    height, width = item.shape[:2]
    if max(height, width) == item_side:
        return item
    scale = item_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(item, size, interpolation=how).astype(np.uint8)


def _extended(small: Views, side: int) -> Views:
    """Centre the views on a square ground of 0."""
    height, width = small.shape[:2]
    canvas = np.zeros((side, side, VIEWS), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = small
    return canvas


def _frame(rgb: Rgb) -> tuple[int, Floats, float]:
    """Return the width of a thin plain frame, 0 for none, and the ring within it.

    The ring is given by its median colour and the share of that colour. Two plain rings
    of different colours, the second 4 % further in, make a frame.
    """
    outer = _ring_colour(rgb, 0)
    inset = max(1, round(min(rgb.shape[:2]) * _FRAME_INSET))
    if min(rgb.shape[:2]) < 4 * inset + 2 or outer[1] < _FRAME_SHARE:
        return 0, *outer
    inner = _ring_colour(rgb, inset)
    framed = np.abs(outer[0] - inner[0]).max() > GROUND_TOLERANCE
    return (inset, *inner) if framed and inner[1] >= _FRAME_SHARE else (0, *outer)


def _paper(rgb: Rgb) -> Floats | None:
    """Return the colour of the white paper behind a close-up; None if there is none.

    At the edge of a close-up the paper shows only in places.
    """
    ring = _ring(rgb, 0)
    white = ring.min(axis=1) >= _PAPER_WHITE
    return _median(ring[white]) if white.mean() >= _PAPER_WHITE_SHARE else None


def _ring(rgb: Rgb, inset: int) -> Rgb:
    """Return the pixels of the one-pixel ring at `inset`, (n, 3)."""
    low, high = inset, -1 - inset
    inside = slice(inset, rgb.shape[0] - inset)
    across = slice(inset, rgb.shape[1] - inset)
    return np.concatenate(
        [rgb[low, across], rgb[high, across], rgb[inside, low], rgb[inside, high]]
    )


def _ring_colour(rgb: Rgb, inset: int) -> tuple[Floats, float]:
    """Return the median colour of the ring at `inset`, and its share of the ring."""
    ring = _ring(rgb, inset)
    colour = _median(ring)
    off = np.abs(ring - colour) > GROUND_TOLERANCE
    return colour, 1 - float(np.count_nonzero(off.any(axis=1))) / len(ring)


def _median(pixels: Rgb) -> Floats:
    """Return the median of each channel of (n, 3) pixels.

    `np.median` takes five times as long, most of it to check its arguments.
    """
    ordered = np.sort(np.ascontiguousarray(pixels.T))
    middle = len(pixels) // 2
    low = ordered[:, middle - (len(pixels) % 2 == 0)]
    return (low.astype(np.float64) + ordered[:, middle]) / 2


def _cluttered_grounds(lab: Lab) -> tuple[Floats, Floats]:
    """Return the colours of a cluttered ground in CIELAB, (k, 3), and their spreads.

    k-means starts from the pixels sorted by weighted value, in equal parts. A random
    start would change with a decoder's rounding, and the colours with it.
    """
    pixels = _border_pixels(cv2.blur(lab, (3, 3)))
    order = np.argsort((pixels * _LAB_WEIGHTS).sum(axis=1), kind="stable")
    parts = np.empty((len(pixels), 1), np.int32)
    parts[order, 0] = np.arange(len(pixels)) * _GROUND_COLOURS // len(pixels)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    _, which, centres = cv2.kmeans(
        pixels, _GROUND_COLOURS, parts, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS
    )
    members = [pixels[which[:, 0] == number] for number in range(_GROUND_COLOURS)]
    least = _GROUND_COLOUR_SHARE * len(pixels)
    kept = [number for number, own in enumerate(members) if len(own) >= least]
    spreads = [_spread(members[n], centres[n]) for n in kept]
    return np.asarray(centres[kept], np.float32), np.array(spreads)


def _border_pixels(lab: Array) -> NDArray[np.float32]:
    """Return evenly spaced pixels of the outer 5 %, (600, 3)."""
    depth = max(2, round(min(lab.shape[:2]) * 0.05))
    border = np.concatenate(
        [
            lab[:depth].reshape(-1, 3),
            lab[-depth:].reshape(-1, 3),
            lab[depth:-depth, :depth].reshape(-1, 3),
            lab[depth:-depth, -depth:].reshape(-1, 3),
        ]
    )
    which = np.linspace(0, len(border) - 1, _GROUND_SAMPLES).astype(int)
    return np.asarray(border[which], np.float32)


def _spread(members: Floats, centre: Floats) -> float:
    """Return the root mean square distance from the centre, at least 4 (JPEG noise)."""
    return max(4.0, float(np.sqrt(((members - centre) ** 2).sum(axis=1).mean())))


def _distance_view(lab: Lab, centres: Floats, spreads: Floats) -> Gray:
    """Return the distance from the nearest ground colour: 0.8 to 5.8 of its spreads."""
    planes = cv2.split(lab)
    squares = [
        _sum_of_squares(
            planes, (_VALUES[:, None] - centre) * _LAB_WEIGHTS / (spread + 1)
        )
        for centre, spread in zip(centres, spreads, strict=True)
    ]
    nearest = np.sqrt(reduce(np.minimum, squares))
    shown = np.maximum(nearest, _NEAREST_SPREADS) - np.float32(_NEAREST_SPREADS)
    view = _scaled(shown, 255 / _SPREADS_SHOWN)
    return cv2.medianBlur(view, 3) if len(centres) > 1 else view  # type: ignore[return-value]


def _sum_of_squares(planes: Sequence[Array], values: Floats) -> Floats:
    """Sum, over three planes, the squares of the `values`, (256, 3), of their bytes."""
    tables = np.ascontiguousarray(np.square(values).T, np.float32)
    first, second, third = (
        cv2.LUT(plane, table) for plane, table in zip(planes, tables, strict=True)
    )
    return cv2.add(cv2.add(first, second), third)  # type: ignore[return-value]


def _skin_table() -> Floats:
    """Return the likeness to skin, 0..255, indexed by Cb (high byte) and Cr (low)."""
    off = np.square((_VALUES - _SKIN_CR) / _SKIN_SPREAD)
    off = np.square((_VALUES - _SKIN_CB) / _SKIN_SPREAD)[:, None] + off
    return np.asarray(255 * np.exp(-0.5 * np.maximum(off - 1, 0))).ravel()


_SKIN: Final = _skin_table()
_LIT: Final = np.clip((_VALUES - 30) / 30, 0, 1)
"""Weight by luma, 0..1: the chroma of near-black pixels means nothing."""


def _skin_likeness(rgb: Rgb) -> Gray:
    luma, cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    chroma = np.left_shift(cb, 8, dtype=np.uint16) | cr
    return _scaled(cv2.multiply(_SKIN.take(chroma), cv2.LUT(luma, _LIT)), 1)


def _cut_out(whole: Views) -> Views | None:
    """Cut out the largest piece of a canvas that differs from a cluttered ground.

    None if its silhouette cannot be trusted.
    """
    gray, distance, skin = cv2.split(whole)
    piece = _largest_piece((distance > _CUT_THRESHOLD).astype(np.uint8))
    if piece is None:
        return None
    filled, (x, y, width, height, area) = piece
    size, picture = int(filled.sum()), int((gray > 0).sum())
    if (
        not _CUT_LEAST * picture <= size <= _CUT_MOST * picture
        or area < _CUT_SOLID * size
        or size < _CUT_FILLS_BOX * width * height
    ):
        return None
    alpha = cv2.GaussianBlur(filled.astype(np.float32), (3, 3), 0)
    solid = cv2.max(distance, 200 * filled)
    cut = [
        _scaled(cv2.multiply(view, alpha, dtype=cv2.CV_32F), 1)
        for view in (gray, solid, skin)
    ]
    return _merged(*cut)[y : y + height, x : x + width]


def _largest_piece(
    mask: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], tuple[int, int, int, int, int]] | None:
    """Return the filled outline of a mask's largest piece, its box and its area."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))  # type: ignore[assignment]
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))  # type: ignore[assignment]
    count, which, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:  # noqa: PLR2004  the ground is the first
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = (which == largest).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, outlines, -1, 1, -1)
    x, y, width, height, area = map(int, stats[largest])
    return filled, (x, y, width, height, area)


def _channel_distance(rgb: Rgb, colour: Floats) -> Gray:
    """Return each pixel's largest distance from `colour` over the three channels."""
    # Full planes, not numbers: OpenCV takes a 4-row plane for a colour beside a number.
    first, second, third = (
        cv2.absdiff(plane, np.full(plane.shape, value, np.uint8))
        for plane, value in zip(cv2.split(rgb), colour.round(), strict=True)
    )
    return cv2.max(cv2.max(first, second), third)  # type: ignore[return-value]


def _merged(gray: Array, distance: Array, skin: Array) -> Views:
    return cv2.merge([gray, distance, skin])  # type: ignore[return-value]


def _scaled(values: Array, scale: float) -> Gray:
    """Scale values of at least 0, and truncate them to bytes."""
    return cv2.convertScaleAbs(values, alpha=scale, beta=_TRUNCATE)  # type: ignore[return-value]


def _lab(rgb: Rgb) -> Lab:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)  # type: ignore[return-value]


def _lab_of(colour: Floats) -> Floats:
    """Return one colour in CIELAB, (1, 3)."""
    pixel = colour.round().astype(np.uint8).reshape(1, 1, 3)
    return np.asarray(_lab(pixel)[0], np.float32)


def _gray(rgb: Rgb) -> Gray:
    """Return the luma of an RGB picture, ITU-R BT.601."""
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _level(rgb: Rgb, ground: Floats) -> Gray:
    """Return the distance of gray values from the ground's, stretched to reach 255.

    On white this is the recipe's negative, on black the picture itself. On any other
    ground the item is above 0, whether it is darker or lighter.
    """
    zero = int(_gray(ground.round().astype(np.uint8).reshape(1, 1, 3))[0, 0])
    stretch = 255.0 / max(zero, 255 - zero)
    distance = cv2.absdiff(_gray(rgb), np.full(rgb.shape[:2], zero, np.uint8))
    return cv2.convertScaleAbs(distance, alpha=stretch)  # type: ignore[return-value]
