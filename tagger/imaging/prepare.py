"""Read and decode picture files: the one preprocessing, for training too.

Decodes the files that shops really have, upright and in plain RGB; `views` then makes
the network's views. Knows neither networks nor databases. A file that cannot be
prepared gives a value, never an exception.
"""

import hashlib
import stat
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from tagger.imaging.chunks import begins_as_picture
from tagger.imaging.decode import (
    TOO_MANY_PIXELS,
    Decoded,
    Reduction,
    RefusedError,
    decode,
)
from tagger.imaging.formats import CAMERA_RAW, MAX_BYTES
from tagger.imaging.sources import Source
from tagger.imaging.views import (
    CANVAS_ITEM_SIDE,
    CANVAS_SIDE,
    Views,
    coarsest,
    find,
    lay,
    look_at,
    network_input,
    power_of_two,
)
from tagger.records import IMAGE_SIDE, PreparedImage, UnreadableImage
from tagger.storage import Content, Location
from tagger.system.native_stderr import suppress_native_stderr

_MIN_ITEM_SIDE = 2 * IMAGE_SIDE
"""The decoder halves a JPEG as far as `views.coarsest` allows. If the longest edge of
the item then has under 56 pixels, the picture is decoded again more finely, so that at
least two pixels (if it has them) are averaged into one of the network's."""


def prepare(source: Source) -> PreparedImage | UnreadableImage:
    """Read and prepare a file, whatever its ending says."""
    content = _content(source)
    if isinstance(content, UnreadableImage):
        return content
    return prepare_bytes(content.data, ending=_ending(content.name))


def canvas(path: Location) -> Views | UnreadableImage:
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

    The content decides the format. Only a camera's raw file is known by its ending: its
    content may look like a TIFF.
    """
    item_or_reason, digest = _find(data, ending), digest_of(data)
    if isinstance(item_or_reason, str):
        return UnreadableImage(item_or_reason, digest)
    decoded, item = item_or_reason
    return PreparedImage(
        digest=digest,
        pixels=network_input(item),
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        damaged=decoded.damaged,
    )


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file's content as hexadecimal: its name in the rows."""
    return hashlib.sha256(data).hexdigest()


def _content(source: Source) -> Content | UnreadableImage:
    if isinstance(source, Content | UnreadableImage):
        return source
    data = _read(source)
    return data if isinstance(data, UnreadableImage) else Content(source.name, data)


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix


def _read(path: Location) -> bytes | UnreadableImage:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return UnreadableImage("not a regular file")
        if status.st_size > MAX_BYTES:
            return UnreadableImage(f"larger than {MAX_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        return UnreadableImage(error.strerror or type(error).__name__)


def _find(data: bytes, ending: str) -> tuple[Decoded, Views] | str:
    """Decode a file's content and find its item; return the reason if that fails."""
    if not data:
        return "the file is empty"
    try:
        with suppress_native_stderr():
            return _decode_and_find(data, raw=_is_raw(ending))
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile bytes
        return _reason(error, data)


def _is_raw(ending: str) -> bool:
    return ending.lower() in CAMERA_RAW


def _decode_and_find(data: bytes, *, raw: bool) -> tuple[Decoded, Views]:
    """Decode as coarsely as the item allows; return the picture and its item."""
    decoded = decode(data, lambda width, height: coarsest(height, width), raw=raw)
    found = find(decoded.rgb)
    if decoded.reduced > 1 and found.side < _MIN_ITEM_SIDE:
        finer = power_of_two(decoded.reduced * found.side // _MIN_ITEM_SIDE)
        decoded = decode(data, lambda *_: finer, raw=raw)
        found = find(decoded.rgb)
    return decoded, look_at(decoded.rgb, found)


def held(path: Location) -> Source:
    """Return a picture to use several times: from a store it is fetched once, here."""
    return path if isinstance(path, Path) else _content(path)


def upright(source: Source, *, side: int) -> Image.Image:
    """Load a picture for a person to look at: upright RGB, at most `side` pixels.

    It is what `prepare` sees. Raises OSError or ValueError if `prepare` would call the
    picture unreadable.
    """
    content = _content(source)
    if isinstance(content, UnreadableImage):
        raise OSError(content.reason)
    name, data = content
    try:
        with suppress_native_stderr():
            decoded = decode(data, _just_above(side), raw=_is_raw(_ending(name)))
    except Exception as error:
        raise OSError(_reason(error, data)) from error
    picture = Image.fromarray(decoded.rgb)
    picture.thumbnail((side, side))
    return picture


def _just_above(side: int) -> Reduction:
    return lambda width, height: power_of_two(min(width, height) // side)


def _reason(error: Exception, data: bytes) -> str:
    """Return a reason in plain words; Pillow's messages contain memory addresses."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(
        error, (Image.DecompressionBombError, Image.DecompressionBombWarning)
    ):
        return TOO_MANY_PIXELS
    if isinstance(error, UnidentifiedImageError) and not begins_as_picture(data):
        return "not a picture in a format tagger reads"
    if isinstance(error, MemoryError):
        return "takes too much memory to decode"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return "the picture is truncated"
    return "the picture is damaged and cannot be decoded"
