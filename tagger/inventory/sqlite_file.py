"""Open an inventory in a SQLite file: connections, transactions, schema, clear errors.

This module does not know what the tables mean.
"""

import errno
import glob
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection

from tagger.errors import InventoryBusyError, InventoryError
from tagger.inventory.database import BUSY_SECONDS, MIGRATIONS, REVISIONS, absent
from tagger.system.paths import beside, real_file
from tagger.system.sharing import is_shared, share, what_closes

APPLICATION_ID: Final = 0x74616767
"""'tagg' in the file's header, for `file inventory.db` and for our own check."""

SCHEMA: Final = Path(__file__).parent / "schema.sql"
"""Today's schema, the same as the revisions make."""


_Result = TypeVar("_Result")


class SqliteFile:
    """The file of an inventory, at today's schema.

    A database error in a transaction rolls it back, and is raised as an InventoryError
    with one line that names the next step.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.place = path
        if not create and _is_blank(path):
            raise absent(path)
        with _in_plain_words(path):
            _prepare_file(path)
        self._engine = _engine(path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one snapshot of the inventory."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that may write: all or nothing."""
        with self._engine.connect() as connection:
            connection = connection.execution_options(tagger_writes=True)  # noqa: PLW2901
            with connection.begin():
                yield connection

    def leasing(self) -> AbstractContextManager[Connection]:
        """Open a transaction that writes leases: here as any that may write."""
        return self.writing()

    def again(self, do: Callable[[], _Result]) -> _Result:
        """Run `do`, one transaction, once: a file has no connection to lose."""
        return do()

    def close(self) -> None:
        """Close all connections.

        They stay open until then: closing the last one makes SQLite write back its log.
        """
        self._engine.dispose()

    def optimize(self) -> None:
        """Let SQLite sample the tables, so that it chooses better indexes."""
        with suppress(InventoryError), self.writing() as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit = 400")
            connection.exec_driver_sql("PRAGMA optimize")


def check_usable(path: Path) -> None:
    """Check that `path` is an inventory or can become one; make its folder.

    Raises InventoryError if the file is not an inventory, or is a newer tagger's.
    """
    with _in_plain_words(path):
        _make_folder_of(path)
        _revision(path)


def copy_database(source: Path, target: Path) -> None:
    """Copy a snapshot of an inventory that others may be writing to.

    The copy is checked, then renamed to `target` (atomic write). Raises InventoryError
    if `source` is not an inventory, is a newer tagger's, or damaged, or if the copy
    cannot be written; `target` then stays unchanged.
    """
    with _in_plain_words(source):
        _revision(source)
    target = real_file(target)  # a link stays a link
    with _copied(source, target) as part:
        part.replace(target)


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[Path]:
    """Make a checked copy for the caller to rename; delete it otherwise."""
    # Beside the target: a rename works only within one file system.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _remove_interrupted(target)
        _copy(source, part, target)
        yield part
    except OSError as error:
        raise InventoryError(f"cannot write {target}: {error.strerror}") from error
    finally:
        for file in (part, *_side_files(part)):
            file.unlink(missing_ok=True)


def _remove_interrupted(target: Path) -> None:
    """Remove temporary files of copies that were interrupted over a day ago."""
    for file in target.parent.glob(f".{glob.escape(target.name)}.*.part*"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > _DAY:
                file.unlink()


_DAY: Final = 86400
_SIDE_FILE_ENDINGS: Final = ("-journal", "-wal", "-shm")
"""Endings of the side files that SQLite keeps beside an open database."""


def _side_files(path: Path) -> list[Path]:
    return [beside(path, end) for end in _SIDE_FILE_ENDINGS]


def _copy(source: Path, part: Path, target: Path) -> None:
    with part.open("xb"):  # for a missing folder, its error is clearer than SQLite's
        share(part)
    try:
        with closing(_connect(source)) as old, closing(_connect(part)) as new:
            old.backup(new)
            (verdict,) = new.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise _plain(target if _of_writing(error) else source, error) from error
    if verdict != "ok":
        raise InventoryError(f"{source} is damaged and was not copied: {verdict}")
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())


def _of_writing(error: sqlite3.Error) -> bool:
    """Whether an error is about the written file, not about the read one."""
    code = getattr(error, "sqlite_errorcode", 0)
    reading = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}
    writing = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
    return code & 0xFF in writing and code not in reading


