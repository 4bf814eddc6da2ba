"""The protocol of a folder's entries, on a disk or in a store.

A module of its own, which is imported for types alone: a protocol takes a millisecond.
"""

from typing import Protocol


class Stated(Protocol):
    """The part of `os.stat_result` that a scan needs."""

    @property
    def st_mode(self) -> int:
        """Kind and permissions."""
        ...

    @property
    def st_size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def st_mtime_ns(self) -> int:
        """Time of the last change in nanoseconds since 1970."""
        ...


class Entry(Protocol):
    """An entry of a folder: the part of `os.DirEntry` that a walk needs."""

    @property
    def name(self) -> str:
        """The name in the folder."""
        ...

    @property
    def path(self) -> str:
        """The whole path."""
        ...

    def is_symlink(self) -> bool:
        """Whether it is a link."""
        ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        ...

    def stat(self, *, follow_symlinks: bool = True) -> Stated:
        """Return kind, size and time; OSError if they cannot be read."""
        ...
