"""Keep what is known about a picture when tagger itself changes its file.

Predictions, decisions and notes hang on the digest of the content. Before a file is
replaced, they are copied to the digest that it will have; afterwards, the former one is
dropped. So a kill between the two loses nothing: whichever content the file has, the
next scan knows it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Executable,
    FromClause,
    Table,
    and_,
    bindparam,
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
from tagger.inventory.mapping import in_parts, item, shared_now
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
            pairs = _bound(
                {old: new for old, new in digests.items() if old not in held}
            )
            for table in _SAME if pairs else ():
                connection.execute(_copying(table), pairs)
        return held

    def settle(self, rewritten: Sequence[Rewritten]) -> None:
        """Record the new content of files; drop the former if no other file has it."""
        if not rewritten:
            return
        files = [
            {
                "file_id": one.picture.image_id,
                "new": one.digest,
                "new_size": one.stamp.size,
                "new_mtime_ns": one.stamp.mtime_ns,
            }
            for one in rewritten
        ]
        digests = {str(one.picture.item.digest): one.digest for one in rewritten}
        with self.database.writing() as connection:
            connection.execute(_recording(), files)
            used: set[str] = set()
            for part in in_parts(digests):
                there = select(IMAGE.c.digest).where(IMAGE.c.digest.in_(part))
                used.update(map(str, connection.scalars(there)))
            pairs = _bound(
                {old: new for old, new in digests.items() if old not in used}
            )
            for statement in _moving() if pairs else ():
                connection.execute(statement, pairs)


_FORMER: Final[BindParameter[str]] = bindparam("former")
_NEW: Final[BindParameter[str]] = bindparam("new")
"""The two digests of a picture. Statements are made once and run for many: to make one
takes longer than to run it."""


def _bound(digests: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"former": former, "new": digest} for former, digest in digests.items()]


def _in_review(connection: Connection, digests: Collection[str]) -> set[str]:
    held: set[str] = set()
    for part in in_parts(digests):
        leased = LEASE.c.digest.in_(part) & (LEASE.c.until > shared_now(connection))
        held.update(connection.scalars(select(LEASE.c.digest).where(leased)))
    return held


def _same(table: Table, one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether two records say the same, of whatever content."""
    return and_(
        literal(value=True),
        *(one.c[name].is_not_distinct_from(other.c[name]) for name in _SAME[table]),
    )


@cache
def _copying(table: Table) -> Executable:
    """Copy the records of a content, except those that the other has already."""
    numbered = table.primary_key.columns.keys() == ["id"]
    left = {"digest", "id"} if numbered else {"digest"}
    names = [column.name for column in table.c if column.name not in left]
    there = table.alias("there")
    records = select(_NEW, *(table.c[name] for name in names)).where(
        table.c.digest == _FORMER,
        ~exists().where(there.c.digest == _NEW, _same(table, table, there)),
    )
    return insert(table).from_select(["digest", *names], records)


@cache
def _recording() -> Executable:
    """Record the content of a file."""
    return (
        update(IMAGE)
        .where(IMAGE.c.id == bindparam("file_id"))
        .values(
            digest=_NEW,
            size=bindparam("new_size"),
            mtime_ns=bindparam("new_mtime_ns"),
            prediction_id=_twin_of(IMAGE.c.prediction_id),
        )
    )


@cache
def _moving() -> Sequence[Executable]:
    """Give the records of a content that no file has any more to the new one.

    Decisions and notes keep their ids, which other records name; their copies go.
    """
    statements: list[Executable] = []
    for table in (DECISION, NOTE):
        there = table.alias("there")
        copied = exists().where(there.c.digest == _FORMER, _same(table, table, there))
        copies = select(table.c.id).where(table.c.digest == _NEW, copied)
        statements += [
            delete(table).where(table.c.id.in_(copies)),
            update(table).where(table.c.digest == _FORMER).values(digest=_NEW),
        ]
    known = select(SAMPLED.c.audit_id).where(SAMPLED.c.digest == _NEW)
    named = select(SAMPLED.c.prediction_id)
    return [
        *statements,
        update(SAMPLED)
        .where(SAMPLED.c.digest == _FORMER, SAMPLED.c.audit_id.not_in(known))
        .values(digest=_NEW),
        update(SAMPLED)
        .where(SAMPLED.c.digest.in_([_FORMER, _NEW]))
        .values(prediction_id=_twin_of(SAMPLED.c.prediction_id)),
        delete(PREDICTION).where(
            PREDICTION.c.digest == _FORMER, PREDICTION.c.id.not_in(named)
        ),
        delete(FINGERPRINT).where(FINGERPRINT.c.digest == _FORMER),
    ]


def _twin_of(prediction_id: Any) -> Any:  # noqa: ANN401
    """Return the id of the same prediction of the new content; its own if none is."""
    was, twin = PREDICTION.alias("was"), PREDICTION.alias("twin")
    found = (
        select(twin.c.id)
        .where(was.c.id == prediction_id, twin.c.digest == _NEW)
        .where(_same(PREDICTION, was, twin))
        .scalar_subquery()
    )
    return func.coalesce(found, prediction_id)
