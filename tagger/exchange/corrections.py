"""Compare an edited export with the inventory to import what a person decided in it.

Rows of a sheet that `tagger export` wrote are compared with the inventory. An edited
tag is a correction. A row whose `flagged` was set to false, or whose column `confirmed`
says yes, confirms its tag. A row that cannot be imported is listed with its line and
the reason. The caller writes the decisions.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final

from tagger.exchange.cells import plain, restored
from tagger.exchange.sheets import NEEDED, BadRow, Row, is_xlsx, read_sheet
from tagger.exchange.shop import Shop
from tagger.exchange.shops import SHOPS
from tagger.inventory import Inventory
from tagger.inventory.columns import COLUMNS, Column, Kind, parse_moment
from tagger.inventory.records import (
    Correction,
    DecidedBy,
    DecisionKind,
    Item,
    ItemNow,
)
from tagger.labels import advise_on_tag, tag_for
from tagger.records import NOT_CATALOGUE, WITHOUT_TAG, State, is_without_tag

_AT_ONCE = 200
"""Rows compared with one query of the inventory for each root."""

_YES: Final = frozenset(
    {"1", "x", "y", "yes", "ok", "true", "✓", "✔", "j", "ja", "wahr", "oui", "vrai"}
    | {"s", "si", "sí", "sì", "verdadero", "vero", "sim", "verdadeiro", "waar", "tak"}
    | {"prawda", "ano", "pravda", "sand", "sant", "tosi", "kyllä"}
)
_NO: Final = frozenset(
    {"0", "n", "no", "false", "nein", "falsch", "non", "faux", "não", "nee", "onwaar"}
    | {"nie", "fałsz", "ne", "nepravda", "nej", "falskt", "ei", "epätosi"}
    | {"falso", "falsk"}  # codespell:ignore falso,falsk
)
"""What people write, and what Excel shows for true and false in other languages."""

_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u(fff[ef])|r)")

_ROUNDED: Final = 1e-6
"""Largest difference between a share and its six decimals in a CSV."""

_COMPARED: Final = [
    column
    for column in COLUMNS
    if column.name not in {"root", "path", "tag", "updated_at"}
]
"""Columns that an import does not take; edits of them are named."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Edits that an import cannot take: their columns, first line, and rows."""

    columns: tuple[str, ...]
    first_line: int
    rows: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Decisions, rows that cannot be imported, and the number of unchanged rows."""

    corrections: tuple[Correction, ...]
    bad: tuple[BadRow, ...]
    unchanged: int
    ignored: Ignored | None = None


def compare(
    stream: BinaryIO,
    inventory: Inventory,
    *,
    delimiter: str | None = None,
    raw: bool = False,
) -> Comparison:
    """Compare a sheet, or the product CSV of a shop system, with the inventory.

    `delimiter` None is recognised. `raw` reads texts as they are, for a sheet exported
    with `--raw`. Raises as `read_sheet`.
    """
    xlsx = is_xlsx(stream)
    headers = [header for shop in SHOPS.values() for header in shop.headers]
    rows = iter(read_sheet(stream, delimiter, headers))
    first = list(islice(rows, _AT_ONCE))
    shop = _shop_of(first)
    if shop is not None:
        from tagger.exchange.shop_corrections import ShopComparing  # noqa: PLC0415

        comparing: _Comparing | ShopComparing = ShopComparing(inventory, shop)
    else:
        comparing = _Comparing(inventory, raw=raw, xlsx=xlsx)
    comparing.take(first)
    while batch := list(islice(rows, _AT_ONCE)):
        comparing.take(batch)
    return comparing.result()


def _shop_of(rows: Iterable[Row | BadRow]) -> Shop | None:
    """Return the shop system whose product CSV the rows are from; None for a sheet."""
    columns = next(({*row.cells} for row in rows if isinstance(row, Row)), set[str]())
    if columns >= set(NEEDED):
        return None
    for shop in SHOPS.values():
        if any(columns >= set(header) for header in shop.headers):
            return shop
    return None


class _Comparing:
    """A comparison in progress."""

    def __init__(self, inventory: Inventory, *, raw: bool, xlsx: bool) -> None:
        self._inventory = inventory
        self._raw = raw
        self._xlsx = xlsx
        self._roots = inventory.roots()
        self._tags = {tag.casefold(): tag for tag in inventory.known_tags()}
        self._kinds = inventory.known_kinds()
        self._bad: list[BadRow] = []
        self._unchanged = 0
        self._by_digest: dict[str, Correction] = {}
        self._open = _Open()
        self._ignored: dict[str, int] = {}
        self._ignored_lines: list[int] = []

    def take(self, rows: Iterable[Row | BadRow]) -> None:
        """Compare a batch of rows, with one query of the inventory for each root."""
        by_root: dict[str, list[Row]] = {}
        for row in rows:
            if isinstance(row, BadRow):
                self._bad.append(row)
            elif (root := self._root(row)) is not None:
                by_root.setdefault(root, []).append(row)
        for root, batch in by_root.items():
            paths = {path for row in batch for path in self._texts(row.cells["path"])}
            standing = self._inventory.standing(root, paths)
            for row in batch:
                self._compare(row, root, standing)

    def result(self) -> Comparison:
        """Return what the rows came to."""
        found = tuple(self._by_digest.values())
        lines = self._ignored_lines
        return Comparison(
            found if self._bad else self._open.judged(found),
            tuple(sorted(self._bad, key=lambda row: row.line)),
            self._unchanged,
            Ignored(tuple(self._ignored), min(lines), len(lines)) if lines else None,
        )

    def _compare(self, row: Row, root: str, standing: Mapping[str, ItemNow]) -> None:
        texts = self._texts(row.cells["path"])
        now = next((standing[text] for text in texts if text in standing), None)
        if now is None:
            self._refuse(row, f"no picture {row.cells['path']!r} in {root}")
            return
        tag = self._tag(row.cells["tag"])
        exported = self._moment(row.cells["updated_at"])
        as_exported = exported == now.item.updated_at
        sure = row.cells.get("confirmed", "").strip().casefold()
        confirmed = sure in _YES or self._unflagged(row, now, as_exported=as_exported)
        if confirmed and not tag and now.item.machine_tag == NOT_CATALOGUE:
            tag = NOT_CATALOGUE
        if as_exported:
            self._note_ignored(row, now.item, confirmed=confirmed)
        if sure and sure not in _YES | _NO:
            self._refuse(row, f"{now.item.path}: confirmed {sure!r} is not yes or no")
        elif not (confirmed or self._edited(tag, row, now)) or _is_decided(tag, now):
            self._unchanged += 1
            self._open.note(now, exported)
        elif why := self._why_not(tag, row, now, exported):
            self._refuse(row, f"{now.item.path}: {why}")
        else:
            self._decide(row, now, self._tags.get(tag.casefold()))

    def _unflagged(self, row: Row, now: ItemNow, *, as_exported: bool) -> bool:
        """Whether a person set `flagged` of a row to false.

        Of a row that changed since the export, its reason tells that it was flagged.
        """
        if row.cells.get("flagged", "").strip().casefold() not in _NO:
            return False
        if as_exported:
            return now.item.flagged
        return (
            row.cells.get("state") == State.TAGGED
            and row.cells.get("decided_by") == DecidedBy.MACHINE
            and bool(row.cells.get("reason"))
        )

    def _edited(self, tag: str, row: Row, now: ItemNow) -> bool:
        """Whether a person edited the tag of a row.

        A row that has the network's tag of the time of the export is not edited, even
        if the network predicts another tag now.
        """
        by_machine = row.cells.get("decided_by") == DecidedBy.MACHINE
        untouched = by_machine and self._machine_tag(row) == tag
        shown = (now.item.tag or "").casefold()
        return not untouched and tag.casefold() not in {_in_force(now), shown}

    def _machine_tag(self, row: Row) -> str:
        """Return what the column `tag` held if the network's answer stood there."""
        said = self._tag(row.cells.get("machine_tag", ""))
        return "" if is_without_tag(said) else said

    def _note_ignored(self, row: Row, item: Item, *, confirmed: bool) -> None:
        """Note edits of other columns in a row that is as it was exported."""
        columns = [
            column.name
            for column in _COMPARED
            if column.name in row.cells
            and not (confirmed and column.name == "flagged")
            and not self._same(column, row.cells[column.name], item)
        ]
        if columns:
            self._ignored |= dict.fromkeys(columns, row.line)
            self._ignored_lines.append(row.line)

    def _same(self, column: Column, cell: str, item: Item) -> bool:
        value = getattr(item, column.name)
        if cell == plain(value):
            return True
        if column.kind is Kind.FLAG:
            return cell.strip().casefold() in (_YES if value else _NO)
        if column.kind is Kind.SHARE and cell and value is not None:
            return _is_number(cell, value)
        return plain(value).strip() in {
            plain(text).strip() for text in self._texts(cell)
        }

    def _why_not(
        self, tag: str, row: Row, now: ItemNow, exported: datetime | None
    ) -> str | None:
        """Return why a decision cannot be imported; None if it can."""
        item = now.item
        if item.digest is None or item.state is State.UNREADABLE:
            # All empty files have the same content: a decision would hit them all.
            state = item.state.value
            return f"it is {state} and was never read as a picture: fix the file first"
        if item.digest not in self._texts(row.cells.get("digest") or item.digest):
            return "the picture has changed since the export: scan and export again"
        if exported is None:
            moment = row.cells["updated_at"]
            return f"updated_at {moment!r} is not a date and time: export again"
        return _why_stale(now, exported) or self._why_no_tag(tag, item)

    def _why_no_tag(self, tag: str, item: Item) -> str | None:
        if not tag:
            kind = (item.machine_tag or "").partition(WITHOUT_TAG)[2]
            own = f" ('tagger tags add {tag_for(kind)!r}' makes one)" if kind else ""
            return f"the tag is empty: write a tag{own}, or {NOT_CATALOGUE!r}"
        if tag.casefold() not in {*self._tags, NOT_CATALOGUE}:
            tags = [*self._tags.values(), NOT_CATALOGUE]
            return f"no tag {tag!r}{advise_on_tag(tag, tags, self._kinds)}"
        return None

    def _decide(self, row: Row, now: ItemNow, tag: str | None) -> None:
        item = now.item
        accepts = tag is not None and tag == item.machine_tag
        kind = DecisionKind.ACCEPT if accepts else DecisionKind.CORRECT
        decision = Correction(
            line=row.line,
            root=item.root,
            path=item.path,
            digest=item.digest or "",
            before=item.tag
            or (NOT_CATALOGUE if now.not_catalogue else item.machine_tag),
            tag=tag,
            kind=kind if tag else DecisionKind.NOT_CATALOGUE,
            flagged=item.flagged,
        )
        first = self._by_digest.setdefault(decision.digest, decision)
        if first.tag != tag:
            self._refuse(
                row,
                f"{item.path}: line {first.line} gives the same content another tag: "
                "write one tag in both",
            )
        elif first is not decision:
            self._unchanged += 1

    def _root(self, row: Row) -> str | None:
        """Return the root of a row; list the row as bad if it is unknown."""
        if not row.cells.get("root") and len(self._roots) == 1:
            return self._roots[0]
        for text in self._texts(row.cells.get("root", "")):
            if text in self._roots:
                return text
        if "root" in row.cells:
            self._refuse(row, f"no scanned folder {row.cells['root']!r}")
        else:
            self._refuse(row, "export the column root too: several folders are scanned")
        return None

    def _refuse(self, row: Row, reason: str) -> None:
        self._bad.append(BadRow(row.line, reason))

    def _moment(self, cell: str) -> datetime | None:
        try:
            return parse_moment(restored(cell).strip())
        except ValueError:
            return None

    def _tag(self, cell: str) -> str:
        """Return the tag of a cell: a known one, if any of its texts is one."""
        texts = [text.strip() for text in self._texts(cell)]
        known = (text for text in texts if text.casefold() in self._tags)
        return next(known, texts[-1] if self._xlsx else texts[0])

    def _texts(self, cell: str) -> tuple[str, ...]:
        r"""Return the possible texts of a cell, the most probable first.

        XLSX needs no protection, but may have been saved from a CSV. `\xff` may be an
        undecodable byte, `\x01` a control character.
        """
        texts = [cell] if self._raw else [restored(cell)]
        if self._xlsx:
            texts.insert(0, cell)
        return tuple(dict.fromkeys([*texts, *map(_unescaped, texts)]))


