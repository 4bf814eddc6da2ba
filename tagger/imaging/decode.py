"""Read and decode picture files: the one preprocessing, for training too.

Decodes the files that shops really have, upright and in plain RGB; `views` then makes
the network's views. Knows neither networks nor databases. A file that cannot be
prepared gives a value, never an exception.
"""

import hashlib
import io
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tagger.imaging.formats import FORMATS
from tagger.imaging.views import (
    CANVAS_ITEM_SIDE,
    CANVAS_SIDE,
    Gray,
    Rgb,
    Views,
    coarsest,
    find,
    lay,
    look_at,
    network_input,
    power_of_two,
)
from tagger.records import IMAGE_SIDE, PreparedImage, UnreadableImage
from tagger.system.native_stderr import suppress_native_stderr

MAX_PIXELS: Final = 100_000_000
"""Largest picture that is decoded: a medium-format camera's, 300 MB as RGB."""

MAX_BYTES: Final = 256 * 1024 * 1024
"""Largest file that is read."""

_MIN_ITEM_SIDE = 2 * IMAGE_SIDE
"""The decoder halves a JPEG as far as `views.coarsest` allows. If the longest edge of
the item then has under 56 pixels, the picture is decoded again more finely, so that at
least two pixels (if it has them) are averaged into one of the network's."""

_JPEG_SCALES: Final = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_JPEG_END: Final = b"\xff\xd9"
"""A whole JPEG ends with this marker. OpenCV does not report a truncated one."""

