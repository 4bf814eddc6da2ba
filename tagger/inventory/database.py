"""Open the SQLite file: connections, transactions, schema, errors in plain words.

Knows nothing of what the tables mean.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection

from tagger.errors import InventoryError

REVISIONS: Final = ("0001",)
"""Every schema there was, oldest first; the last is today's. A test holds the list to
the revision files, so that an inventory of today opens without loading Alembic."""

APPLICATION_ID: Final = 0x74616767
"""'tagg' in the file's header: `file inventory.db` and we ourselves can tell."""

BUSY_SECONDS: Final = 30
"""How long a transaction waits for another program's to end."""

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """An inventory's file at today's schema.

    Every failure inside a transaction leaves as InventoryError with one line that says
    what to do, and the transaction is rolled back.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        if not create and not path.exists():
            raise InventoryError(
                f"no inventory at {path}: make it with 'tagger scan FOLDER', "
                "or name another with --db"
            )
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
        """Close every connection."""
        self._engine.dispose()


def copy_database(source: Path, target: Path) -> None:
    """Copy an inventory that others may be writing to, as of one moment."""
    with (
        _in_plain_words(source),
        closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        ) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS},
        poolclass=NullPool,
    )
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        raise _plain(path, context.original_exception) from context.original_exception

    return engine


def _set_up_connection(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transactions begin too late to hold the schema's changes.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
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
    if revision is not None and revision not in REVISIONS:
        raise InventoryError(
            f"{path} was written by a newer tagger (schema {revision}): upgrade tagger"
        )
    if revision is not None:
        copy_database(path, path.with_name(f"{path.name}.before-{REVISIONS[-1]}"))
    _upgrade(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InventoryError(
            f"cannot make {folder} for the inventory: {error.strerror}"
        ) from error


def _revision(path: Path) -> str | None:
    """Read the schema's revision; None for a file that is absent or empty.

    Raises InventoryError for a database that is not ours; opens nothing for writing.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return None
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master")
        }
        if mark != APPLICATION_ID and tables:
            raise InventoryError(
                f"{path} is another program's database: name another with --db"
            )
        if "alembic_version" not in tables:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def _upgrade(path: Path) -> None:
    import alembic.command
    from alembic.config import Config  # noqa: PLC0415

    engine = _engine(path)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        connection = connection.execution_options(tagger_writes=True)  # noqa: PLW2901
        with connection.begin():
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    engine.dispose()


@contextmanager
def _in_plain_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(path, error) from error


def _plain(path: Path, error: BaseException) -> InventoryError:
    """Say what SQLite's error means for the person who reads it, and what to do."""
    if path.is_dir():
        return InventoryError(f"{path} is a folder: name a file in it with --db")
    code = getattr(error, "sqlite_errorcode", None)
    code = None if code is None else code & 0xFF  # without the extension
    said = {
        sqlite3.SQLITE_NOTADB: "is no SQLite database: name another with --db",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
        sqlite3.SQLITE_READONLY: "cannot be written: check its permissions",
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
    return InventoryError(f"{path} {said or f'cannot be used: {error}'}")


def _why_not_opened(path: Path) -> str:
    if not os.access(path.parent, os.W_OK):
        return f"{os.strerror(errno.EACCES).lower()} in {path.parent}"
    return "check its permissions and its folder's"