class _Open:
    """The contents of a sheet without a decision: flagged ones, and others.

    They tell which decisions are a sample: all rows were looked at, and not only those
    whose tag was seen to be wrong. That is so if every row is decided or, failing that,
    for the flagged rows if every flagged one is. Corrections alone are never a sample:
    somebody may have deleted the other rows. Neither are confirmations alone: the
    corrections may have come before, in another sheet. Nor is a sheet with rows that
    cannot be imported.
    """

    def __init__(self) -> None:
        self._digests: dict[bool, set[int]] = {True: set(), False: set()}

    def note(self, now: ItemNow, exported: datetime | None) -> None:
        """Note an unchanged row.

        One that was decided since the export is open: perhaps this very sheet was
        imported when it had only corrections. It may have been flagged then.
        """
        item = now.item
        decided = now.not_catalogue or item.decided_by is DecidedBy.PERSON
        since = decided and (exported is None or _is_newer(now, exported))
        if since or (item.state is State.TAGGED and not decided):
            self._digests[since or item.flagged].add(hash(item.digest))

    def judged(self, found: Sequence[Correction]) -> tuple[Correction, ...]:
        """Mark the decisions that are a sample."""
        decided = {hash(decision.digest) for decision in found}
        if self._digests[True] - decided:
            return tuple(found)
        whole = not self._digests[False] - decided
        pool = [decision for decision in found if whole or decision.flagged]
        accepted = [decision.kind is DecisionKind.ACCEPT for decision in pool]
        both = any(accepted) and not all(accepted)
        return tuple(
            replace(decision, sampled=both and (whole or decision.flagged))
            for decision in found
        )


