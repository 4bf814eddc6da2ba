"""Check the parts of PNG and JPEG files, and leave out damaged metadata.

Browsers show a picture whose metadata is damaged; Pillow refuses some of them. Without
the metadata the picture is the same.
"""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"
_STARTS: Final = (_PNG, _JPEG, b"GIF8", b"II*\0", b"MM\0*")


class Checked(NamedTuple):
    """The bytes to decode, and whether those of the pixels are damaged."""

    data: bytes
    damaged: bool = False


def is_emptied(data: bytes) -> bool:
    """Whether the last eighth of a compressed picture is zeros.

    An upload that did not end, or a full disk, leaves such files. The zeros at the end
    of a whole WebP, whose ground is even, are less than a tenth of it.
    """
    if data.startswith(b"RIFF"):
        data = data[: 8 + int.from_bytes(data[4:8], "little")]
    return not data[-len(data) // 8 :].strip(b"\0")


class _Chunk(NamedTuple):
    """A chunk of a PNG: its name, and where it begins and ends in the file."""

    name: bytes
    start: int
    end: int
    sound: bool

    @property
    def length(self) -> int:
        return self.end - self.start - 12

    @property
    def critical(self) -> bool:
        return self.name[:1].isupper()


def begins_as_picture(data: bytes) -> bool:
    """Whether bytes begin as a picture does in a format that is read."""
    return data.startswith(_STARTS) or data[4:8] == b"ftyp" or data[8:12] == b"WEBP"


def checked_png(data: bytes) -> Checked:
    """Leave damaged metadata out of a PNG, and check the sums of its pixels.

    Other bytes are returned as they are.
    """
    if not data.startswith(_PNG):
        return Checked(data)
    chunks = list(_chunks(data))
    kept = [c for c in chunks if c.critical or (c.sound and _fits(c, data))]
    damaged = any(chunk.name == b"IDAT" and not chunk.sound for chunk in chunks)
    return Checked(data if kept == chunks else _png(data, kept), damaged)


def without_metadata(data: bytes) -> bytes | None:
    """Return a PNG or JPEG without metadata and animation; None if it has neither."""
    bare = None
    if data.startswith(_PNG):
        needed = [c for c in _chunks(data) if c.critical or c.name == b"tRNS"]
        bare = _png(data, needed)
    elif data.startswith(_JPEG):
        bare = _bare_jpeg(data)
    return bare if bare is not None and len(bare) < len(data) else None


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the whole chunks of a PNG up to its end, and what a cut one leaves."""
    start = len(_PNG)
    view = memoryview(data)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(view[start : start + 4])
        name = data[start + 4 : start + 8]
        if end > len(data):
            break
        stored = int.from_bytes(view[end - 4 : end])
        yield _Chunk(name, start, end, zlib.crc32(view[start + 4 : end - 4]) == stored)
        if name == b"IEND":
            return
        start = end
    if start < len(data):
        yield _Chunk(b"REST", start, len(data), sound=True)


_COLOUR_TYPE: Final = len(_PNG) + 17
_TRANSPARENCY: Final = {0: {2}, 2: {6}, 3: range(1, 257)}
"""Lengths of tRNS by colour type: gray, RGB, palette (PNG 3rd ed., 11.3.1.1)."""


def _fits(chunk: _Chunk, data: bytes) -> bool:
    """Whether a chunk's length suits what it says; only of those that are read."""
    if chunk.name == b"tRNS":
        return chunk.length in _TRANSPARENCY.get(data[_COLOUR_TYPE], ())
    least = {b"eXIf": 14, b"cHRM": 32, b"gAMA": 4, b"pHYs": 9, b"sRGB": 1}
    return chunk.length >= least.get(chunk.name, 0)


def _png(data: bytes, chunks: list[_Chunk]) -> bytes:
    return _PNG + b"".join(data[chunk.start : chunk.end] for chunk in chunks)


_JFIF, _ADOBE, _COMMENT, _SCAN = 0xE0, 0xEE, 0xFE, 0xDA
"""Markers of JPEG segments (ITU-T T.81, table B.1); JFIF and Adobe tell the colours."""


def _bare_jpeg(data: bytes) -> bytes | None:
    """Leave the application segments and comments out of a JPEG."""
    parts, start = [_JPEG], len(_JPEG)
    # A wrong length leads into the next segment: go on at the marker behind it.
    while 0 <= (start := data.find(b"\xff", start)) <= len(data) - 4:
        marker = data[start + 1]
        if marker == _SCAN:
            return b"".join([*parts, data[start:]])
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        metadata = _JFIF < marker <= _JFIF + 15 or marker == _COMMENT
        if not metadata or marker == _ADOBE:
            parts.append(data[start:end])
        start = end
    return None
