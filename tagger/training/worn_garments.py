"""Draw people who wear garments from flat pictures.

Fashion-MNIST and phone pictures show garments alone, but shops photograph many on
people. A network trained without people tags a dress with legs below it as trousers.
The figures are crude, but have all three views: heads, arms and legs are skin.

First all properties of a `Figure` are drawn at random; the functions that paint it are
deterministic. Pure functions of pixels and a generator; knows no files and no network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tagger.imaging.views import CANVAS_ITEM_SIDE, CANVAS_SIDE, Gray, Views, lay

Chance = np.random.Generator

WORN_TAGS: Final = frozenset(
    {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Shirt"}
)
"""Tags of garments that are drawn on people. Shops show shoes and bags alone, or on a
part of a person that is too small at 28 pixels."""

_LONG_SLEEVED: Final = frozenset({"Pullover", "Coat", "Shirt"})

_SHEET_SIDE = 200
_MIDDLE = _SHEET_SIDE // 2
"""A person is painted in the middle of a sheet with twice the canvas's resolution."""

_ON_SHEET = 60
"""A pixel of the sheet belongs to the person from this distance value on."""

_GARMENT_INSIDE, _GARMENT_EDGE = 20, 12
"""Gray values in a 28x28 array whose ground is 0. Pixels above the first value set the
box of the garment; in the box, pixels above the second belong to it (faint seams)."""

_LEAST_ROWS, _LEAST_COLUMNS = 5, 3
"""A garment has at least this many rows and columns."""

_HEIGHTS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"Trouser": (75, 125), "Dress": (60, 105), "Coat": (60, 95)}
)
_USUAL_HEIGHTS = (50, 85)
_LONG_DRESS_HEIGHTS = (95, 128)
"""Ranges of a garment's height on the sheet, the end excluded: it sets how much of the
person the garment covers."""

_LEAST_WIDTH, _MOST_WIDTH = 6, 180

Point = tuple[float, float]
"""Across and down the sheet, in its pixels."""


