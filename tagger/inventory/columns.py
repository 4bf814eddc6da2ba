"""The columns of what is exported, and the conditions that choose rows by them.

One table of columns serves the export, the filters, the completion and the README.
New columns are only ever added at the end; a change of meaning is a new version.
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
from tagger.text import suggestion

FORMAT_VERSION: Final = 1
"""Version of the exported columns: their names, order, types and meanings."""


class Kind(StrEnum):
    """What the values of a column are. Any but a flag may be absent."""

    TEXT = "text"
    SHARE = "number"
    COUNT = "whole number"
    FLAG = "true or false"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export: its name, what its values are, and what they mean.

    `repeats` says that many rows have the same value.
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
        "the tag in force: a person's, else the machine's; empty where there is none",
    ),
    Column("confidence", Kind.SHARE, "what the network gave its own tag, 0 to 1"),
    Column(
        "flagged",
        Kind.FLAG,
        "`true` while the item waits for a person, else `false`",
    ),
    Column("reason", Kind.TEXT, "why it is flagged, unreadable, ignored or missing"),
    Column("decided_by", Kind.TEXT, "who said the tag in force: `machine` or `person`"),
    Column("runner_up", Kind.TEXT, "the network's second choice"),
    Column("margin", Kind.SHARE, "confidence less that of the runner-up"),
    Column(
        "state",
        Kind.TEXT,
        "`tagged`, `unreadable`, `missing`, `ignored`, or `unsettled` for a file that "
        "is still being written",
    ),
    Column("digest", Kind.TEXT, "SHA-256 of the file's bytes", repeats=False),
    Column("model", Kind.TEXT, "name of the network"),
    Column("updated_at", Kind.MOMENT, "when the row last changed, ISO 8601 in UTC"),
    Column("machine_tag", Kind.TEXT, "what the network said, whoever decided"),
    Column("reviewer", Kind.TEXT, "who decided, where a person did"),
)
"""The columns of an item, in order: the fields of `records.Item`."""

PRODUCT_COLUMNS: Final = (
    Column("root", Kind.TEXT, "the scanned folder, absolute"),
    Column("item", Kind.TEXT, "the stock-keeping unit, as the pattern found it"),
    Column(
        "tag", Kind.TEXT, "the tag in force: a person's, else what all say together"
    ),
    Column("confidence", Kind.SHARE, "what the photographs together give that tag"),
    Column("flagged", Kind.FLAG, "`true` while the product waits for a person"),
    Column("reason", Kind.TEXT, "why it is flagged"),
    Column("decided_by", Kind.TEXT, "who said the tag in force: `machine` or `person`"),
    Column("runner_up", Kind.TEXT, "their second choice together"),
    Column("margin", Kind.SHARE, "confidence less that of the runner-up"),
    Column("photographs", Kind.COUNT, "photographs that were joined"),
    Column("path", Kind.TEXT, "the first of them, relative to the root"),
    Column("updated_at", Kind.MOMENT, "when one of them last changed"),
)
"""The columns of a product, the photographs of one stock-keeping unit, in order."""

Value = str | float | bool | datetime
"""What a column is compared with; the empty text stands for an absent one."""


class Operator(StrEnum):
    """How a column is compared. `~` is "contains", whatever the case of A to Z."""

    EQUAL = "="
    DIFFERENT = "!="
    AT_MOST = "<="
    AT_LEAST = ">="
    LESS = "<"
    MORE = ">"
    CONTAINS = "~"


@dataclass(frozen=True, slots=True)
class Condition:
    """A row is chosen when its column compares so with one of the values.

    With `!=`, when it differs from all. An absent text is the empty text; an absent
    number or moment compares with nothing, and so differs from everything.
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
    """Return the named columns in the order asked for.

    Raises RequestError where there is no such column, with the nearest name.
    """
    known = {column.name: column for column in columns}
    for name in names:
        if name not in known:
            raise RequestError(f"no column {name!r}{suggestion(name, known)}")
    return [known[name] for name in names]


def parse_conditions(text: str, columns: Sequence[Column]) -> tuple[Condition, ...]:
    """Read conditions: `confidence < 0.5 and tag = "Ankle boot"`.

    A condition is a column, an operator and a value; a value with blanks stands in
    double quotes. Raises RequestError that says what is wrong with the text.
    """
    found: list[Condition] = []
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
        found.append(_condition(column, Operator(match["operator"]), value))
        if not match["more"].strip():
            return tuple(found)
        position = match.end()


def _condition(column: Column, operator: Operator, text: str) -> Condition:
    if column.kind is Kind.FLAG and operator not in _SIMPLE:
        raise RequestError(f"{column.name} is true or false: compare it with = or !=")
    if operator is Operator.CONTAINS and column.kind is not Kind.TEXT:
        raise RequestError(f"{column.name} is no text: '~' cannot search it")
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
    """Read a date or a moment in ISO 8601; local time where it names no zone.

    Raises ValueError for what is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:  # the first and the last day that there are
        raise ValueError(text) from error


def matches(row: Mapping[str, object], conditions: Sequence[Condition]) -> bool:
    """Say whether a row meets all conditions, as the inventory says it in SQL."""
    return all(_meets(row[one.column], one) for one in conditions)


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
            return other.translate(_LOWER) in value.translate(_LOWER)
        return _ORDER[operator](os.fsencode(value), os.fsencode(other))
    return value is not None and _ORDER[operator](value, other)