def back_up(database: Path, target: Path) -> int:
    """Copy an inventory to `target`; return the size in bytes.

    Raises InventoryError as `copy_database` does, and if `target` exists and is not a
    former backup.
    """
    if _is_blank(database):
        raise absent(database)
    with _in_plain_words(target):
        _revision(target)
    if target.exists() and target.samefile(database):
        raise InventoryError(f"{target} is the inventory itself: name another file")
    copy_database(database, target)
    return target.stat().st_size


def restore(copy: Path, database: Path) -> Path | None:
    """Put a backup in an inventory's place; return the path of the former inventory.

    None if there was none. The former file is kept under that path, with its SQLite
    side files: left behind, they would write old changes into the restored file. Raises
    InventoryError if `copy` is not an inventory, is a newer tagger's, or damaged, or if
    a program uses the inventory; the inventory then stays unchanged.
    """
    database = real_file(database)  # a link stays a link
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
    """Rename an unused inventory with its side files; return its new path."""
    if not _is_blank(database):
        _write_back_log(database)
    files = [path for path in (database, *_side_files(database)) if path.exists()]
    kept = beside(database, f".replaced-{datetime.now(UTC):%Y%m%d%H%M%S}")
    for path in files:
        path.rename(kept.with_name(kept.name + path.name.removeprefix(database.name)))
    return kept if files else None


def _write_back_log(database: Path) -> None:
    """Make SQLite write its log into the file, if no other program uses it."""
    try:
        with _in_plain_words(database), closing(_connect(database)) as connection:
            connection.execute("PRAGMA busy_timeout = 1000")
            # Leaving WAL mode needs the file alone, so this also finds other users.
            connection.execute("PRAGMA journal_mode = DELETE")
    except InventoryBusyError as error:
        raise InventoryError(
            f"{database} is in use: end all reviews and other programs that read it, "
            "then restore again"
        ) from error
    except InventoryError:
        return  # damaged: keep it as it is, with its side files


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file of exactly that name; an absolute path avoids SQLite's own names.

    Several threads may use the connection: the pool gives it to one at a time.
    """
    share(path)  # SQLite makes its side files with the permissions of the database
    connection = sqlite3.connect(
        path.absolute(), timeout=BUSY_SECONDS, check_same_thread=False
    )
    if is_shared(path.absolute().parent) and path.exists():
        with suppress(sqlite3.Error):  # the caller meets it again
            # Makes the side files, with the group of this user.
            connection.execute("PRAGMA schema_version").fetchall()
        for file in _side_files(path):
            share(file)
    return connection


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
    # The driver's own transactions begin too late to include schema changes.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that begins with a read fails at once with "database is locked".
    writes = connection.get_execution_options().get("tagger_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Bring the file to today's schema; create it if it is absent."""
    _make_folder_of(path)
    revision = _revision(path)
    if revision == REVISIONS[-1]:
        return
    if revision is None:
        create(path)
    else:
        _keep_copy(path, revision)
        upgrade(path)


def _keep_copy(path: Path, revision: str) -> None:
    """Copy an inventory before its upgrade.

    If another process upgraded it a moment ago, the copy of that process stays.
    """
    kept = beside(path, f".before-{REVISIONS[-1]}")
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    copy_database(path, fresh)
    if _revision(fresh) == revision:
        fresh.replace(kept)
        logging.getLogger(__name__).warning(
            "%s is upgraded for this version of tagger; its copy from before is %s",
            path,
            kept,
        )
    else:
        fresh.unlink()


def _make_folder_of(path: Path) -> None:
    folder = real_file(path).parent
    if folder.is_dir() or path.exists():
        return
    missing = [folder, *(above for above in folder.parents if not above.exists())]
    try:
        folder.mkdir(parents=True)
        for made in reversed(missing):
            share(made)
    except OSError as error:
        raise InventoryError(
            f"cannot make {folder} for the inventory: {error.strerror}"
        ) from error


