"""Convert any of Pillow's modes to 8-bit sRGB, on a ground that shows the item."""

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.imaging.views import GROUND_TOLERANCE, Gray, Rgb

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_WHITE: Final = 255
_NEAR_WHITE: Final = 230
_NEAR_WHITE_SHARE: Final = 0.75
"""An item is near white if this share of its pixels is at least so bright."""

_OPAQUE: Final = 128
_BAND: Final = 512

_SRGB_TOLERANCE: Final = 2
"""A profile that moves no colour by more levels than this is as good as sRGB."""

_USUAL_TOPS: Final = (1.0, 255.0, 65535.0)
_OVER: Final = 2.0
_SHARE_OVER: Final = 0.01
"""Gray values of 0 to 1 may go over by so much; 1 % of any values may go over more."""
_HOLES_FILLED: Final = 10_000
"""So many values that are not numbers are filled from around them, more with white."""

_SAMPLES: Final = 100_000
"""So many values tell the range; all of a large picture would cost its memory again."""


def to_rgb(image: Image.Image) -> Rgb:
    """Convert a picture to 8-bit sRGB; what is transparent shows the ground."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = _eight_bit_image(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        return _on_ground(_in_srgb(layer, _profile(image)))
    image.load()
    changed = _in_srgb(image, _profile(image))
    # Pillow copies what has the mode already: 400 MB of a large picture.
    return np.asarray(changed if changed.mode == "RGB" else changed.convert("RGB"))


def managed(rgb: Rgb, image: Image.Image) -> Rgb:
    """Convert the RGB pixels of an opened picture to sRGB by its colour profile."""
    gray = image.mode == "L"
    profile = _profile(image)
    change = _transform(profile, "L" if gray else "RGB") if profile else None
    if change is None:
        return rgb
    pixels = np.ascontiguousarray(rgb[:, :, 0]) if gray else rgb
    return np.asarray(change.apply(Image.fromarray(pixels)))


def is_blank(rgb: Rgb) -> bool:
    """Whether all pixels have one colour, as far as a ground may vary."""
    spread = np.ptp(rgb.reshape(-1, rgb.shape[2]), axis=0)
    return bool(spread.max() <= GROUND_TOLERANCE)


def _profile(image: Image.Image) -> bytes:
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a picture by its profile; as it is without a profile that changes it."""
    if image.mode in {"P", "PA"}:
        image = image.convert("RGB")
    change = _transform(profile, image.mode) if profile else None
    if change is None:
        return image
    return change.apply(image)


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> "ImageCmsTransform | None":
    """Return the transform of a profile to sRGB.

    None if it is sRGB itself, damaged, or of other colours than the picture's mode.
    """
    from PIL import ImageCms  # noqa: PLC0415  few pictures have a profile

    after = "RGBA" if mode == "RGBA" else "RGB"
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            after,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return None if after == mode and _is_srgb(transform, mode) else transform


def _is_srgb(transform: "ImageCmsTransform", mode: str) -> bool:
    """Whether a transform leaves a cube of colours as it is."""
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    given = Image.fromarray(cube).convert(mode)
    moved = np.abs(np.asarray(transform.apply(given)).astype(int) - np.asarray(given))
    return int(moved.max()) <= _SRGB_TOLERANCE


def _on_ground(layer: Image.Image) -> Rgb:
    """Lay an RGBA picture on white; on black if its item would not show on white.

    A picture without any visible pixel has a meaningless alpha: it counts as opaque.
    Works in bands: whole copies of a large picture take too much memory.
    """
    lowest, highest = layer.getextrema()[3]  # type: ignore[misc]
    if highest == 0 or lowest == _WHITE:
        return np.asarray(layer.convert("RGB"))
    ground = "black" if _near_white(layer) else "white"
    rgb = np.empty((layer.height, layer.width, 3), np.uint8)
    for top, band in _bands(layer):
        laid = Image.alpha_composite(Image.new("RGBA", band.size, ground), band)
        rgb[top : top + band.height] = np.asarray(laid.convert("RGB"))
    return rgb


def _near_white(layer: Image.Image) -> bool:
    """Whether most opaque pixels of a cut-out are near white."""
    opaque = white = 0
    for _, band in _bands(layer):
        rgba = np.asarray(band)
        opaque += _count(rgba, 0)
        white += _count(rgba, _NEAR_WHITE)
    return white > _NEAR_WHITE_SHARE * opaque


def _count(rgba: NDArray[np.uint8], least: int) -> int:
    """Count the opaque pixels with at least that value in each channel."""
    low = (least, least, least, _OPAQUE)
    return cv2.countNonZero(cv2.inRange(rgba, low, (255, 255, 255, 255)))


def _bands(layer: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the rows of a picture in bands, each with the row where it begins."""
    for top in range(0, layer.height, _BAND):
        bottom = min(top + _BAND, layer.height)
        yield top, layer.crop((0, top, layer.width, bottom))


def _eight_bit_image(image: Image.Image) -> Image.Image:
    """Convert deep gray values to 8 bits, with alpha if a value is transparent."""
    values = np.asarray(image)
    gray = Image.fromarray(_eight_bit(values))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
        gray.putalpha(Image.fromarray(alpha))
    return gray


def _eight_bit(values: NDArray[np.generic]) -> Gray:
    """Scale deep gray values to 0..255 by the smallest usual range that holds them."""
    deep = values.astype(np.float32)
    holes = np.isnan(deep) | np.isneginf(deep)
    deep[holes] = np.inf
    top = _top(deep)
    if np.issubdtype(values.dtype, np.integer):
        top = max(top, 65535.0)
    np.clip(deep, 0, top, out=deep)
    deep *= 255.0 / top
    gray = deep.round(out=deep).astype(np.uint8)
    if 0 < np.count_nonzero(holes) <= _HOLES_FILLED:
        gray = cv2.inpaint(gray, holes.astype(np.uint8), 3, cv2.INPAINT_TELEA)  # type: ignore[assignment]
    return gray


def _top(deep: NDArray[np.float32]) -> float:
    """Return the value that is white: a usual one, else the largest but a few."""
    some = deep.ravel()[:: max(1, deep.size // _SAMPLES)]
    some = some[np.isfinite(some)]
    if not some.size:
        return 1.0
    most = float(np.quantile(some, 1 - _SHARE_OVER))
    if most <= _OVER:
        return 1.0
    return next((top for top in _USUAL_TOPS if most <= top), most)
