"""Open an inventory on a PostgreSQL server: transactions, schema, clear errors.

This module does not know what the tables mean. It uses the first schema of the
connection's `search_path`. Writers take turns by an advisory lock, so that the laws
which SQLite's single writer keeps hold here, too; the readers and the leases of review
sessions do not wait for them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from tagger.errors import (
    ConnectionLostError,
    InventoryBusyError,
    InventoryError,
    MissingExtraError,
)
from tagger.inventory.database import BUSY_SECONDS, MIGRATIONS, REVISIONS, absent
from tagger.system.database_url import DatabaseUrl

if TYPE_CHECKING:
    import psycopg

SCHEMA: Final = Path(__file__).parent / "schema.postgres.sql"
"""Today's schema. A test compares it with the tables, and with that of SQLite. The
oldest revision on a server is 0014: earlier ones are SQLite's history."""

_CONNECT_SECONDS: Final = 10
_MIGRATION_SECONDS: Final = 600
"""Seconds that the creation or upgrade of a schema waits for other writers."""

_KEEP_ALIVE: Final = {
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}
"""A firewall may forget a connection that is silent for minutes, and a host may vanish.
The last is in milliseconds, the first two in seconds."""

_WRITERS: Final = "writers"
"""Name of the lock that a transaction which writes holds."""

PATIENCE_SECONDS: Final = 60
"""Seconds that a scan waits for a server that restarts, from when it is lost."""

STAY_CONNECTED: Final = (
    "SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = 0"
)
"""A lock's session is idle as long as a scan takes, a reviewer's while she is away. An
export reads in one transaction, however slowly its reader takes the lines."""

_LONGEST_TURN: Final = 600
"""Seconds that a scan waits for the transaction of another."""

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 8.0

_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(%s)"
_MY_NUMBER: Final = "SELECT pg_current_xact_id_if_assigned()::text"
_NEWEST_NUMBER: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_STATE: Final = "SELECT pg_xact_status(%s::xid8)"
"""https://www.postgresql.org/docs/current/functions-info.html, "Transaction ID and
Snapshot Information Functions"."""

