"""From an upright picture to what the network sees: three 28x28 views of one crop.

1. *gray*: the item as Fashion-MNIST has it, by its published recipe (Xiao, Rasul,
   Vollgraf 2017, arXiv:1708.07747, section 2): trim the edges that match the ground,
   resize the longest edge to 28, sharpen, extend the short edge to 28 with the item in
   the centre, negate, gray. Ground 0, furthest from it 255.
2. *distance*: how far a pixel's colour is from the ground's. A silhouette, whether the
   garment is darker or lighter than its ground, and where gray would not tell them.
3. *skin*: how much a pixel looks like skin, so that heads, arms and legs of whoever
   wears the garment can be told from it.

Pure functions of pixels; knows no files. What is done to each pixel is done by OpenCV
with tables of the 256 values a channel can have: five times as fast as the same in
NumPy, which makes whole pictures of floats between its steps.
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
"""The finer canvas that training varies pictures on, and the item's longest edge on it:
three times the network's own, with room to turn and move."""

_GROUND_TOLERANCE = 13
"""5 % of 255: the recipe's distance, in any channel, up to which a pixel is ground."""

_PLAIN_SHARE = 0.5
"""Least share of the border that must be of one colour for it to be a plain ground."""

_PAPER_WHITE = 240
_PAPER_WHITE_SHARE = 0.10
"""A close-up that the border cuts has white paper at this share of it, at least."""

_COARSE_SIDE = 112
"""An item is looked for on a picture that is halved while its short edge keeps more
than so many pixels: there hardly anything depends on how finely it was decoded."""

_FRAME_SHARE = 0.95
"""Least share of each of two rings that must be plain for the outer to be a frame."""

_FRAME_INSET = 0.04
"""How far in the second ring lies, as a share of the short edge."""

_ITEM_SHARE = 0.005
"""A row or column belongs to the item when more than this share of it is not ground,
so that one speck of JPEG noise does not hold the trimming up."""

_SHARPEN_SIGMA = 1.0
_SHARPEN_AMOUNT = 0.6
"""Unsharp mask at 28 pixels. The recipe says "a Gaussian operator of radius and
standard deviation 1"; the amount brings shops' photographs to Fashion-MNIST's mean
edge energy (0.92 and 1.02 of two sets of photographs, 0.91 there)."""

_GROUND_COLOURS = 4
_GROUND_COLOUR_SHARE = 0.08
_GROUND_SAMPLES = 600
"""A cluttered ground is described by the up to four colours of its border that make up
at least 8 % of it, found by k-means on 600 of its pixels."""

_LAB_WEIGHTS = np.array([0.6, 1.3, 1.3], np.float32)
"""In CIELAB a shadow changes lightness: it counts less than a change of colour."""

_PLAIN_SPREADS = np.array([3.0])
_NEAREST_SPREADS, _SPREADS_SHOWN = 0.8, 5.0
"""The distance view begins at 0.8 spreads from the ground, and is full 5 further."""

_CUT_THRESHOLD = 70
_CUT_LEAST, _CUT_MOST = 0.12, 0.80
_CUT_SOLID, _CUT_FILLS_BOX = 0.75, 0.35
"""When to trust a silhouette on a cluttered ground: its filled outline takes 12 to 80 %
of the picture, three quarters of it stand off the ground, and it fills 35 % of its
box. Looked at on 1,735 pictures: 996 pass, and look right."""

_SKIN_CR, _SKIN_CB, _SKIN_SPREAD = 152.0, 106.0, 12.0
"""Centre and spread of skin in the chroma plane of YCrCb (8 bit), whatever its shade;
after Chai and Ngan 1999 (IEEE TCSVT 9:4), Cr 133 to 173, Cb 77 to 127."""

_VALUES = np.arange(256, dtype=np.float32)
_TRUNCATE = -0.4999
"""OpenCV rounds where it makes bytes; less this, what it rounds is cut off."""


Rgb = NDArray[np.uint8]
Gray = NDArray[np.uint8]
Views = NDArray[np.uint8]
Lab = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Where an item is in a picture, and the plain ground it is on, if it is plain."""

    rows: slice
    columns: slice
    ground: Floats | None

    @property
    def side(self) -> int:
        """The longest edge, in pixels."""
        return max(int(n.stop - n.start) for n in (self.rows, self.columns))


def find(rgb: Rgb) -> Found:
    """Find where in an upright (h, w, 3) picture its item is, however fine it is.

    On a plain ground that is what stands off it; on a cluttered one all but a frame.
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
    """Return the views of what was found in a picture, (h, w, 3), at most 88 long.

    What is on a plain ground fills the 88. What is on a cluttered one (a floor, a bed,
    a street) is cut out where its silhouette can be trusted; else all of it stays.
    """
    item = _resized(rgb[found.rows, found.columns], CANVAS_ITEM_SIDE)
    if found.ground is not None:
        return _item_on_plain(item, found.ground)
    whole = _whole_on_clutter(item)
    cut = _cut_out(_extended(whole, CANVAS_SIDE))
    return whole if cut is None else cut


