"""List folders: on a local disk one by one, in a store all below a folder at once."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tagger.errors import FolderError
from tagger.storage.location import Location, RemotePath, Status

if TYPE_CHECKING:
    from tagger.storage.protocol import Entry


Lister = Callable[[str], "Sequence[Entry]"]
"""Returns the entries of a folder, a path under the root, sorted by name. Raises
OSError."""

by_name: Final = attrgetter("name")


def lister(
    root: Location, folder: str = "", pause: Callable[[], None] = lambda: None
) -> Lister:
    """Return what lists the folders of a root, from `folder` downwards.

    `pause` is called after each thousand files of a store, and may raise.
    """
    if isinstance(root, RemotePath):
        return _Tree(root, folder, pause).entries

    def entries(path: str) -> "Sequence[Entry]":
        with os.scandir(root / path) as found:
            return sorted(found, key=by_name)

    return entries


def holds_any(folder: Location, paths: Iterable[str]) -> bool:
    """Whether a folder has any of these paths; a store answers by one listing.

    Raises FolderError if the store cannot be read.
    """
    if not isinstance(folder, RemotePath):
        return any(os.path.lexists(folder / path) for path in paths)
    from tagger.storage.remote import files  # noqa: PLC0415

    try:
        return not {path for path, _, _ in files(folder)}.isdisjoint(paths)
    except OSError as error:
        raise FolderError(f"cannot read {folder}: {error.strerror}") from error


class StoredEntry:
    """An entry of a folder in a store: a file, or a folder without a status."""

    __slots__ = ("_mtime_ns", "_size", "name", "path")

    def __init__(self, path: str, size: int = -1, mtime_ns: int = 0) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self._size = size
        self._mtime_ns = mtime_ns

    def is_symlink(self) -> bool:
        """Return False: a store has no links."""
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        del follow_symlinks
        return self._size < 0

    def stat(self, *, follow_symlinks: bool = True) -> Status:
        """Return what the listing said."""
        del follow_symlinks
        return Status(stat.S_IFREG | 0o444, self._size, self._mtime_ns)


class _Tree:
    """All folders of a store below one, listed by the first question.

    A store lists the keys that begin alike in pages of a thousand, whatever their
    folders are: so 10,000 pictures in 2,000 folders take ten requests.
    """

    def __init__(
        self, root: RemotePath, folder: str, pause: Callable[[], None]
    ) -> None:
        self._root = root
        self._folder = folder
        self._pause = pause
        self._entries: dict[str, list[StoredEntry]] | None = None

    def entries(self, folder: str) -> Sequence[StoredEntry]:
        """Return the entries of a folder, a path under the root."""
        if self._entries is None:
            self._entries = self._listed()
        return sorted(self._entries.pop(folder, ()), key=by_name)

    def _listed(self) -> dict[str, list[StoredEntry]]:
        from tagger.storage.remote import files  # noqa: PLC0415

        entries: dict[str, list[StoredEntry]] = {self._folder: []}
        found = files(self._root / self._folder)
        for number, (below, size, mtime_ns) in enumerate(found, start=1):
            if number % 1000 == 0:
                self._pause()
            if "" in below.split("/"):
                continue  # the mark of an empty folder, or two slashes: no path
            path = f"{self._folder}/{below}" if self._folder else below
            above = path.rpartition("/")[0]
            self._add_folder(entries, above)
            entries[above].append(StoredEntry(path, size, mtime_ns))
        return entries

    def _add_folder(self, entries: dict[str, list[StoredEntry]], folder: str) -> None:
        if folder in entries:
            return
        above = folder.rpartition("/")[0]
        self._add_folder(entries, above)
        entries[folder] = []
        entries[above].append(StoredEntry(folder))
