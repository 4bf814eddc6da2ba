"""Check an inventory: its database file, its rows and its pictures."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    case,
    except_,
    exists,
    func,
    select,
)

from tagger.errors import FolderError
from tagger.inventory.audits import has_decision
from tagger.inventory.counts import damaged
from tagger.inventory.dialects import is_postgresql
from tagger.inventory.roots import here
from tagger.inventory.tables import (
    COUNTED,
    IMAGE,
    METADATA,
    PREDICTION,
    ROOT,
    WAITING,
    answer,
    answer_confidence,
    answer_margin,
)
from tagger.records import FileStamp, PreparedImage, State
from tagger.storage import Location, RemotePath, is_listed, location

_MOST = 100
"""Maximum number of errors to report; a ruined file has more than anyone reads."""


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A picture file as a scan last saw it."""

    path: Location
    digest: str
    stamp: FileStamp


def errors(connection: Connection) -> tuple[str, ...]:
    """Return the errors that are found in the database and between its rows."""
    of_database = _of_server if is_postgresql(connection) else _of_file
    return (*of_database(connection), *_of_triggers(connection))[:_MOST]


def _of_file(connection: Connection) -> tuple[str, ...]:
    """Return the errors that SQLite finds in the file and between its rows."""
    integrity = connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST})").scalars()
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(_MOST)
    return (
        *(line for line in integrity if line != "ok"),
        *(f"a row of {row[0]} refers to a missing row of {row[2]}" for row in dangling),
    )


def _of_server(connection: Connection) -> Iterator[str]:
    """Yield an error for each foreign key with rows that lead nowhere.

    The server checks each as it is written; what was loaded with the checks switched
    off, as in some ways to restore a dump, was not.
    """
    for table in METADATA.sorted_tables:
        for key in table.foreign_keys:
            there = key.column.table.alias()
            lost = key.parent.is_not(None) & ~exists().where(
                there.c[key.column.name] == key.parent
            )
            query = select(func.count()).select_from(table).where(lost)
            if count := connection.scalar(query):
                yield f"{count:,} rows of {table} refer to missing rows of {there.name}"


def _of_triggers(connection: Connection) -> Iterator[str]:
    """Yield an error if the review queue or the counts are not those of the images."""
    must_wait = (
        select(IMAGE.c.id, IMAGE.c.digest, answer_confidence(), answer_margin())
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .where(
            IMAGE.c.state == State.TAGGED,
            IMAGE.c.flagged,
            ~has_decision(IMAGE.c.digest),
        )
    )
    if _differ(connection, must_wait, select(WAITING)):
        yield "the review queue is not that of the flagged images"
    said = case((PREDICTION.c.id.is_not(None), answer()), else_="").label("said")
    images = (
        select(IMAGE.c.root_id, IMAGE.c.state, said, IMAGE.c.flagged)
        .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .subquery()
    )
    counted = select(*images.c, func.count()).group_by(*images.c)
    if _differ(connection, counted, select(COUNTED)):
        yield "the counts are not those of the images"


def _differ(connection: Connection, one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether one of two queries has a row that the other has not."""
    return any(
        connection.execute(except_(*pair).limit(1)).first() is not None
        for pair in ((one, other), (other, one))
    )


def without_item(connection: Connection, digest: Column[str]) -> int:
    """Count the rows of a table about content that no image has today."""
    has_one = exists(select(IMAGE.c.id).where(IMAGE.c.digest == digest))
    query = select(func.count()).select_from(digest.table).where(~has_one)
    return connection.scalar(query) or 0


def sample(connection: Connection, size: int | None, seed: int) -> list[ScannedFile]:
    """Choose `size` tagged files here at random; None returns all."""
    query = select(IMAGE.c.id).join(ROOT).where(IMAGE.c.state == State.TAGGED)
    query = query.where(here(connection))
    ids = list(connection.scalars(query.order_by(IMAGE.c.id)))
    if size is not None and size < len(ids):
        ids = sorted(random.Random(seed).sample(ids, size))  # noqa: S311  not for cryptography
    return [_scanned_file(connection, image_id) for image_id in ids]


def damaged_files(connection: Connection) -> list[Location]:
    """Return the tagged files that scans found to be damaged."""
    query = select(ROOT.c.path.label("root"), IMAGE.c.path).join(ROOT).where(damaged())
    return [location(row.root, row.path) for row in connection.execute(query)]


def is_damaged(file: ScannedFile) -> bool:
    """Whether a file lacks parts of its picture, as its decoder says today.

    An older version of tagger took such files for whole.
    """
    from tagger.imaging.prepare import prepare  # noqa: PLC0415  loads the decoders

    prepared = prepare(file.path)
    return isinstance(prepared, PreparedImage) and prepared.damaged


def _scanned_file(connection: Connection, image_id: int) -> ScannedFile:
    row = connection.execute(
        select(
            ROOT.c.path.label("root"),
            IMAGE.c.path,
            IMAGE.c.digest,
            IMAGE.c.size,
            IMAGE.c.mtime_ns,
        )
        .join(ROOT)
        .where(IMAGE.c.id == image_id)
    ).one()
    stamp = FileStamp(row.size, row.mtime_ns)
    return ScannedFile(location(row.root, row.path), row.digest, stamp)


def differs(file: ScannedFile) -> bool:
    """Whether a file has other content although size and time are unchanged.

    False for a file that visibly changed or is gone: the next scan handles it. Raises
    FolderError if its store does not answer.
    """
    try:
        status = file.path.stat()
        if FileStamp.of(status) != file.stamp:
            return False
        with file.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() != file.digest
    except OSError as error:
        refused = isinstance(error, FileNotFoundError | PermissionError)
        if isinstance(file.path, RemotePath) and not refused:
            raise FolderError(f"cannot read {file.path}: {error.strerror}") from error
        # A file that exists and cannot be read counts as different.
        return is_listed(file.path)
