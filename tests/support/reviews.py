"""Reviews held in lines and on the whole screen, without a terminal."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console
from support import wait_for
from textual.pilot import Pilot

from tagger.inventory import Inventory
from tagger.inventory.records import Decision, Selection
from tagger.review.app import ReviewApp, ReviewScreen
from tagger.review.line_mode import LineReview
from tagger.review.session import ReviewSession, review_session

EVERY_FLAGGED = Selection()


@contextmanager
def sit(
    inventory: Inventory,
    selection: Selection = EVERY_FLAGGED,
    *,
    limit: int | None = None,
    patterns: Mapping[str, re.Pattern[str]] | None = None,
) -> Iterator[ReviewSession]:
    with (
        inventory.reviewing("anna", selection) as opened,
        review_session(opened, limit=limit, patterns=patterns) as begun,
    ):
        yield begun


def in_lines(
    inventory: Inventory,
    *answers: str,
    selection: Selection = EVERY_FLAGGED,
    limit: int | None = None,
    patterns: Mapping[str, re.Pattern[str]] | None = None,
    grouped: bool = False,
) -> str:
    """Hold a review with these answers; return what was printed.

    `grouped` begins when it is known which pictures belong together.
    """
    console = Console(width=200, record=True, file=io.StringIO())
    lines = iter(answers)
    asked: list[str] = []

    def read(prompt: str) -> str:
        asked.append(prompt)
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    with sit(inventory, selection, limit=limit, patterns=patterns) as begun:
        if grouped:
            wait_for(begun._groups.finished)  # noqa: SLF001
        LineReview(begun, console, read).run()
    return console.export_text() + "\n".join(asked)


def decided(inventory: Inventory) -> dict[str, tuple[str | None, str]]:
    """Return tag and kind of what is decided, by path."""
    found: dict[str, tuple[str | None, str]] = {}
    for record, paths in inventory.decisions():
        if isinstance(record, Decision) and record.undone_at is None:
            name = Path(paths[0]).name
            found[name] = (record.answer.tag, record.answer.kind.value)
    return found


@asynccontextmanager
async def on_screen(
    begun: ReviewSession, size: tuple[int, int] = (110, 36)
) -> AsyncIterator[Pilot[int]]:
    app = ReviewApp(begun, unseen=0)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot


async def settle(pilot: Pilot[int]) -> None:
    """Wait until what was asked for is done and shown."""
    for _ in range(400):
        await pilot.pause()
        screen = next(
            (s for s in pilot.app.screen_stack if isinstance(s, ReviewScreen)), None
        )
        if screen is not None and not screen._busy:  # noqa: SLF001
            await pilot.pause()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the screen is busy for ever")


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def text_of(pilot: Pilot[int]) -> str:
    """Return the text on the screen, row by row; a screenshot would take longer."""
    rows = pilot.app.screen._compositor.render_strips()  # noqa: SLF001
    return "\n".join(row.text for row in rows)


async def soon(pilot: Pilot[int], words: str) -> str:
    """Wait until these words stand on the screen; return all of it."""
    for _ in range(200):
        if words in (text := text_of(pilot)):
            return text
        await asyncio.sleep(0.02)
    raise AssertionError(f"{words!r} did not appear in:\n{text}")


def order_of(inventory: Inventory) -> list[str]:
    with inventory.reviewing("nobody", Selection()) as opened:
        return [Path(item.path).name for item in opened.take(99, without=())]
