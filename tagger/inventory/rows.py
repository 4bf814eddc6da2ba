"""Between rows of the tables and the values of `records`."""

import os
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Insert, RowMapping, true

from tagger.inventory.tables import Image
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


def known_file(  # noqa: PLR0913, PLR0917  the columns, as they are fetched
    id_: int,
    size: int | None,
    mtime_ns: int | None,
    state: str,
    reason: bytes,
    digest: str | None,
    current: int,
) -> KnownFile:
    """Read the columns of an image that a scan needs, as SQLite gives them."""
    stamp = None if size is None or mtime_ns is None else FileStamp(size, mtime_ns)
    known = _STATES[state]
    return KnownFile(id_, stamp, known, os.fsdecode(reason), digest, bool(current))


_STATES: Final = {state.value: state for state in State}


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
    values = dict(row)
    values["state"] = _STATES[values["state"]]
    values["decided_by"] = values["decided_by"] and DecidedBy(values["decided_by"])
    return Item(**values)


def within(folder: str) -> ColumnElement[bool]:
    """Return the condition that an image lies in a folder of its root, or is it."""
    if not folder:
        return true()
    after = chr(ord("/") + 1)
    inside = (Image.path >= f"{folder}/") & (Image.path < f"{folder}{after}")
    return inside | (Image.path == folder)
