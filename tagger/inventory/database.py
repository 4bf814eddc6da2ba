"""What an inventory needs of its database, whichever one it is.

`sqlite_file` and `postgres` are the two; `dialects` has the SQL that differs. Each is
loaded where an inventory is in one. This module does not know what the tables mean.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from tagger.errors import NoInventoryError
from tagger.system.database_url import DatabaseUrl, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

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
    "0013",
    "0014",
)
"""All schema revisions, oldest first; the last is today's. A test compares the list
with the revision files. It lets an up-to-date inventory open without loading Alembic.
"""

BUSY_SECONDS: Final = 30
"""Seconds that a transaction waits for one of another program to end."""

_Result = TypeVar("_Result")

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database(Protocol):
    """The database of an inventory, at today's schema.

    A database error in a transaction rolls it back, and is raised as an InventoryError
    with one line that names the next step.
    """

    @property
    def place(self) -> Place:
        """Where it is."""
        ...

    def reading(self) -> "AbstractContextManager[Connection]":
        """Open a transaction that reads one snapshot of the inventory."""
        ...

    def writing(self) -> "AbstractContextManager[Connection]":
        """Open a transaction that may write: all or nothing.

        Writers take turns: it sees all that is written until its end. It waits up to
        `BUSY_SECONDS` for another; then InventoryBusyError.
        """
        ...

    def leasing(self) -> "AbstractContextManager[Connection]":
        """Open a transaction that writes nothing but leases.

        On a server it does not wait for the transaction of a scan, and other sessions
        may write leases at the same time.
        """
        ...

    def again(self, do: "Callable[[], _Result]") -> _Result:
        """Run `do`, one transaction; run it again if a server restarts meanwhile.

        Raises ConnectionLostError if the server does not come back within a minute.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...

    def optimize(self) -> None:
        """Let the database sample the tables, so that it chooses better indexes."""
        ...


def open_database(place: Place, *, create: bool = True) -> Database:
    """Open the database of an inventory, and bring it to today's schema.

    Raises InventoryError if it is not there and not to `create`, is another program's,
    or was written by a newer tagger; MissingExtraError without its driver.
    """
    if isinstance(place, DatabaseUrl):
        from tagger.inventory.postgres import PostgresServer  # noqa: PLC0415

        return PostgresServer(place, create=create)
    from tagger.inventory.sqlite_file import SqliteFile  # noqa: PLC0415

    return SqliteFile(place, create=create)


def check_usable(place: Place) -> None:
    """Check that there is an inventory, or can be one; make the folder of a file.

    Raises InventoryError if it is not an inventory, or is a newer tagger's.
    """
    if isinstance(place, DatabaseUrl):
        from tagger.inventory import postgres  # noqa: PLC0415

        postgres.check_usable(place)
    else:
        from tagger.inventory import sqlite_file  # noqa: PLC0415

        sqlite_file.check_usable(place)


def absent(place: Place) -> NoInventoryError:
    """Return the error that there is no inventory."""
    return NoInventoryError(
        f"no inventory at {place}: create it with 'tagger scan FOLDER', "
        "or name another one with --db"
    )
