"""Half blocks: every pixel is where it belongs, in its colour, within the room."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rich._palettes import STANDARD_PALETTE
from rich.color import Color
from rich.style import Style
from textual.app import App, ComposeResult

from tagger.inventory.records import QueueItem
from tagger.records import PreparedImage
from tagger.review import half_blocks, picture_widget
from tagger.review.picture_widget import HalfBlocks
from tagger.review.prefetch import Shown


def shown(width: int, height: int) -> Shown:
    """Return an item with a photograph of chance, and an array of chance."""
    chance = np.random.default_rng(width * 1000 + height)
    pixels = chance.integers(0, 255, (height, width, 3), np.uint8)
    views = chance.integers(0, 255, (28, 28, 3), np.uint8)
    item = QueueItem(
        1, "/shop", "a.jpg", "0" * 64, "Bag", 0.5, 0.1, 0.0, "", "", {}, 1, 1, 1,
        "JPEG", datetime.now(UTC),
    )  # fmt: skip
    return Shown(
        item,
        Path("/shop/a.jpg"),
        Image.fromarray(pixels),
        PreparedImage("0" * 64, views, width, height, "JPEG"),
    )


def colours(lines: picture_widget.Lines) -> NDArray[np.int64]:
    """Read the pixels back from the cells; -1 where a cell has no lower one."""
    rows = []
    for line in lines:
        assert {segment.text for segment in line} == {"▀"}
        styles = [segment.style or Style() for segment in line]
        rows.append([pixel(style.color) for style in styles])
        rows.append([pixel(style.bgcolor) for style in styles])
    return np.array(rows)


def pixel(colour: Color | None) -> tuple[int, int, int]:
    return (-1, -1, -1) if colour is None else colour.get_truecolor()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 40), st.integers(0, 20))
def test_a_photograph_is_drawn_within_its_room(
    width: int, height: int, columns: int, lines: int
) -> None:
    drawn = picture_widget.photograph(shown(width, height), columns, lines)

    assert len(drawn) <= lines
    assert all(line.cell_length <= columns for line in drawn)
    assert bool(drawn) == (min(columns, lines) > 0)


@given(st.integers(1, 30), st.integers(1, 30))
def test_where_there_is_room_every_pixel_is_a_half_cell(
    width: int, height: int
) -> None:
    one = shown(width, height)
    read = colours(picture_widget.photograph(one, 100, 100))

    assert one.photograph is not None
    np.testing.assert_array_equal(read[:height], np.array(one.photograph))
    assert (read[height:] == -1).all()


def test_what_the_network_saw_is_drawn_pixel_for_pixel() -> None:
    one = shown(5, 5)
    assert one.prepared is not None

    read = colours(picture_widget.seen(one, 14))

    np.testing.assert_array_equal(read[..., 0], one.prepared.pixels[..., 0])


@given(st.integers(1, 30), st.integers(1, 30))
def test_on_a_simple_terminal_every_pixel_has_one_of_its_colours(
    width: int, height: int
) -> None:
    drawn = picture_widget.photograph(shown(width, height), 100, 100, few_colours=True)

    colours_ = colours(drawn)[:height].reshape(-1, 3).tolist()
    assert {tuple(one) for one in colours_} <= {
        tuple(STANDARD_PALETTE[number]) for number in range(16)
    }


def test_shades_between_the_colours_are_mixed() -> None:
    """The nearest of the 16 colours alone would turn this ramp into four areas."""
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 4, 3, axis=2)
    ramp = np.repeat(ramp, 64, axis=0)

    mixed = np.array(half_blocks.dithered(Image.fromarray(ramp)), np.float64)

    blurred = mixed.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    wanted = ramp.astype(np.float64).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    assert np.abs(blurred - wanted).mean() < 16


@pytest.mark.parametrize("lines", [7, 14])
def test_nothing_to_see_is_nothing_drawn(lines: int) -> None:
    gone = Shown(shown(5, 5).item, Path("/shop/a.jpg"), trouble="gone")

    assert picture_widget.seen(gone, lines) == ()
    assert picture_widget.photograph(gone, 10, 10) == ()


def test_the_widget_shows_its_lines_in_its_middle() -> None:
    class Screen(App[None]):
        def compose(self) -> ComposeResult:
            yield HalfBlocks()

    async def run() -> list[str]:
        app = Screen()
        async with app.run_test(size=(11, 7)) as pilot:
            app.query_one(HalfBlocks).show(
                picture_widget.photograph(shown(4, 6), 10, 3)
            )
            await pilot.pause()
            widget = app.query_one(HalfBlocks)
            return ["".join(s.text for s in widget.render_line(y)) for y in range(7)]

    assert asyncio.run(run()) == ["", "", "   ▀▀▀▀", "   ▀▀▀▀", "   ▀▀▀▀", "", ""]
