"""Convert rows of the tables to the values of `records`, and back."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    RowMapping,
    func,
    select,
    true,
)

from tagger.inventory.dialects import is_postgresql
from tagger.inventory.records import DecidedBy, DecisionKind, Item, ItemNow, RunRecord
from tagger.inventory.tables import DECISION, IMAGE, KIND_TAG
from tagger.labels import reading
from tagger.records import Prediction, State

_Value = TypeVar("_Value")

BY_ROOT: Final = "by_root"
"""Key of a run's counts: the tallies of pictures read, by root id, as roots can move.
"""

SAID_BY: Final = "said_by"
"""Key of a run's counts: the digest of its network, and its preprocessing id."""

_VARIABLES: Final = 500
"""Values in one IN list, well below the limit of 999 in older SQLite versions."""


def in_parts(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Split the values into lists that each fit one IN list."""
    rest = iter(values)
    while part := list(islice(rest, _VARIABLES)):
        yield part


def pack(probabilities: Sequence[float]) -> bytes:
    """Encode probabilities as float32, little-endian."""
    return struct.pack(f"<{len(probabilities)}f", *probabilities)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def shared_now(connection: Connection) -> datetime:
    """Return the current time by the clock that all programs on the inventory share.

    That is the server's if it is on one: the clocks of two machines differ.
    """
    if not is_postgresql(connection):
        return now()
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def insert_one(connection: Connection, statement: Insert) -> int:
    """Insert one row and return its id."""
    key = connection.execute(statement).inserted_primary_key
    return int(key[0]) if key else 0


_ITEM: Final = tuple(field.name for field in fields(Item))
STATES: Final = {state.value: state for state in State}
"""States by their value in a row."""


def unpack(values: bytes | None) -> tuple[float, ...]:
    """Decode probabilities from `pack`; None gives an empty tuple."""
    return tuple(value for (value,) in struct.iter_unpack("<f", values or b""))


def kind_tags(connection: Connection) -> dict[str, str]:
    """Return the tags of kinds in this shop, by kind."""
    rows = connection.execute(select(KIND_TAG.c.kind, KIND_TAG.c.tag))
    return {row.kind: row.tag for row in rows.all()}


def read_labels(connection: Connection, labels: Sequence[str]) -> tuple[str, ...]:
    """Return a model's labels, with this shop's tags in place of kinds."""
    return reading(labels, kind_tags(connection)).labels


def prediction(row: RowMapping) -> Prediction:
    """Convert a row of the predictions.

    Uses the adjusted probabilities, if there are any.
    """
    probabilities = unpack(row["adjusted"] or row["probabilities"])
    return Prediction(
        tag=row["tag"],
        confidence=row["confidence"],
        runner_up=row["runner_up"],
        margin=row["margin"],
        probabilities=probabilities,
        other=row["other"],
        kind=row["kind"],
        damaged=row["damaged"],
    )


def item(row: RowMapping) -> Item:
    """Convert a row of the view; it may have more columns."""
    values = {name: row[name] for name in _ITEM}
    values["state"] = STATES[values["state"]]
    values["decided_by"] = values["decided_by"] and DecidedBy(values["decided_by"])
    return Item(**values)


def within(folder: str) -> ColumnElement[bool]:
    """Return the condition that an image is in a folder of its root, or is that path.

    The empty folder is the root itself.
    """
    if not folder:
        return true()
    # A range of paths instead of LIKE: it uses the index, and needs no escapes.
    after_slash = chr(ord("/") + 1)
    inside = (IMAGE.c.path >= f"{folder}/") & (IMAGE.c.path < f"{folder}{after_slash}")
    return inside | (IMAGE.c.path == folder)


def run_record(row: RowMapping) -> RunRecord:
    """Convert a row of the runs."""
    return RunRecord(**{**row, "counts": row["counts"] or {}})


def tallies_by_root(counts: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a run's tallies by root id; empty if the run did not end."""
    tallies: Mapping[str, Any] = (counts or {}).get(BY_ROOT, {})
    return tallies


def said_by(counts: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return a run's network digest and preprocessing id; empty if not recorded."""
    source: Mapping[str, str] = (counts or {}).get(SAID_BY, {})
    return source


def last_decisions(
    connection: Connection, digests: Iterable[str | None]
) -> dict[str, tuple[datetime, bool]]:
    """Return, by digest, the time of the last decision or undo.

    With whether the decision in force is "not a catalogue item".
    """
    rows = connection.execute(
        select(
            DECISION.c.digest,
            DECISION.c.kind,
            DECISION.c.decided_at,
            DECISION.c.undone_at,
        )
        .where(DECISION.c.digest.in_([digest for digest in digests if digest]))
        .order_by(DECISION.c.decided_at, DECISION.c.id)
    )
    last: dict[str, tuple[datetime, bool]] = {}
    for digest, kind, decided_at, undone_at in rows:
        before, not_catalogue = last.get(digest, (decided_at, False))
        if undone_at is None:
            not_catalogue = kind is DecisionKind.NOT_CATALOGUE
        last[digest] = max(before, decided_at, undone_at or decided_at), not_catalogue
    return last


def standing(known: Item, last: Mapping[str, tuple[datetime, bool]]) -> ItemNow:
    """Join an item and the result of `last_decisions` for its content."""
    decided_at, not_catalogue = last.get(known.digest or "", (None, False))
    return ItemNow(known, not_catalogue, decided_at)