def network_input(item: Views) -> Views:
    """Lay the item's views out at the size of the network: (28, 28, 3)."""
    gray, distance, skin = cv2.split(_resized(item, IMAGE_SIDE))
    return _extended(_merged(sharpen(gray), distance, skin), IMAGE_SIDE)


def lay(item: Views, side: int, item_side: int) -> Views:
    """Resize the longest edge to `item_side`, centred on a canvas of 0, `side` wide."""
    return _extended(_resized(item, item_side), side)


def views_of_gray(gray: Gray) -> Views:
    """Return the views of what is a 28x28 array only, as Fashion-MNIST is."""
    distance = cv2.convertScaleAbs(gray, alpha=6)
    return np.dstack([gray, distance, np.zeros_like(gray)])


def sharpen(
    gray: Array, amount: float = _SHARPEN_AMOUNT, sigma: float = _SHARPEN_SIGMA
) -> Gray:
    """Sharpen a gray array by an unsharp mask of that amount and radius."""
    blurred = cv2.GaussianBlur(gray, (0, 0), sigma)
    return cv2.addWeighted(gray, 1 + amount, blurred, -amount, 0)  # type: ignore[return-value]


def _item_on_plain(rgb: Rgb, ground: Floats) -> Views:
    distance = _distance_view(_lab(rgb), _lab_of(ground), _PLAIN_SPREADS)
    skin = cv2.min(_skin_likeness(rgb), distance)
    return _merged(_level(rgb, ground), distance, skin)


