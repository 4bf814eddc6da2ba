"""Prepare a picture file for the network: the only definition, for training too.

Reads and decodes whatever files shops really have, upright and in plain RGB; what is
then seen of the picture is the business of `views`. Knows nothing of networks and
databases. A file that cannot be prepared is a value, never an exception.
"""

import hashlib
import io
import stat
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tagger.records import IMAGE_SIDE, PreparedImage, UnreadableImage
from tagger.silence import native_errors_silenced
from tagger.views import (
    CANVAS_ITEM_SIDE,
    CANVAS_SIDE,
    Gray,
    Rgb,
    Views,
    item_of,
    lay,
    network_input,
)

FORMATS: Final = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The file name endings that are read, and what the bytes behind them must be."""

FOREIGN_PICTURES: Final = frozenset({".dng", ".heic", ".heif", ".psd", ".raw", ".svg"})
"""Endings of pictures that are not read: their owner will ask why."""

MAX_PIXELS: Final = 100_000_000
"""Largest picture that is decoded: a medium-format camera's, 300 MB as RGB."""

MAX_BYTES: Final = 256 * 1024 * 1024
"""Largest file that is read."""

_REDUCED_SIDE = 112
_MIN_ITEM_SIDE = 2 * IMAGE_SIDE
"""A JPEG is decoded at an eighth, a quarter or half its size while its short edge
keeps 112 pixels; an item that then has under 56 is decoded again in full, so that the
last resize always averages at least two pixels into one."""

# A picture that claims absurd sizes is refused, not warned about; what else Pillow
# finds odd about a file (its EXIF, its palette) is no news to whoever reads the mail.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """Upright 8-bit RGB pixels, perhaps at a fraction of the picture's size."""

    rgb: Rgb
    width: int
    height: int
    format: str

    @property
    def reduced(self) -> bool:
        return len(self.rgb) < self.height


class _RefusedError(Exception):
    """A picture we decline to decode; the message is the reason in the row."""


def prepare(path: Path) -> PreparedImage | UnreadableImage:
    """Read and prepare the file at `path`; its ending names the format it must have."""
    data = _read(path)
    if isinstance(data, UnreadableImage):
        return data
    return prepare_bytes(data, ending=path.suffix)


def canvas(path: Path) -> Views | UnreadableImage:
    """Read the file at `path` as `prepare` does, but lay its item out finer.

    Returns (96, 96, 3) uint8 views, the item's longest edge at 88 and nothing
    sharpened: what training varies, so that it resamples before the picture is small.
    """
    data = _read(path)
    if isinstance(data, UnreadableImage):
        return data
    found = _find(data, path.suffix)
    if isinstance(found, UnreadableImage):
        return found
    return lay(found[1], CANVAS_SIDE, CANVAS_ITEM_SIDE)


def prepare_bytes(data: bytes, *, ending: str) -> PreparedImage | UnreadableImage:
    """Prepare the bytes of a file whose name ends in `ending`, as ".jpg". Never raises.

    Any ending is taken; one that names a format is held to it.
    """
    found = _find(data, ending)
    if isinstance(found, UnreadableImage):
        return found
    decoded, item = found
    digest, pixels = hashlib.sha256(data).hexdigest(), network_input(item)
    return PreparedImage(digest, pixels, decoded.width, decoded.height, decoded.format)


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


def _find(data: bytes, ending: str) -> tuple[_Decoded, Views] | UnreadableImage:
    """Decode a file's bytes and find its item; what goes wrong becomes a reason."""
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        return UnreadableImage("the file is empty", digest)
    try:
        expected = FORMATS.get(ending.lower())
        with native_errors_silenced() if _is_tiff(data) else nullcontext():
            return _decode_and_find(data, expected)
    except _RefusedError as error:
        return UnreadableImage(str(error), digest)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return UnreadableImage(_too_many_pixels(), digest)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes
        return UnreadableImage(_reason(error), digest)


def upright(path: Path, *, side: int) -> Image.Image:
    """Load a picture for a person to look at: upright RGB, at most `side` pixels.

    Raises OSError or ValueError where `prepare` would call it unreadable.
    """
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        image.draft("RGB", (side, side))
        picture = Image.fromarray(_rgb(ImageOps.exif_transpose(image)))
    picture.thumbnail((side, side))
    return picture


_PILLOW_FORMATS: Final = tuple(sorted(set(FORMATS.values())))


def _is_tiff(data: bytes) -> bool:
    """Whether libtiff, which talks to standard error, will read these bytes."""
    return data.startswith((b"II", b"MM"))


def _too_many_pixels() -> str:
    return f"more than {MAX_PIXELS // 1_000_000} megapixels"


def _reason(error: Exception) -> str:
    """Say in our words what Pillow says in its own, which name memory addresses."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format tagger reads"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return "the picture is truncated"
    return f"cannot be decoded ({type(error).__name__})"


def _decode_and_find(data: bytes, expected: str | None) -> tuple[_Decoded, Views]:
    """Decode as coarsely as the item allows; return picture and item."""
    decoded = _decode(data, expected, reduce=True)
    item = item_of(decoded.rgb)
    if decoded.reduced and max(item.shape) < _MIN_ITEM_SIDE:
        decoded = _decode(data, expected, reduce=False)
        item = item_of(decoded.rgb)
    return decoded, item


def _decode(data: bytes, expected: str | None, *, reduce: bool) -> _Decoded:
    with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        found = "JPEG" if image.format == "MPO" else str(image.format)
        if expected is not None and found != expected:
            raise _RefusedError(f"the name says {expected}, the bytes are {found}")
        if image.width * image.height > MAX_PIXELS:
            raise _RefusedError(_too_many_pixels())
        width, height = image.size
        if reduce:
            image.draft("RGB", (_REDUCED_SIDE, _REDUCED_SIDE))
        turned = ImageOps.exif_transpose(image)
        if (turned.width > turned.height) != (image.width > image.height):
            width, height = height, width
        return _Decoded(_rgb(turned), width, height, found)


def _rgb(image: Image.Image) -> Rgb:
    """Bring any of Pillow's modes to 8-bit RGB; what is transparent becomes white."""
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
