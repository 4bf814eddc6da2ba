"""Replace the metadata in JPEG, PNG, WebP and TIFF files; no pixel is touched.

The bytes of the pixels, and of all other parts, are those of before. Where a part is
put in and taken out again, the file is the same as before, byte for byte.
"""

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Literal, NamedTuple

from tagger.exchange.iptc import SIGNATURE as _PHOTOSHOP

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_XAP: Final = b"http://ns.adobe.com/xap/1.0/\0"
"""What XMP begins with in a JPEG: Adobe, XMP Specification Part 3, 1.1.3."""

_ITXT: Final = b"XML:com.adobe.xmp\0"
_TIFF: Final[Mapping[bytes, Literal["big", "little"]]] = {
    b"II*\0": "little",
    b"MM\0*": "big",
}
_XMP_TAG: Final = 700
_APPENDED: Final = b"\ntagger\0"
"""The mark of a directory of ours at the end of a TIFF."""

_LONGEST_SEGMENT: Final = 65533
"""Most bytes of a JPEG's segment, without the two of its length."""

_LARGEST_TEXT: Final = 16 << 20


class MetadataError(ValueError):
    """A file holds no metadata, or has no room for it, or is damaged."""


class NoMetadataError(MetadataError):
    """A format holds no metadata that are written here."""


class Metadata(NamedTuple):
    """The XMP packet and Photoshop's resources of a picture; None for none.

    `iptc` is None, too, if the format has no place for them.
    """

    xmp: bytes | None
    iptc: bytes | None


