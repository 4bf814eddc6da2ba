"""Prepare a picture file for the network: the only definition, for training too.

The recipe is the one Fashion-MNIST was made by (Xiao, Rasul, Vollgraf 2017,
arXiv:1708.07747, section 2): trim the edges that match the ground, resize the longest
edge to 28, sharpen, extend the short edge to 28 with the item in the centre, negate,
gray. What is added makes it hold for the files and grounds that shops really have.

Knows nothing of networks and databases. A file that cannot be prepared is a value,
never an exception.
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

_GROUND_TOLERANCE = 13
"""5 % of 255: the recipe's distance, in any channel, up to which a pixel is ground."""

_PLAIN_SHARE = 0.5
"""Least share of the border that must be ground for there to be a ground at all."""

_FRAME_SHARE = 0.95
"""Least share of each of two rings that must be plain for the outer to be a frame."""

_ITEM_SHARE = 0.005
"""A row or column belongs to the item when more than this share of it is not ground,
so that one speck of JPEG noise does not hold the trimming up."""

_SHARPEN_SIGMA = 1.0
_SHARPEN_AMOUNT = 0.6
"""Unsharp mask at 28 pixels. The recipe says "a Gaussian operator of radius and
standard deviation 1"; the amount brings photographs of `shop` to the mean edge
energy of Fashion-MNIST."""

_Rgb = NDArray[np.uint8]
_Gray = NDArray[np.uint8]

# A picture that claims absurd sizes is refused, not warned about; what else Pillow
# finds odd about a file (its EXIF, its palette) is no news to whoever reads the mail.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """Upright 8-bit RGB pixels, perhaps at a fraction of the picture's size."""

    rgb: _Rgb
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
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return UnreadableImage("not a regular file")
        if status.st_size > MAX_BYTES:
            return UnreadableImage(f"larger than {MAX_BYTES // 2**20} MB")
        data = path.read_bytes()
    except OSError as error:
        return UnreadableImage(error.strerror or type(error).__name__)
    return prepare_bytes(data, ending=path.suffix)


def prepare_bytes(data: bytes, *, ending: str) -> PreparedImage | UnreadableImage:
    """Prepare the bytes of a file whose name ends in `ending`, as ".jpg". Never raises.

    Any ending is taken; one that names a format is held to it.
    """
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        return UnreadableImage("the file is empty", digest)
    try:
        expected = FORMATS.get(ending.lower())
        with native_errors_silenced() if _is_tiff(data) else nullcontext():
            decoded, pixels = _decode_and_normalise(data, expected)
    except _RefusedError as error:
        return UnreadableImage(str(error), digest)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return UnreadableImage(_too_many_pixels(), digest)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes
        return UnreadableImage(_reason(error), digest)
    return PreparedImage(digest, pixels, decoded.width, decoded.height, decoded.format)


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


def _decode_and_normalise(
    data: bytes, expected: str | None
) -> tuple[_Decoded, NDArray[np.uint8]]:
    decoded = _decode(data, expected, reduce=True)
    item = _item(decoded.rgb)
    if decoded.reduced and max(item.shape) < _MIN_ITEM_SIDE:
        decoded = _decode(data, expected, reduce=False)
        item = _item(decoded.rgb)
    return decoded, _to_canvas(item)[:, :, np.newaxis]


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


