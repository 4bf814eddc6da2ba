"""Draw pictures as half blocks, two pixels to a terminal cell."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.color import Color
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console, ConsoleOptions, RenderResult

_UPPER_HALF: Final = "▀"

Rgb = tuple[int, int, int]


def cells(image: "Image") -> Iterator[list[Segment]]:
    """Yield a line of cells for every two rows of pixels.

    The last line of an odd height has the terminal's own background below.
    """
    width, height = image.size
    pixels = list(image.convert("RGB").getdata())
    for top in range(0, height, 2):
        upper = pixels[top * width : (top + 1) * width]
        lower = pixels[(top + 1) * width : (top + 2) * width] or [None] * width
        yield [_cell(above, below) for above, below in zip(upper, lower, strict=True)]


class HalfBlockPicture:
    """A picture that rich prints, as wide as it has columns of pixels."""

    def __init__(self, image: "Image") -> None:
        self._lines = list(cells(image))
        self._width = image.width

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "RenderResult":
        for line in self._lines:
            yield from line
            yield Segment.line()

    def __rich_measure__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> Measurement:
        return Measurement(self._width, self._width)


def _cell(upper: Rgb, lower: Rgb | None) -> Segment:
    ground = None if lower is None else Color.from_rgb(*lower)
    return Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=ground))
