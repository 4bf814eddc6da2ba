"""Dead man's switch: check that scans still succeed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from tagger.errors import EXIT_UNREADABLE
from tagger.inventory.tables import ROOT, RUN
from tagger.storage import RemotePath, location
from tagger.text import encodable

DONE: Final = (0, EXIT_UNREADABLE)
"""Exit statuses of a scan that came to its end."""

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far in the future a scan may be dated before the clock is called wrong."""


def overdue(connection: Connection, max_age: timedelta, moment: datetime) -> str:
    """Explain why no scan succeeded within `max_age`; empty if one did."""
    runs = select(RUN).order_by(RUN.c.id.desc())
    done = connection.execute(runs.where(RUN.c.exit_code.in_(DONE)).limit(1))
    last = done.mappings().first()
    if last is None:
        return "no scan has succeeded yet" + _since(connection, 0)
    ended = f"{last['ended_at'].astimezone():%F %T}"
    if last["ended_at"] > moment + _CLOCKS_DIFFER:
        return f"the last scan is dated in the future, {ended}: check the clock"
    if moment - last["ended_at"] > max_age:
        since = _since(connection, last["id"])
        return f"no scan has succeeded since {ended}" + since
    return _unseen(connection, last, moment - max_age)


def _since(connection: Connection, run_id: int) -> str:
    """Describe the end of the scans after a run."""
    query = select(RUN.c.exit_code).where(RUN.c.id > run_id).order_by(RUN.c.id.desc())
    codes = list(connection.scalars(query))
    if not codes:
        return ", and none was started: does cron run?"
    if codes[0] is None:
        return f": {len(codes)} started since, the last was killed or is still running"
    return f": {len(codes)} started since, the last ended with status {codes[0]}"


def _unseen(connection: Connection, run: RowMapping, since: datetime) -> str:
    """Describe a folder of a run that has not been seen whole since a time, if any."""
    rows = connection.execute(select(ROOT.c.path, ROOT.c.scanned_at))
    roots = {encodable(path): seen for path, seen in rows}
    for folder in _named(run):
        if folder in roots:
            seen = roots[folder]
        elif any(PurePath(folder).is_relative_to(root) for root in roots):
            seen = _believed(connection, folder)
        else:
            continue  # nothing was ever there, or the root has been moved
        if seen is None:
            return f"{folder} has never been seen whole: {_doubt(folder)}"
        if seen < since:
            return (
                f"{folder} has not been seen whole since {seen.astimezone():%F %T}: "
                f"{_doubt(folder)}"
            )
    return ""


def _doubt(folder: str) -> str:
    stored = isinstance(location(folder), RemotePath)
    return "does its store answer?" if stored else "is the disk plugged in?"


def _believed(connection: Connection, folder: str) -> datetime | None:
    """Return the start of the last run that did not doubt a root's folder, or None."""
    runs = select(RUN).where(RUN.c.exit_code.in_(DONE)).order_by(RUN.c.id.desc())
    for run in connection.execute(runs).mappings():
        doubted = (run["counts"] or {}).get("doubted", ())
        if any(
            PurePath(folder).is_relative_to(named) and named not in doubted
            for named in _named(run)
        ):
            started: datetime = run["started_at"]
            return started
    return None


def _named(run: RowMapping) -> Sequence[str]:
    """Return the folders that a run was asked to scan."""
    folders: Sequence[str] = run["options"].get("roots", ())
    return folders
