"""Remember what `tagger sort` made in a folder, so that it deletes nothing else.

The manifest is a file of JSON lines in that folder. A line is written before what it
names is made: after a kill, the next run knows all that may be there, and looks.
"""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TextIO

from tagger.errors import ExportError
from tagger.system.atomic import atomic_write, remove_interrupted

NAME: Final = ".tagger-sort.jsonl"
_VERSION: Final = 1


class Link(StrEnum):
    """How a picture gets into the tree."""

    HARD = "hard"
    SYMBOLIC = "symbolic"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was made: its path in the tree, its source, and what it was then."""

    to: str
    source: str
    link: Link
    size: int
    mtime_ns: int
    inode: int

    def is_at(self, place: Path) -> bool:
        """Whether the file at this place is still the one that was made."""
        try:
            status = place.lstat()
        except OSError:
            return False
        if stat.S_ISLNK(status.st_mode):
            return self.link is Link.SYMBOLIC and str(place.readlink()) == self.source
        if self.link is Link.HARD:
            return status.st_ino == self.inode
        same = (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
        return self.link is Link.COPY and same


@dataclass(slots=True)
class Manifest:
    """What was made in a tree: files by their path, and folders."""

    tree: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    _former: dict[str, Entry] = field(default_factory=dict)
    """What was there before: a kill comes before or after the change."""

    _stream: TextIO | None = None

    @classmethod
    @contextmanager
    def opened(cls, tree: Path, *, write: bool = True) -> Iterator[Self]:
        """Read the manifest of a tree, and append to it; write it anew at the end.

        The caller holds the lock of the tree.
        Raises ExportError if it cannot be read or written.
        """
        manifest = cls(tree)
        path = tree / NAME
        try:
            manifest._read(path)
            if not write:
                yield manifest
                return
            remove_interrupted(path)
            manifest._write(path)
            with path.open("a", encoding="utf-8") as manifest._stream:
                yield manifest
            manifest._former.clear()
            manifest._write(path)
        except OSError as error:
            raise ExportError(f"cannot write {path}: {error.strerror}") from error

    def note(self, entry: Entry) -> None:
        """Remember a file; call it before the file is made."""
        self._append({"file": asdict(entry)})
        self._put(entry)

    def _put(self, entry: Entry) -> None:
        if entry.to in self.entries:
            self._former[entry.to] = self.entries[entry.to]
        self.entries[entry.to] = entry

    def made(self, to: str) -> Entry | None:
        """Return the entry of a path whose file is still the one that was made."""
        for known in (self.entries.get(to), self._former.get(to)):
            if known and known.is_at(self.tree / to):
                return known
        return None

    def note_folder(self, folder: str) -> None:
        """Remember a folder; call it before the folder is made."""
        self._append({"folder": folder})
        self.folders.add(folder)

    def _append(self, line: dict[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        *lines, last = path.read_text(encoding="utf-8").split("\n")
        del last  # empty, or what a kill cut off
        try:
            if lines and json.loads(lines[0])["tagger sort"] != _VERSION:
                raise ExportError(
                    f"{path} was written by a newer tagger: upgrade tagger"
                )
            for line in map(json.loads, lines[1:]):
                if "folder" in line:
                    self.folders.add(line["folder"])
                else:
                    entry = Entry(**line["file"] | {"link": Link(line["file"]["link"])})
                    self._put(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExportError(
                f"{path} is damaged: choose another folder, or delete the file; then "
                "what is in the folder stays, and is not kept in step"
            ) from error

    def _write(self, path: Path) -> None:
        lines: list[dict[str, Any]] = [{"tagger sort": _VERSION}]
        lines += [{"folder": folder} for folder in sorted(self.folders)]
        known = (*self._former.values(), *self.entries.values())
        lines += [{"file": asdict(entry)} for entry in known]
        with atomic_write(path) as stream:
            stream.writelines(json.dumps(line).encode() + b"\n" for line in lines)
