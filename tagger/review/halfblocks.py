"""Pictures as half blocks, two pixels to a cell, on the screen as fast as text.

Drawn beforehand by whoever has the time: to show one is then to hand out its lines.
rich-pixels and textual-image draw alike, but when they are shown: 0.1 s a photograph,
which a reviewer would feel at every key.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tagger.records import IMAGE_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

    from tagger.review.prefetch import Shown

KEPT: Final = 12
"""Drawings kept: of those read ahead, of those before, and some for a resize."""

_UPPER_HALF: Final = "▀"

Lines = Sequence[Strip]


@lru_cache(KEPT)
def photograph(shown: "Shown", columns: int, lines: int) -> Lines:
    """Draw an item's photograph within so many cells; nothing where there is none."""
    if shown.photograph is None or min(columns, lines) < 1:
        return ()
    from PIL.Image import Resampling  # noqa: PLC0415  the screen's only

    small = shown.photograph.copy()
    small.thumbnail((columns, 2 * lines), Resampling.BOX)
    return tuple(_drawn(small))


@lru_cache(KEPT)
def seen(shown: "Shown", lines: int) -> Lines:
    """Draw the gray view that the network sees, in so many lines."""
    if shown.prepared is None:
        return ()
    from PIL.Image import Resampling, fromarray  # noqa: PLC0415

    gray = fromarray(shown.prepared.pixels[:, :, 0])
    how = Resampling.BOX if 2 * lines < IMAGE_SIDE else Resampling.NEAREST
    return tuple(_drawn(gray.resize((2 * lines, 2 * lines), how).convert("RGB")))


class HalfBlocks(Widget):
    """A widget that shows lines drawn before, in its middle."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._lines: Lines = ()

    def show(self, lines: Lines) -> None:
        """Show these lines from now on."""
        self._lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget, `y` from its top."""
        width, height = self.size
        at = y - (height - len(self._lines)) // 2
        if not 0 <= at < len(self._lines):
            return Strip([])  # Textual fills what is left with the ground
        before = max(0, (width - self._lines[at].cell_length) // 2)
        return Strip.join([Strip([Segment(" " * before)], before), self._lines[at]])


def _drawn(image: "Image") -> Iterator[Strip]:
    """Yield a line of cells for every two rows of pixels."""
    width, height = image.size
    pixels = list(image.convert("RGB").getdata())
    for top in range(0, height, 2):
        upper = pixels[top * width : (top + 1) * width]
        lower = pixels[(top + 1) * width : (top + 2) * width] or [None] * width
        yield Strip(map(_cell, upper, lower), width)


def _cell(upper: tuple[int, int, int], lower: tuple[int, int, int] | None) -> Segment:
    ground = None if lower is None else Color.from_rgb(*lower)
    return Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=ground))
