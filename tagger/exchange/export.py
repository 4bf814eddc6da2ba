"""Export an inventory: gather the chosen rows, and write them in a file format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagger.errors import RequestError
from tagger.exchange.formats import Style, Table, write_table
from tagger.inventory import Inventory
from tagger.inventory.columns import PRODUCT_COLUMNS, Column, Condition, matches
from tagger.inventory.product_key import compile_patterns
from tagger.records import Format
from tagger.system.atomic import atomic_write


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The columns of an export, and the conditions that its rows meet.

    With `by_product`, a row is a product and not an item. With a `mark`, only items are
    written whose row differs from the last export under that mark.
    """

    columns: Sequence[Column]
    conditions: Sequence[Condition] = ()
    by_product: bool = False
    mark: str | None = None


def write_export(
    inventory: Inventory,
    request: ExportRequest,
    target: Path | BinaryIO,
    as_format: Format,
    style: Style,
) -> int:
    """Write an export; return the number of its rows.

    A file at the path `target` appears whole or not at all. The mark moves on only
    after the rows have been written. Raises RequestError if products are asked for and
    no root has an item pattern, and as `write_table` and `atomic_write` do.
    """
    columns, conditions = request.columns, request.conditions
    changed = None
    if request.by_product:
        rows = _product_rows(inventory, columns, conditions)
        table = Table(columns, rows, lambda: len(rows))
    elif request.mark is not None:
        changed = inventory.changed_rows(request.mark, columns, conditions)
        table = Table(columns, changed, lambda: inventory.count(conditions))
    else:
        table = Table(
            columns,
            inventory.rows(columns, conditions),
            lambda: inventory.count(conditions),
        )
    if isinstance(target, Path):
        with atomic_write(target) as stream:
            count = write_table(table, stream, as_format, style)
    else:
        count = write_table(table, target, as_format, style)
        target.flush()
    if changed is not None:
        changed.keep()
    return count


def _product_rows(
    inventory: Inventory, columns: Sequence[Column], conditions: Sequence[Condition]
) -> list[tuple[object, ...]]:
    """Join the photographs of each product; return the products that match."""
    from tagger.exchange.products import products  # noqa: PLC0415  imports NumPy

    kept = inventory.item_patterns()
    if not kept:
        raise RequestError(
            r"--by-item needs a product key in each path: add "
            r"--item-pattern '(?P<item>[^_/]+)_\d+\.jpg'"
        )
    names = [column.name for column in PRODUCT_COLUMNS]
    chosen = [names.index(column.name) for column in columns]
    joined = products(
        inventory.photographs(), compile_patterns(kept), inventory.policies()
    )
    rows = (product.values() for product in joined)
    return [
        tuple(row[n] for n in chosen)
        for row in rows
        if matches(dict(zip(names, row, strict=True)), conditions)
    ]