# Refuse a picture that claims an absurd size. Hide Pillow's other warnings (about EXIF,
# palettes): nobody who reads cron's mail can act on them.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """Upright 8-bit RGB pixels, and the full size of their picture.

    A pixel is the mean of `reduced` by `reduced` pixels of the picture: a JPEG decoder
    can average up to eight by eight while it decodes.
    """

    rgb: Rgb
    width: int
    height: int
    format: str
    reduced: int


class _RefusedError(Exception):
    """A picture that is refused; the message becomes the reason in its item."""


def prepare(path: Path) -> PreparedImage | UnreadableImage:
    """Read and prepare the file at `path`; its format must match its ending."""
    data = _read(path)
    if isinstance(data, UnreadableImage):
        return data
    return prepare_bytes(data, ending=path.suffix)


def canvas(path: Path) -> Views | UnreadableImage:
    """Read the file at `path` as `prepare` does, but return larger views.

    Returns (96, 96, 3) uint8 views, unsharpened, with the item's longest edge at 88.
    Training augments these and then makes them small, so that it resamples only once.
    """
    data = _read(path)
    if isinstance(data, UnreadableImage):
        return data
    item_or_reason = _find(data, path.suffix)
    if isinstance(item_or_reason, str):
        return UnreadableImage(item_or_reason, digest_of(data))
    _, item = item_or_reason
    return lay(item, CANVAS_SIDE, CANVAS_ITEM_SIDE)


def prepare_bytes(data: bytes, *, ending: str) -> PreparedImage | UnreadableImage:
    """Prepare the content of a file whose name ends in `ending` (".jpg"). Never raises.

    Any ending is accepted; if it names a format, the content must have that format.
    """
    item_or_reason, digest = _find(data, ending), digest_of(data)
    if isinstance(item_or_reason, str):
        return UnreadableImage(item_or_reason, digest)
    decoded, item = item_or_reason
    pixels = network_input(item)
    return PreparedImage(digest, pixels, decoded.width, decoded.height, decoded.format)


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file's content as hexadecimal: its name in the rows."""
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes | UnreadableImage:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return UnreadableImage("not a regular file")
        if status.st_size > MAX_BYTES:
            return UnreadableImage(f"larger than {MAX_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        return UnreadableImage(error.strerror or type(error).__name__)


def _find(data: bytes, ending: str) -> tuple[_Decoded, Views] | str:
    """Decode a file's content and find its item; return the reason if that fails."""
    if not data:
        return "the file is empty"
    try:
        with suppress_native_stderr():
            return _decode_and_find(data, FORMATS.get(ending.lower()))
    except _RefusedError as error:
        return str(error)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return _too_many_pixels()
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes
        return _reason(error)


def upright(path: Path, *, side: int) -> Image.Image:
    """Load a picture for a person to look at: upright RGB, at most `side` pixels.

    Raises OSError or ValueError if `prepare` would call it unreadable.
    """
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        image.draft("RGB", (side, side))
        picture = Image.fromarray(_rgb(ImageOps.exif_transpose(image)))
    picture.thumbnail((side, side))
    return picture


_PILLOW_FORMATS: Final = tuple(sorted(set(FORMATS.values())))


def _too_many_pixels() -> str:
    return f"more than {MAX_PIXELS // 1_000_000} megapixels"


def _reason(error: Exception) -> str:
    """Return a reason in plain words; Pillow's messages contain memory addresses."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format tagger reads"
    if isinstance(error, MemoryError):
        return "takes too much memory to decode"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return "the picture is truncated"
    return f"cannot be decoded ({type(error).__name__})"


def _decode_and_find(data: bytes, expected: str | None) -> tuple[_Decoded, Views]:
    """Decode as coarsely as the item allows; return the picture and its item."""
    decoded = _decode(data, expected)
    found = find(decoded.rgb)
    if decoded.reduced > 1 and found.side < _MIN_ITEM_SIDE:
        finer = power_of_two(decoded.reduced * found.side // _MIN_ITEM_SIDE)
        decoded = _decode(data, expected, at_most=finer)
        found = find(decoded.rgb)
    return decoded, look_at(decoded.rgb, found)


def _decode(
    data: bytes, expected: str | None, *, at_most: int = max(_JPEG_SCALES)
) -> _Decoded:
    with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        # MPO is a JPEG with further pictures behind the first (depth, 3D).
        actual = "JPEG" if image.format == "MPO" else str(image.format)
        if expected is not None and actual != expected:
            raise _RefusedError(f"the name says {expected}, the bytes are {actual}")
        if image.width * image.height > MAX_PIXELS:
            raise _RefusedError(_too_many_pixels())
        width, height = image.size
        reduced = min(_reducible(image), at_most)
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
        rgb = _reduced_rgb(image, data, reduced)
        if turn is not None:
            rgb = np.asarray(Image.fromarray(rgb).transpose(turn))
            if turn in _TURNS_ON_ITS_SIDE:
                width, height = height, width
        return _Decoded(rgb, width, height, actual, reduced)


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

_TURNS_ON_ITS_SIDE: Final = frozenset(_TURNS[number] for number in (5, 6, 7, 8))


def _reducible(image: Image.Image) -> int:
    """Return by how much the decoder may shrink an edge: a power of two."""
    if image.format not in {"JPEG", "MPO"}:
        return 1
    return min(coarsest(*image.size), max(_JPEG_SCALES))


def _reduced_rgb(image: Image.Image, data: bytes, reduced: int) -> Rgb:
    """Decode to RGB, averaging `reduced` by `reduced` pixels into one."""
    rgb = _jpeg(image, data, reduced)
    if rgb is None:
        image.draft("RGB", (image.width // reduced, image.height // reduced))
        rgb = _rgb(image)
    return rgb


def _jpeg(image: Image.Image, data: bytes, reduced: int) -> Rgb | None:
    """Decode a whole JPEG with OpenCV: Pillow's pixels to the last bit, a fifth faster.

    None if only Pillow can decode it.
    """
    whole = _JPEG_END in data[-64:]
    if image.format != "JPEG" or image.mode not in {"RGB", "L"} or not whole:
        return None
    how = _JPEG_SCALES[reduced] | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def _rgb(image: Image.Image) -> Rgb:
    """Convert any of Pillow's modes to 8-bit RGB; transparent pixels become white."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return cv2.cvtColor(_eight_bit(np.asarray(image)), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return np.asarray(Image.alpha_composite(white, layer).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bit(values: NDArray[np.generic]) -> Gray:
    """Scale deep gray values to 0..255 by the smallest usual range that holds them."""
    deep = np.nan_to_num(values.astype(np.float64))
    top = next((t for t in (1.0, 255.0, 65535.0) if deep.max() <= t), deep.max())
    if np.issubdtype(values.dtype, np.integer):
        top = max(top, 65535.0)
    return (deep.clip(0) * (255.0 / top)).round().astype(np.uint8)
