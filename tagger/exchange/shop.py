"""Export products as the CSV of a shop system: one row a product.

A vendor's module knows its columns and limits (`shopify`, `woocommerce`); this one
chooses the products, and maps the tags to the shop's categories and types.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from tagger.errors import ExportError, RequestError
from tagger.exchange.cells import is_formula
from tagger.exchange.in_force import accepted
from tagger.inventory import Inventory
from tagger.inventory.columns import PRODUCT_COLUMNS, Condition, matches
from tagger.labels import advise_on_tag

if TYPE_CHECKING:
    from tagger.exchange.products import Joined

CATEGORIES: Final = "shop-categories"
TYPES: Final = "shop-types"
"""Tables of tagger.toml: the shop's category and type of each tag."""

_NAMED: Final = 3
"""Names in a message."""


class UnholdableError(Exception):
    """A text that a shop's CSV cannot hold; the message says why."""


@dataclass(frozen=True, slots=True)
class ShopProduct:
    """One product for a shop: its key, its tag, and where it belongs.

    `category` and `type` are None if the shop's own are to stay. `images` are
    addresses, and None if the shop's own are to stay.
    """

    item: str
    tag: str
    category: str | None = None
    type: str | None = None
    images: Sequence[str] | None = None


class Shop(Protocol):
    """A shop system and its product CSV."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def identifier(self) -> str:
        """What its CSV calls the column that identifies a product."""

    @property
    def headers(self) -> Sequence[Sequence[str]]:
        """The columns, in lower case, by which its CSV is recognised: any of these."""

    def identify(self, item: str) -> str:
        """Return the identifier of a product key; UnholdableError if it has none."""

    def cells(self, product: ShopProduct) -> Mapping[str, str]:
        """Return the cells by column; UnholdableError if one cannot be held."""

    def identifier_of(self, cells: Mapping[str, str]) -> str | None:
        """Return the identifier in a row that was read; None if it has no tags."""

    def tags_of(self, cell: str) -> list[str]:
        """Return the tags in a cell of the column `Tags`."""


@dataclass(frozen=True, slots=True)
class ShopRequest:
    """Which products to export to which shop.

    With `undecided` also products that wait for a person. `categories` and `types` map
    tags; if `categories` is empty, the shop's own stay. `image_url` is put before the
    paths of the photographs; if it is empty, the shop's own images stay.
    """

    shop: Shop
    conditions: Sequence[Condition] = ()
    undecided: bool = False
    categories: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    image_url: str = ""

    def columns(self) -> list[str]:
        """Return the columns that every row has."""
        example = ShopProduct(
            "1",
            "a",
            "a" if self.categories else None,
            "a" if self.types else None,
            ("a",) if self.image_url else None,
        )
        return list(self.shop.cells(example))


@dataclass(frozen=True, slots=True)
class ShopRow:
    """The cells of one product, and its first photograph."""

    root: str
    path: str
    cells: Mapping[str, str]


def check_text(column: str, text: str) -> None:
    """Raise UnholdableError for a text that no cell may have."""
    if not text or not text.isprintable():
        raise UnholdableError(f"{column} is empty or has control characters")
    if is_formula(text):
        raise UnholdableError(f"{column} {text!r} would be read as a formula")


def shop_rows(
    inventory: Inventory, request: ShopRequest, left_out: Callable[[str], None]
) -> list[ShopRow]:
    """Return the rows of the products that have a tag; tell `left_out` of the others.

    Raises RequestError for tables that do not fit the tags, or if no root has an item
    pattern, and ExportError if the shop's CSV cannot hold a product.
    """
    _check_tags(inventory, {CATEGORIES: request.categories, TYPES: request.types})
    chosen = list(_chosen(inventory, request))
    without = [one.product.path for one in chosen if not one.keyed]
    if without:
        left_out(
            f"{len(without):,} without a product key left out: {_some(without)}: the "
            "item pattern does not match"
        )
    rows = [_row(one, request) for one in chosen if one.keyed]
    _check_unique(rows, request.shop)
    return rows


def _chosen(inventory: Inventory, request: ShopRequest) -> "Iterator[Joined]":
    from tagger.exchange.products import joined_products  # noqa: PLC0415  NumPy

    names = [column.name for column in PRODUCT_COLUMNS]
    for one in joined_products(inventory):
        values = dict(zip(names, one.product.values(), strict=True))
        if accepted(one.product, undecided=request.undecided) and matches(
            values, request.conditions
        ):
            yield one


def _row(one: "Joined", request: ShopRequest) -> ShopRow:
    product, shop = one.product, request.shop
    tag = product.tag or ""
    images = None
    if request.image_url:
        paths = [photograph.item.path for photograph in one.photographs]
        images = [request.image_url.rstrip("/") + "/" + quote(path) for path in paths]
    try:
        cells = shop.cells(
            ShopProduct(
                product.item,
                tag,
                _mapped(tag, request.categories, CATEGORIES),
                _mapped(tag, request.types, TYPES),
                images,
            )
        )
    except UnholdableError as error:
        raise ExportError(
            f"the CSV of {shop.name} cannot hold product {product.item!r} "
            f"({product.path}): {error}"
        ) from error
    return ShopRow(product.root, product.path, cells)


def _mapped(tag: str, table: Mapping[str, str], name: str) -> str | None:
    if not table:
        return None
    by_tag = {known.casefold(): value for known, value in table.items()}
    if tag.casefold() not in by_tag:
        raise RequestError(f"[{name}] in tagger.toml has no line for {tag!r}: add one")
    return by_tag[tag.casefold()]


def _check_tags(inventory: Inventory, tables: Mapping[str, Mapping[str, str]]) -> None:
    tags = inventory.known_tags()
    folded = {tag.casefold() for tag in tags}
    for name, table in tables.items():
        for tag in table:
            if tag.casefold() not in folded:
                near = advise_on_tag(tag, tags, inventory.known_kinds())
                raise RequestError(f"[{name}] in tagger.toml: no tag {tag!r}{near}")


def _check_unique(rows: Sequence[ShopRow], shop: Shop) -> None:
    seen: dict[str, ShopRow] = {}
    for row in rows:
        identifier = row.cells[shop.identifier]
        first = seen.setdefault(identifier.casefold(), row)
        if first is not row:
            raise ExportError(
                f"two products have the {shop.identifier} {identifier!r}: "
                f"{first.path} in {first.root} and {row.path} in {row.root}: choose "
                "one with --root or --where, or change the item pattern"
            )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
