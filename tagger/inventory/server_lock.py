"""Lock folders of an inventory on a server, by advisory locks of a session.

A scan holds its roots alone, and the folders around each of them together with others:
so two scans of different roots run at once, and none inside the other. What needs the
whole inventory holds alone what every scan holds together. If the session dies, the
locks are gone. The name of the session tells people who it is.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tagger.inventory.lock import Holder, locked
from tagger.inventory.postgres import (
    STAY_CONNECTED,
    check_usable,
    connect,
    in_plain_words,
    lock_key,
)
from tagger.storage import Location, location
from tagger.system.database_url import DatabaseUrl
from tagger.system.paths import as_spelt, roots_above

if TYPE_CHECKING:
    import psycopg

_POLL: Final = 0.1

_LONGEST_NAME: Final = 63
"""Bytes of a session's name: NAMEDATALEN of PostgreSQL, minus one."""

_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"tagger scan (\d+) (\d{8}T\d{6}Z) (.*)")

_ALL: Final = "all"
"""Name of the lock that every scan shares, above those of the folders."""


_HELD: "Final[list[ServerLock]]" = []
"""The locks that this process holds."""

_RETAKE_SECONDS: Final = 5.0
"""Seconds until the server has ended the sessions that died."""


@contextmanager
def server_lock(
    place: DatabaseUrl, folders: Sequence[Location] | None, *, wait: float
) -> Iterator[None]:
    """Hold the locks of folders. See `lock.scan_lock`."""
    check_usable(place)
    lock = ServerLock(place, folders)
    lock.take(wait)
    _HELD.append(lock)
    try:
        yield
    finally:
        _HELD.remove(lock)
        lock.release()


def retake(place: DatabaseUrl) -> None:
    """Take the locks of this process again whose session died.

    Raises LockedError if another scan was faster, and ConnectionLostError if the server
    does not answer.
    """
    for lock in _HELD:
        if lock.place == place and not lock.is_held():
            lock.release()
            lock.take(_RETAKE_SECONDS)


class ServerLock:
    """The locks of one scan, and the session that holds them."""

    def __init__(self, place: DatabaseUrl, folders: Sequence[Location] | None) -> None:
        self.place = place
        self._folders = folders
        self._name = _session_name(Holder.me())
        self._session: psycopg.Connection[Any] | None = None

    def take(self, wait: float) -> None:
        """Take all locks or none; LockedError if one stays taken for `wait` seconds."""
        end = time.monotonic() + wait
        self._session = connect(self.place, self._name)
        self._session.autocommit = True
        with in_plain_words(self.place):
            self._session.execute(STAY_CONNECTED)
        while (taken := self._try_all()) is not None:
            if time.monotonic() >= end:
                holder = _holder(self._session, taken)
                self.release()
                raise locked(self.place, holder)
            time.sleep(_POLL)

    def is_held(self) -> bool:
        """Whether the session is alive."""
        if self._session is None:
            return False
        try:
            self._session.execute("SELECT 1")
        except Exception:  # noqa: BLE001  whichever it is, the session is dead
            return False
        return True

    def release(self) -> None:
        """Give the locks back, by ending the session."""
        if self._session is not None:
            with suppress(Exception):  # the server may be gone, and the locks with it
                self._session.close()
            self._session = None

    def _try_all(self) -> int | None:
        with in_plain_words(self.place):
            return self._try()

    def _try(self) -> int | None:
        """Take all locks; if one is taken, give all back and return its number."""
        session = self._session
        assert session is not None  # noqa: S101  for mypy
        wanted = {
            lock_key(session, name): alone
            for name, alone in _locks(self._roots(session)).items()
        }
        # In one order for all, so that of two scans at least one gets its locks.
        for key, alone in sorted(wanted.items()):
            kind = "" if alone else "_shared"
            found = session.execute(f"SELECT pg_try_advisory_lock{kind}(%s)", (key,))
            if found.fetchone() != (True,):
                session.execute("SELECT pg_advisory_unlock_all()")
                return key
        return None

    def _roots(self, session: "psycopg.Connection[Any]") -> Sequence[Location] | None:
        """Return the roots that the folders belong to: what a scan writes to."""
        if self._folders is None:
            return None
        known: list[Location] = []
        with suppress(Exception):  # there are no tables yet
            from tagger.inventory.tables import name_from  # noqa: PLC0415

            rows = session.execute("SELECT path FROM root").fetchall()
            known = [location(name_from(path)) for (path,) in rows]
        return [
            next((root for root, _ in roots_above(folder, known)), folder)
            for folder in map(as_spelt, self._folders)
        ]


def scan_in_progress(place: DatabaseUrl) -> Holder | None:
    """Return the process that holds a lock here, the oldest if there are several."""
    with in_plain_words(place), connect(place) as session:
        return _holder(session, lock_key(session, _ALL))


def _locks(roots: Sequence[Location] | None) -> dict[str, bool]:
    """Return the names of the locks for roots, and whether each is held alone."""
    if roots is None:
        return {_ALL: True}
    shared = {f"folder {folder}" for root in roots for folder in root.parents}
    alone = {f"folder {root}" for root in roots}
    return dict.fromkeys({_ALL, *shared}, False) | dict.fromkeys(alone, True)


def _holder(session: "psycopg.Connection[Any]", key: int) -> Holder | None:
    """Return the process that holds a lock, alone or with others; None if unknown."""
    high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
    rows = session.execute(
        "SELECT activity.application_name FROM pg_locks AS held "
        "JOIN pg_stat_activity AS activity ON activity.pid = held.pid "
        "WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1 "
        "AND held.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND held.classid = %s::bigint::oid AND held.objid = %s::bigint::oid "
        "AND held.pid <> pg_backend_pid() ORDER BY activity.application_name",
        (high, low),
    )
    found = (_parse(name) for (name,) in rows.fetchall())
    return min(filter(None, found), key=lambda holder: holder.since, default=None)


def _session_name(holder: Holder) -> str:
    name = f"tagger scan {holder.pid} {holder.since:{_MOMENT}} {holder.host}"
    return name.encode("ascii", "replace")[:_LONGEST_NAME].decode()


def _parse(name: str) -> Holder | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    since = datetime.strptime(found[2], _MOMENT).replace(tzinfo=UTC)
    return Holder(int(found[1]), found[3], since)
