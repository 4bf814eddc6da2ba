"""A real PostgreSQL server for the tests, and inventories in databases of it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from tagger.system.database_url import DatabaseUrl

if TYPE_CHECKING:
    import psycopg

_USERS = ("postgres", "nobody")
"""Users to run the server as, where the tests run as root: it refuses to be root."""

CLOSED_USER = "closed"
"""The user who needs a password; all others need none."""

_SETTINGS = {
    "fsync": "off",  # nothing here outlives the tests
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


class Server:
    """A running server; its socket and its data are in a folder of its own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self._number = 0
        self._template = ""
        user = _unprivileged()
        if user:
            shutil.chown(folder, user)
        self._user = user
        # A collation of a language, so that a test sees what is not sorted by bytes.
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "tagger", "-E", "UTF8",
                  "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en",
                  "-D", self.data)  # fmt: skip
        lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{folder}'")
        with (self.data / "postgresql.conf").open("a") as stream:
            stream.write("\n".join(lines) + "\n")
        hba = self.data / "pg_hba.conf"
        by_password = f"local all {CLOSED_USER} scram-sha-256\n"
        hba.write_text(by_password + hba.read_text())
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", log)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", self.data)

    def url(self, database: str) -> DatabaseUrl:
        return DatabaseUrl(f"postgresql://tagger@/{database}?host={self.folder}")

    def blank(self) -> DatabaseUrl:
        """Make an empty database."""
        return self._make("")

    def inventory(self) -> DatabaseUrl:
        """Make a database with an inventory without rows: a copy, which is faster."""
        from tagger.inventory import Inventory

        if not self._template:
            made = self.blank()
            Inventory(made).__exit__()
            self._template = made.name
        return self._make(f"TEMPLATE {self._template}")

    def drop(self, url: DatabaseUrl) -> None:
        self.do(f"DROP DATABASE IF EXISTS {url.name} WITH (FORCE)")

    def empty(self, url: DatabaseUrl) -> None:
        """Delete all rows of an inventory: TRUNCATE would make a hundred files anew."""
        tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> %s"
        here = " AND relnamespace = current_schema()::regnamespace"
        with raw_server(url, autocommit=True) as connection:
            rows = connection.execute(tables + here, ("alembic_version",)).fetchall()
            deletions = ";".join(f"DELETE FROM {name}" for (name,) in rows)  # noqa: S608
            # Without triggers, which also check the foreign keys.
            connection.execute("SET session_replication_role = replica;" + deletions)

    def do(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with raw_server(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _make(self, how: str) -> DatabaseUrl:
        self._number += 1
        name = f"shop{self._number}"
        self.do(f"CREATE DATABASE {name} {how}")
        return self.url(name)

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self.programs / program, *map(str, arguments)],
            user=self._user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _unprivileged() -> str | None:
    import pwd

    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("a PostgreSQL server cannot run as root, and there is no other user")


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, or None."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: int(path.parts[-3]), default=None)
    return newest and newest.parent


@contextmanager
def a_server() -> Iterator[Server]:
    """Run a server; skip the test where it cannot be had."""
    pytest.importorskip("psycopg", reason="no psycopg: the extra 'postgres'")
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here: apt install postgresql")
    # Not in pytest's folder, which no other user may enter; a socket's name is short.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="tagger-pg-", dir=memory))
    try:
        server = Server(folder, found)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class RawServer:
    """A connection to a server that is used as SQLite's: with ?, and commit."""

    def __init__(self, url: DatabaseUrl, *, autocommit: bool = False) -> None:
        import psycopg

        self._connection = psycopg.connect(url.secret, autocommit=autocommit)

    def execute(self, sql: str, values: object = ()) -> "psycopg.Cursor[Any]":
        sql = re.sub(r"\?", "%s", sql) if values else sql
        return self._connection.execute(sql, values or None)  # type: ignore[call-overload,no-any-return]

    def executemany(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self._connection.cursor().executemany(sql.replace("?", "%s"), rows)

    def executescript(self, sql: str) -> None:
        self._connection.execute(sql)

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        else:
            self._connection.rollback()


@contextmanager
def raw_server(url: DatabaseUrl, *, autocommit: bool = False) -> Iterator[RawServer]:
    connection = RawServer(url, autocommit=autocommit)
    try:
        yield connection
    finally:
        connection.close()
