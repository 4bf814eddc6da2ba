"""What one reviewer's session reads and writes: the queue, leases, answers, undo.

Items are handed out in the order of an index, from where the last ones ended, so that
the first picture and the thousandth cost the same however long the queue is. What is
handed out is leased: nobody else is shown it until it is given back, or for
`LEASE_MINUTES` after its reviewer fell silent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.inventory import audits, decisions
from tagger.inventory import custom_tags as own_tags
from tagger.inventory.database import Database
from tagger.inventory.mapping import now
from tagger.inventory.queue import read_waiting, rows_of
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

LEASE_MINUTES: Final = 10
"""How long an item stays its reviewer's without a sign of life; a session renews its
leases every minute, so that this runs only after a crash or a dropped line."""

_LEASE = timedelta(minutes=LEASE_MINUTES)

_AT_ONCE = 200
"""Rows fetched at a time while free ones are looked for."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of answers: the ids of the decisions, and those withheld.

    `conflicts` are decisions of others, made since the items were shown, that say
    something else; the answers about the same bytes are not recorded.
    """

    ids: tuple[int, ...]
    conflicts: tuple[Decision, ...] = ()


class Reviewing:
    """One session. Each method is one transaction: all of it, or nothing."""

    def __init__(self, database: Database, reviewer: str, selection: Selection) -> None:
        self.reviewer = reviewer
        self.selection = selection
        self._database = database
        self._session = uuid4().hex
        self._after: tuple[Any, ...] | None = None

    def own_tags(self) -> tuple[str, ...]:
        """Return the tags that the shop added to those of its network."""
        with self._database.reading() as connection:
            return tuple(one.tag for one in own_tags.own(connection))

    def add_tag(self, tag: str) -> bool:
        """Add a tag of the shop's own, for the kind that it names, too.

        False where there is such a tag. Raises ReviewError where it cannot be one.
        """
        with self._database.writing() as connection:
            return own_tags.add(connection, tag, self.reviewer)

    def take(self, most: int, *, without: Collection[str]) -> list[QueueItem]:
        """Lease and return the next items, at most so many, in the selection's order.

        Leaves out the bytes in `without` and what others have leased. An empty list
        says that the end was reached; the next call begins at the front again.
        """
        with self._database.writing() as connection:
            found = self._next(connection, most, set(without))
            self._lease(connection, found)
            return read_waiting(connection, found.values())

    def left(self) -> int:
        """Count the bytes that wait, those leased by anyone too."""
        with self._database.reading() as connection:
            return connection.scalar(rows_of(self.selection).counted()) or 0

    def decide(
        self,
        answers: Sequence[Answer],
        shown: Mapping[str, int | None],
        *,
        even_if_in_conflict: bool = False,
    ) -> Recorded:
        """Record answers.

        `shown` has, by digest, the decision in force when the item was shown. An
        answer that differs from a decision made since is withheld, unless told not to.
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
        """Take decisions back."""
        with self._database.writing() as connection:
            decisions.undo(connection, ids)

    def write_note(self, digest: str, text: str) -> None:
        """Write something about some bytes, decided or not."""
        with self._database.writing() as connection:
            note = Note(digest, text, self.reviewer, now())
            decisions.put_note(connection, note)

    def reread(self, image_id: int) -> QueueItem | None:
        """Read an item again, as it is now, and lease it; None where it is no more."""
        with self._database.writing() as connection:
            for item in read_waiting(connection, [image_id]):
                self._lease(connection, {item.digest: image_id})
                return item
        return None

    def at(self, path: Path) -> QueueItem | None:
        """Return the tagged item at an absolute path, decided or not."""
        with self._database.reading() as connection:
            roots = connection.execute(select(ROOT.c.id, ROOT.c.path)).all()
            under = [row for row in roots if path.is_relative_to(row.path)]
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
        """Return items of the selection whose path holds `text`, in order of path."""
        rows = rows_of(self.selection)
        held = func.instr(IMAGE.c.path, text) > 0
        with self._database.reading() as connection:
            query = (
                rows.joined(select(IMAGE.c.id, IMAGE.c.digest))
                .where(*rows.where, held, self._free(IMAGE.c.digest))
                .order_by(IMAGE.c.root_id, IMAGE.c.path)
                .limit(most)
            )
            found = connection.execute(query).all()
            return read_waiting(connection, [row.id for row in found])

    def take_these(self, digests: Iterable[str]) -> list[QueueItem]:
        """Lease and return the items of these bytes that wait and that nobody has."""
        rows = rows_of(self.selection)
        with self._database.writing() as connection:
            query = (
                rows.joined(select(IMAGE.c.id))
                .where(*rows.where, self._free(rows.digest))
                .limit(1)
            )
            found: dict[str, int] = {}
            for digest in digests:
                one = query.where(rows.digest == digest)
                if (image_id := connection.scalar(one)) is not None:
                    found[digest] = image_id
            self._lease(connection, found)
            return read_waiting(connection, found.values())

    def renew(self) -> None:
        """Show a sign of life: every lease of this session begins anew."""
        with self._database.writing() as connection:
            connection.execute(
                update(LEASE)
                .where(LEASE.c.sitting == self._session)
                .values(until=now() + _LEASE)
            )

    def release(self, digests: Collection[str] | None = None) -> None:
        """Give leases back: those of some bytes, or all."""
        with self._database.writing() as connection:
            if digests is None:
                mine = delete(LEASE).where(LEASE.c.sitting == self._session)
                connection.execute(mine)
            else:
                self._give_back(connection, digests)

    def audit(self) -> AuditResult | None:
        """Return how the audit of the selection stands, where it is one."""
        if self.selection.audit_id is None:
            return None
        with self._database.reading() as connection:
            results = audits.results(connection)
        return next(one for one in results if one.id == self.selection.audit_id)

    def keep_fingerprints(self, bits: Mapping[str, int]) -> None:
        """Keep perceptual hashes of pictures, signed 64 bits by digest."""
        if bits:
            with self._database.writing() as connection:
                connection.execute(
                    upsert(FINGERPRINT).on_conflict_do_nothing(),
                    [{"digest": digest, "bits": n} for digest, n in bits.items()],
                )

    def fingerprints(self) -> dict[str, int]:
        """Return the kept hashes of what waits, by digest."""
        query = select(FINGERPRINT.c.digest, FINGERPRINT.c.bits).join(
            WAITING, WAITING.c.digest == FINGERPRINT.c.digest
        )
        with self._database.reading() as connection:
            return {row.digest: row.bits for row in connection.execute(query)}

    def paths(self, most: int) -> list[tuple[str, str, str]]:
        """Return (digest, root, path) of the selection's items, in its order."""
        rows = rows_of(self.selection)
        query = rows.ordered(
            rows.joined(select(IMAGE.c.digest, ROOT.c.path.label("root"), IMAGE.c.path))
        )
        with self._database.reading() as connection:
            found = connection.execute(query.where(*rows.where).limit(most))
            return [(row.digest, row.root, row.path) for row in found]

    def _next(
        self, connection: Connection, most: int, without: set[str]
    ) -> dict[str, int]:
        """Find the next free images by digest, from where the last call ended."""
        rows = rows_of(self.selection)
        keys = [key.label(f"key_{n}") for n, key in enumerate(rows.key)]
        query = rows.ordered(
            rows.joined(select(IMAGE.c.id, IMAGE.c.digest, *keys))
        ).where(*rows.where, self._free(rows.digest))
        if self._after is not None:
            query = query.where(rows.beyond(self._after))
        found: dict[str, int] = {}
        result = connection.execution_options(yield_per=_AT_ONCE).execute(query)
        for row in result.mappings():
            self._after = tuple(row[f"key_{n}"] for n in range(len(keys)))
            if row["digest"] not in without:
                found.setdefault(row["digest"], row["id"])
            if len(found) == most:
                break
        result.close()
        if not found:
            self._after = None
        return found

    def _lease(self, connection: Connection, found: Mapping[str, int]) -> None:
        if not found:
            return
        statement = upsert(LEASE)
        mine = {
            "sitting": self._session,
            "reviewer": self.reviewer,
            "until": now() + _LEASE,
        }
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[LEASE.c.digest],
                set_={name: statement.excluded[name] for name in mine},
            ),
            [mine | {"digest": digest} for digest in found],
        )

    def _give_back(self, connection: Connection, digests: Collection[str]) -> None:
        for digest in digests:
            mine = (LEASE.c.sitting == self._session) & (LEASE.c.digest == digest)
            connection.execute(delete(LEASE).where(mine))

    def _free(self, digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """Return the condition that nobody else has a lease of some bytes.

        One that ends later than any made at this moment was made by a clock that has
        been set back since: its reviewer renews it, or has fallen silent. So ask within
        the transaction: what is leased while one waits for it ends later, too.
        """
        moment = now()
        return ~exists().where(
            LEASE.c.digest == digest,
            LEASE.c.sitting != self._session,
            LEASE.c.until > moment,
            LEASE.c.until <= moment + _LEASE,
        )