def _is_blank(path: Path) -> bool:
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _revision(path: Path) -> str | None:
    """Read the schema's revision; None for an absent or blank file.

    Raises InventoryError if the file is not an inventory, or is a newer tagger's.
    Writes nothing.
    """
    if _is_blank(path):
        return None
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise InventoryError(f"{path} is {kind}: name the inventory file with --db")
    with closing(_connect(path)) as connection:
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
        if mark != APPLICATION_ID and names:
            raise InventoryError(
                f"{path} is another program's database: name another file with --db"
            )
        if not names:
            return None
        revisions = connection.execute("SELECT * FROM alembic_version").fetchall()
    if len(revisions) != 1:
        raise InventoryError(f"{path} is damaged: restore it from a backup")
    if revisions[0][0] not in REVISIONS:
        kept = beside(path, f".before-{revisions[0][0]}")
        old = f", or restore its copy from before, {kept}" if kept.exists() else ""
        raise InventoryError(
            f"{path} was written by a newer tagger (schema {revisions[0][0]}): "
            f"upgrade tagger{old}"
        )
    return str(revisions[0][0])


def create(path: Path) -> None:
    """Create today's schema in an absent or blank file.

    From `schema.sql`, which a test compares with the revisions: running them all with
    Alembic takes 0.2 s. If two processes create it, the second one does nothing.
    """
    with _changing_schema(path) as connection:
        execute = connection.exec_driver_sql
        if execute("SELECT 1 FROM sqlite_master").first() is None:
            for statement in _statements(SCHEMA.read_text(encoding="utf-8")):
                execute(statement)
            execute("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))


def _statements(script: str) -> Iterator[str]:
    """Split SQL into the statements that SQLite considers complete."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def upgrade(path: Path) -> None:
    """Upgrade a file to today's schema, revision by revision; it may be absent."""
    import alembic.command
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _changing_schema(path) as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def copy_to_look_in(source: Path, target: Path) -> None:
    """Copy an inventory as `copy_database` does, even one that is read-only.

    SQLite reads an inventory only where it can make side files. Raises the same errors.
    """
    if os.access(source, os.W_OK) and os.access(source.parent, os.W_OK):
        copy_database(source, target)
        return
    received = target.with_name(f"received-{target.name}")
    try:
        for file in (source, beside(source, "-wal")):
            if file.exists():
                end = file.name.removeprefix(source.name)
                shutil.copyfile(file, beside(received, end))
        copy_database(received, target)
    except OSError as error:
        raise InventoryError(f"cannot copy {source}: {error.strerror}") from error
    except InventoryError as error:
        raise InventoryError(str(error).replace(str(received), str(source))) from error


def upgrade_copy(path: Path) -> None:
    """Upgrade a temporary copy of an inventory, which needs no copy from before."""
    if _revision(path) != REVISIONS[-1]:
        upgrade(path)


@contextmanager
def _changing_schema(path: Path) -> Iterator[Connection]:
    """Open a transaction to create or upgrade the schema of a file."""
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
    """Translate a SQLite error into a clear message that names the next step."""
    code = getattr(error, "sqlite_errorcode", None)
    code = None if code is None else code & 0xFF  # the primary code, not the extended
    denied = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)
    closed = (what_closes(file) for file in (path, *_side_files(path)))
    if code in denied and (why := next(filter(None, closed), "")):
        return InventoryError(f"{path} cannot be used: {why}")
    message = {
        sqlite3.SQLITE_ERROR: f"is damaged ({error}): restore it from a backup",
        sqlite3.SQLITE_NOTADB: (
            "is not a SQLite database: name another file with --db"
        ),
        sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
        sqlite3.SQLITE_READONLY: (
            "cannot be written: check the permissions of the file and of its folder "
            "(SQLite needs to write there even to read)"
        ),
        sqlite3.SQLITE_PERM: "cannot be opened: check its permissions",
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Free space and run again",
        sqlite3.SQLITE_BUSY: (
            f"was in use by another program for {BUSY_SECONDS} seconds: try again later"
        ),
    }.get(code or 0)
    if code == sqlite3.SQLITE_CANTOPEN:
        message = f"cannot be opened: {_why_not_opened(path)}"
    if code == sqlite3.SQLITE_IOERR:
        message = (
            "cannot be read or written: check whether the disk is full, faulty or "
            "unplugged"
        )
    kind = InventoryBusyError if code == sqlite3.SQLITE_BUSY else InventoryError
    return kind(f"{path} {message or f'cannot be used: {error}'}")


def _why_not_opened(path: Path) -> str:
    if not os.access(path.parent, os.W_OK):
        return f"{os.strerror(errno.EACCES).lower()} in {path.parent}"
    return "check the permissions of the file and of its folder"
