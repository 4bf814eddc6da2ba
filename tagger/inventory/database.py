"""Open the SQLite file: connections, transactions, schema, errors in plain words.

Knows nothing of what the tables mean.
"""

import errno
import glob
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection

from tagger.errors import InventoryBusyError, InventoryError

REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
)
"""Every schema there was, oldest first; the last is today's. A test holds the list to
the revision files, so that an inventory of today opens without loading Alembic."""

APPLICATION_ID: Final = 0x74616767
"""'tagg' in the file's header: `file inventory.db` and we ourselves can tell."""

BUSY_SECONDS: Final = 30
"""How long a transaction waits for another program's to end."""

SCHEMA: Final = Path(__file__).parent / "schema.sql"
"""Today's schema, as the revisions make it."""

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """An inventory's file at today's schema.

    Every failure inside a transaction leaves as InventoryError with one line that says
    what to do, and the transaction is rolled back.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        if not create and _is_blank(path):
            raise _absent(path)
        with _in_plain_words(path):
            _prepare_file(path)
        self._engine = _engine(path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one moment of the inventory."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that may write: all of it is kept, or nothing."""
        with self._engine.connect() as connection:
            connection = connection.execution_options(tagger_writes=True)  # noqa: PLW2901
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection.

        They are kept until then: with the last, SQLite puts its log of changes away.
        """
        self._engine.dispose()

    def optimize(self) -> None:
        """Let SQLite look at samples of the tables, to choose better among indices."""
        with suppress(InventoryError), self.writing() as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit = 400")
            connection.exec_driver_sql("PRAGMA optimize")


def check_usable(path: Path) -> None:
    """Make sure that an inventory is, or can be, at `path`; make its folder.

    Raises InventoryError for what is no inventory, or a newer tagger's.
    """
    with _in_plain_words(path):
        if not path.exists() and not path.parent.is_dir():
            _make_folder(path.parent)
        _revision(path)


def copy_database(source: Path, target: Path) -> None:
    """Copy an inventory that others may be writing to, as of one moment.

    The copy is checked, and then takes its place whole. Raises InventoryError where
    `source` is no inventory, a newer tagger's, or damaged, and where the copy cannot
    be written; then `target` is what it was.
    """
    with _in_plain_words(source):
        _revision(source)
    with _copied(source, target) as part:
        part.replace(target)


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[Path]:
    """Make a checked copy, to be renamed to `target`; away at the end if it was not."""
    # Beside the target, so that it is renamed and not copied again.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _forget_killed(target)
        _copy(source, part, target)
        yield part
    except OSError as error:
        raise InventoryError(f"cannot write {target}: {error.strerror}") from error
    finally:
        for left in (part, *_notes(part)):
            left.unlink(missing_ok=True)


def _forget_killed(target: Path) -> None:
    """Remove what copies left that were killed more than a day ago."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.part*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _DAY:
                left.unlink()


_DAY: Final = 86400
_NOTES: Final = ("-journal", "-wal", "-shm")
"""Endings of the files that SQLite keeps beside one that is open."""


def _notes(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _NOTES]


def _copy(source: Path, part: Path, target: Path) -> None:
    with part.open("xb"):  # SQLite's own words for a folder that is not there say less
        pass
    try:
        with closing(_connect(source)) as old, closing(_connect(part)) as new:
            old.backup(new)
            (verdict,) = new.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise _plain(target if _of_writing(error) else source, error) from error
    if verdict != "ok":
        raise InventoryError(f"{source} is damaged, and was not copied: {verdict}")
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())


def _of_writing(error: sqlite3.Error) -> bool:
    """Whether an error is one of the file that is written, not of one that is read."""
    code = getattr(error, "sqlite_errorcode", 0)
    reading = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}
    writing = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
    return code & 0xFF in writing and code not in reading


def back_up(database: Path, target: Path) -> int:
    """Copy an inventory to `target`; return the size in bytes.

    Raises InventoryError as `copy_database`, and where `target` holds something else
    than a former copy.
    """
    if _is_blank(database):
        raise _absent(database)
    with _in_plain_words(target):
        _revision(target)
    if target.exists() and target.samefile(database):
        raise InventoryError(f"{target} is the inventory itself: name another file")
    copy_database(database, target)
    return target.stat().st_size


def restore(copy: Path, database: Path) -> Path | None:
    """Put a copy in an inventory's place; return where what was there is kept.

    None where nothing was. SQLite's notes beside the former file go with it: they would
    write into the copy what it was restored to be rid of. Raises InventoryError where
    `copy` is no inventory, a newer tagger's, or damaged, and where something uses the
    inventory; then that is what it was.
    """
    if _is_blank(copy):
        raise InventoryError(f"no backup at {copy}")
    with _in_plain_words(copy):
        _revision(copy)
    if database.exists() and copy.samefile(database):
        raise InventoryError(f"{copy} is the inventory itself: name the backup")
    with _copied(copy, database) as part:
        kept = _set_aside(database)
        part.replace(database)
    return kept


def _set_aside(database: Path) -> Path | None:
    """Rename a file that nobody uses, with SQLite's notes; return its name now."""
    if not _is_blank(database):
        _take_in_notes(database)
    there = [path for path in (database, *_notes(database)) if path.exists()]
    kept = database.with_name(
        f"{database.name}.replaced-{datetime.now(UTC):%Y%m%d%H%M%S}"
    )
    for path in there:
        path.rename(kept.with_name(kept.name + path.name.removeprefix(database.name)))
    return kept if there else None


