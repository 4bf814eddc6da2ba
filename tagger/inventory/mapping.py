"""Between rows of the tables and the values of `records`."""

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
    or_,
    select,
    true,
)
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from tagger.inventory.records import DecidedBy, DecisionKind, Item, RunRecord, Standing
from tagger.inventory.tables import DECISION, IMAGE, KIND_TAG
from tagger.labels import kind_of, none_of_the_tags, reading
from tagger.records import NO_ITEM, NO_TAG, Prediction, State

_Value = TypeVar("_Value")

BY_ROOT: Final = "by_root"
"""Where a run's counts hold what it read, by the root's id: roots can be moved."""

SAID_BY: Final = "said_by"
"""Where a run's counts hold which network said it, and how pictures were prepared."""

_VARIABLES: Final = 500
"""Values in one IN list, well under the 999 that every SQLite takes."""


def in_parts(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Yield the values in lists that each fit one IN."""
    rest = iter(values)
    while part := list(islice(rest, _VARIABLES)):
        yield part


def pack(probabilities: Sequence[float]) -> bytes:
    """Write probabilities as float32, little-endian."""
    return struct.pack(f"<{len(probabilities)}f", *probabilities)


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def insert_one(connection: Connection, statement: Insert) -> int:
    """Insert one row and return its id."""
    key = connection.execute(statement).inserted_primary_key
    return int(key[0]) if key else 0


_ITEM: Final = tuple(field.name for field in fields(Item))
STATES: Final = {state.value: state for state in State}
"""States by what they are in a row."""


def doubts_item(flag_reason: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that the network doubted of any tag: "x" agrees with it."""
    return or_(
        flag_reason.startswith(NO_ITEM, autoescape=True),
        flag_reason.startswith(NO_TAG, autoescape=True),
    )


def unpack(values: bytes | None) -> tuple[float, ...]:
    """Read probabilities that `pack` wrote; none where there are none."""
    return tuple(value for (value,) in struct.iter_unpack("<f", values or b""))


def kind_tags(connection: Connection) -> dict[str, str]:
    """Return the tags that kinds have in this shop, by the kind."""
    rows = connection.execute(select(KIND_TAG.c.kind, KIND_TAG.c.tag))
    return {row.kind: row.tag for row in rows.all()}


def read_labels(connection: Connection, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a model as this shop reads them: those of `prediction`."""
    return reading(labels, kind_tags(connection)).labels


def prediction(row: RowMapping, labels: Sequence[str]) -> Prediction:
    """Read a row of the predictions of a model with these labels.

    As adjusted, where it was: the labels are to be those of `read_labels`.
    """
    probabilities = unpack(row["adjusted"] or row["probabilities"])
    none, what = none_of_the_tags(probabilities, labels)
    return Prediction(
        tag=row["tag"],
        confidence=row["confidence"],
        runner_up=row["runner_up"],
        margin=row["margin"],
        probabilities=probabilities,
        other=none,
        kind=kind_of(what),
    )


def item(row: RowMapping) -> Item:
    """Read a row of the view, perhaps with more columns."""
    values = {name: row[name] for name in _ITEM}
    values["state"] = STATES[values["state"]]
    values["decided_by"] = values["decided_by"] and DecidedBy(values["decided_by"])
    return Item(**values)


def looked_up_by(column: Any) -> ColumnElement[Any]:  # noqa: ANN401
    """Return a column that is joined from only, never towards.

    SQLite uses no index for a column behind a plus. So it begins where the query means
    it to and looks the rest up, where its planner, which knows no counts, would begin
    elsewhere and go through, or sort, a million rows.
    """
    return UnaryExpression(column, operator=custom_op("+"))


def within(folder: str) -> ColumnElement[bool]:
    """Return the condition that an image lies in a folder of its root, or is it."""
    if not folder:
        return true()
    after = chr(ord("/") + 1)
    inside = (IMAGE.c.path >= f"{folder}/") & (IMAGE.c.path < f"{folder}{after}")
    return inside | (IMAGE.c.path == folder)


def run_record(row: RowMapping) -> RunRecord:
    """Read a row of the runs."""
    return RunRecord(**{**row, "counts": row["counts"] or {}})


def tallies_by_root(counts: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what a run read by the id of the root; nothing where it did not end."""
    found: Mapping[str, Any] = (counts or {}).get(BY_ROOT, {})
    return found


def said_by(counts: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return which network said what a run read; empty where the run does not tell."""
    found: Mapping[str, str] = (counts or {}).get(SAID_BY, {})
    return found


def last_decisions(
    connection: Connection, digests: Iterable[str | None]
) -> dict[str, tuple[datetime, bool]]:
    """Return when a person last decided about bytes, or took that back, by digest.

    And whether the decision in force is that they show no catalogue item.
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
    found: dict[str, tuple[datetime, bool]] = {}
    for digest, kind, decided_at, undone_at in rows:
        before, not_catalogue = found.get(digest, (decided_at, False))
        if undone_at is None:
            not_catalogue = kind is DecisionKind.NOT_CATALOGUE
        found[digest] = max(before, decided_at, undone_at or decided_at), not_catalogue
    return found


def standing(one: Item, last: Mapping[str, tuple[datetime, bool]]) -> Standing:
    """Join an item and what `last_decisions` says of its bytes."""
    decided_at, not_catalogue = last.get(one.digest or "", (None, False))
    return Standing(
        path=one.path,
        state=one.state,
        digest=one.digest,
        tag=one.tag,
        machine_tag=one.machine_tag,
        not_catalogue=not_catalogue,
        reviewer=one.reviewer,
        decided_at=decided_at,
    )
