"""Between rows of the tables and the values of `records`."""

import struct
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    RowMapping,
    func,
    select,
    true,
)

from tagger.inventory.tables import Image, view
from tagger.records import (
    OTHER,
    DecidedBy,
    FileStamp,
    Item,
    KnownFile,
    Prediction,
    State,
)


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


def known_file(row: RowMapping) -> KnownFile:
    """Read a row of the images as a scan needs it."""
    stamp = None if row["size"] is None else FileStamp(row["size"], row["mtime_ns"])
    return KnownFile(
        id=row["id"],
        stamp=stamp,
        state=row["state"],
        reason=row["reason"],
        digest=row["digest"],
        current=bool(row["current"]),
    )


def prediction(row: RowMapping, labels: Sequence[str]) -> Prediction:
    """Read a row of the predictions of a model with these labels."""
    values = struct.iter_unpack("<f", row["probabilities"])
    probabilities = tuple(value for (value,) in values)
    return Prediction(
        tag=row["tag"],
        confidence=row["confidence"],
        runner_up=row["runner_up"],
        margin=row["margin"],
        probabilities=probabilities,
        other=probabilities[labels.index(OTHER)] if OTHER in labels else 0.0,
    )


def item(row: RowMapping) -> Item:
    """Read a row of the view."""
    values = {field.name: row[field.name] for field in fields(Item)}
    decided_by = values["decided_by"] and DecidedBy(values["decided_by"])
    return Item(**values | {"state": State(values["state"]), "decided_by": decided_by})


def within(folder: str) -> ColumnElement[bool]:
    """Return the condition that an image lies in a folder of its root, or is it."""
    if not folder:
        return true()
    after = chr(ord("/") + 1)
    inside = (Image.path >= f"{folder}/") & (Image.path < f"{folder}{after}")
    return inside | (Image.path == folder)


def counts(
    connection: Connection,
    column: Any,  # noqa: ANN401
    *where: Any,  # noqa: ANN401
) -> dict[str, int]:
    """Count the view's rows by a column, the largest first; absent values are left."""
    query = (
        select(column, func.count())
        .where(*where, column.is_not(None))
        .group_by(column)
        .order_by(func.count().desc(), column)
    )
    return {str(value): number for value, number in connection.execute(query)}


def count(connection: Connection, where: Any) -> int:  # noqa: ANN401
    """Count the view's rows that meet a condition."""
    return connection.scalar(select(func.count()).select_from(view).where(where)) or 0