@dataclass(frozen=True, slots=True)
class Paint:
    """The values of a part in the views: gray (ground 0) and skin, 0..255."""

    gray: int
    skin: int


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm on one `side` (-1 left, 1 right), as shares of the garment's height.

    `elbow` and `wrist` are their distances outwards from the shoulder, `hand` is the
    distance down. With a `long_sleeve` only the hand is visible, at `cuff`, if
    `hand_shows`.
    """

    side: int
    long_sleeve: bool
    elbow: float
    wrist: float
    hand: float
    width: float
    hand_shows: bool
    cuff: float


@dataclass(frozen=True, slots=True)
class Legs:
    """Legs or trousers below a garment that ends above them.

    `length` is the visible length below the garment, as a share of its height; `width`
    is that of a leg, as a share of the garment's width. `knees` and `feet` are their
    distances outwards from the hip, in pixels of the sheet, left and right.
    """

    length: float
    width: float
    bare: bool
    knees: tuple[float, float]
    feet: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Head:
    """A head; `size` is a share of the garment's height.

    If it does not show, the photograph ends at the neck or below it. `long_hair` and
    `cap` (short hair) have the colour of the person's hair. With `hair_skin`, long hair
    also has the value of skin.
    """

    shows: bool
    size: float
    long_hair: bool
    hair_skin: bool
    cap: bool
    neck: bool


@dataclass(frozen=True, slots=True)
class Upper:
    """The visible parts of a person who wears any garment except trousers.

    `crossing` is the side (-1, 1) of an arm that hangs over the garment, or 0;
    `crossing_hand` is the place of its hand, as shares of the garment's width and
    height.
    """

    top: int
    head: Head
    arms: tuple[Arm, Arm]
    legs: Legs
    crossing: int
    crossing_hand: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shoe:
    """A foot: its half axes and its shift outwards, in pixels, and its paint."""

    axes: tuple[int, int]
    out: float
    paint: Paint


@dataclass(frozen=True, slots=True)
class Torso:
    """The visible parts of a person who wears trousers: a cropped torso, and shoes.

    `width` is relative to the hip, `height` in pixels of the sheet. `arms` has for left
    and right, in pixels, how far out elbow and wrist are, how far down the hand is, and
    the arm's width.
    """

    top: int
    width: float
    height: int
    paint: Paint
    arms: tuple[tuple[float, float, float, int], ...]
    head: bool
    shoes: tuple[Shoe, Shoe]


@dataclass(frozen=True, slots=True)
class Figure:
    """A person with random properties, before it is painted.

    `height` is the garment's height on the sheet in pixels; `width` is its width
    relative to the aspect ratio of its picture. `garment_skin` is the garment's value
    in the skin view, 0..255. `hair` and `below` are the grays of the hair, and of
    trousers below another garment.
    """

    skin: Paint
    hair: int
    below: int
    height: int
    width: float
    garment_skin: float
    body: Upper | Torso


@dataclass(frozen=True, slots=True, eq=False)
class _Garment:
    """A garment at its size on the sheet: its gray, and its opacity, 0..255."""

    gray: Gray
    mask: Gray

    @property
    def width(self) -> int:
        return len(self.gray[0])

    @property
    def height(self) -> int:
        return len(self.gray)


class _Sheet:
    """The drawing surface: all parts are painted into the three views at once."""

    def __init__(self) -> None:
        self.views = np.zeros((_SHEET_SIDE, _SHEET_SIDE, 3), np.uint8)

    def limb(self, points: Sequence[Point], width: int, paint: Paint) -> None:
        """Paint a bent line through points (x, y)."""
        bends = np.array(points, np.int32).reshape(-1, 1, 2)
        colour = _colour(paint)
        cv2.polylines(self.views, [bends], False, colour, width, cv2.LINE_AA)

    def ellipse(self, centre: Point, axes: Point, paint: Paint) -> None:
        """Paint an upright ellipse by its centre (x, y) and half its axes."""
        middle, half = (int(centre[0]), int(centre[1])), (int(axes[0]), int(axes[1]))
        colour = _colour(paint)
        cv2.ellipse(self.views, middle, half, 0, 0, 360, colour, -1, cv2.LINE_AA)

    def box(self, left_top: Point, right_bottom: Point, paint: Paint) -> None:
        """Paint a rectangle by two corners (x, y)."""
        first = (int(left_top[0]), int(left_top[1]))
        last = (int(right_bottom[0]), int(right_bottom[1]))
        cv2.rectangle(self.views, first, last, _colour(paint), -1)

    def cloth(self, garment: _Garment, top: int, skin: float) -> None:
        """Paint a garment over the figure, in the middle, from `top` down."""
        height = min(garment.height, _SHEET_SIDE - top)
        left = _MIDDLE - garment.width // 2
        mask = garment.mask[:height]
        covers = mask.astype(np.float32) / 255
        place = self.views[top : top + height, left : left + garment.width]
        gray, distance, under = place[..., 0], place[..., 1], place[..., 2]
        place[..., 0] = gray * (1 - covers) + garment.gray[:height] * covers
        place[..., 1] = np.maximum(distance, mask)
        place[..., 2] = under * (1 - covers) + skin * covers

    def canvas(self) -> Views:
        """Trim the person like a photograph, and lay it out on the canvas."""
        on = self.views[..., 1] > _ON_SHEET
        rows, columns = np.flatnonzero(on.any(axis=1)), np.flatnonzero(on.any(axis=0))
        person = self.views[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return lay(np.ascontiguousarray(person), CANVAS_SIDE, CANVAS_ITEM_SIDE)


def wear_gray(gray: Gray, tag: str, chance: Chance) -> Views | None:
    """Draw a person who wears the garment of a 28x28 array in Fashion-MNIST's form.

    Returns (96, 96, 3) uint8 views, with the person's longest edge at 88; None if the
    garment is too small. Raises ValueError if `tag` is not in `WORN_TAGS`.
    """
    box = _box(gray > _GARMENT_INSIDE)
    if box is None:
        _require_worn(tag)
        return None
    item = np.ascontiguousarray(gray[box])
    mask = np.where(item > _GARMENT_EDGE, 255, 0).astype(np.uint8)
    return _wear(item, mask, draw_figure(tag, chance), cv2.INTER_CUBIC)


def wear_cut_out(canvas: Views, tag: str, chance: Chance) -> Views | None:
    """Draw a person who wears a garment cut out of a photograph, (96, 96, 3) views.

    The garment is mirrored at random, and a quarter of them are inverted. Returns and
    raises as `wear_gray`.
    """
    if chance.random() < 0.5:  # noqa: PLR2004
        canvas = canvas[:, ::-1]
    mask = _closed(np.where(canvas[..., 1] > _ON_SHEET, 255, 0).astype(np.uint8), 7)
    box = _box(mask > _ON_SHEET)
    if box is None:
        _require_worn(tag)
        return None
    item = np.ascontiguousarray(canvas[..., 0][box])
    if chance.random() < 0.25:  # noqa: PLR2004
        item = 255 - item
    item_mask = np.ascontiguousarray(mask[box])
    return _wear(item, item_mask, draw_figure(tag, chance), cv2.INTER_AREA)


def draw_figure(tag: str, chance: Chance) -> Figure:
    """Draw the properties of a person who wears a garment of this tag at random.

    Raises ValueError if `tag` is not in `WORN_TAGS`.
    """
    _require_worn(tag)
    # Skin of any shade; in one picture of five the skin view hardly shows it.
    skin_seen = (150, 256) if chance.random() < 0.8 else (0, 150)  # noqa: PLR2004
    skin = Paint(_whole(chance, 50, 190), _whole(chance, *skin_seen))
    height = _height(tag, chance)
    return Figure(
        skin=skin,
        hair=_whole(chance, 90, 250),
        below=_whole(chance, 40, 250),
        height=height,
        width=chance.uniform(0.95, 1.05) * chance.uniform(0.7, 1.1),
        garment_skin=chance.uniform(60, 255) if _happens(chance, 0.13) else 0,
        body=(
            _draw_torso(skin, chance)
            if tag == "Trouser"
            else _draw_upper(tag, height, chance)
        ),
    )


def _require_worn(tag: str) -> None:
    if tag not in WORN_TAGS:
        raise ValueError(f"nobody is drawn wearing {tag}")


def _happens(chance: Chance, probability: float) -> bool:
    return bool(chance.random() < probability)


def _whole(chance: Chance, low: int, high: int) -> int:
    return int(chance.integers(low, high))


def _height(tag: str, chance: Chance) -> int:
    if tag == "Dress" and not _happens(chance, 0.65):
        return _whole(chance, *_LONG_DRESS_HEIGHTS)
    return _whole(chance, *_HEIGHTS.get(tag, _USUAL_HEIGHTS))


def _draw_torso(skin: Paint, chance: Chance) -> Torso:
    shirt = Paint(_whole(chance, 40, 250), 0)
    height = _whole(chance, 0, 65)
    return Torso(
        top=_whole(chance, 70, 90),
        width=chance.uniform(0.9, 1.25),
        height=height,
        paint=skin if _happens(chance, 0.35) else shirt,
        arms=(
            (_draw_hanging_arm(chance), _draw_hanging_arm(chance))
            if _happens(chance, 0.6)
            else ()
        ),
        head=_happens(chance, 0.4),
        shoes=(_draw_shoe(skin, chance), _draw_shoe(skin, chance)),
    )


def _draw_hanging_arm(chance: Chance) -> tuple[float, float, float, int]:
    elbow, wrist = chance.uniform(4, 16), chance.uniform(0, 10)
    return elbow, wrist, chance.uniform(0, 20), _whole(chance, 6, 10)


def _draw_shoe(skin: Paint, chance: Chance) -> Shoe:
    bare = not _happens(chance, 0.6)
    return Shoe(
        axes=(_whole(chance, 4, 9), _whole(chance, 3, 6)),
        out=chance.uniform(0, 4),
        paint=Paint(_whole(chance, 30, 250), skin.skin if bare else 0),
    )


def _draw_upper(tag: str, height: int, chance: Chance) -> Upper:
    crossing = int(chance.choice([-1, 1])) if _happens(chance, 0.25) else 0
    return Upper(
        top=_whole(chance, 55, 70),
        head=_draw_head(tag, chance),
        arms=(_draw_arm(tag, -1, chance), _draw_arm(tag, 1, chance)),
        legs=_draw_legs(tag, height, chance),
        crossing=crossing,
        crossing_hand=(chance.uniform(0.1, 0.3), chance.uniform(0.5, 0.9)),
    )


def _draw_head(tag: str, chance: Chance) -> Head:
    return Head(
        shows=_happens(chance, 0.85),
        size=chance.uniform(0.85, 1.2) * (0.13 if tag == "Dress" else 0.19),
        long_hair=_happens(chance, 0.45),
        hair_skin=_happens(chance, 0.3),
        cap=_happens(chance, 0.8),
        neck=_happens(chance, 0.5),
    )


def _draw_arm(tag: str, side: int, chance: Chance) -> Arm:
    down = (0.4, 0.6) if tag == "Dress" else (0.55, 0.8)
    return Arm(
        side=side,
        long_sleeve=tag in _LONG_SLEEVED,
        elbow=chance.uniform(0, 0.28),
        wrist=chance.uniform(-0.15, 0.25),
        hand=chance.uniform(*down),
        width=chance.uniform(0.7, 1.2) * 0.09,
        hand_shows=_happens(chance, 0.7),
        cuff=chance.uniform(0.75, 0.98),
    )


def _draw_legs(tag: str, height: int, chance: Chance) -> Legs:
    bare = _happens(chance, 0.85 if tag == "Dress" else 0.12)
    return Legs(
        length=_leg_length(tag, height, chance),
        width=chance.uniform(0.8, 1.2) * (0.12 if bare else 0.19),
        bare=bare,
        knees=(chance.uniform(-3, 4), chance.uniform(-3, 4)),
        feet=(chance.uniform(-2, 6), chance.uniform(-2, 6)),
    )


def _leg_length(tag: str, height: int, chance: Chance) -> float:
    """Draw the visible length of the legs, as a share of the garment's height.

    A long dress hides most of them; some photographs end above them.
    """
    if tag == "Coat" and _happens(chance, 0.4):
        return chance.uniform(0.3, 0.9)
    if not _happens(chance, 0.92):
        return 0.0
    if tag != "Dress":
        return chance.uniform(0.05, 0.5)
    is_long = height >= _LONG_DRESS_HEIGHTS[0]
    return chance.uniform(0.03, 0.3) if is_long else chance.uniform(0.35, 0.95)


def _box(on: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Find the box of a garment: rows and columns with more than one of its pixels."""
    rows = np.flatnonzero(on.sum(axis=1) > 1)
    columns = np.flatnonzero(on.sum(axis=0) > 1)
    if len(rows) < _LEAST_ROWS or len(columns) < _LEAST_COLUMNS:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _closed(mask: Gray, side: int) -> Gray:
    """Close gaps narrower than `side` pixels in a mask."""
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))  # type: ignore[return-value]