_LOG: Final = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class PostgresServer:
    """The database of an inventory on a PostgreSQL server. See `database.Database`."""

    def __init__(self, place: DatabaseUrl, *, create: bool = True) -> None:
        self.place = place
        self._engine = _engine(place)
        try:
            self._writers = _prepare(self._engine, place, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one snapshot of the inventory."""
        with self._engine.connect() as opened:
            connection = opened.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that may write, when no other does: all or nothing."""
        number = None
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.exec_driver_sql(_TAKE_TURN, (self._writers,))
                yield connection
                number = connection.exec_driver_sql(_MY_NUMBER).scalar()
        except ConnectionLostError:
            # Without a number, it had not come to its end, or had written nothing.
            if number is None or not self._was_committed(number):
                raise

    @contextmanager
    def leasing(self) -> Iterator[Connection]:
        """Open a transaction that writes leases, and does not wait for its turn."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def again(self, do: Callable[[], _Result]) -> _Result:
        """Run `do`, one transaction; run it again if the server restarts meanwhile.

        Waits up to `PATIENCE_SECONDS` for the server, longer each time. Waits longer
        for the turn of another scan, which may be applying a policy to a million
        pictures. Before each run, it takes the locks again that this process lost:
        LockedError if it cannot.
        """
        begun = time.monotonic()
        end, pause = None, _FIRST_PAUSE
        while True:
            try:
                _retake_locks(self.place)
                return do()
            except InventoryBusyError:
                if time.monotonic() > begun + _LONGEST_TURN:
                    raise
            except ConnectionLostError:
                if end is None:
                    end = time.monotonic() + PATIENCE_SECONDS
                    _LOG.warning(
                        "%s does not answer; trying again for a minute", self.place
                    )
                elif time.monotonic() > end:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _was_committed(self, number: str) -> bool:
        """Whether a transaction was committed, although the answer was lost.

        A server that crashed before it wrote anything of the transaction uses its
        number again for another.
        """

        def ask() -> bool:
            with self._engine.connect() as connection:
                newest = connection.exec_driver_sql(_NEWEST_NUMBER).scalar() or 0
                if int(number) >= newest:
                    return False
                state = connection.exec_driver_sql(_STATE, (number,)).scalar()
            if state == "in progress":  # the server is still about to end it
                raise ConnectionLostError(f"{self.place} has not ended a transaction")
            return bool(state == "committed")

        return self.again(ask)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def optimize(self) -> None:
        """Let PostgreSQL sample the tables, if its own service has not yet."""
        with suppress(InventoryError), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in _never_sampled(connection):
                connection.exec_driver_sql(f'ANALYZE "{table}"')


def connect(place: DatabaseUrl, name: str = "tagger") -> "psycopg.Connection[Any]":
    """Connect to a server; `name` is shown to its administrators.

    The password comes from the URL, PGPASSWORD, ~/.pgpass or a service file, as libpq
    finds it. Raises InventoryError, MissingExtraError without the driver.
    """
    with in_plain_words(place):
        session: psycopg.Connection[Any] = _driver().connect(
            place.secret,
            application_name=name,
            client_encoding="utf8",
            connect_timeout=_CONNECT_SECONDS,
            **_KEEP_ALIVE,
        )
    return session


@contextmanager
def in_plain_words(place: DatabaseUrl) -> Iterator[None]:
    """Translate the driver's errors."""
    try:
        yield
    except _driver().Error as error:
        raise _plain(place, error) from error


def lock_key(connection: "psycopg.Connection[Any] | Connection", name: str) -> int:
    """Return the number of an advisory lock, other for each schema of a database."""
    schema = "SELECT current_schema()"
    if isinstance(connection, Connection):
        here = connection.exec_driver_sql(schema).scalar()
    else:
        (here,) = connection.execute(schema).fetchone() or ("",)
    text = f"tagger\0{here}\0{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


def _limit_wait(seconds: float) -> str:
    milliseconds = max(1, round(seconds * 1000))  # 0 would be for ever
    return f"SET lock_timeout = {milliseconds}"


def _retake_locks(place: DatabaseUrl) -> None:
    from tagger.inventory import server_lock  # noqa: PLC0415  it imports this module

    server_lock.retake(place)


def check_usable(place: DatabaseUrl) -> None:
    """Check that there is an inventory, or can be one.

    Raises InventoryError if the database is another program's, or a newer tagger's.
    """
    engine = _engine(place)
    try:
        with engine.connect() as connection:
            _revision(connection, place)
    finally:
        engine.dispose()


def _driver() -> Any:  # noqa: ANN401  a module
    try:
        import psycopg  # noqa: PLC0415  only for an inventory on a server
    except ImportError as error:
        what = "an inventory in PostgreSQL"
        raise MissingExtraError(what, "psycopg", "postgres") from error
    return psycopg


def _engine(place: DatabaseUrl) -> Engine:
    psycopg = _driver()
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connect_to_wait(place),
        pool_use_lifo=True,
        pool_pre_ping=True,  # a review may pause while the server restarts
        use_native_hstore=False,  # spares each connection a query
    )
    # Rows of one statement are sent together: a statement for each would have its
    # triggers count each row alone.
    engine.dialect.use_insertmanyvalues_wo_returning = True

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, psycopg.Error) and not context.is_pre_ping:
            raise _plain(place, error) from error

    return engine


def _connect_to_wait(place: DatabaseUrl) -> "psycopg.Connection[Any]":
    """Connect so that a statement waits up to `BUSY_SECONDS` for a lock."""
    session = connect(place)
    with in_plain_words(place):
        session.execute(f"{_limit_wait(BUSY_SECONDS)}; {STAY_CONNECTED}")
        session.commit()
    return session


def _prepare(engine: Engine, place: DatabaseUrl, *, create: bool) -> int:
    """Bring the schema to today's; create it if there is none and that is wanted.

    Returns the number of the writers' lock.
    """
    with engine.connect() as connection:
        revision = _revision(connection, place)
        writers = lock_key(connection, _WRITERS)
    if revision == REVISIONS[-1]:
        return writers
    if revision is None and not create:
        raise absent(place)
    with engine.connect() as connection, connection.begin():
        wait = _limit_wait(_MIGRATION_SECONDS)
        connection.exec_driver_sql(wait.replace("SET", "SET LOCAL"))
        connection.exec_driver_sql(_TAKE_TURN, (writers,))
        revision = _revision(connection, place)  # another may have been faster
        if revision is None:
            _create(connection)
        elif revision != REVISIONS[-1]:
            _upgrade(connection, place)
    return writers


def _create(connection: Connection) -> None:
    """Create today's schema in a schema without tables."""
    cursor = connection.connection.cursor()
    cursor.execute(SCHEMA.read_text(encoding="utf-8"))
    cursor.close()
    connection.exec_driver_sql(
        "INSERT INTO alembic_version VALUES (%s)", (REVISIONS[-1],)
    )


def _upgrade(connection: Connection, place: DatabaseUrl) -> None:
    """Upgrade to today's schema, revision by revision, in the open transaction."""
    import alembic.command
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
    logging.getLogger(__name__).warning("%s is upgraded for this version", place)


