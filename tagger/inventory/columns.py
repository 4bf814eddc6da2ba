"""Columns of an export (CSV, JSON, XLSX…), and conditions that filter rows by them.

One table of columns serves the export, the filters, the completion and
docs/formats.md. A new column of an item is added in four places, last in each:

1. here, in `COLUMNS`;
2. as a field of `records.Item`, which `mapping.item` fills by name;
3. in `tables.VIEW`;
4. in the view `inventory` of the database, by a new revision in `migrations`.

A column of a product is added here and in `exchange.products.Product`. A change of a
column's meaning needs a new `FORMAT_VERSION`.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import eq, ge, gt, le, lt
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from tagger.errors import RequestError
from tagger.text import spellings, suggestion

FORMAT_VERSION: Final = 2
"""Version of the exported columns: their names, order, types and meanings."""


class Kind(StrEnum):
    """Type of a column's values. All but a flag may be absent."""

    TEXT = "text"
    SHARE = "number"
    COUNT = "whole number"
    FLAG = "true or false"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export: its name, type and meaning.

    `repeats`: many rows have the same value.
    """

    name: str
    kind: Kind
    meaning: str
    repeats: bool = True


COLUMNS: Final = (
    Column("root", Kind.TEXT, "the scanned folder, absolute"),
    Column(
        "path", Kind.TEXT, "the file, relative to its root, with `/`", repeats=False
    ),
    Column(
        "tag",
        Kind.TEXT,
        "the tag in force: a person's, else the network's; empty if there is none, and "
        "if the network thinks it more probable that none fits",
    ),
    Column("confidence", Kind.SHARE, "probability of `machine_tag`, 0 to 1"),
    Column(
        "flagged",
        Kind.FLAG,
        "`true` while the item waits for a person, else `false`",
    ),
    Column("reason", Kind.TEXT, "why it is flagged, unreadable, ignored or missing"),
    Column("decided_by", Kind.TEXT, "who gave the tag in force: `machine` or `person`"),
    Column("runner_up", Kind.TEXT, "the most probable other tag"),
    Column("margin", Kind.SHARE, "confidence minus that of the runner-up"),
    Column(
        "state",
        Kind.TEXT,
        "`tagged`, `unreadable`, `missing`, `ignored`, or `unsettled` for a file that "
        "is still being written",
    ),
    Column("digest", Kind.TEXT, "SHA-256 of the file's content", repeats=False),
    Column("model", Kind.TEXT, "name of the network"),
    Column("updated_at", Kind.MOMENT, "when the row last changed, ISO 8601 in UTC"),
    Column(
        "machine_tag",
        Kind.TEXT,
        "the network's answer, even if a person decided: a tag, `not a catalogue "
        "item`, or a kind of thing that has no tag, as `no tag: skirt`",
    ),
    Column("reviewer", Kind.TEXT, "the person who decided, if any"),
    Column("no_tag", Kind.SHARE, "probability that none of the tags fits, 0 to 1"),
)
"""The columns of an item, in order: the fields of `records.Item`."""

PROBABILITIES: Final = Column(
    "probabilities",
    Kind.TEXT,
    "probability of each tag and kind, as a JSON object; written only if `--columns` "
    "names it",
    repeats=False,
)
"""A column that an export has on request only, as it is long."""

PRODUCT_COLUMNS: Final = (
    Column("root", Kind.TEXT, "the scanned folder, absolute"),
    Column("item", Kind.TEXT, "the product key, as the item pattern found it"),
    Column(
        "tag",
        Kind.TEXT,
        "the tag in force: a person's, else the one predicted from all photographs; "
        "empty if it is more probable that none fits",
    ),
    Column(
        "confidence",
        Kind.SHARE,
        "probability of that tag, or that none fits, from all photographs, 0 to 1",
    ),
    Column("flagged", Kind.FLAG, "`true` while the product waits for a person"),
    Column("reason", Kind.TEXT, "why it is flagged"),
    Column("decided_by", Kind.TEXT, "who gave the tag in force: `machine` or `person`"),
    Column("runner_up", Kind.TEXT, "the next tag from all photographs"),
    Column("margin", Kind.SHARE, "confidence minus that of the runner-up"),
    Column("photographs", Kind.COUNT, "number of the product's photographs"),
    Column("path", Kind.TEXT, "the first photograph, relative to the root"),
    Column("updated_at", Kind.MOMENT, "when a photograph last changed"),
)
"""The columns of a product, the photographs with one product key, in order."""

Value = str | float | bool | datetime
"""A value to compare a column with; the empty text stands for an absent value."""


class Operator(StrEnum):
    """Comparison of a column with a value. `~`: contains, ignoring case of A to Z."""

    EQUAL = "="
    DIFFERENT = "!="
    AT_MOST = "<="
    AT_LEAST = ">="
    LESS = "<"
    MORE = ">"
    CONTAINS = "~"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a column; a row meets it if one of the values compares so.

    With `!=`, if the column differs from all values. An absent text counts as the empty
    text. An absent number or moment meets no comparison except `!=`.
    """

    column: str
    operator: Operator
    values: tuple[Value, ...]


