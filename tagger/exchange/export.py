"""Export an inventory: gather the chosen rows, and write them in a file format."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, BinaryIO

from tagger.errors import RequestError
from tagger.exchange.formats import SHOP_FORMATS, Style, Table, write_table
from tagger.inventory import Inventory
from tagger.inventory.columns import (
    PRODUCT_COLUMNS,
    Column,
    Condition,
    Kind,
    matches,
)
from tagger.inventory.exports import ChangedProducts, ChangedRows, ProductRow
from tagger.records import Format
from tagger.system.atomic import atomic_write

if TYPE_CHECKING:
    from tagger.exchange.shop import ShopRequest
    from tagger.exchange.template import RowTemplate


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The columns of an export, and the conditions that its rows meet.

    With `by_product`, a row is a product and not an item. With a `mark`, only rows are
    written that differ from the last export under that mark. With a `shop`, the rows
    are the products and columns of that shop system. A `template` writes the rows.
    """

    columns: Sequence[Column] = ()
    conditions: Sequence[Condition] = ()
    by_product: bool = False
    mark: str | None = None
    shop: "ShopRequest | None" = None
    template: "RowTemplate | None" = None


def write_export(  # noqa: PLR0913  what, where, how, and whom to tell
    inventory: Inventory,
    request: ExportRequest,
    target: Path | BinaryIO,
    as_format: Format,
    style: Style,
    *,
    left_out: Callable[[str], None] = lambda _why: None,
) -> int:
    """Write an export; return the number of its rows.

    A file at the path `target` appears whole or not at all. The mark moves on only
    after the rows have been written. `left_out` is called with what a shop's export
    leaves out. Raises RequestError if products are asked for and no root has an item
    pattern, and as `shop_rows`, `write_table`, `RowTemplate.write` and `atomic_write`.
    """
    if as_format in SHOP_FORMATS and request.shop is None:
        raise RequestError(f"{as_format.value} needs the columns of a shop system")
    table, changed = _table(inventory, request, left_out)

    def write(stream: BinaryIO) -> int:
        if request.template is not None:
            return request.template.write(table, stream)
        return write_table(table, stream, as_format, style)

    if isinstance(target, Path):
        with atomic_write(target) as stream:
            count = write(stream)
    elif request.template is not None:
        with tempfile.TemporaryFile() as draft:  # a template may fail at its end
            count = write(draft)
            draft.seek(0)
            copyfileobj(draft, target)
        target.flush()
    else:
        count = write(target)
        target.flush()
    if changed is not None:
        changed.keep()
    return count


def _table(
    inventory: Inventory, request: ExportRequest, left_out: Callable[[str], None]
) -> tuple[Table, ChangedRows | ChangedProducts | None]:
    """Return the rows, and what keeps them as exported if there is a mark."""
    columns, conditions = request.columns, request.conditions
    if request.shop is not None:
        columns, products = _of_shop(inventory, request.shop, left_out)
        return _products_table(inventory, columns, products, request)
    if request.by_product:
        products = _of_products(inventory, columns, conditions)
        return _products_table(inventory, columns, products, request)

    def count() -> int:
        return inventory.count(conditions)

    if request.mark is None:
        return Table(columns, inventory.rows(columns, conditions), count), None
    changed = inventory.changed_rows(request.mark, columns, conditions)
    return Table(columns, changed, count), changed


def _products_table(
    inventory: Inventory,
    columns: Sequence[Column],
    products: Sequence[ProductRow],
    request: ExportRequest,
) -> tuple[Table, ChangedProducts | None]:
    def count() -> int:
        return len(products)

    if request.mark is None:
        return Table(columns, (product.values for product in products), count), None
    # The rows of items, products and each shop differ: each has a mark of its own.
    what = request.shop.shop.name if request.shop else "products"
    changed = inventory.changed_products(f"{request.mark} ({what})", products)
    return Table(columns, changed, count), changed


def _of_shop(
    inventory: Inventory, request: "ShopRequest", left_out: Callable[[str], None]
) -> tuple[list[Column], list[ProductRow]]:
    """Return the columns of a shop system, and its rows."""
    from tagger.exchange.shop import shop_rows  # noqa: PLC0415  few need it

    rows = shop_rows(inventory, request, left_out)
    names = request.columns()
    columns = [Column(name, Kind.TEXT, "", repeats=False) for name in names]
    return columns, [
        ProductRow(row.root, row.path, [row.cells[name] for name in names])
        for row in rows
    ]


def _of_products(
    inventory: Inventory, columns: Sequence[Column], conditions: Sequence[Condition]
) -> list[ProductRow]:
    """Join the photographs of each product; return the products that match."""
    from tagger.exchange.products import joined_products  # noqa: PLC0415  NumPy

    names = [column.name for column in PRODUCT_COLUMNS]
    chosen = [names.index(column.name) for column in columns]
    rows = (one.product.values() for one in joined_products(inventory))
    at_root, at_path = names.index("root"), names.index("path")
    return [
        ProductRow(str(row[at_root]), str(row[at_path]), [row[n] for n in chosen])
        for row in rows
        if matches(dict(zip(names, row, strict=True)), conditions)
    ]