def _revision(connection: Connection, place: DatabaseUrl) -> str | None:
    """Read the schema's revision; None where there are no tables but of extensions.

    Raises InventoryError if the tables are another program's, or a newer tagger's.
    Writes nothing.
    """
    execute = connection.exec_driver_sql
    encoding, schema = execute(
        "SELECT current_setting('server_encoding'), current_schema()"
    ).one()
    if encoding != "UTF8":
        raise InventoryError(
            f"{place} has the encoding {encoding}, which lacks letters: create the "
            "database with ENCODING 'UTF8'"
        )
    if schema is None:
        raise InventoryError(
            f"{place} has no schema to use: create the one of the user's search_path"
        )
    names = set(
        execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') "
            "AND relnamespace = current_schema()::regnamespace "
            "AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE deptype = 'e' "
            "AND classid = 'pg_class'::regclass AND objid = pg_class.oid)"
        ).scalars()
    )
    if not names:
        return None
    if not {"alembic_version", "image", "counted"} <= names:
        raise InventoryError(
            f"{place} is another program's database: name another one with --db"
        )
    revisions = execute("SELECT version_num FROM alembic_version").scalars().all()
    if len(revisions) != 1:
        raise InventoryError(f"{place} is damaged: restore it with pg_restore")
    if revisions[0] not in REVISIONS:
        raise InventoryError(
            f"{place} was written by a newer tagger (schema {revisions[0]}): "
            "upgrade tagger"
        )
    return str(revisions[0])


def _never_sampled(connection: Connection) -> list[str]:
    """Return the tables that have rows, and no statistics at all."""
    return list(
        connection.exec_driver_sql(
            "SELECT relname FROM pg_stat_user_tables "
            "WHERE schemaname = current_schema() AND n_mod_since_analyze > 0 "
            "AND last_analyze IS NULL AND last_autoanalyze IS NULL"
        ).scalars()
    )


def _plain(place: DatabaseUrl, error: "psycopg.Error") -> InventoryError:
    """Translate an error of PostgreSQL into a clear message with the next step."""
    if error.sqlstate is None:
        return _why_no_connection(place, error)
    if error.sqlstate in _GOING_DOWN:
        return ConnectionLostError(
            f"{place} closed the connection ({_words(error)}): run again when the "
            "server is back"
        )
    busy = f"was in use by another program for {BUSY_SECONDS} seconds: try again later"
    message = {
        "55P03": busy,  # lock_not_available
        "40P01": busy,  # deadlock_detected
        "25006": "can only be read here: name the primary server",
        "42501": f"does not let you ({_words(error)}): ask for the right to it",
        "42P01": f"is damaged ({_words(error)}): restore it with pg_restore",
        "53100": "cannot grow: the disk of the server is full",
        "53300": "has no connection left: try again later",
    }.get(error.sqlstate)
    busy_states = {"55P03", "40P01"}
    kind = InventoryBusyError if error.sqlstate in busy_states else InventoryError
    return kind(f"{place} {message or f'cannot be used: {_words(error)}'}")


_GOING_DOWN: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "08006"})
"""States of a server that ends its sessions: https://www.postgresql.org/docs/current/
errcodes-appendix.html, Classes 57 and 08."""


def _why_no_connection(place: DatabaseUrl, error: "psycopg.Error") -> InventoryError:
    """Explain why a server does not let us in, or is not there."""
    words = _words(error).replace(place.secret, str(place))
    # First what a server says only after it has accepted a password.
    if "does not exist" in words and "database" in words:
        return InventoryError(
            f"{place} does not exist: create it with 'createdb {quote(place.name)}'"
        )
    if "permission denied for database" in words:
        return InventoryError(f"{place} does not let you: ask for the right to connect")
    libpq = error.pgconn
    if libpq is not None and (libpq.needs_password or libpq.used_password):
        return InventoryError(
            f"{place} refuses the user or the password: give the password in "
            "PGPASSWORD or in ~/.pgpass"
        )
    if "does not exist" in words and "role" in words:
        return InventoryError(
            f"{place}: {words}: name another user, or create this one"
        )
    if not isinstance(error, _driver().OperationalError | _driver().InterfaceError):
        return InventoryError(f"{place} cannot be used: {words}")
    return ConnectionLostError(
        f"{place} cannot be reached ({words}): is the server running?"
    )


def _words(error: Exception) -> str:
    """Return the words of the server in one line, without what they are about."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rpartition("FATAL:")[2].strip() if lines else type(error).__name__
