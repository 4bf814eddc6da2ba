"""Rows of the view by root and path, as the index of the images has them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, CursorResult, RowMapping, Select, select

from tagger.inventory.tables import ROOT, VIEW

_AT_ONCE = 1000
"""Rows fetched at a time: memory does not grow with their number."""


def in_order(connection: Connection, query: Select[Any]) -> Iterator[RowMapping]:
    """Yield the rows of a query on the view by root and path, without sorting any."""
    for part in _parts(connection, query):
        yield from part.mappings()


def values_in_order(
    connection: Connection, query: Select[Any]
) -> Iterator[Sequence[Any]]:
    """Yield the same rows as mere values: of a million, two seconds sooner."""
    for part in _parts(connection, query):
        yield from chain.from_iterable(part.partitions())


def _parts(connection: Connection, query: Select[Any]) -> Iterator[CursorResult[Any]]:
    """Ask root by root.

    Asked for all at once, SQLite writes every row into a temporary table.
    """
    some = connection.execution_options(yield_per=_AT_ONCE)
    for root in connection.scalars(select(ROOT.c.path).order_by(ROOT.c.path)).all():
        yield some.execute(query.where(VIEW.c.root == root).order_by(VIEW.c.path))