def _rgb(image: Image.Image) -> _Rgb:
    """Bring any of Pillow's modes to 8-bit RGB; what is transparent becomes white."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return cv2.cvtColor(_eight_bit(np.asarray(image)), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return np.asarray(Image.alpha_composite(white, layer).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bit(values: NDArray[np.generic]) -> _Gray:
    """Scale deep gray values to 0..255 by the smallest usual range that holds them."""
    deep = np.nan_to_num(values.astype(np.float64))
    top = next((t for t in (1.0, 255.0, 65535.0) if deep.max() <= t), deep.max())
    if np.issubdtype(values.dtype, np.integer):
        top = max(top, 65535.0)
    return (deep.clip(0) * (255.0 / top)).round().astype(np.uint8)


def _item(rgb: _Rgb) -> _Gray:
    """Cut the item out of its ground and level it: ground 0, furthest from it 255.

    Where the border is no plain ground (a floor, a bed, a street) the whole picture
    stays and is negated, as if its ground were white.
    """
    rgb = _without_frame(rgb)
    ground, share = _ring_colour(rgb, 0)
    if share < _PLAIN_SHARE:
        return 255 - _gray(rgb)
    off = _distance(rgb, ground) > _GROUND_TOLERANCE
    rows = np.flatnonzero(off.mean(axis=1) > _ITEM_SHARE)
    columns = np.flatnonzero(off.mean(axis=0) > _ITEM_SHARE)
    if not len(rows) or not len(columns):
        return _level(rgb, ground)
    return _level(
        rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1],
        ground,
    )


def _without_frame(rgb: _Rgb) -> _Rgb:
    """Cut off a thin plain frame drawn around a picture that has a ground of its own.

    Two plain rings of different colours, the second 4 % further in, make a frame.
    """
    inset = max(1, round(min(rgb.shape[:2]) * 0.04))
    if min(rgb.shape[:2]) < 4 * inset + 2:
        return rgb
    outer, outer_share = _ring_colour(rgb, 0)
    inner, inner_share = _ring_colour(rgb, inset)
    plain = min(outer_share, inner_share) >= _FRAME_SHARE
    if plain and np.abs(outer - inner).max() > _GROUND_TOLERANCE:
        return rgb[inset:-inset, inset:-inset]
    return rgb


def _ring_colour(rgb: _Rgb, inset: int) -> tuple[NDArray[np.float64], float]:
    """Median colour of the one-pixel ring at `inset`, and its share of such pixels."""
    low, high = inset, -1 - inset
    inside = slice(inset, rgb.shape[0] - inset)
    across = slice(inset, rgb.shape[1] - inset)
    ring = np.concatenate(
        [rgb[low, across], rgb[high, across], rgb[inside, low], rgb[inside, high]]
    )
    colour = np.median(ring, axis=0)
    share = np.abs(ring - colour).max(axis=1) <= _GROUND_TOLERANCE
    return colour, float(share.mean())


def _distance(rgb: _Rgb, colour: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Largest distance of a pixel from `colour` over the three channels."""
    plane = np.empty_like(rgb)
    plane[:] = colour.round()
    return cv2.absdiff(rgb, plane).max(axis=2)  # type: ignore[no-any-return]


def _gray(rgb: _Rgb) -> _Gray:
    """Luma of an RGB picture, ITU-R BT.601."""
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _level(rgb: _Rgb, ground: NDArray[np.float64]) -> _Gray:
    """Distance of the gray values from the ground's, stretched to reach 255.

    On white this is the recipe's negative; on black the picture itself; on any other
    ground the item stands out from 0 whether it is darker or lighter than it.
    """
    zero = int(_gray(ground.round().astype(np.uint8).reshape(1, 1, 3))[0, 0])
    stretch = 255.0 / max(zero, 255 - zero)
    distance = cv2.absdiff(_gray(rgb), np.full(rgb.shape[:2], zero, np.uint8))
    return cv2.convertScaleAbs(distance, alpha=stretch)  # type: ignore[return-value]


def _to_canvas(item: _Gray) -> _Gray:
    """Resize the longest edge to 28, sharpen, and centre on a 28x28 ground of 0."""
    height, width = item.shape
    scale = IMAGE_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = _sharpen(cv2.resize(item, size, interpolation=how))  # type: ignore[arg-type]
    canvas = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    top = (IMAGE_SIDE - size[1]) // 2
    left = (IMAGE_SIDE - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _sharpen(gray: _Gray) -> _Gray:
    blurred = cv2.GaussianBlur(gray, (0, 0), _SHARPEN_SIGMA)
    return cv2.addWeighted(gray, 1 + _SHARPEN_AMOUNT, blurred, -_SHARPEN_AMOUNT, 0)  # type: ignore[return-value]
