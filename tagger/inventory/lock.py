"""One scan of a folder at a time: the lock of an inventory, and who holds it.

In a file, one scan at a time holds all of the inventory. On a server, scans of
different folders hold it together. Reading, reviewing and exporting need no lock.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from tagger.errors import LockedError
from tagger.storage import Location
from tagger.system.database_url import DatabaseUrl, Place


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock of an inventory, or that died with it."""

    pid: int
    host: str
    since: datetime

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.since.astimezone():%F %T}"

    @classmethod
    def me(cls) -> Self:
        """Return this process, from now on."""
        return cls(os.getpid(), socket.gethostname(), datetime.now(UTC))


def scan_lock(
    place: Place,
    folders: Sequence[Location] | None = None,
    *,
    wait: float = 0.0,
    even_if_damaged: bool = False,
) -> AbstractContextManager[Holder | None]:
    """Hold an inventory's lock; wait up to `wait` seconds for another holder to end.

    On a server, a scan of `folders` excludes only others of the same root, of folders
    in them and around them; None, for commands that need the whole inventory, excludes
    all. Yields the last holder if it died, None if it ended well, or on a server.
    Raises LockedError, which names the holder, if the lock stays taken, and
    InventoryError if there is no inventory (unless `even_if_damaged`) or it cannot be
    locked.
    """
    if isinstance(place, DatabaseUrl):
        from tagger.inventory.server_lock import server_lock  # noqa: PLC0415

        return server_lock(place, folders, wait=wait)
    from tagger.inventory.file_lock import file_lock  # noqa: PLC0415

    return file_lock(place, wait=wait, even_if_damaged=even_if_damaged)


def scan_in_progress(place: Place) -> Holder | None:
    """Return the process that scans into an inventory now, or None.

    On a server, the first of them if there are several.
    """
    if isinstance(place, DatabaseUrl):
        from tagger.inventory import server_lock  # noqa: PLC0415

        return server_lock.scan_in_progress(place)
    from tagger.inventory import file_lock  # noqa: PLC0415

    return file_lock.scan_in_progress(place)


def locked(place: Place, holder: Holder | None) -> LockedError:
    """Return the error that another process holds the lock."""
    return LockedError(
        f"another scan, or 'tagger model adapt', is writing to {place} "
        f"({holder or 'unknown process'}): "
        "run again when it has ended; 'tagger scan --wait-lock 10m' waits for it"
    )
