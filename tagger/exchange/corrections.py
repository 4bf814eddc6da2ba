"""Compare an edited export with the inventory to import its corrections.

Rows of a sheet that `tagger export` wrote are compared with the inventory. An edited
tag becomes a correction; a row that cannot be imported is listed with its line and the
reason. The caller writes the corrections.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final

from tagger.errors import ImportingError
from tagger.exchange.cells import restored
from tagger.inventory import Inventory
from tagger.inventory.columns import parse_moment
from tagger.inventory.records import Correction, DecidedBy, DecisionKind, ItemNow
from tagger.records import NOT_CATALOGUE, State
from tagger.text import suggestion

_NEEDED: Final = ("path", "tag", "updated_at")
_LONGEST_LINE: Final = 1 << 20
"""Bytes; a line of an export has some hundreds, its cells at most some thousands."""

_AT_ONCE = 200
"""Rows compared with one query of the inventory for each root."""

_STRAY = re.compile(r"\\x([89a-f][0-9a-f])")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a sheet: its first line, and its cells by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be imported, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Corrections, rows that cannot be imported, and the number of unchanged rows."""

    corrections: tuple[Correction, ...]
    bad: tuple[BadRow, ...]
    unchanged: int


def compare(
    stream: BinaryIO, inventory: Inventory, *, delimiter: str = ",", raw: bool = False
) -> Comparison:
    """Compare a sheet with the inventory.

    `raw` reads texts as they are, for a sheet exported with `--raw`. Raises
    ImportingError, with the line, for a file that is not such a sheet.
    """
    comparing = _Comparing(inventory, raw=raw)
    rows = iter(read_sheet(stream, delimiter))
    while batch := list(islice(rows, _AT_ONCE)):
        comparing.take(batch)
    bad = sorted(comparing.bad, key=lambda row: row.line)
    return Comparison(tuple(comparing.corrections), tuple(bad), comparing.unchanged)