def _halved(rgb: Rgb) -> Rgb:
    """Halve a picture as far as an item can still be found on it."""
    height, width = rgb.shape[:2]
    halved = coarsest(height, width)
    if halved == 1:
        return rgb
    size = (width // halved, height // halved)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _in_full(edges: slice, inset: int, scale: float) -> slice:
    """Return where edges within a frame are in a picture so many times as large."""
    return slice(
        round((edges.start + inset) * scale), round((edges.stop + inset) * scale)
    )


def _whole(rgb: Rgb) -> tuple[slice, slice]:
    return slice(0, rgb.shape[0]), slice(0, rgb.shape[1])


def _trimmed(rgb: Rgb, ground: Floats) -> tuple[slice, slice]:
    """Return the rows and columns within the edges that match the ground.

    A picture that is all ground stays whole.
    """
    distance = _channel_distance(rgb, ground)
    _, off = cv2.threshold(distance, _GROUND_TOLERANCE, 1, cv2.THRESH_BINARY)
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
    """Say how many pixels of an edge may become one before an item is looked for.

    A power of two; the same, less what they already averaged, for decoders that round
    up what is left of an edge and for those that round down.
    """
    return power_of_two((min(height, width) - 1) // _COARSE_SIDE)


def power_of_two(number: int) -> int:
    """Return the largest power of two that is not above `number`, at least 1."""
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
    """Centre on a ground of 0."""
    height, width = small.shape[:2]
    canvas = np.zeros((side, side, VIEWS), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = small
    return canvas


def _frame(rgb: Rgb) -> tuple[int, Floats, float]:
    """Return the width of a thin plain frame, 0 for none, and the ring within it.

    Of the ring its median colour, and the share of it. Two plain rings of different
    colours, the second 4 % further in, make a frame.
    """
    outer = _ring_colour(rgb, 0)
    inset = max(1, round(min(rgb.shape[:2]) * _FRAME_INSET))
    if min(rgb.shape[:2]) < 4 * inset + 2 or outer[1] < _FRAME_SHARE:
        return 0, *outer
    inner = _ring_colour(rgb, inset)
    framed = np.abs(outer[0] - inner[0]).max() > _GROUND_TOLERANCE
    return (inset, *inner) if framed and inner[1] >= _FRAME_SHARE else (0, *outer)


def _paper(rgb: Rgb) -> Floats | None:
    """Return the colour of the paper behind a close-up; None where there is none.

    At its edge the paper shows only here and there, but it is white.
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
    """Median colour of the ring at `inset`, and its share of such pixels."""
    ring = _ring(rgb, inset)
    colour = _median(ring)
    off = np.abs(ring - colour) > _GROUND_TOLERANCE
    return colour, 1 - float(np.count_nonzero(off.any(axis=1))) / len(ring)


def _median(pixels: Rgb) -> Floats:
    """Return the median of each channel of (n, 3) pixels.

    `np.median` takes five times as long to find out what it was given.
    """
    ordered = np.sort(np.ascontiguousarray(pixels.T))
    middle = len(pixels) // 2
    low = ordered[:, middle - (len(pixels) % 2 == 0)]
    return (low.astype(np.float64) + ordered[:, middle]) / 2


def _cluttered_grounds(lab: Lab) -> tuple[Floats, Floats]:
    """Return the colours of a cluttered ground in CIELAB, (k, 3), and their spreads.

    What k-means begins with is not drawn: a decoder's rounding would change the draw,
    and with it the colours. It is the border by its lightness, in equal parts.
    """
    some = _some_of_border(cv2.blur(lab, (3, 3)))
    order = np.argsort((some * _LAB_WEIGHTS).sum(axis=1), kind="stable")
    parts = np.empty((len(some), 1), np.int32)
    parts[order, 0] = np.arange(len(some)) * _GROUND_COLOURS // len(some)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    _, which, centres = cv2.kmeans(
        some, _GROUND_COLOURS, parts, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS
    )
    members = [some[which[:, 0] == number] for number in range(_GROUND_COLOURS)]
    kept = [
        n for n, m in enumerate(members) if len(m) >= _GROUND_COLOUR_SHARE * len(some)
    ]
    spreads = [_spread(members[n], centres[n]) for n in kept]
    return np.asarray(centres[kept], np.float32), np.array(spreads)


def _some_of_border(lab: Array) -> NDArray[np.float32]:
    """Return pixels of the outer 5 %, evenly taken, (600, 3)."""
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
    """Root mean square distance from the centre, at least 4 (JPEG noise)."""
    return max(4.0, float(np.sqrt(((members - centre) ** 2).sum(axis=1).mean())))


def _distance_view(lab: Lab, centres: Floats, spreads: Floats) -> Gray:
    """Distance from the nearest colour of the ground, in its spreads: 0.8 to 5.8."""
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
    """Add up over three planes the squares of what each byte stands for, (256, 3)."""
    tables = np.ascontiguousarray(np.square(values).T, np.float32)
    first, second, third = (
        cv2.LUT(plane, table) for plane, table in zip(planes, tables, strict=True)
    )
    return cv2.add(cv2.add(first, second), third)  # type: ignore[return-value]


def _skin_table() -> Floats:
    """Likeness to skin, 0..255, by Cb and Cr: a byte each of a 16-bit index."""
    off = np.square((_VALUES - _SKIN_CR) / _SKIN_SPREAD)
    off = np.square((_VALUES - _SKIN_CB) / _SKIN_SPREAD)[:, None] + off
    return np.asarray(255 * np.exp(-0.5 * np.maximum(off - 1, 0))).ravel()


_SKIN: Final = _skin_table()
_LIT: Final = np.clip((_VALUES - 30) / 30, 0, 1)
"""By luma: the chroma of near-black means nothing."""


def _skin_likeness(rgb: Rgb) -> Gray:
    luma, cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    chroma = np.left_shift(cb, 8, dtype=np.uint16) | cr
    return _scaled(cv2.multiply(_SKIN.take(chroma), cv2.LUT(luma, _LIT)), 1)


def _cut_out(whole: Views) -> Views | None:
    """Cut the largest piece that stands off a cluttered ground out of a canvas.

    None where its silhouette cannot be trusted.
    """
    gray, distance, skin = cv2.split(whole)
    found = _largest_piece((distance > _CUT_THRESHOLD).astype(np.uint8))
    if found is None:
        return None
    filled, (x, y, width, height, area) = found
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
    """Return the filled outline of a mask's largest piece, its box and its own area."""
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
    """Largest distance of a pixel from `colour` over the three channels."""
    # Four pixels above one another would be taken for a colour beside a mere number.
    first, second, third = (
        cv2.absdiff(plane, np.full(plane.shape, value, np.uint8))
        for plane, value in zip(cv2.split(rgb), colour.round(), strict=True)
    )
    return cv2.max(cv2.max(first, second), third)  # type: ignore[return-value]


def _merged(gray: Array, distance: Array, skin: Array) -> Views:
    return cv2.merge([gray, distance, skin])  # type: ignore[return-value]


def _scaled(values: Array, scale: float) -> Gray:
    """Scale values of at least 0, and cut them to bytes."""
    return cv2.convertScaleAbs(values, alpha=scale, beta=_TRUNCATE)  # type: ignore[return-value]


def _lab(rgb: Rgb) -> Lab:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)  # type: ignore[return-value]


def _lab_of(colour: Floats) -> Floats:
    """Return one colour in CIELAB, (1, 3)."""
    pixel = colour.round().astype(np.uint8).reshape(1, 1, 3)
    return np.asarray(_lab(pixel)[0], np.float32)


def _gray(rgb: Rgb) -> Gray:
    """Luma of an RGB picture, ITU-R BT.601."""
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _level(rgb: Rgb, ground: Floats) -> Gray:
    """Distance of the gray values from the ground's, stretched to reach 255.

    On white this is the recipe's negative; on black the picture itself; on any other
    ground the item stands out from 0 whether it is darker or lighter than it.
    """
    zero = int(_gray(ground.round().astype(np.uint8).reshape(1, 1, 3))[0, 0])
    stretch = 255.0 / max(zero, 255 - zero)
    distance = cv2.absdiff(_gray(rgb), np.full(rgb.shape[:2], zero, np.uint8))
    return cv2.convertScaleAbs(distance, alpha=stretch)  # type: ignore[return-value]
