"""Keep what is known about a picture when tagger itself changes its file.

Predictions, decisions and notes hang on the digest of the content. Before a file is
replaced, they are copied to the digest that it will have; afterwards, the former one is
dropped. So a kill between the two loses nothing: whichever content the file has, the
next scan knows it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from tagger.inventory.columns import Condition
from tagger.inventory.database import Database
from tagger.inventory.filters_sql import meeting
from tagger.inventory.mapping import in_parts, item, now
from tagger.inventory.records import Item
from tagger.inventory.tables import (
    DECISION,
    FINGERPRINT,
    IMAGE,
    LEASE,
    NOTE,
    PREDICTION,
    ROOT,
    SAMPLED,
    VIEW,
)
from tagger.records import FileStamp


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """An item, the id of its row, and the stamp of the content that was read."""

    item: Item
    image_id: int
    stamp: FileStamp


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A picture whose file has other content now: its digest and its stamp."""

    picture: KnownPicture
    digest: str
    stamp: FileStamp


_SAME: Final[Mapping[Table, Sequence[str]]] = {
    PREDICTION: ("model_id", "preparing"),
    DECISION: ("kind", "tag", "reviewer", "decided_at", "source"),
    NOTE: ("text", "reviewer", "written_at"),
    FINGERPRINT: (),
}
"""The records about a content, and the columns that tell two of them apart."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The queries and writes for files that are rewritten. Hold the lock of a scan."""

    database: Database

    def batches(
        self, where: Sequence[Condition], size: int
    ) -> Iterator[list[KnownPicture]]:
        """Yield the pictures that were read, by root and path, `size` at a time.

        Each batch is a snapshot of its own: one that stayed open while others write
        would make SQLite's log grow.
        """
        with self.database.reading() as connection:
            roots = connection.scalars(select(ROOT.c.path).order_by(ROOT.c.path)).all()
        for root in roots:
            after = ""
            while batch := self._batch(root, after, where, size):
                yield batch
                after = batch[-1].item.path

    def _batch(
        self, root: str, after: str, where: Sequence[Condition], size: int
    ) -> list[KnownPicture]:
        query = (
            select(VIEW, IMAGE.c.id, IMAGE.c.size, IMAGE.c.mtime_ns)
            .join(ROOT, ROOT.c.path == VIEW.c.root)
            .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
            .where(VIEW.c.root == root, VIEW.c.path > after)
            .where(
                VIEW.c.digest.is_not(None), IMAGE.c.size.is_not(None), meeting(where)
            )
            .order_by(VIEW.c.path)
            .limit(size)
        )
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            KnownPicture(item(row), row["id"], FileStamp(row["size"], row["mtime_ns"]))
            for row in rows
        ]

    def expect(self, digests: Mapping[str, str]) -> set[str]:
        """Copy what is known of contents to the digests that they will have.

        Returns the former digests that a review shows now: leave these files alone.
        """
        with self.database.writing() as connection:
            held = _in_review(connection, digests)
            for former, digest in digests.items():
                if former not in held:
                    for table in _SAME:
                        _copy(connection, table, former, digest)
        return held

    def settle(self, rewritten: Sequence[Rewritten]) -> None:
        """Record the new content of files; drop the former if no other file has it."""
        with self.database.writing() as connection:
            for one in rewritten:
                connection.execute(
                    update(IMAGE)
                    .where(IMAGE.c.id == one.picture.image_id)
                    .values(
                        digest=one.digest,
                        size=one.stamp.size,
                        mtime_ns=one.stamp.mtime_ns,
                        prediction_id=func.coalesce(
                            _twin_of(IMAGE.c.prediction_id, one.digest),
                            IMAGE.c.prediction_id,
                        ),
                    )
                )
            for former, digest in _pairs(rewritten).items():
                used = select(IMAGE.c.id).where(IMAGE.c.digest == former).limit(1)
                if connection.scalar(used) is None:
                    _move(connection, former, digest)


def _pairs(rewritten: Sequence[Rewritten]) -> dict[str, str]:
    return {str(one.picture.item.digest): one.digest for one in rewritten}


def _in_review(connection: Connection, digests: Collection[str]) -> set[str]:
    held: set[str] = set()
    for part in in_parts(digests):
        leased = LEASE.c.digest.in_(part) & (LEASE.c.until > now())
        held.update(connection.scalars(select(LEASE.c.digest).where(leased)))
    return held


def _same(table: Table, one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether two records say the same, of whatever content."""
    return and_(
        literal(value=True),
        *(one.c[name].is_not_distinct_from(other.c[name]) for name in _SAME[table]),
    )


def _copy(connection: Connection, table: Table, former: str, digest: str) -> None:
    """Copy the records of a content, except those that the other has already."""
    names = [
        column.name
        for column in table.c
        if column.name != "digest" and not _is_number(table, column.name)
    ]
    there = table.alias("there")
    records = select(literal(digest), *(table.c[name] for name in names)).where(
        table.c.digest == former,
        ~exists().where(there.c.digest == digest, _same(table, table, there)),
    )
    connection.execute(insert(table).from_select(["digest", *names], records))


def _is_number(table: Table, name: str) -> bool:
    """Whether a column is the number of the record."""
    return name == "id" and table.c[name].primary_key


def _move(connection: Connection, former: str, digest: str) -> None:
    """Give the records of a content that no file has any more to the new one.

    Decisions and notes keep their ids, which other records name; their copies go.
    """
    for table in (DECISION, NOTE):
        there = table.alias("there")
        copies = select(table.c.id).where(
            table.c.digest == digest,
            exists().where(there.c.digest == former, _same(table, table, there)),
        )
        connection.execute(delete(table).where(table.c.id.in_(copies)))
        connection.execute(
            update(table).where(table.c.digest == former).values(digest=digest)
        )
    known = select(SAMPLED.c.audit_id).where(SAMPLED.c.digest == digest)
    connection.execute(
        update(SAMPLED)
        .where(SAMPLED.c.digest == former, SAMPLED.c.audit_id.not_in(known))
        .values(digest=digest)
    )
    connection.execute(
        update(SAMPLED)
        .where(SAMPLED.c.digest.in_([former, digest]))
        .values(
            prediction_id=func.coalesce(
                _twin_of(SAMPLED.c.prediction_id, digest), SAMPLED.c.prediction_id
            )
        )
    )
    named = select(SAMPLED.c.prediction_id)
    connection.execute(
        delete(PREDICTION).where(
            PREDICTION.c.digest == former, PREDICTION.c.id.not_in(named)
        )
    )
    connection.execute(delete(FINGERPRINT).where(FINGERPRINT.c.digest == former))


def _twin_of(prediction_id: Any, digest: str) -> Any:  # noqa: ANN401
    """Return the id of the same prediction of another content."""
    was, twin = PREDICTION.alias("was"), PREDICTION.alias("twin")
    return (
        select(twin.c.id)
        .where(was.c.id == prediction_id, twin.c.digest == digest)
        .where(_same(PREDICTION, was, twin))
        .scalar_subquery()
    )
