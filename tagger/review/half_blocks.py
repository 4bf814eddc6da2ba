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

_ANSI: Final[list[Rgb]] = [
    (_red, _green, _blue)
    for _bright in (0, 85)
    for _blue in (_bright, 170 + _bright)
    for _green in (_bright, 170 + _bright)
    for _red in (_bright, 170 + _bright)
]
"""The 16 colours of a simple terminal, as Rich maps them; its fourth is brown."""
_ANSI[3] = (170, 85, 0)


def has_few_colours(console: "Console") -> bool:
    """Whether a terminal has 16 colours or fewer, as TERM=linux or TERM=xterm."""
    return console.color_system == "standard"


def dithered(image: "Image") -> "Image":
    """Return a picture of the 16 colours of a simple terminal.

    Dithering keeps the shapes, where the nearest colours leave large flat areas.
    """
    from PIL import Image  # noqa: PLC0415  few terminals need it

    palette = Image.new("P", (1, 1))
    palette.putpalette([level for colour in _ANSI for level in colour])
    return image.convert("RGB").quantize(palette=palette).convert("RGB")


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
        self._image = image

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "RenderResult":
        image = dithered(self._image) if has_few_colours(console) else self._image
        for line in cells(image):
            yield from line
            yield Segment.line()

    def __rich_measure__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> Measurement:
        return Measurement(self._image.width, self._image.width)


def _cell(upper: Rgb, lower: Rgb | None) -> Segment:
    ground = None if lower is None else Color.from_rgb(*lower)
    return Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=ground))
