"""The product CSV of Shopify.

Columns and rules are those of
https://help.shopify.com/en/manual/products/import-export/using-csv: a product is found
by its URL handle, which has letters, dashes and numbers; an update needs the handle and
the title; a column that is absent leaves the shop's values as they are. Before, that
page called the column `Handle`; an import reads both. The limits of 255 characters are
those in https://matrixify.app/documentation/shopify-limits/.

The column `SKU` is left out: by the same page it needs the options of each variant,
which tagger does not know. Shopify documents no protection of formulas, so that a text
that a spreadsheet would run as one is refused.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from tagger.exchange.shop import ShopProduct, UnholdableError, check_text

MOST_CHARACTERS: Final = 255
"""Of a handle, a title, a type and a tag."""

_NO_HANDLE: Final = re.compile(r"[^a-z0-9]+")


class Shopify:
    """Shopify's product CSV, by the protocol `shop.Shop`."""

    name = "Shopify"
    identifier = "URL handle"
    headers = (("url handle", "title", "tags"), ("handle", "title", "tags"))

    def identify(self, item: str) -> str:
        """Return the handle: small letters and digits, dashes between them."""
        plain = unicodedata.normalize("NFKD", item).encode("ascii", "ignore").decode()
        handle = _NO_HANDLE.sub("-", plain.lower()).strip("-")
        if not handle:
            raise UnholdableError("a handle needs letters or digits of ASCII")
        return handle

    def cells(self, product: ShopProduct) -> dict[str, str]:
        """Return the cells; without a category or images their columns are absent."""
        if "," in product.tag:
            raise UnholdableError(f"the tag {product.tag!r} has a comma")
        cells = {
            "URL handle": self.identify(product.item),
            "Title": product.item,
            "Type": product.type or product.tag,
            "Tags": product.tag,
        }
        if product.category is not None:
            cells["Product category"] = product.category
        for column, text in cells.items():
            if column != "Product category":
                _check_length(column, text)
            check_text(column, text)
        if product.images is not None:
            # More images need rows of their own: one row is one product here.
            cells["Product image URL"] = product.images[0]
        return cells

    def identifier_of(self, cells: Mapping[str, str]) -> str | None:
        """Return the handle; None for a row of a further variant or image."""
        if not cells["title"]:
            return None
        return cells.get("url handle") or cells.get("handle")

    def tags_of(self, cell: str) -> list[str]:
        """Return the tags, which commas separate."""
        return [tag.strip() for tag in cell.split(",") if tag.strip()]


def _check_length(column: str, text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise UnholdableError(
            f"{column} has {len(text):,} characters, and at most {MOST_CHARACTERS} fit"
        )


SHOPIFY: Final = Shopify()
