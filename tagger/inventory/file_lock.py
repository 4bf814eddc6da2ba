"""Lock an inventory in a file: a lock file beside it names its holder.

The lock is the operating system's: it ends with the process, even if that is killed.
The note in the file is for people.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tagger.errors import InventoryError
from tagger.inventory.lock import Holder, locked
from tagger.inventory.sqlite_file import check_usable
from tagger.system.paths import beside
from tagger.system.sharing import share, what_closes
from tagger.validation import read_json

if TYPE_CHECKING:
    from filelock import FileLock

_PATIENCE: Final = 0.5
"""Minimum seconds to retry, so that a status query, which takes the lock for a moment,
does not fail a scan."""

_POLL: Final = 0.1
_NOTE_BYTES: Final = 4096


@contextmanager
def file_lock(
    database: Path, *, wait: float, even_if_damaged: bool
) -> Iterator[Holder | None]:
    """Hold the lock of a file. See `lock.scan_lock`."""
    from filelock import Timeout  # noqa: PLC0415  only a scan needs it

    if not even_if_damaged:
        check_usable(database)
    dead: list[Holder | None] = []

    def take(descriptor: int) -> None:
        share(_path(database))
        dead.append(_parse(os.read(descriptor, _NOTE_BYTES)))
        _write(descriptor, _note())

    lock = _lock(database, take)
    if _path(database).exists() and not _path(database).is_file():
        raise _unlockable(database, OSError())  # opening a pipe would block
    try:
        lock.acquire(timeout=max(wait, _PATIENCE), poll_interval=_POLL)
    except Timeout as error:
        if not _path(database).exists():  # it could not be created: nobody holds it
            raise _unlockable(database, error) from error
        raise locked(database, _read(database)) from error
    except OSError as error:
        raise _unlockable(database, error) from error
    try:
        yield dead[0]
    finally:
        with suppress(OSError):
            os.truncate(_path(database), 0)
        lock.release()


def scan_in_progress(database: Path) -> Holder | None:
    """Return the process that scans into an inventory now, or None."""
    holder = _read(database)
    if (
        holder is None
    ):  # a holder writes its note at the start, and clears it at the end
        return None
    from filelock import Timeout  # noqa: PLC0415  only where a scan runs, or died

    try:
        with _lock(database).acquire(timeout=0):
            return None
    except Timeout:
        return _read(database) or holder
    except OSError:  # without permission to lock, the status must still work
        return None


def _path(database: Path) -> Path:
    return beside(database, ".lock")


def _lock(database: Path, take: object = None) -> "FileLock":
    from filelock import FileLock  # noqa: PLC0415

    # No soft lock: a mere file would outlive a killed holder.
    return FileLock(
        _path(database),
        preserve_lock_file=True,
        fallback_to_soft=False,
        on_acquired=take,  # type: ignore[arg-type]
    )


def _note() -> bytes:
    note = asdict(Holder.me())
    return json.dumps(note | {"since": note["since"].isoformat()}).encode()


def _write(descriptor: int, note: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, note)


def _read(database: Path) -> Holder | None:
    path = _path(database)
    try:
        # Reading a pipe would block.
        return _parse(path.read_bytes()[:_NOTE_BYTES]) if path.is_file() else None
    except OSError:
        return None


def _parse(note: bytes) -> Holder | None:
    """Read a note; None if it is empty, half written or not ours."""
    try:
        return read_json(note, Holder)
    except ValueError:
        return None


def _unlockable(database: Path, error: OSError) -> InventoryError:
    why = error.strerror or "the lock file cannot be created"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return InventoryError(
            f"cannot lock {database} ({why}): free space, then run again"
        )
    lock = _path(database)
    if os.path.lexists(lock) and not lock.is_file():
        return InventoryError(
            f"cannot lock {database}: {lock} is not a regular file; remove it"
        )
    closed = what_closes(lock)
    if closed and error.errno != errno.EROFS:
        return InventoryError(f"cannot lock {database}: {closed}")
    return InventoryError(
        f"cannot lock {database} ({why}): check that its folder is writable and on a "
        "local disk"
    )