class FileBytes:
    """The bytes of an open file: only those that are asked for are read.

    A mapped file would be as short, but another program that shortens it would kill
    this one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._size)
        self._stream.seek(start)
        found = self._stream.read(max(end - start, 0))
        if len(found) < end - start:
            raise MetadataError("became shorter while it was read")
        return found


class Picture:
    """The parts of a picture file: read its metadata, then write it with others."""

    holds_iptc = False

    def __init__(self, data: FileBytes) -> None:
        self.data = data

    def read(self) -> Metadata:
        """Return the metadata. Raises MetadataError if a part is damaged."""
        raise NotImplementedError

    def written(self, new: Metadata) -> list[bytes]:
        """Return the pieces of the file with other metadata."""
        raise NotImplementedError


def opened(data: FileBytes) -> Picture:
    """Return the picture in these bytes, by their beginning and not by a name.

    Raises NoMetadataError for a format that is not written.
    """
    start = data[:12]
    if start.startswith(_JPEG):
        return _Jpeg(data)
    if start.startswith(_PNG):
        return _Png(data)
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return _WebP(data)
    if start[:4] in _TIFF:
        return _Tiff(data, _TIFF[start[:4]])
    raise NoMetadataError(
        "is no JPEG, PNG, WebP or TIFF: give it a sidecar, without --into-files"
    )


class _Part(NamedTuple):
    """A part of a file: its name, and where it and its content lie."""

    name: bytes
    start: int
    content: int
    end: int
    after: int


class _Jpeg(Picture):
    """A JPEG: segments up to the first scan."""

    holds_iptc = True

    def __init__(self, data: FileBytes) -> None:
        super().__init__(data)
        self._parts = list(self._segments())

    def _segments(self) -> Iterator[_Part]:
        at, data = 2, self.data
        while (head := data[at : at + 4])[:1] == b"\xff":
            name, length = head[:2], int.from_bytes(head[2:])
            if name == b"\xff\xff":  # a byte to fill
                at += 1
                continue
            if name == b"\xff\xda":  # the scan: the pixels
                return
            end = at + 2 + length
            if end > len(data) or end < at + 4:
                break
            yield _Part(name, at, at + 4, end, end)
            at = end
        raise MetadataError("is damaged before its pixels")

    def _found(self, name: bytes, start: bytes) -> list[_Part]:
        return [
            part
            for part in self._parts
            if part.name == name
            and self.data[part.content : part.content + len(start)] == start
        ]

    def _xmp(self) -> list[_Part]:
        return self._found(b"\xff\xe1", _XAP)

    def _iptc(self) -> list[_Part]:
        return self._found(b"\xff\xed", _PHOTOSHOP)

    def read(self) -> Metadata:
        xmp, iptc = self._xmp(), self._iptc()
        if len(xmp) > 1 or len(iptc) > 1:
            raise MetadataError("has its XMP or IPTC data in several parts")
        return Metadata(
            self.data[xmp[0].content + len(_XAP) : xmp[0].end] if xmp else None,
            self.data[iptc[0].content + len(_PHOTOSHOP) : iptc[0].end]
            if iptc
            else None,
        )

    def written(self, new: Metadata) -> list[bytes]:
        edits: dict[tuple[int, int], bytes] = {}
        for parts, name, start, content in (
            (self._xmp(), b"\xff\xe1", _XAP, new.xmp),
            (self._iptc(), b"\xff\xed", _PHOTOSHOP, new.iptc),
        ):
            place = (parts[0].start, parts[0].end) if parts else (self._begin(),) * 2
            segment = _segment(name, start + content) if content is not None else b""
            edits[place] = edits.get(place, b"") + segment
        return _spliced(self.data, edits)

    def _begin(self) -> int:
        """Return the place after JFIF's and Exif's segments, which come first."""
        at = 2
        for part in self._parts:
            exif = self.data[part.content : part.content + 4] == b"Exif"
            if part.name != b"\xff\xe0" and not exif:
                break
            at = part.end
        return at


def _segment(name: bytes, content: bytes) -> bytes:
    if len(content) > _LONGEST_SEGMENT:
        raise MetadataError(
            "has no room for more metadata: a JPEG holds 64 KB in a part"
        )
    return name + (len(content) + 2).to_bytes(2) + content


class _Png(Picture):
    """A PNG: chunks, each with its checksum. XMP is in one called iTXt."""

    def _chunks(self) -> Iterator[_Part]:
        at, data = 8, self.data
        while at + 12 <= len(data):
            end = at + 8 + int.from_bytes(data[at : at + 4])
            if end + 4 > len(data):
                break
            name = data[at + 4 : at + 8]
            yield _Part(name, at, at + 8, end, end + 4)
            at = end + 4
            if name == b"IEND":
                return
        raise MetadataError("is damaged: it ends in the middle of a part")

    def _text(self) -> _Part | None:
        for part in self._chunks():
            if part.name == b"iTXt":
                end = part.content + len(_ITXT)
                if self.data[part.content : end] == _ITXT:
                    return part
        return None

    def read(self) -> Metadata:
        part = self._text()
        return Metadata(self._content(part) if part else None, None)

    def _content(self, part: _Part) -> bytes:
        body = self.data[part.content + len(_ITXT) : part.end]
        found = re.match(rb"([\0\1])\0[^\0]*\0[^\0]*\0", body)
        if found is None:
            raise MetadataError("has a damaged XMP part")
        text = body[found.end() :]
        if found[1] == b"\1":
            inflate = zlib.decompressobj()
            try:
                text = inflate.decompress(text, _LARGEST_TEXT)
            except zlib.error as error:
                raise MetadataError("has a damaged XMP part") from error
            if inflate.unconsumed_tail:
                raise MetadataError("has an XMP part that is too large")
        return text

    def written(self, new: Metadata) -> list[bytes]:
        part = self._text()
        head = next(self._chunks())
        place = (part.start, part.after) if part else (head.after, head.after)
        chunk = b"" if new.xmp is None else _png_chunk(b"iTXt", _itxt(new.xmp))
        return _spliced(self.data, {place: chunk})


def _itxt(xmp: bytes) -> bytes:
    """Write uncompressed text without a language: PNG specification, 11.3.4.5."""
    return _ITXT + b"\0\0\0\0" + xmp


def _png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return len(content).to_bytes(4) + name + content + checksum.to_bytes(4)


class _WebP(Picture):
    """A WebP: chunks in a RIFF file. Metadata need the extended form, with VP8X.

    https://developers.google.com/speed/webp/docs/riff_container
    """

    _HAS_XMP: Final = 0x04
    _HAS_ALPHA: Final = 0x10

    def __init__(self, data: FileBytes) -> None:
        super().__init__(data)
        self._parts = list(self._chunks())

    def _chunks(self) -> Iterator[_Part]:
        at, data = 12, self.data
        whole = 8 + int.from_bytes(data[4:8], "little")
        if whole > len(data):
            raise MetadataError("is damaged: it is cut off")
        while at + 8 <= whole:
            end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            if end > whole:
                raise MetadataError("is damaged: it ends in the middle of a part")
            after = min(end + (end - at) % 2, whole)
            yield _Part(data[at : at + 4], at, at + 8, end, after)
            at = after

    def read(self) -> Metadata:
        for part in self._parts:
            if part.name == b"XMP ":
                return Metadata(self.data[part.content : part.end], None)
        return Metadata(None, None)

    def written(self, new: Metadata) -> list[bytes]:
        kept = [p for p in self._parts if p.name not in {b"XMP ", b"VP8X"}]
        if not kept:
            raise MetadataError("is damaged: it has no picture")
        pieces: list[bytes] = [self.data[part.start : part.after] for part in kept]
        extended = self._extended(kept[0])
        if new.xmp is not None:
            flags = bytes((extended[0] | self._HAS_XMP,))
            pieces.insert(0, _riff_chunk(b"VP8X", flags + extended[1:]))
            pieces.append(_riff_chunk(b"XMP ", new.xmp))
        else:
            flags = bytes((extended[0] & ~self._HAS_XMP,))
            simple = self._extended_of_simple(kept[0]) if len(kept) == 1 else b""
            if flags + extended[1:] != simple:
                pieces.insert(0, _riff_chunk(b"VP8X", flags + extended[1:]))
        size = 4 + sum(map(len, pieces))
        rest = self.data[8 + int.from_bytes(self.data[4:8], "little") :]
        return [b"RIFF", size.to_bytes(4, "little"), b"WEBP", *pieces, rest]

    def _extended(self, first: _Part) -> bytes:
        """Return the content of VP8X: flags, and the size of the picture."""
        for part in self._parts:
            if part.name == b"VP8X" and part.end - part.content >= 10:  # noqa: PLR2004
                return self.data[part.content : part.end]
        return self._extended_of_simple(first)

    def _extended_of_simple(self, part: _Part) -> bytes:
        """Derive VP8X from the header of the only picture (RFC 6386, 9.1; VP8L)."""
        head = self.data[part.content : part.content + 10]
        if part.name == b"VP8L" and head[:1] == b"\x2f":
            bits = int.from_bytes(head[1:5], "little")
            width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF
            flags = self._HAS_ALPHA if bits >> 28 & 1 else 0
        elif part.name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
            width = (int.from_bytes(head[6:8], "little") & 0x3FFF) - 1
            height = (int.from_bytes(head[8:10], "little") & 0x3FFF) - 1
            flags = 0
        else:
            raise MetadataError("is damaged: its picture has no header")
        sizes = width.to_bytes(3, "little") + height.to_bytes(3, "little")
        return bytes((flags, 0, 0, 0)) + sizes


class _Entry(NamedTuple):
    """An entry of a TIFF's directory, and its 12 bytes."""

    tag: int
    raw: bytes


