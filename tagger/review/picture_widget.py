"""Draw pictures ahead of time for the full screen, and show them in its widget.

To show a picture is then to return its lines, as fast as text. rich-pixels and
textual-image draw in the same way, but at the moment of showing: 0.1 s a photograph,
which a reviewer would feel at every key.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tagger.records import IMAGE_SIDE
from tagger.review.half_blocks import cells, dithered

if TYPE_CHECKING:
    from PIL.Image import Image

    from tagger.review.prefetch import Shown

KEPT: Final = 12
"""Drawings in the cache: of pictures read ahead, earlier ones, and after a resize."""

Lines = Sequence[Strip]


@lru_cache(KEPT)
def photograph(
    shown: "Shown", columns: int, lines: int, *, few_colours: bool = False
) -> Lines:
    """Draw a photograph within `columns` by `lines` cells; () without one."""
    if shown.photograph is None or min(columns, lines) < 1:
        return ()
    from PIL.Image import Resampling  # noqa: PLC0415  the screen's only

    small = shown.photograph.copy()
    small.thumbnail((columns, 2 * lines), Resampling.BOX)
    return tuple(_drawn(dithered(small) if few_colours else small))


@lru_cache(KEPT)
def seen(shown: "Shown", lines: int, *, few_colours: bool = False) -> Lines:
    """Draw the gray view that the network sees, `lines` high; () without one."""
    if shown.prepared is None:
        return ()
    from PIL.Image import Resampling, fromarray  # noqa: PLC0415

    gray = fromarray(shown.prepared.pixels[:, :, 0])
    how = Resampling.BOX if 2 * lines < IMAGE_SIDE else Resampling.NEAREST
    small = gray.resize((2 * lines, 2 * lines), how).convert("RGB")
    return tuple(_drawn(dithered(small) if few_colours else small))


class HalfBlocks(Widget):
    """A widget that shows lines drawn earlier, centered."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._lines: Lines = ()

    def show(self, lines: Lines) -> None:
        """Replace the lines."""
        self._lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget, `y` from its top."""
        width, height = self.size
        at = y - (height - len(self._lines)) // 2
        if not 0 <= at < len(self._lines):
            return Strip([])  # Textual fills the rest with the background
        before = max(0, (width - self._lines[at].cell_length) // 2)
        # Textual's filter for NO_COLOR fails on a segment without a style.
        margin = Strip([Segment(" " * before, Style.null())], before)
        return Strip.join([margin, self._lines[at]])


def _drawn(image: "Image") -> Iterator[Strip]:
    """Yield a line of cells for every two rows of pixels."""
    for line in cells(image):
        yield Strip(line, image.width)
