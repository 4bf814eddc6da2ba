"""Inventories looked into, and filled without there being files."""

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from support import FakeClassifier
from support.postgres import raw_server

from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import Item
from tagger.records import (
    ImageFile,
    Prediction,
    PreparedImage,
    State,
    UnreadableImage,
    Verdict,
)
from tagger.system.database_url import DatabaseUrl, Place


def raw(place: Place) -> AbstractContextManager[sqlite3.Connection]:
    """Connect to a database beside the program; one of a server is used as SQLite's."""
    if isinstance(place, DatabaseUrl):
        return cast("AbstractContextManager[sqlite3.Connection]", raw_server(place))
    return closing(sqlite3.connect(place))


def integrity_error(place: Place) -> type[Exception]:
    """Return what the driver raises for a row that breaks a constraint."""
    if not isinstance(place, DatabaseUrl):
        return sqlite3.IntegrityError
    import psycopg

    return psycopg.IntegrityError


@cache
def _blank() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inventory.db")
        Inventory(path).__exit__()
        return path.read_bytes()


def new_inventory(path: Path) -> Inventory:
    """Open a new inventory: the copy of a blank one, for to make each takes longer."""
    path.write_bytes(_blank())
    return Inventory(path)


def record_names(inventory: Inventory, root: Path, names: list[str]) -> None:
    """Put paths into the inventory without there being files."""
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        files = [ImageFile(name, 1, 2) for name in names]
        outcomes = [(file, UnreadableImage("broken", "d" * 64)) for file in files]
        recording.record(root, outcomes, {}, {})
        recording.finish([root], exit_code=3, counts={})


ROOT = Path("/shop")

BlankPlace = Callable[..., Place]


def digest_of(number: int) -> str:
    """Return a digest that says nothing of the number's order."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def tagged(number: int, confidence: float, *, flagged: bool = True) -> Tagged:
    image = PreparedImage(
        digest_of(number), np.zeros((28, 28, 3), np.uint8), 60, 80, "PNG"
    )
    rest = (1 - confidence) / 9
    probabilities = (confidence, *[rest] * 9)
    margin = max(0.0, confidence - rest)
    said = Prediction("T-shirt/top", confidence, "Trouser", margin, probabilities)
    return Tagged(image, said, Verdict(flagged, "unsure" if flagged else ""))


def count_images(db: Path) -> int:
    if not db.exists():
        return 0
    with closing(sqlite3.connect(db, timeout=30)) as connection:
        try:
            (number,) = connection.execute("SELECT count(*) FROM image").fetchone()
        except sqlite3.OperationalError:  # the tables are not made yet
            return 0
    return int(number)


def states(inventory: Inventory) -> dict[str, State]:
    return {item.path: item.state for item in inventory.items()}


def lasting(inventory: Inventory) -> list[Item]:
    """The items without the times, which no two runs share."""
    never = datetime.min.replace(tzinfo=UTC)
    return [replace(item, updated_at=never) for item in inventory.items()]