def _wear(item: Gray, mask: Gray, figure: Figure, how: int) -> Views:
    """Paint the figure in a garment, given by its trimmed picture and its mask.

    `how` is OpenCV's interpolation for resizing the picture.
    """
    height = figure.height
    width = round(item.shape[1] * height / item.shape[0] * figure.width)
    size = (min(_MOST_WIDTH, max(_LEAST_WIDTH, width)), height)
    resized = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    garment = _Garment(
        cv2.resize(item, size, interpolation=how),  # type: ignore[arg-type]
        _closed(resized, 9),  # type: ignore[arg-type]
    )
    sheet = _Sheet()
    if isinstance(figure.body, Torso):
        _paint_trousers(sheet, figure, figure.body, garment)
    else:
        _paint_upper(sheet, figure, figure.body, garment)
    return sheet.canvas()


def _paint_trousers(
    sheet: _Sheet, figure: Figure, body: Torso, garment: _Garment
) -> None:
    if body.height > 4:  # noqa: PLR2004  else the photograph ends at the waist
        _paint_torso(sheet, figure.skin, body, int(garment.width * 0.45 * body.width))
    hem = body.top + garment.height
    for side, shoe in zip((-1, 1), body.shoes, strict=True):
        ankle = (_MIDDLE + side * garment.width * 0.25, hem)
        _paint_foot(sheet, figure.skin, shoe, ankle, side)
    sheet.cloth(garment, body.top, figure.garment_skin)


