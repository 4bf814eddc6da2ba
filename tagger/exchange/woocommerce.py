r"""The product CSV of WooCommerce.

Columns are those of
https://github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema. Commas
separate values, `>` the levels of a category. The importer
(https://github.com/woocommerce/woocommerce, plugins/woocommerce/includes/import/
class-wc-product-csv-importer.php) reads `\,` as a comma within a value. It takes the
apostrophe from a cell of tags that begins with '=, '+, '- or '@, but not from SKU, name
and category, where a formula cannot be protected. It cleans a SKU of tags (`<b>`),
percent signs before digits, and blanks at the ends. A SKU has at most 100 characters
(wc_product_meta_lookup in includes/class-wc-install.php), the name of a tag 200
(wp_terms in https://developer.wordpress.org, wp-admin/includes/schema.php).
"""

import re
from collections.abc import Mapping
from typing import Final

from tagger.exchange.shop import ShopProduct, UnholdableError, check_text

MOST_OF_SKU: Final = 100
MOST_OF_TAG: Final = 200
"""Characters."""

_CLEANED: Final = re.compile(r"<|%[0-9a-fA-F]{2}|\s\s|^\s|\s$")
_GUARDED: Final = ("=", "+", "-", "@")
_SEPARATOR: Final = re.compile(r"(?<!\\),")


class WooCommerce:
    """WooCommerce's product CSV, by the protocol `shop.Shop`."""

    name = "WooCommerce"
    identifier = "SKU"
    headers = (("sku", "name", "tags"),)

    def identify(self, item: str) -> str:
        """Return the SKU, which is the product key."""
        check_text("SKU", item)
        if _CLEANED.search(item):
            raise UnholdableError("the importer would change this SKU")
        if len(item) > MOST_OF_SKU:
            raise UnholdableError(
                f"a SKU has at most {MOST_OF_SKU} characters, not {len(item):,}"
            )
        return item

    def cells(self, product: ShopProduct) -> dict[str, str]:
        """Return the cells; without a category or images their columns are absent."""
        cells = {
            "SKU": self.identify(product.item),
            "Name": product.item,
            "Tags": _tags_cell(product.tag),
        }
        if product.category is not None:
            check_text("Categories", product.category)
            cells["Categories"] = product.category
        if product.images is not None:
            cells["Images"] = ",".join(product.images)
        return cells

    def identifier_of(self, cells: Mapping[str, str]) -> str | None:
        """Return the SKU; None for a row of a variation, which has no tags."""
        return None if cells.get("type", "") == "variation" else cells["sku"]

    def tags_of(self, cell: str) -> list[str]:
        """Return the tags, as the importer reads them."""
        if cell.startswith("'") and cell[1:2] in _GUARDED:
            cell = cell[1:]
        parts = (part.replace("\\,", ",").strip() for part in _SEPARATOR.split(cell))
        return [part for part in parts if part]


def _tags_cell(tag: str) -> str:
    if len(tag) > MOST_OF_TAG:
        raise UnholdableError(
            f"a tag has at most {MOST_OF_TAG} characters, not {len(tag):,}"
        )
    if _CLEANED.search(tag) or "\\" in tag or tag.startswith("'"):
        raise UnholdableError(f"the importer would change the tag {tag!r}")
    guarded = tag.startswith(_GUARDED)
    check_text("Tags", tag[1:] if guarded else tag)
    return ("'" if guarded else "") + tag.replace(",", "\\,")


WOOCOMMERCE: Final = WooCommerce()
