"""The dead man's switch: whether scans still do their work."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from tagger.errors import EXIT_UNREADABLE
from tagger.inventory.tables import ROOT, RUN
from tagger.text import encodable

_DONE: Final = (0, EXIT_UNREADABLE)

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far in the future a scan may be dated before the clock is to be doubted."""


def overdue(connection: Connection, max_age: timedelta, moment: datetime) -> str:
    """Say why no scan has done its work since `max_age` ago; empty where one has."""
    runs = select(RUN).order_by(RUN.c.id.desc())
    done = connection.execute(runs.where(RUN.c.exit_code.in_(_DONE)).limit(1))
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
    """Tell how the scans after a run ended."""
    query = select(RUN.c.exit_code).where(RUN.c.id > run_id).order_by(RUN.c.id.desc())
    codes = list(connection.scalars(query))
    if not codes:
        return ", nor been begun: does cron run?"
    if codes[0] is None:
        return f": {len(codes)} begun since, the last was killed or is at work"
    return f": {len(codes)} begun since, the last ended with status {codes[0]}"


def _unseen(connection: Connection, run: RowMapping, since: datetime) -> str:
    """Name a folder of a run that has not been seen whole for too long."""
    rows = connection.execute(select(ROOT.c.path, ROOT.c.scanned_at))
    roots = {encodable(path): seen for path, seen in rows}
    for folder in _named(run):
        if folder in roots:
            seen = roots[folder]
        elif any(PurePath(folder).is_relative_to(root) for root in roots):
            seen = _believed(connection, folder)
        else:
            continue  # nothing was ever there, or it has been moved since
        if seen is None or seen < since:
            when = f"since {seen.astimezone():%F %T}" if seen else "ever"
            return f"{folder} has not been seen whole {when}: is the disk plugged in?"
    return ""


def _believed(connection: Connection, folder: str) -> datetime | None:
    """Return when the last run began that believed what it saw of a root's folder."""
    runs = select(RUN).where(RUN.c.exit_code.in_(_DONE)).order_by(RUN.c.id.desc())
    for run in connection.execute(runs).mappings():
        doubted = (run["counts"] or {}).get("doubted", ())
        if any(
            PurePath(folder).is_relative_to(named) and named not in doubted
            for named in _named(run)
        ):
            began: datetime = run["started_at"]
            return began
    return None


def _named(run: RowMapping) -> Sequence[str]:
    """Return the folders that a run was to scan."""
    found: Sequence[str] = run["options"].get("roots", ())
    return found