def _paint_torso(sheet: _Sheet, skin: Paint, body: Torso, half: int) -> None:
    shoulder = body.top - body.height
    sheet.box((_MIDDLE - half, shoulder), (_MIDDLE + half, body.top + 4), body.paint)
    for side, arm in zip((-1, 1), body.arms, strict=False):
        elbow, wrist, down, width = arm
        bends = [
            (_MIDDLE + side * half, shoulder),
            (_MIDDLE + side * (half + elbow), body.top - body.height * 0.5),
            (_MIDDLE + side * (half + wrist), body.top + down),
        ]
        sheet.limb(bends, width, skin)
    if body.head and body.height > 50:  # noqa: PLR2004  a shorter torso has no head
        sheet.ellipse((_MIDDLE, shoulder - 14), (9, 13), skin)


def _paint_foot(
    sheet: _Sheet, skin: Paint, shoe: Shoe, ankle: Point, side: int
) -> None:
    x, hem = ankle
    sheet.limb([(x, hem - 4), (x, hem + 4)], 6, skin)
    sheet.ellipse((x + side * shoe.out, hem + 6), shoe.axes, shoe.paint)


def _paint_upper(sheet: _Sheet, figure: Figure, body: Upper, garment: _Garment) -> None:
    """Paint from back to front, so that the garment hides the parts behind it."""
    skin, top, legs = figure.skin, body.top, body.legs
    legs_show = legs.length * garment.height > 2  # noqa: PLR2004  pixels of the sheet
    for arm in body.arms:
        _paint_arm(sheet, skin, arm, top, garment)
    if legs_show:
        below = skin if legs.bare else Paint(figure.below, 0)
        _paint_legs(sheet, below, legs, top, garment)
    _paint_head(sheet, figure, body.head, top, garment.height)
    if body.head.shows or legs_show:
        neckline = (max(3, garment.width * 0.12), garment.height * 0.06)
        sheet.ellipse((_MIDDLE, top + 3), neckline, skin)
    sheet.cloth(garment, top, figure.garment_skin)
    if body.crossing:
        _paint_crossing_arm(sheet, figure, body, garment)


