"""The importers of shop systems, as their vendors document them.

Shopify: https://help.shopify.com/en/manual/products/import-export/using-csv, the table
"Product CSV file descriptions", and https://matrixify.app/documentation/shopify-limits/.
WooCommerce: https://github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema,
and how plugins/woocommerce/includes/import/class-wc-product-csv-importer.php there
reads a cell of tags or categories. Written from these alone, not from the export.
"""

import csv
import io
import re
from dataclasses import dataclass

SHOPIFY_COLUMNS = {
    *("Title", "URL handle", "Description", "Vendor", "Product category", "Type"),
    *("Tags", "Published on online store", "Status", "SKU", "Barcode"),
    *("Option1 name", "Option1 value", "Price", "Product image URL"),
}
WOOCOMMERCE_COLUMNS = {
    *("ID", "Type", "SKU", "Name", "Published", "Is featured?", "Description"),
    *("Regular price", "Categories", "Tags", "Images", "Parent"),
}


@dataclass(frozen=True)
class Imported:
    """A product of the shop after the import."""

    title: str
    tags: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...] = ()
    images: tuple[str, ...] = ()


def imported_by_shopify(text: str) -> dict[str, Imported]:
    """Return the products by handle; an assertion fails where Shopify would."""
    products: dict[str, Imported] = {}
    for row in _rows(text, SHOPIFY_COLUMNS, {"URL handle", "Title"}):
        handle = row["URL handle"]
        assert re.fullmatch(r"[A-Za-z0-9-]{1,255}", handle)
        assert handle not in products
        assert 1 <= len(row["Title"]) <= 255
        assert len(row.get("Type", "")) <= 255
        tags = tuple(tag.strip() for tag in row["Tags"].split(",") if tag.strip())
        assert len(tags) <= 250
        assert all(len(tag) <= 255 for tag in tags)
        image = row.get("Product image URL", "")
        assert not image or image.startswith(("http://", "https://"))
        levels = tuple(row.get("Product category", "").split(" > "))
        products[handle] = Imported(
            row["Title"],
            tags,
            (levels,) if levels != ("",) else (),
            (image,) if image else (),
        )
    assert len(text.encode()) <= 15_000_000
    return products


def imported_by_woocommerce(text: str) -> dict[str, Imported]:
    """Return the products by SKU; an assertion fails where WooCommerce would."""
    products: dict[str, Imported] = {}
    for row in _rows(text, WOOCOMMERCE_COLUMNS, {"SKU", "Name"}):
        sku = row["SKU"]
        assert sku == _cleaned(sku)
        assert 1 <= len(sku) <= 100
        assert sku not in products
        tags = tuple(_values(_unescaped(row["Tags"])))
        assert all(tag == _cleaned(tag) and len(tag) <= 200 for tag in tags)
        images = tuple(_values(row.get("Images", "")))
        assert all("://" in image for image in images)
        products[sku] = Imported(
            row["Name"],
            tags,
            tuple(
                tuple(part.strip() for part in term.split(">"))
                for term in _values(row.get("Categories", ""))
            ),
            images,
        )
    return products


def _rows(text: str, known: set[str], needed: set[str]) -> list[dict[str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader)
    assert needed <= {*header} <= known
    assert len({*header}) == len(header)
    return [dict(zip(header, row, strict=True)) for row in reader]


def _values(cell: str) -> list[str]:
    parts = cell.replace("\\,", "\0").split(",")
    return [part.strip().replace("\0", ",") for part in parts if part.strip()]


def _unescaped(cell: str) -> str:
    return cell[1:] if cell[:2] in {"'=", "'+", "'-", "'@"} else cell


def _cleaned(text: str) -> str:
    """Return what WordPress' sanitize_text_field leaves of a text."""
    text = re.sub(r"<[^>]*>?", "", text)
    text = re.sub(r"%[0-9a-fA-F]{2}", "", re.sub(r"[\r\n\t ]+", " ", text))
    return text.strip()