def read_sheet(stream: BinaryIO, delimiter: str = ",") -> Iterator[Row | BadRow]:
    """Yield the rows of a CSV file in UTF-8, with or without a byte order mark.

    Raises ImportingError, with the line, for another file.
    """
    reader = csv.reader(_lines(stream), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield BadRow(line, str(error))
            continue
        if header is None:
            header = cells
            _check_header(header, delimiter)
        elif cells and len(cells) != len(header):
            yield BadRow(line, f"{len(cells)} cells for {len(header)} columns")
        elif any(cells):
            yield Row(line, dict(zip(header, cells, strict=True)))
    if header is None:
        raise ImportingError("line 1: the file is empty")


def _lines(stream: BinaryIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise ImportingError(
                f"line {number} is longer than {_LONGEST_LINE:,} bytes: this is not "
                "an export of tagger"
            )
        if b"\0" in line:
            raise ImportingError(
                f"line {number} has a NUL byte: save the sheet as CSV in UTF-8"
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ImportingError(
                f"line {number} is not UTF-8: save the sheet as 'CSV UTF-8'"
            ) from error


def _check_header(header: Sequence[str], delimiter: str) -> None:
    for column in _NEEDED:
        if column in header:
            continue
        for other, name in ((";", "';'"), ("\t", "tabs"), (",", "','"), ("|", "'|'")):
            if other != delimiter and other in "".join(header):
                raise ImportingError(
                    f"line 1: no column {column!r}; the cells are separated by {name}: "
                    "use --delimiter, or save the sheet with commas"
                )
        near = suggestion(column, header)
        raise ImportingError(
            f"line 1: no column {column!r}{near}; export path, tag and updated_at"
        )
    twice = [name for name in _NEEDED if header.count(name) > 1]
    if twice:
        raise ImportingError(f"line 1: column {twice[0]!r} occurs twice")


class _Comparing:
    """A comparison in progress."""

    def __init__(self, inventory: Inventory, *, raw: bool) -> None:
        self.corrections: list[Correction] = []
        self.bad: list[BadRow] = []
        self.unchanged = 0
        self._inventory = inventory
        self._raw = raw
        self._roots = inventory.roots()
        self._tags = inventory.known_tags()
        self._lines_by_digest: dict[str, Correction] = {}

    def take(self, rows: Iterable[Row | BadRow]) -> None:
        """Compare a batch of rows, with one query of the inventory for each root."""
        by_root: dict[str, list[Row]] = {}
        for row in rows:
            if isinstance(row, BadRow):
                self.bad.append(row)
            elif (root := self._root(row)) is not None:
                by_root.setdefault(root, []).append(row)
        for root, batch in by_root.items():
            paths = {path for row in batch for path in self._texts(row.cells["path"])}
            standing = self._inventory.standing(root, paths)
            for row in batch:
                self._compare(row, root, standing)

    def _compare(self, row: Row, root: str, standing: Mapping[str, ItemNow]) -> None:
        texts = self._texts(row.cells["path"])
        now = next((standing[text] for text in texts if text in standing), None)
        if now is None:
            self._refuse(row, f"no picture {row.cells['path']!r} in {root}")
            return
        tag = self._text(row.cells["tag"]).strip()
        if not _edited(tag, row, now):
            self.unchanged += 1
        elif why := self._why_not(tag, row, now):
            self._refuse(row, f"{now.path}: {why}")
        else:
            self._correct(row, root, now, self._spelt(tag))

    def _why_not(self, tag: str, row: Row, now: ItemNow) -> str | None:
        """Return why an edited row cannot be imported; None if it can."""
        if now.digest is None or now.state is State.UNREADABLE:
            # All empty files have the same content: a decision would hit them all.
            state = now.state.value
            return f"it is {state} and was never read as a picture: fix the file first"
        if self._text(row.cells.get("digest") or now.digest) != now.digest:
            return "the picture has changed since the export"
        try:
            exported = parse_moment(self._text(row.cells["updated_at"]))
        except ValueError:
            return f"updated_at {row.cells['updated_at']!r} is not a date and time"
        return _why_stale(now, exported) or self._why_no_tag(tag)

    def _why_no_tag(self, tag: str) -> str | None:
        if not tag:
            return f"the tag is empty: write a tag, or {NOT_CATALOGUE!r}"
        if self._spelt(tag) is None and tag.casefold() != NOT_CATALOGUE:
            near = suggestion(tag, [*self._tags, NOT_CATALOGUE])
            return f"no tag {tag!r}{near}"
        return None

    def _correct(self, row: Row, root: str, now: ItemNow, tag: str | None) -> None:
        kind = DecisionKind.ACCEPT if tag == now.machine_tag else DecisionKind.CORRECT
        correction = Correction(
            line=row.line,
            root=root,
            path=now.path,
            digest=now.digest or "",
            before=now.tag,
            tag=tag,
            kind=kind if tag else DecisionKind.NOT_CATALOGUE,
        )
        first = self._lines_by_digest.setdefault(correction.digest, correction)
        if first is correction:
            self.corrections.append(correction)
        elif first.tag != tag:
            self._refuse(
                row,
                f"{now.path}: line {first.line} gives the same content another tag",
            )
        else:
            self.unchanged += 1

    def _spelt(self, tag: str) -> str | None:
        folded = tag.casefold()
        return next((known for known in self._tags if known.casefold() == folded), None)

    def _root(self, row: Row) -> str | None:
        """Return the root of a row; list the row as bad if it is unknown."""
        if not row.cells.get("root") and len(self._roots) == 1:
            return self._roots[0]
        for text in self._texts(row.cells.get("root", "")):
            if text in self._roots:
                return text
        self._refuse(row, f"no scanned folder {row.cells.get('root', '')!r}")
        return None

    def _refuse(self, row: Row, reason: str) -> None:
        self.bad.append(BadRow(row.line, reason))

    def _text(self, cell: str) -> str:
        return cell if self._raw else restored(cell)

    def _texts(self, cell: str) -> tuple[str, ...]:
        r"""Return the possible texts of a cell: `\xff` may be an undecodable byte."""
        text = self._text(cell)
        stray = _STRAY.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
        return (text,) if stray == text else (text, stray)


def _edited(tag: str, row: Row, now: ItemNow) -> bool:
    """Whether a person edited the tag of a row.

    A row that has the network's tag of the time of the export is not edited, even if
    the network predicts another tag now.
    """
    untouched = (
        row.cells.get("decided_by") == DecidedBy.MACHINE
        and restored(row.cells.get("machine_tag", "")) == tag
    )
    as_now = NOT_CATALOGUE if now.not_catalogue else now.tag or ""
    return not untouched and tag.casefold() not in {as_now.casefold(), _shown(now)}


def _shown(now: ItemNow) -> str:
    """Return the tag as the export writes it, casefolded; "" for none."""
    return (now.tag or "").casefold()


def _why_stale(now: ItemNow, exported: datetime) -> str | None:
    if now.decided_at is None or now.decided_at <= exported:
        return None
    who = f" by {now.reviewer}" if now.reviewer else ""
    return f"decided since the export: {now.tag or 'nothing'}{who}"
