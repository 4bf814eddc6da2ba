"""Rows of the view by root and path, as the index of the images has them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from tagger.inventory.tables import Root, view

_AT_ONCE = 1000
"""Rows fetched at a time: memory does not grow with their number."""


def in_order(connection: Connection, query: Select[Any]) -> Iterator[RowMapping]:
    """Yield the rows of a query on the view by root and path, without sorting any.

    Root by root: asked for all at once, SQLite writes every row into a temporary table
    and sorts that.
    """
    some = connection.execution_options(yield_per=_AT_ONCE)
    for root in connection.scalars(select(Root.path).order_by(Root.path)).all():
        part = query.where(view.c.root == root).order_by(view.c.path)
        yield from some.execute(part).mappings()