def _take_in_notes(database: Path) -> None:
    """Have SQLite write its notes into the file, where they can be read."""
    try:
        with _in_plain_words(database), closing(_connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            # Only who is alone with a file may end its keeping of notes.
            connection.execute("PRAGMA journal_mode = DELETE")
    except InventoryBusyError as error:
        raise InventoryError(
            f"{database} is in use: end the reviews and all else that reads it, "
            "then restore"
        ) from error
    except InventoryError:
        return  # damaged: it is kept as it is, with its notes


def _absent(path: Path) -> InventoryError:
    return InventoryError(
        f"no inventory at {path}: make it with 'tagger scan FOLDER', "
        "or name another with --db"
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file of exactly that name; SQLite has names that are none.

    Threads may hand it on: the pool gives it to one at a time.
    """
    return sqlite3.connect(
        path.absolute(), timeout=BUSY_SECONDS, check_same_thread=False
    )


def _engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(path), poolclass=QueuePool
    )
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, sqlite3.Error):
            raise _plain(path, error) from error

    return engine


def _set_up_connection(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transactions begin too late to hold the schema's changes.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer that began as a reader would meet "database is locked" without a wait.
    writes = connection.get_execution_options().get("tagger_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Bring the file to today's schema, making it where it is absent."""
    if not path.exists() and not path.parent.is_dir():
        _make_folder(path.parent)
    revision = _revision(path)
    if revision == REVISIONS[-1]:
        return
    if revision is None:
        create(path)
    else:
        _keep_copy(path, revision)
        upgrade(path)


def _keep_copy(path: Path, revision: str) -> None:
    """Copy an inventory as it is before its upgrade.

    Another process may have upgraded it a moment ago; its copy then stays.
    """
    kept = path.with_name(f"{path.name}.before-{REVISIONS[-1]}")
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    copy_database(path, fresh)
    if _revision(fresh) == revision:
        fresh.replace(kept)
    else:
        fresh.unlink()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InventoryError(
            f"cannot make {folder} for the inventory: {error.strerror}"
        ) from error


def _is_blank(path: Path) -> bool:
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _revision(path: Path) -> str | None:
    """Read the schema's revision; None for a file that is absent or blank.

    Raises InventoryError for what is no inventory, or a newer tagger's; writes nothing.
    """
    if _is_blank(path):
        return None
    if not path.is_file():
        kind = "a folder: name a file in it" if path.is_dir() else "no file"
        raise InventoryError(f"{path} is {kind}; name the inventory with --db")
    with closing(_connect(path)) as connection:
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
        if mark != APPLICATION_ID and names:
            raise InventoryError(
                f"{path} is another program's database: name another with --db"
            )
        if not names:
            return None
        revisions = connection.execute("SELECT * FROM alembic_version").fetchall()
    if len(revisions) != 1:
        raise InventoryError(f"{path} is damaged: restore it from a backup")
    if revisions[0][0] not in REVISIONS:
        raise InventoryError(
            f"{path} was written by a newer tagger (schema {revisions[0][0]}): "
            "upgrade tagger"
        )
    return str(revisions[0][0])


def create(path: Path) -> None:
    """Make today's schema in a file that is absent or blank.

    From a file that holds what the revisions make, which a test sees to: Alembic and
    all revisions take a fifth of a second. Who comes second finds it made.
    """
    with _changing_schema(path) as connection:
        execute = connection.exec_driver_sql
        if execute("SELECT 1 FROM sqlite_master").first() is None:
            for statement in _statements(SCHEMA.read_text(encoding="utf-8")):
                execute(statement)
            execute("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))


def _statements(script: str) -> Iterator[str]:
    """Split SQL where SQLite says that a statement is whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def upgrade(path: Path) -> None:
    """Bring a file to today's schema, revision by revision; it may be absent."""
    import alembic.command
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with _changing_schema(path) as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


@contextmanager
def _changing_schema(path: Path) -> Iterator[Connection]:
    """Open a transaction on a file that is, or becomes, an inventory."""
    with closing(_connect(path)) as blank:
        blank.execute("PRAGMA journal_mode = WAL")
    engine = _engine(path)
    with engine.connect() as opened:
        connection = opened.execution_options(tagger_writes=True)
        with connection.begin():
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            yield connection
    engine.dispose()


@contextmanager
def _in_plain_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(path, error) from error


def _plain(path: Path, error: sqlite3.Error) -> InventoryError:
    """Say what SQLite's error means for the person who reads it, and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    code = None if code is None else code & 0xFF  # without the extension
    said = {
        sqlite3.SQLITE_ERROR: f"is damaged ({error}): restore it from a backup",
        sqlite3.SQLITE_NOTADB: "is no SQLite database: name another with --db",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
        sqlite3.SQLITE_READONLY: (
            "cannot be written: check its permissions and its folder's "
            "(reading needs them too, for SQLite's notes beside the file)"
        ),
        sqlite3.SQLITE_PERM: "cannot be opened: check its permissions",
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Make room, then run again",
        sqlite3.SQLITE_BUSY: (
            f"was in use by another program for {BUSY_SECONDS} seconds: try again later"
        ),
    }.get(code or 0)
    if code == sqlite3.SQLITE_CANTOPEN:
        said = f"cannot be opened: {_why_not_opened(path)}"
    if code == sqlite3.SQLITE_IOERR:
        said = "cannot be read or written: the disk fails, is full, or is gone"
    kind = InventoryBusyError if code == sqlite3.SQLITE_BUSY else InventoryError
    return kind(f"{path} {said or f'cannot be used: {error}'}")


def _why_not_opened(path: Path) -> str:
    if not os.access(path.parent, os.W_OK):
        return f"{os.strerror(errno.EACCES).lower()} in {path.parent}"
    return "check its permissions and its folder's"
