"""Find the JPEG preview in a camera's raw file.

Cameras write the picture as they would develop it, in full or nearly full size, for
their own screen. To develop the raw data takes a library for each new camera, seconds a
picture, and gives other colours than the shop's own JPEG.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import simplejpeg
from PIL import Image

_JPEG_START: Final = b"\xff\xd8\xff"
_CANON_EXIF: Final = b"CMT1"
"""The box of a CR3 file in which the main EXIF data lies."""

_MOST_TRIED: Final = 1000
"""So many places that may be the start of a JPEG are tried."""

_ORIENTATION: Final = 0x0112


class Preview(NamedTuple):
    """A JPEG, and the orientation that the raw file gives it, None if it gives none."""

    data: bytes
    orientation: int | None


def preview(data: bytes) -> Preview | None:
    """Return the largest JPEG inside a raw file; None if there is none."""
    best, most = None, 0
    for start in _starts(data):
        with suppress(ValueError):  # not a JPEG, or one of raw data
            height, width, *_ = simplejpeg.decode_jpeg_header(data[start:])
            if height * width > most:
                best, most = start, height * width
    return None if best is None else Preview(data[best:], _orientation(data))


def _starts(data: bytes) -> Iterator[int]:
    start = data.find(_JPEG_START)
    for _ in range(_MOST_TRIED):
        if start < 0:
            return
        yield start
        start = data.find(_JPEG_START, start + 1)


def _orientation(data: bytes) -> int | None:
    box = data.find(_CANON_EXIF)
    exif = Image.Exif()
    with suppress(Exception):  # other makers' bytes, or damaged ones
        exif.load(data[box + len(_CANON_EXIF) :] if box >= 0 else data)
        return int(exif[_ORIENTATION])
    return None
