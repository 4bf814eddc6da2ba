"""Find and change the XMP sidecars of a picture: `name.jpg.xmp` and `name.xmp`.

darktable and digiKam name a sidecar after the whole file name, Lightroom and other
programs of Adobe after the name without its ending. Both are known here, and what they
hold is kept. A new sidecar gets the whole name, which belongs to one picture only.
"""

import re
import stat
from os import scandir
from pathlib import Path, PurePosixPath
from typing import Final

from tagger.exchange.containers import MetadataError
from tagger.exchange.xmp import EMPTY_SIDECAR, LARGEST, DamagedXmpError, Keyword, merged
from tagger.imaging.formats import ENDINGS
from tagger.system.atomic import atomic_write

_ENDING: Final = ".xmp"
_FOR_ENDING: Final = re.compile(
    rb"""SidecarForExtension\s*(?:=\s*["']|>)\s*([^"'<\s]*)"""
)
"""`photoshop:SidecarForExtension`, the ending of the file that a sidecar is for."""


class Listing:
    """The names in a folder, and how many pictures share each stem, ignoring case."""

    def __init__(self, folder: Path) -> None:
        """Read a folder; OSError if it cannot be read."""
        with scandir(folder) as entries:
            self.names = frozenset(entry.name for entry in entries)
        self._sidecars = {
            name.lower(): name for name in self.names if name.lower().endswith(_ENDING)
        }
        self._stems: dict[str, int] = {}
        for name in self.names if self._sidecars else ():
            if name.lower().endswith(ENDINGS):
                stem = PurePosixPath(name.lower()).stem
                self._stems[stem] = self._stems.get(stem, 0) + 1

    def sidecars(self, name: str) -> list[str]:
        """Return the sidecars of a picture, the one of the whole name first.

        One that is named after the stem counts if no other picture has that stem.
        """
        stem = PurePosixPath(name.lower()).stem
        asked = [name.lower()] + [stem] * (self._stems.get(stem) == 1)
        found = (self._sidecars.get(base + _ENDING) for base in asked)
        return [sidecar for sidecar in found if sidecar is not None]


def sidecars_of(picture: Path, names: Listing) -> list[Path]:
    """Return the sidecars to write a picture's tag into; a new one if it has none.

    Raises MetadataError if the picture is not among the names.
    """
    if picture.name not in names.names:
        raise MetadataError("is not there any more: scan again")
    found = [picture.with_name(name) for name in names.sidecars(picture.name)]
    whole = picture.name.lower() + _ENDING
    kept = [
        path for path in found if path.name.lower() == whole or _is_for(path, picture)
    ]
    return kept or [picture.with_name(picture.name + _ENDING)]


def _is_for(sidecar: Path, picture: Path) -> bool:
    """Whether a sidecar named after the stem does not say that it is for another."""
    try:
        found = _FOR_ENDING.search(_read(sidecar))
    except (OSError, DamagedXmpError):
        return True  # the one who changes it says why it cannot
    return (
        found is None
        or found[1].decode("latin-1").lower() == picture.suffix[1:].lower()
    )


def _read(sidecar: Path) -> bytes:
    """Return the content of a sidecar; b"" if it is not there."""
    try:
        status = sidecar.stat()
    except FileNotFoundError:
        return b""
    if not stat.S_ISREG(status.st_mode):
        raise DamagedXmpError("is not a file")
    if status.st_size > LARGEST:
        raise DamagedXmpError("is too large")
    return sidecar.read_bytes()


def changed(sidecar: Path, keyword: Keyword | None) -> bytes | None:
    """Return the content that a sidecar needs; None if it is right as it is.

    b"" stands for a sidecar of ours that is no longer needed. Raises DamagedXmpError,
    and OSError if it cannot be read.
    """
    before = _read(sidecar)
    if not before.strip() and keyword is None:
        return None
    # Most are ours alone: then there is no need to parse it.
    if keyword and before == merged(EMPTY_SIDECAR, keyword):
        return None
    # An empty one is what a power failure, or another program, left behind.
    after = merged(before if before.strip() else EMPTY_SIDECAR, keyword)
    if after == before:
        return None
    return b"" if after == EMPTY_SIDECAR else after


def write(sidecar: Path, content: bytes) -> None:
    """Replace a sidecar at once, or delete it for b"".

    Raises DamagedXmpError for one that is read-only, ExportError and OSError if it
    cannot be written.
    """
    if sidecar.exists() and not sidecar.stat().st_mode & 0o222:
        raise DamagedXmpError("is read-only")
    if not content:
        sidecar.unlink(missing_ok=True)
        return
    with atomic_write(sidecar) as stream:
        stream.write(content)
