"""Write SQL that SQLite and PostgreSQL spell differently."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, Table
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

POSTGRESQL: Final = "postgresql"
"""SQLAlchemy's name of this dialect."""


def is_postgresql(connection: Connection) -> bool:
    """Whether the inventory of a connection is on a PostgreSQL server."""
    return connection.dialect.name == POSTGRESQL


def upsert(dialect: str, table: Table) -> Insert:
    """Return an INSERT that can be given ON CONFLICT, for the dialect of that name.

    Give PostgreSQL no two rows of one key: it refuses to change a row twice.
    """
    if dialect != POSTGRESQL:
        return sqlite_insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  start-up is a feature

    # Its INSERT has the same methods with the same arguments.
    return postgresql.insert(table)  # type: ignore[return-value]


class _LookedUpBy(GenericFunction[Any]):
    inherit_cache = True


def looked_up_by(column: Any) -> ColumnElement[Any]:  # noqa: ANN401
    """Wrap a column so that SQLite does not use its index for this join.

    This fixes the order of the join: the query starts at this column's table, and looks
    the rows of the other up by it. SQLite's planner, which has no row counts, might
    start at the other and read or sort a million rows. PostgreSQL's has them.
    """
    return _LookedUpBy(column, type_=column.type)


@compiles(_LookedUpBy)
def _unary_plus(element: _LookedUpBy, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"+{compiler.process(element.clauses, **options)}"


@compiles(_LookedUpBy, POSTGRESQL)
def _as_it_is(element: _LookedUpBy, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return compiler.process(element.clauses, **options)


class _Position(GenericFunction[int]):
    type = Integer()
    name = "instr"
    inherit_cache = True


def position(text: Any, part: Any) -> ColumnElement[int]:  # noqa: ANN401
    """Return the place of a part in a text, from 1; 0 if it is not there."""
    return _Position(text, part)


@compiles(_Position, POSTGRESQL)
def _strpos(element: _Position, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"strpos{compiler.process(element.clause_expr, **options)}"


class _WholePart(GenericFunction[int]):
    type = Integer()
    inherit_cache = True


def whole_part(number: Any) -> ColumnElement[int]:  # noqa: ANN401
    """Return a number of at least 0 without what follows its point."""
    return _WholePart(number)


@compiles(_WholePart)
def _cast(element: _WholePart, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"CAST({compiler.process(element.clauses, **options)} AS INTEGER)"


@compiles(_WholePart, POSTGRESQL)
def _floor(element: _WholePart, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    # Its cast rounds.
    return f"CAST(floor({compiler.process(element.clauses, **options)}) AS INTEGER)"
