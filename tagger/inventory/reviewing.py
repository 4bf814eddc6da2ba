"""Database access of one review session: queue, leases, answers, undo.

Items are read in the order of an index, from the place where the last ones ended, so
that each picture costs the same however long the queue is. Items that a session takes
are leased: no other session shows them until the lease is released, or until
`LEASE_MINUTES` after its last renewal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    select,
    true,
    update,
)

from tagger.inventory import audits, custom_tags, decisions, roots
from tagger.inventory.database import Database
from tagger.inventory.dialects import is_postgresql, upsert
from tagger.inventory.filters_sql import contains
from tagger.inventory.mapping import kind_tags, now, shared_now
from tagger.inventory.queue import Rows, count_pictures, read_waiting, rows_of
from tagger.inventory.records import (
    Answer,
    AuditResult,
    Decision,
    Note,
    QueueItem,
    Selection,
)
from tagger.inventory.tables import FINGERPRINT, IMAGE, LEASE, ROOT, WAITING
from tagger.records import State
from tagger.storage import Location, is_within, location

LEASE_MINUTES: Final = 10
"""Minutes until a lease expires without renewal. A session renews its leases every
minute, so they expire only after a crash or a dropped connection."""

_LEASE = timedelta(minutes=LEASE_MINUTES)

_CLOCKS_DIFFER = timedelta(minutes=1)
"""How far a lease may seem to come from the future: the clocks of two machines differ,
and on a server a lease may be made after another session looked at its own clock."""

_AT_ONCE = 200
"""Rows fetched at a time in the search for items without a lease."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of answers: the ids of the new decisions, and the conflicts.

    `conflicts` are different decisions that others made since the items were shown;
    the answers about the same content are not recorded.
    """

    ids: tuple[int, ...]
    conflicts: tuple[Decision, ...] = ()


class Reviewing:
    """One review session. Each method is one transaction: all or nothing."""

    def __init__(self, database: Database, reviewer: str, selection: Selection) -> None:
        self.reviewer = reviewer
        self.selection = selection
        self._database = database
        self._session = uuid4().hex
        self._after: tuple[Any, ...] | None = None

    def custom_tags(self) -> tuple[str, ...]:
        """Return the custom tags of the shop."""
        with self._database.reading() as connection:
            return tuple(custom.tag for custom in custom_tags.own(connection))

    def kind_tags(self) -> dict[str, str]:
        """Return the tags that this shop gave to kinds, by kind."""
        with self._database.reading() as connection:
            return kind_tags(connection)

    def add_tag(self, tag: str) -> bool:
        """Add a custom tag; give it to the kind of that name, too, if there is one.

        Returns False if the tag exists already. Raises ReviewError if the text cannot
        be a tag.
        """
        with self._database.writing() as connection:
            return custom_tags.add(connection, tag, self.reviewer)

    def take(self, most: int, *, without: Collection[str]) -> list[QueueItem]:
        """Lease and return the next items, at most `most`, in the selection's order.

        Skips the digests in `without` and items that others have leased. An empty list
        means that the end was reached; the next call starts from the beginning.
        """
        while True:
            # A transaction of its own for each try: it locks the leases it meets, and
            # two sessions that met more in different orders would block each other.
            with self._database.leasing() as connection:
                images = self._next(connection, most, set(without))
                if not images:
                    return []
                if ours := self._lease(connection, images):
                    return read_waiting(connection, ours)

    def left(self) -> int:
        """Count the contents left in the selection, including leased ones."""
        with self._database.reading() as connection:
            return count_pictures(connection, self.selection)

    def decide(
        self,
        answers: Sequence[Answer],
        shown: Mapping[str, int | None],
        *,
        even_if_in_conflict: bool = False,
    ) -> Recorded:
        """Record answers.

        `shown` holds, by digest, the id of the decision in force when the item was
        shown. An answer that differs from a decision made since is not recorded,
        unless `even_if_in_conflict`.
        """
        ids: list[int] = []
        conflicts: list[Decision] = []
        audit_id = self.selection.audit_id
        source = decisions.REVIEW if audit_id is None else audits.SOURCE
        with self._database.writing() as connection:
            for answer in answers:
                standing = decisions.in_force(connection, answer.digest)
                unseen = standing is not None and standing.id != shown[answer.digest]
                if (
                    standing is not None
                    and unseen
                    and standing.answer.tag != answer.tag
                    and not even_if_in_conflict
                ):
                    conflicts.append(standing)
                    continue
                ids.append(
                    decisions.put(
                        connection,
                        answer,
                        reviewer=self.reviewer,
                        source=source,
                        note="",
                    )
                )
                if audit_id is not None:
                    audits.note_answers(
                        connection, audit_id, [(answer.digest, ids[-1])]
                    )
            self._give_back(connection, [answer.digest for answer in answers])
        return Recorded(tuple(ids), tuple(conflicts))

    def undo(self, ids: Sequence[int]) -> None:
        """Undo decisions."""
        with self._database.writing() as connection:
            decisions.undo(connection, ids)

    def write_note(self, digest: str, text: str) -> None:
        """Write a note about a content, decided or not."""
        with self._database.writing() as connection:
            note = Note(digest, text, self.reviewer, now())
            decisions.put_note(connection, note)

    def reread(self, image_id: int) -> QueueItem | None:
        """Read the current state of an item and lease it; None if it is gone."""
        with self._database.leasing() as connection:
            for item in read_waiting(connection, [image_id]):
                self._lease(connection, {item.digest: image_id}, even_if_leased=True)
                return item
        return None

    def at(self, path: Location) -> QueueItem | None:
        """Return the tagged item at an absolute path, decided or not."""
        with self._database.reading() as connection:
            roots = connection.execute(select(ROOT.c.id, ROOT.c.path)).all()
            under = [row for row in roots if is_within(path, location(row.path))]
            for root in sorted(under, key=lambda row: len(row.path), reverse=True):
                relative = path.relative_to(root.path).as_posix()
                image_id = connection.scalar(
                    select(IMAGE.c.id).where(
                        IMAGE.c.root_id == root.id,
                        IMAGE.c.path == relative,
                        IMAGE.c.prediction_id.is_not(None),
                        IMAGE.c.state != State.UNREADABLE,
                    )
                )
                if image_id is not None:
                    (item,) = read_waiting(connection, [image_id])
                    return item
        return None

    def find(self, text: str, most: int) -> list[QueueItem]:
        """Return free items of the selection with `text` in their path, by path."""
        with self._database.reading() as connection:
            rows = self._rows(connection)
            query = (
                rows.joined(select(IMAGE.c.id, IMAGE.c.digest))
                .where(
                    *rows.where,
                    contains(IMAGE.c.path, text),
                    self._free(connection, IMAGE.c.digest),
                )
                .order_by(IMAGE.c.root_id, IMAGE.c.path)
                .limit(most)
            )
            image_ids = list(connection.scalars(query))
            return read_waiting(connection, image_ids)

    def take_these(self, digests: Iterable[str]) -> list[QueueItem]:
        """Lease and return the items with these digests that are undecided and free."""
        with self._database.leasing() as connection:
            rows = self._rows(connection)
            query = (
                rows.joined(select(IMAGE.c.id))
                .where(*rows.where, self._free(connection, rows.digest))
                .limit(1)
            )
            images: dict[str, int] = {}
            for digest in digests:
                image_id = connection.scalar(query.where(rows.digest == digest))
                if image_id is not None:
                    images[digest] = image_id
            return read_waiting(connection, self._lease(connection, images))

    def renew(self) -> None:
        """Extend every lease of this session to `LEASE_MINUTES` from now."""
        with self._database.leasing() as connection:
            connection.execute(
                update(LEASE)
                .where(LEASE.c.sitting == self._session)
                .values(until=shared_now(connection) + _LEASE)
            )

    def release(self, digests: Collection[str] | None = None) -> None:
        """Release the leases on these digests; None releases all."""
        with self._database.leasing() as connection:
            if digests is None:
                mine = delete(LEASE).where(LEASE.c.sitting == self._session)
                connection.execute(mine)
            else:
                self._give_back(connection, digests)

    def audit(self) -> AuditResult | None:
        """Return the results of the selection's audit; None without one."""
        if self.selection.audit_id is None:
            return None
        with self._database.reading() as connection:
            results = audits.results(connection)
        return next(audit for audit in results if audit.id == self.selection.audit_id)

    def keep_fingerprints(self, bits: Mapping[str, int]) -> None:
        """Store perceptual hashes of pictures, signed 64 bits by digest."""
        if bits:
            with self._database.writing() as connection:
                connection.execute(
                    upsert(
                        connection.dialect.name, FINGERPRINT
                    ).on_conflict_do_nothing(),
                    [{"digest": digest, "bits": n} for digest, n in bits.items()],
                )

    def fingerprints(self) -> dict[str, int]:
        """Return the stored perceptual hashes of the queue, by digest."""
        query = select(FINGERPRINT.c.digest, FINGERPRINT.c.bits).join(
            WAITING, WAITING.c.digest == FINGERPRINT.c.digest
        )
        with self._database.reading() as connection:
            return {row.digest: row.bits for row in connection.execute(query)}

    def paths(self, most: int) -> list[tuple[str, str, str]]:
        """Return (digest, root, path) of the selection's items, in its order."""
        columns = (IMAGE.c.digest, ROOT.c.path.label("root"), IMAGE.c.path)
        with self._database.reading() as connection:
            rows = self._rows(connection)
            query = rows.ordered(rows.joined(select(*columns)))
            result = connection.execute(query.where(*rows.where).limit(most))
            return [(row.digest, row.root, row.path) for row in result]

    def _rows(self, connection: Connection) -> Rows:
        return rows_of(self.selection, roots.elsewhere(connection))

    def _next(
        self, connection: Connection, most: int, without: set[str]
    ) -> dict[str, int]:
        """Return the next free image ids by digest, from where the last call ended."""
        rows = self._rows(connection)
        keys = [key.label(f"key_{n}") for n, key in enumerate(rows.key)]
        query = rows.ordered(
            rows.joined(select(IMAGE.c.id, IMAGE.c.digest, *keys))
        ).where(*rows.where, self._free(connection, rows.digest))
        if self._after is not None:
            query = query.where(rows.beyond(self._after))
        images: dict[str, int] = {}
        result = connection.execute(query.execution_options(yield_per=_AT_ONCE))
        for row in result.mappings():
            self._after = tuple(row[f"key_{n}"] for n in range(len(keys)))
            if row["digest"] not in without:
                images.setdefault(row["digest"], row["id"])  # a copy shares the lease
            if len(images) == most:
                break
        result.close()
        if not images:
            self._after = None
        return images

    def _lease(
        self,
        connection: Connection,
        images: Mapping[str, int],
        *,
        even_if_leased: bool = False,
    ) -> list[int]:
        """Lease images, by digest; return those that are leased to this session now.

        On a server, another session may have leased or decided some since they were
        read as free. The row of a lease tells whose it is, and all sessions write these
        rows in one order; what was decided before that is seen now.
        """
        if not images:
            return []
        statement = upsert(connection.dialect.name, LEASE)
        moment = shared_now(connection)
        mine = {
            "sitting": self._session,
            "reviewer": self.reviewer,
            "until": moment + _LEASE,
        }
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[LEASE.c.digest],
                set_={name: statement.excluded[name] for name in mine},
                where=true() if even_if_leased else ~self._of_another(moment),
            ),
            [mine | {"digest": digest} for digest in sorted(images)],
        )
        if even_if_leased or not is_postgresql(connection):
            return list(images.values())
        mine_now = exists().where(
            LEASE.c.digest == IMAGE.c.digest, LEASE.c.sitting == self._session
        )
        rows = self._rows(connection)
        query = rows.joined(select(IMAGE.c.id)).where(
            *rows.where, mine_now, IMAGE.c.id.in_(list(images.values()))
        )
        ours = set(connection.scalars(query))
        others = [digest for digest, image in images.items() if image not in ours]
        self._give_back(connection, others)
        return [image for image in images.values() if image in ours]

    def _give_back(self, connection: Connection, digests: Collection[str]) -> None:
        for digest in sorted(digests):  # in the order of `_lease`: no deadlock
            mine = (LEASE.c.sitting == self._session) & (LEASE.c.digest == digest)
            connection.execute(delete(LEASE).where(mine))

    def _free(self, connection: Connection, digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """Return the condition that no other session has a valid lease on a content.

        A lease that ends much later than `LEASE_MINUTES` from now was made before the
        clock was set back, and is ignored: a live session renews it. Call this inside
        the transaction: otherwise a lease made while it waits would look like that.
        """
        return ~exists().where(
            LEASE.c.digest == digest, self._of_another(shared_now(connection))
        )

    def _of_another(self, moment: datetime) -> ColumnElement[bool]:
        """Return the condition that a lease is another session's, and valid."""
        return and_(
            LEASE.c.sitting != self._session,
            LEASE.c.until > moment,
            LEASE.c.until <= moment + _LEASE + _CLOCKS_DIFFER,
        )