_CONDITION = re.compile(
    r"""\s*(?P<column>\w+)\s*
    (?P<operator><=|>=|!=|=|<|>|~)\s*
    (?: "(?P<quoted>[^"]*)" | (?P<bare>[^\s"]\S*) )
    (?P<more>\s+and\s+|\s*$)""",
    re.VERBOSE | re.IGNORECASE,
)
_SIMPLE: Final = {Operator.EQUAL, Operator.DIFFERENT}


def find_columns(names: Sequence[str], columns: Sequence[Column]) -> list[Column]:
    """Return the named columns in the given order.

    Raises RequestError, with the nearest name, for an unknown column.
    """
    known = {column.name: column for column in columns}
    for name in names:
        if name not in known:
            raise RequestError(f"no column {name!r}{suggestion(name, known)}")
    return [known[name] for name in names]


def parse_conditions(text: str, columns: Sequence[Column]) -> tuple[Condition, ...]:
    """Parse conditions such as `confidence < 0.5 and tag = "Ankle boot"`.

    A condition is a column, an operator and a value; a value with blanks needs double
    quotes. Raises RequestError, which explains the error in the text.
    """
    conditions: list[Condition] = []
    position = 0
    while True:
        match = _CONDITION.match(text, position)
        if match is None:
            rest = text[position:].strip()
            raise RequestError(
                f"cannot read the filter at {rest!r}: write COLUMN OPERATOR VALUE "
                'joined by "and", as in: confidence < 0.5 and tag = "Ankle boot" '
                f"(operators: {' '.join(Operator)})"
            )
        (column,) = find_columns([match["column"].lower()], columns)
        value = match["bare"] if match["quoted"] is None else match["quoted"]
        conditions.append(_condition(column, Operator(match["operator"]), value))
        if not match["more"].strip():
            return tuple(conditions)
        position = match.end()


def _condition(column: Column, operator: Operator, text: str) -> Condition:
    if column.kind is Kind.FLAG and operator not in _SIMPLE:
        raise RequestError(f"{column.name} is true or false: compare it with = or !=")
    if operator is Operator.CONTAINS and column.kind is not Kind.TEXT:
        raise RequestError(f"{column.name} is not text: '~' cannot search it")
    return Condition(column.name, operator, (_value(column, text),))


def _value(column: Column, text: str) -> Value:
    try:
        if column.kind in {Kind.SHARE, Kind.COUNT}:
            return float(text)
        if column.kind is Kind.MOMENT:
            return parse_moment(text)
        if column.kind is Kind.FLAG:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError) as error:
        wanted = {
            Kind.FLAG: "true or false",
            Kind.MOMENT: "a date such as 2026-01-31 or 2026-01-31T08:00",
        }.get(column.kind, "a number")
        raise RequestError(f"{column.name}: {text!r} is not {wanted}") from error
    return text


def parse_moment(text: str) -> datetime:
    """Parse a date or a moment in ISO 8601; local time if it names no zone.

    Raises ValueError if the text is neither.
    """
    return in_utc(datetime.fromisoformat(text))


def in_utc(moment: datetime) -> datetime:
    """Convert a moment to UTC; local time if it has no zone.

    On the first and last day that Python knows, the zone does not count.
    """
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return moment.replace(tzinfo=UTC)


def matches(row: Mapping[str, object], conditions: Sequence[Condition]) -> bool:
    """Return whether a row meets all conditions; same result as `filters_sql`."""
    return all(_meets(row[condition.column], condition) for condition in conditions)


_ORDER: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: eq,
    Operator.LESS: lt,
    Operator.AT_MOST: le,
    Operator.MORE: gt,
    Operator.AT_LEAST: ge,
}
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def _meets(value: object, condition: Condition) -> bool:
    if condition.operator is Operator.DIFFERENT:
        equal = Condition(condition.column, Operator.EQUAL, condition.values)
        return not _meets(value, equal)
    return any(
        _compares(value, condition.operator, other) for other in condition.values
    )


def _compares(value: object, operator: Operator, other: Value) -> bool:
    if isinstance(other, str):
        value = "" if value is None else str(value)
        if operator is Operator.CONTAINS:
            plain = value.translate(_LOWER)
            return any(name.translate(_LOWER) in plain for name in spellings(other))
        if operator is Operator.EQUAL:
            return value in spellings(other)
        return _ORDER[operator](os.fsencode(value), os.fsencode(other))
    return value is not None and _ORDER[operator](value, other)
