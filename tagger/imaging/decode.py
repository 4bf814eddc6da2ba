"""Decode the bytes of a picture to upright pixels in plain RGB.

The bytes decide what a picture is, whatever the file is called. JPEG is decoded by
simplejpeg, which reports what libjpeg only warns of; all else by Pillow.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from tagger.imaging import chunks
from tagger.imaging.camera_raw import preview
from tagger.imaging.colour import is_blank, managed, to_rgb
from tagger.imaging.formats import FORMATS
from tagger.imaging.views import Rgb

MAX_PIXELS: Final = 105_000_000
"""Most pixels that are decoded: a medium-format camera's 102 million, 315 MB as RGB."""

MOST_REDUCED: Final = 8
"""A JPEG decoder can average up to eight by eight pixels into one."""

_MOST_FRAMES: Final = 1000
"""Most frames or pages of a file that are looked at."""

_HARMLESS: Final = re.compile(
    "Invalid SOS parameters|Unknown Adobe color transform|Unknown JFIF revision"
)
"""Warnings of libjpeg about what cameras and programs write into whole pictures."""

_JPEG_END: Final = b"\xff\xd9"

# Refuse a picture that claims an absurd size. Hide Pillow's other warnings (about EXIF,
# palettes): nobody who reads cron's mail can act on them.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS * MOST_REDUCED
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Upright 8-bit RGB pixels, and the full size of their picture.

    A pixel is the mean of `reduced` by `reduced` pixels of the picture. `damaged` says
    that the decoder got through, but found parts missing or wrong.
    """

    rgb: Rgb
    width: int
    height: int
    format: str
    reduced: int
    damaged: bool


Reduction = Callable[[int, int], int]
"""Returns by how much each edge may shrink, a power of two, from width and height."""


class RefusedError(Exception):
    """A picture that is refused; the message becomes the reason in its item."""


TOO_MANY_PIXELS: Final = "more than 100 megapixels"


def decode(data: bytes, wanted: Reduction, *, raw: bool = False) -> Decoded:
    """Decode a picture; a JPEG as coarsely as `wanted` allows.

    Damaged metadata is left out. Of a camera's `raw` file, the preview is decoded.
    Raises RefusedError, or whatever a decoder raises on hostile bytes.
    """
    if raw and (found := preview(data)):
        return replace(_decode(found.data, wanted, found.orientation), format="RAW")
    try:
        return _decode(data, wanted)
    except (RefusedError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception:
        bare = chunks.without_metadata(data)
        if bare is None:
            raise
        return _decode(bare, wanted)


def _decode(data: bytes, wanted: Reduction, orientation: int | None = None) -> Decoded:
    checked = chunks.checked_png(data)
    with _opened(checked.data) as image:
        # MPO is a JPEG with further pictures behind the first (depth, 3D).
        actual = "JPEG" if image.format == "MPO" else str(image.format)
        if actual == "TIFF":
            _turn_to_largest_page(image)
        elif actual == "PNG":
            _scale_transparency(image, depth=data[_PNG_DEPTH])
        size, damaged = image.size, checked.damaged
        reduced = _reduced(image, actual, wanted(*size))
        if actual == "JPEG":
            rgb, damaged = _jpeg(image, data, reduced)
        else:
            rgb = _first_frame(image)
            size = rgb.shape[1], rgb.shape[0]
            damaged = damaged or _lacks_parts(image, data)
        # Read only now: Pillow turns a TIFF while it loads it.
        if orientation is None:
            orientation = _orientation(image)
        if orientation in _ON_ITS_SIDE:
            size = size[1], size[0]
        rgb = _turned(rgb, orientation)
        return Decoded(rgb, *size, actual, reduced, damaged)


_HEIF: Final = "HEIF"
_PILLOW_FORMATS: Final = tuple(sorted({*FORMATS.values()} - {_HEIF}))
_FILE_TYPE: Final = b"ftyp"
"""The box with which HEIF and AVIF begin, after its length."""


def _opened(data: bytes) -> Image.Image:
    formats = _PILLOW_FORMATS
    if data[4:8] == _FILE_TYPE:
        import pi_heif  # noqa: PLC0415  only these need another decoder

        pi_heif.register_heif_opener(thumbnails=False)
        formats += (_HEIF,)
    return Image.open(io.BytesIO(data), formats=formats)


def _reduced(image: Image.Image, actual: str, wanted: int) -> int:
    """Return by how much the decoder shrinks an edge; RefusedError if not enough.

    A JPEG's time and memory are those of an eighth of its pixels, if it is shrunk by
    eight. A progressive one needs the coefficients of all of them in memory, though.
    """
    pixels = image.width * image.height
    if actual != "JPEG":
        reduced = cost = 1
    else:
        fitting = (n for n in (1, 2, 4) if pixels <= n * n * MAX_PIXELS)
        reduced = min(max(wanted, next(fitting, MOST_REDUCED)), MOST_REDUCED)
        cost = 2 if "progressive" in image.info else MOST_REDUCED
    if pixels > cost * MAX_PIXELS:
        raise RefusedError(TOO_MANY_PIXELS)
    return reduced


def _turn_to_largest_page(image: Image.Image) -> None:
    """Go to the page with the most pixels: others are previews and masks."""
    if not getattr(image, "is_animated", False):
        return
    sizes = {}
    with suppress(Exception):  # a damaged page, or the end
        for page in range(_MOST_FRAMES):
            image.seek(page)
            if not _is_mask(image):
                sizes[page] = image.width * image.height
    image.seek(max(sizes, key=lambda page: sizes[page], default=0))


_PNG_DEPTH: Final = 24
"""Where the number of bits of a sample stands in a PNG."""


def _scale_transparency(image: Image.Image, *, depth: int) -> None:
    """Scale the transparent colour as Pillow scales the pixels: to 8 bits."""
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and depth > 8:  # noqa: PLR2004  bits of a byte
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif isinstance(transparent, int) and image.mode == "L":
        image.info["transparency"] = transparent * 255 // ((1 << depth) - 1)


def _lacks_parts(image: Image.Image, data: bytes) -> bool:
    """Whether a picture has damage that its decoder does not report."""
    if image.format in _WITHOUT_CHECK:
        return chunks.is_emptied(data)
    return isinstance(image, TiffImageFile) and _is_damaged_tiff(image, data)


_WITHOUT_CHECK: Final = frozenset({"AVIF", _HEIF, "WEBP"})
"""Formats whose decoders take any bytes for pixels."""

_COMPRESSION, _JPEG_COMPRESSION, _JPEG_TABLES = 259, 7, 347
_PLACES: Final = ((273, 279), (324, 325))
"""Where strips and tiles begin, and their lengths (TIFF 6.0, sections 8 and 15)."""


def _is_damaged_tiff(image: TiffImageFile, data: bytes) -> bool:
    """Whether libjpeg warns of a part of a TIFF that is compressed by JPEG."""
    tags = image.tag_v2
    if tags.get(_COMPRESSION) != _JPEG_COMPRESSION:
        return False
    tables = tags.get(_JPEG_TABLES, b"").removesuffix(_JPEG_END)
    colours = "CMYK" if image.mode == "CMYK" else "GRAY"
    return any(
        _is_damaged_jpeg((tables + part[2:]) if tables else part, colours)
        for starts, lengths in _PLACES
        for start, length in zip(
            tags.get(starts, ()), tags.get(lengths, ()), strict=True
        )
        for part in [data[start : start + length]]
    )


def _is_damaged_jpeg(data: bytes, colours: str) -> bool:
    """Whether a JPEG can be decoded, but with a warning."""
    try:
        simplejpeg.decode_jpeg(data, colours)
    except ValueError:
        with suppress(ValueError):
            simplejpeg.decode_jpeg(data, colours, strict=False)
            return True
    return False


_SUBFILE_TYPE: Final = 254
_MASK: Final = 4


def _is_mask(page: Image.Image) -> bool:
    kind = getattr(page, "tag_v2", {}).get(_SUBFILE_TYPE, 0)
    return isinstance(kind, int) and bool(kind & _MASK)


def _first_frame(image: Image.Image) -> Rgb:
    """Return the first frame that shows something, or the first of all blank ones."""
    first = to_rgb(image)
    if image.format not in _ANIMATIONS or not getattr(image, "is_animated", False):
        return first
    if not is_blank(first):
        return first
    return next((each for each in _later(image) if not is_blank(each)), first)


_ANIMATIONS: Final = frozenset({"AVIF", "GIF", "PNG", "WEBP"})


def _later(image: Image.Image) -> Iterator[Rgb]:
    most = min(_MOST_FRAMES, MAX_PIXELS // (image.width * image.height))
    with suppress(Exception):  # a damaged frame, or the end
        for frame in range(1, most):
            image.seek(frame)
            yield to_rgb(image)


_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The turn that makes a picture upright, by EXIF orientation (EXIF 2.3, 4.6.4)."""

_ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1 if the EXIF data is damaged."""
    with suppress(Exception):
        orientation = image.getexif().get(_ORIENTATION, 1)
        return orientation if orientation in _TURNS else 1
    return 1


def _turned(rgb: Rgb, orientation: int) -> Rgb:
    turn = _TURNS.get(orientation)
    if turn is None:
        return rgb
    return np.asarray(Image.fromarray(rgb).transpose(turn))


def _jpeg(image: Image.Image, data: bytes, reduced: int) -> tuple[Rgb, bool]:
    """Decode a JPEG, averaging `reduced` by `reduced` pixels; say if it is damaged."""
    colours = "CMYK" if image.mode == "CMYK" else "RGB"
    rgb = _whole_jpeg(data, image.size, reduced, colours)
    if rgb is not None and colours == "RGB":
        return managed(rgb, image), False
    # Only Pillow inverts CMYK as programs do, and refuses a picture that ends too soon.
    image.draft(None, (image.width // reduced, image.height // reduced))
    return to_rgb(image), rgb is None


def _whole_jpeg(
    data: bytes, size: tuple[int, int], reduced: int, colours: str
) -> Rgb | None:
    """Decode a JPEG; None if libjpeg warns of damage, or if it cannot be decoded.

    A JPEG that only lacks its end marker, or has damaged metadata, is whole.
    """
    smaller = {
        "min_width": -(-size[0] // reduced),
        "min_height": -(-size[1] // reduced),
    }
    for each in _as_read(data):
        for strict in (True, False):
            try:
                return simplejpeg.decode_jpeg(  # type: ignore[no-any-return]
                    each, colours, strict=strict, **smaller
                )
            except ValueError as error:
                if not _HARMLESS.search(str(error)):
                    break
    return None


def _as_read(data: bytes) -> Iterator[bytes]:
    """Yield a JPEG, and again with its end and without its metadata: both may fail."""
    yield data
    yield data + _JPEG_END
    if bare := chunks.without_metadata(data):
        yield bare
        yield bare + _JPEG_END