def _paint_arm(
    sheet: _Sheet, skin: Paint, arm: Arm, top: int, garment: _Garment
) -> None:
    width, height = garment.width, garment.height
    if arm.long_sleeve:
        if arm.hand_shows:
            hand = (_MIDDLE + arm.side * width * 0.45, top + height * arm.cuff)
            sheet.ellipse(hand, (4, 6), skin)
        return
    shoulder = width * 0.28
    bends = [
        (_MIDDLE + arm.side * shoulder, top + height * 0.1),
        (_MIDDLE + arm.side * (shoulder + arm.elbow * height), top + height * 0.35),
        (_MIDDLE + arm.side * (shoulder + arm.wrist * height), top + height * arm.hand),
    ]
    sheet.limb(bends, int(max(4, height * arm.width)), skin)


def _paint_legs(
    sheet: _Sheet, paint: Paint, legs: Legs, top: int, garment: _Garment
) -> None:
    width, height = garment.width, garment.height
    hip, cut = top + height * 0.8, top + height * (1 + legs.length)
    for side, knee, foot in zip((-1, 1), legs.knees, legs.feet, strict=True):
        x = _MIDDLE + side * width * 0.12
        bends = [(x, hip), (x + side * knee, (hip + cut) / 2), (x + side * foot, cut)]
        sheet.limb(bends, int(max(6, width * legs.width)), paint)
    if not legs.bare:
        seat = min(cut, top + height * 1.1)
        half = width * 0.24
        sheet.box((_MIDDLE - half, hip), (_MIDDLE + half, seat), paint)


def _paint_head(
    sheet: _Sheet, figure: Figure, head: Head, top: int, garment_height: int
) -> None:
    size = garment_height * head.size
    neck_width = int(max(4, size * 0.6))
    if not head.shows:
        if head.neck:
            neck = [(_MIDDLE, top - size * 0.4), (_MIDDLE, top + 5)]
            sheet.limb(neck, neck_width, figure.skin)
        return
    if head.long_hair:
        hair = Paint(figure.hair, figure.skin.skin if head.hair_skin else 0)
        sheet.ellipse((_MIDDLE, top - size * 0.55), (size * 0.75, size * 1.15), hair)
    neck = [(_MIDDLE, top - size * 0.3), (_MIDDLE, top + 5)]
    sheet.limb(neck, neck_width, figure.skin)
    face = (size * 0.5, size * 0.72)
    sheet.ellipse((_MIDDLE, top - size * 0.85), face, figure.skin)
    if head.cap:
        cap = (size * 0.52, size * 0.4)
        sheet.ellipse((_MIDDLE, top - size * 1.25), cap, Paint(figure.hair, 0))


def _paint_crossing_arm(
    sheet: _Sheet, figure: Figure, body: Upper, garment: _Garment
) -> None:
    """Paint an arm over the garment: bare, or in a sleeve of another gray."""
    width, height = garment.width, garment.height
    across, down = body.crossing_hand
    bends = [
        (_MIDDLE + body.crossing * width * 0.4, body.top + height * 0.3),
        (_MIDDLE + body.crossing * width * 0.45, body.top + height * 0.55),
        (_MIDDLE + body.crossing * width * across, body.top + height * down),
    ]
    sleeved = body.arms[0].long_sleeve
    paint = Paint(figure.skin.gray, 0 if sleeved else figure.skin.skin)
    sheet.limb(bends, int(max(4, height * 0.08)), paint)


def _colour(paint: Paint) -> tuple[int, int, int]:
    return paint.gray, 255, paint.skin