def _in_force(now: ItemNow) -> str:
    return NOT_CATALOGUE if now.not_catalogue else (now.item.tag or "").casefold()


def _is_decided(tag: str, now: ItemNow) -> bool:
    """Whether a person already gave a picture this tag."""
    by_person = now.not_catalogue or now.item.decided_by is DecidedBy.PERSON
    same = tag.casefold() == _in_force(now) or (now.not_catalogue and not tag)
    return by_person and same


def _is_newer(now: ItemNow, exported: datetime) -> bool:
    return now.decided_at is not None and now.decided_at > exported


def _why_stale(now: ItemNow, exported: datetime) -> str | None:
    if not _is_newer(now, exported):
        return None
    who = f" by {now.item.reviewer}" if now.item.reviewer else ""
    return f"decided since the export: {now.item.tag or 'nothing'}{who}"


def _is_number(cell: str, value: float) -> bool:
    """Whether a cell shows this number, perhaps with a decimal comma."""
    try:
        shown = float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return abs(shown - value) <= _ROUNDED


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(_character, text) if "\\" in text else text


def _character(escape: re.Match[str]) -> str:
    byte, other = escape.groups()
    if byte:
        code = int(byte, 16)
        return chr(0xDC00 + code if code >= 0x80 else code)  # noqa: PLR2004  ASCII
    return chr(int(other, 16)) if other else "\r"