class _Tiff(Picture):
    """A TIFF: its first directory names where the parts lie (TIFF 6.0, section 2).

    What was there stays where it is, for other parts name its place. A directory with
    other metadata is put behind it, then the place of the former one, so that it can
    be put back. IPTC data are left as they are: programs prefer XMP.
    """

    def __init__(self, data: FileBytes, order: Literal["big", "little"]) -> None:
        super().__init__(data)
        self._order: Literal["big", "little"] = order
        self._first = self._number(data[4:8])
        self._size, self._former = len(data), self._first
        end = data[max(0, len(data) - 16) :]
        if end[:8] == _APPENDED:
            size, former = self._number(end[8:12]), self._number(end[12:])
            if former < size <= self._first:
                self._size, self._former = size, former

    def _number(self, field: bytes) -> int:
        return int.from_bytes(field, self._order)

    def _field(self, number: int, size: int = 4) -> bytes:
        return number.to_bytes(size, self._order)

    def _directory(self, place: int) -> tuple[list[_Entry], bytes]:
        """Return the entries of a directory, and the place of the next one."""
        count = self._number(self.data[place : place + 2])
        whole = self.data[place + 2 : place + 2 + 12 * count + 4]
        if place < 8 or not count or len(whole) < 12 * count + 4:  # noqa: PLR2004
            raise MetadataError("is damaged: its directory is cut off")
        raws = (whole[at : at + 12] for at in range(0, 12 * count, 12))
        return [_Entry(self._number(raw[:2]), raw) for raw in raws], whole[-4:]

    def _xmp(self, place: int) -> bytes | None:
        for entry in self._directory(place)[0]:
            if entry.tag == _XMP_TAG:
                start, count = self._number(entry.raw[8:]), self._number(entry.raw[4:8])
                found = self.data[start : start + count]
                if len(found) < count or self._number(entry.raw[2:4]) not in {1, 7}:
                    raise MetadataError("has a damaged XMP part")
                return found
        return None

    def read(self) -> Metadata:
        return Metadata(self._xmp(self._first), None)

    def written(self, new: Metadata) -> list[bytes]:
        head, rest = self.data[:4], self.data[8 : self._size]
        if new.xmp == self._xmp(self._former):
            return [head, self._field(self._former), rest]
        entries, following = self._directory(self._former)
        kept = [entry for entry in entries if entry.tag != _XMP_TAG]
        begin = self._size + self._size % 2
        block = b"\0" * (self._size % 2)
        if new.xmp is not None:
            sizes = self._field(len(new.xmp)) + self._field(begin)
            raw = self._field(_XMP_TAG, 2) + self._field(1, 2) + sizes
            kept = sorted([*kept, _Entry(_XMP_TAG, raw)])
            block += new.xmp + b"\0" * (len(new.xmp) % 2)
        first = self._size + len(block)
        block += self._field(len(kept), 2) + b"".join(one.raw for one in kept)
        block += following + _APPENDED
        if self._size + len(block) + 8 >= 1 << 32:
            raise MetadataError("has no room for more metadata: a TIFF holds 4 GB")
        block += self._field(self._size) + self._field(self._former)
        return [head, self._field(first), rest, block]


def _riff_chunk(name: bytes, content: bytes) -> bytes:
    size = len(content)
    return name + size.to_bytes(4, "little") + content + b"\0" * (size % 2)


def _spliced(data: FileBytes, edits: dict[tuple[int, int], bytes]) -> list[bytes]:
    """Replace ranges of the bytes, which do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for (start, end), instead in sorted(edits.items()):
        pieces += [data[at:start], instead]
        at = end
    return [*pieces, data[at:]]
