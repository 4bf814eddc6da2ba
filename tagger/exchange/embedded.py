"""Draft a picture file with another keyword in it; its pixels stay byte for byte."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagger.exchange import iptc
from tagger.exchange.containers import (
    FileBytes,
    Metadata,
    MetadataError,
    NoMetadataError,
    Picture,
    opened,
)
from tagger.exchange.xmp import EMPTY_PACKET, DamagedXmpError, Keyword, Packet
from tagger.imaging.formats import CAMERA_RAW
from tagger.records import FileStamp
from tagger.system.atomic import Draft


@dataclass(frozen=True, slots=True)
class Drafted:
    """The next content of a picture file, its SHA-256 and its stamp."""

    draft: Draft
    digest: str
    stamp: FileStamp


def pieces_of(
    path: Path, stamp: FileStamp, keyword: Keyword | None
) -> list[bytes] | None:
    """Return the content that a picture file needs; None if it is right as it is.

    `stamp` is that of the content that was scanned. Raises MetadataError if the file
    cannot be changed, and OSError if it cannot be read.
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise MetadataError("is a link: scan the folder that it leads to")
    if FileStamp.of(status) != stamp:
        raise MetadataError("has changed since the last scan: scan again")
    with path.open("rb") as stream:
        try:
            picture = _opened(path, stream)
        except NoMetadataError:
            if keyword is None:
                return None
            raise
        before = picture.read()
        try:
            after = _changed(before, keyword, holds_iptc=picture.holds_iptc)
        except DamagedXmpError as error:
            raise MetadataError(
                f"has XMP data that cannot be used: it {error}"
            ) from error
        except iptc.DamagedIptcError as error:
            raise MetadataError(str(error)) from error
        if after == before:
            return None
        if not status.st_mode & 0o222:
            raise MetadataError("is read-only")
        return picture.written(after)


def _opened(path: Path, stream: BinaryIO) -> Picture:
    if path.suffix.lower() in CAMERA_RAW:  # most of them look like TIFF
        raise NoMetadataError(
            "is a camera's raw file: give it a sidecar, without --into-files"
        )
    return opened(FileBytes(stream))


def draft(path: Path, pieces: list[bytes]) -> Drafted:
    """Write the next content beside a picture file. Raises OSError."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    made = Draft.write(path, pieces)
    return Drafted(made, digest.hexdigest(), FileStamp.of(made.path.stat()))


def _changed(
    before: Metadata, keyword: Keyword | None, *, holds_iptc: bool
) -> Metadata:
    """Return the metadata with this keyword of ours and no other."""
    if before.xmp is None and keyword is None:
        return before
    packet = Packet.parse(EMPTY_PACKET if before.xmp is None else before.xmp)
    resources = before.iptc or b""
    has_iptc = not holds_iptc or not keyword or iptc.has_keyword(resources, keyword.tag)
    if packet.says(keyword) and has_iptc:
        return before
    if "IPTC" in packet.added_to:
        resources = iptc.without_keyword(resources, packet.tag)
    bare = packet.without()
    if keyword is None:
        return Metadata(None if bare == EMPTY_PACKET else bare, resources or None)
    also: list[str] = []
    if holds_iptc and not iptc.has_keyword(resources, keyword.tag):
        resources, also = iptc.with_keyword(resources, keyword.tag), ["IPTC"]
    xmp = Packet.parse(bare).with_keyword(keyword, also)
    return Metadata(xmp, resources or None)
