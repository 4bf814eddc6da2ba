"""Compare a shop system's product CSV with the inventory: a product's tag was edited.

A product is found by its handle or SKU, which the item pattern gives each photograph.
An edited tag is a decision about all its photographs. The file does not say when it was
exported: so a decision of a person in the inventory is never replaced, and the row is
listed instead.
"""

from collections.abc import Iterable, Sequence

from tagger.errors import RequestError
from tagger.exchange.corrections import Comparison
from tagger.exchange.products import Joined, joined_products
from tagger.exchange.sheets import BadRow, Row
from tagger.exchange.shop import Shop, UnholdableError
from tagger.inventory import Inventory
from tagger.inventory.records import Correction, DecidedBy, DecisionKind, Item
from tagger.labels import advise_on_tag


class ShopComparing:
    """A comparison in progress, as `corrections.compare` makes it."""

    def __init__(self, inventory: Inventory, shop: Shop) -> None:
        """Gather the products; RequestError if no root has an item pattern."""
        if not inventory.item_patterns():
            raise RequestError(
                f"a CSV of {shop.name} needs an item pattern: "
                "'tagger export --by-item --item-pattern REGEX' saves one"
            )
        self._shop = shop
        self._tags = {tag.casefold(): tag for tag in inventory.known_tags()}
        self._kinds = inventory.known_kinds()
        self._products: dict[str, list[Joined]] = {}
        for one in joined_products(inventory):
            if identifier := _identifier(one, shop):
                self._products.setdefault(identifier, []).append(one)
        self._bad: list[BadRow] = []
        self._unchanged = 0
        self._by_digest: dict[str, Correction] = {}

    def take(self, rows: Iterable[Row | BadRow]) -> None:
        """Compare a batch of rows."""
        for row in rows:
            if isinstance(row, BadRow):
                self._bad.append(row)
            elif identifier := self._shop.identifier_of(row.cells):
                self._compare(row, identifier)

    def result(self) -> Comparison:
        """Return what the rows came to."""
        return Comparison(
            tuple(self._by_digest.values()),
            tuple(sorted(self._bad, key=lambda row: row.line)),
            self._unchanged,
        )

    def _compare(self, row: Row, identifier: str) -> None:
        what = f"{self._shop.identifier} {identifier!r}"
        found = self._products.get(identifier.strip().casefold(), [])
        if len(found) != 1:
            number = "no product" if not found else "more than one product"
            self._refuse(row, f"{number} in the inventory has the {what}")
            return
        (one,) = found
        said = self._shop.tags_of(row.cells["tags"])
        known = [tag for tag in said if tag.casefold() in self._tags]
        if not said and one.product.tag is None:
            self._unchanged += 1
        elif why := self._why_not(said, known):
            self._refuse(row, f"{what}: {why}")
        else:
            self._decide(row, what, one, self._tags[known[0].casefold()])

    def _why_not(self, said: Sequence[str], known: Sequence[str]) -> str | None:
        if len({tag.casefold() for tag in known}) > 1:
            return f"it has the tags {' and '.join(known)}: leave one"
        if not said:
            return "the tags are empty: write a tag"
        if not known:
            near = advise_on_tag(said[0], self._tags.values(), self._kinds)
            return f"no tag {said[0]!r}{near}"
        return None

    def _decide(self, row: Row, what: str, one: Joined, tag: str) -> None:
        """Give all photographs of a product a tag, if it is another one."""
        items = [photograph.item for photograph in one.photographs]
        if one.product.tag == tag:
            self._unchanged += 1
        elif one.product.decided_by is DecidedBy.PERSON:
            self._refuse(
                row,
                f"{what}: a person decided {one.product.tag or 'otherwise'}: change it "
                "in 'tagger review', or delete the row",
            )
        elif not items:
            self._refuse(row, f"{what}: none of its photographs is tagged")
        else:
            for item in items:
                self._note(row, what, _correction(row, item, tag))

    def _note(self, row: Row, what: str, correction: Correction) -> None:
        first = self._by_digest.setdefault(correction.digest, correction)
        if first.tag != correction.tag:
            self._refuse(
                row,
                f"{what}: line {first.line} gives the same content another tag: write "
                "one tag in both",
            )

    def _refuse(self, row: Row, reason: str) -> None:
        self._bad.append(BadRow(row.line, reason))


def _identifier(one: Joined, shop: Shop) -> str | None:
    """Return what the shop finds a product by; None for one it cannot hold."""
    try:
        return shop.identify(one.product.item).casefold() if one.keyed else None
    except UnholdableError:
        return None


def _correction(row: Row, item: Item, tag: str) -> Correction:
    return Correction(
        line=row.line,
        root=item.root,
        path=item.path,
        digest=item.digest or "",
        before=item.tag,
        tag=tag,
        kind=DecisionKind.ACCEPT if tag == item.machine_tag else DecisionKind.CORRECT,
        flagged=item.flagged,
    )
