"""Write many rows at once, in the way that is fastest for the database.

SQLite runs a statement once for each row. PostgreSQL gets the rows as arrays, a column
each, and runs a statement once for all: its triggers then run once, too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Table,
    TableValuedAlias,
    bindparam,
    column,
    func,
    select,
    true,
    update,
)

from tagger.inventory.dialects import is_postgresql, upsert

Row = Mapping[str, Any]
"""Values by the names of columns."""

_AT_ONCE: Final = 10_000
"""Rows in one statement for PostgreSQL: above that, it is no faster."""


def put_rows(  # noqa: PLR0913  the parts of an upsert
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    key: tuple[str, ...],
    change: tuple[str, ...],
    only_if_changed: bool = False,
) -> None:
    """Insert rows; of those whose `key` is there, change these columns.

    All rows have the same columns. Of two rows with one key, the last counts. With
    `only_if_changed`, rows whose columns are the same are left alone.
    """
    unique = list({tuple(row[name] for name in key): row for row in rows}.values())
    if not unique:
        return
    names = tuple(unique[0])
    if not is_postgresql(connection):
        statement = _upsert("sqlite", table, (), key, change, only_if_changed)
        connection.execute(statement, [dict(row) for row in unique])
        return
    statement = _upsert("postgresql", table, names, key, change, only_if_changed)
    for part in _parts(unique):
        connection.execute(statement, _arrays(names, part))


def update_rows(  # noqa: PLR0913  the parts of an update
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    by: str,
    also: Row | None = None,
    where: Callable[[Mapping[str, Any]], ColumnElement[bool]] = lambda _new: true(),
) -> None:
    """Update rows found by the column `by`: the columns of each, and `also` of all.

    All rows have the same columns. `where` is a further condition, on the new values.
    """
    if not rows:
        return
    names = tuple(rows[0])
    on_server = is_postgresql(connection)
    new: dict[str, Any] = (
        dict(_arrays_as_rows(table, names).c.items())
        if on_server
        else {name: bindparam(f"new_{name}") for name in names}
    )
    statement = (
        update(table)
        .where(table.c[by] == new[by], where(new))
        .values({name: new[name] for name in names if name != by} | dict(also or {}))
    )
    if on_server:
        for part in _parts(rows):
            connection.execute(statement, _arrays(names, part))
    else:
        connection.execute(
            statement,
            [{f"new_{name}": value for name, value in row.items()} for row in rows],
        )


@cache
def _upsert(  # noqa: PLR0913, PLR0917  what tells two statements apart
    dialect: str,
    table: Table,
    names: tuple[str, ...],
    key: tuple[str, ...],
    change: tuple[str, ...],
    only_if_changed: bool,  # noqa: FBT001
) -> Insert:
    """Return the statement that inserts rows, or updates these columns.

    Cached: SQLAlchemy copies the whole table for `excluded`, and only the cyclic
    garbage collector frees that copy.
    """
    statement = upsert(dialect, table)
    if names:
        source = _arrays_as_rows(table, names)
        statement = statement.from_select(
            list(names), select(*(source.c[name] for name in names))
        )
    new = {name: statement.excluded[name] for name in change}
    differs: ColumnElement[bool] = true()
    if only_if_changed:
        (name,) = change
        differs = table.c[name] != new[name]
    return statement.on_conflict_do_update(
        index_elements=[table.c[name] for name in key], set_=new, where=differs
    )


def _arrays_as_rows(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return the rows that PostgreSQL makes of one array for each column."""
    from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415

    types = {name: table.c[name].type for name in names}
    arrays = (bindparam(f"new_{name}", type_=ARRAY(types[name])) for name in names)
    columns = (column(name, types[name]) for name in names)
    return func.unnest(*arrays).table_valued(*columns, name="new").render_derived()


def _arrays(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {f"new_{name}": [row[name] for row in rows] for name in names}


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
