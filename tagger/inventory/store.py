"""What can be asked of an inventory, and what a person may write into it."""

import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, func, insert, select, update

from tagger.errors import InventoryError, ModelError, Stopped
from tagger.inventory import (
    adaptations,
    audits,
    certificates,
    decisions,
    integrity,
    queue,
    roots,
)
from tagger.inventory import (
    custom_tags as own_tags,
)
from tagger.inventory.columns import Column, Condition
from tagger.inventory.counts import count_items
from tagger.inventory.database import Database, copy_database
from tagger.inventory.exports import (
    ChangedRows,
    Photograph,
    photographs,
    policies,
)
from tagger.inventory.filters_sql import meeting
from tagger.inventory.history import path_history
from tagger.inventory.lock import scan_in_progress
from tagger.inventory.mapping import (
    insert_one,
    item,
    kind_tags,
    last_decisions,
    now,
    read_labels,
    run_record,
    standing,
    within,
)
from tagger.inventory.network_fs import network_file_system
from tagger.inventory.ordering import in_order, values_in_order
from tagger.inventory.recording import Recording, ended
from tagger.inventory.records import (
    Answer,
    AuditEvidence,
    AuditResult,
    AutoTaggingStats,
    CheckReport,
    Correction,
    Decision,
    DecisionKind,
    Forgotten,
    InventoryStatus,
    Item,
    KindInShop,
    Merged,
    Note,
    Order,
    OwnTag,
    PathHistory,
    Reviews,
    RootRecord,
    RunRecord,
    Selection,
    Standing,
)
from tagger.inventory.report_data import Overview, overview
from tagger.inventory.reviewing import Reviewing
from tagger.inventory.staleness import overdue
from tagger.inventory.tables import (
    COUNTED,
    DECISION,
    IMAGE,
    MODEL,
    PREDICTION,
    ROOT,
    RUN,
    VIEW,
)
from tagger.labels import reading, tags_of
from tagger.records import Adaptation, Certificate, ModelIdentity, Policy

_AT_ONCE: Final = 4096
"""Rows fetched at a time when all are gone through."""


class Inventory:
    """An open inventory. Close it, or use it as a context manager."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._database = Database(path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @classmethod
    @contextmanager
    def scratch_copy(cls, path: Path) -> Iterator[Self]:
        """Open a copy that is thrown away: what is done to it changes nothing.

        Raises InventoryError where there is no place for one.
        """
        try:
            tempfile.gettempdir()
        except FileNotFoundError as error:
            raise InventoryError(
                "no folder for temporary files can be written, and a copy of the "
                "inventory is wanted there: name one in TMPDIR"
            ) from error
        with tempfile.TemporaryDirectory(prefix="tagger-") as folder:
            copy = Path(folder) / "inventory.db"
            if path.exists():
                copy_database(path, copy)
            with cls(copy) as inventory:
                yield inventory

    @contextmanager
    def recording(
        self, model: ModelIdentity, *, options: Mapping[str, object]
    ) -> Iterator[Recording]:
        """Begin a run with a network; its row stays open.

        The row is ended by `Recording.finish`, or with the exit status of what went
        wrong; a run that was killed has no end. Raises ModelError, and begins none,
        where the network classified here under other labels.
        """
        with self._database.writing() as connection:
            started = now()
            run_id = insert_one(
                connection,
                insert(RUN).values(
                    started_at=started, host=socket.gethostname(), options=dict(options)
                ),
            )
            model_id = _model_id(connection, model)
        try:
            yield Recording(self._database, run_id, started, model_id, model)
        except BaseException as error:
            code = error.exit_code if isinstance(error, Stopped) else 1
            with suppress(InventoryError), self._database.writing() as connection:
                connection.execute(ended(run_id, code))
            raise

    def decide(  # noqa: PLR0913  an answer is made of these
        self,
        digest: str,
        kind: DecisionKind,
        *,
        tag: str | None,
        reviewer: str,
        source: str = decisions.REVIEW,
        note: str = "",
        prepared: bytes | None = None,
    ) -> int:
        """Record a person's decision about some bytes; it outranks every machine's.

        `source` says where it was given ("review", "audit", a file's name). Returns
        the decision's id.
        """
        answer = Answer(digest, kind, tag, prepared)
        return self.decide_all([(answer, note)], reviewer=reviewer, source=source)[0]

    def decide_all(
        self, answers: Iterable[tuple[Answer, str]], *, reviewer: str, source: str
    ) -> list[int]:
        """Record answers with their notes ("" for none), all of them or none.

        Returns the decisions' ids.
        """
        with self._database.writing() as connection:
            return [
                decisions.put(
                    connection, answer, reviewer=reviewer, source=source, note=note
                )
                for answer, note in answers
            ]

    def reviews(self) -> Reviews:
        """Return what people decided here, for a network to learn from."""
        with self._database.reading() as connection:
            return adaptations.reviews(connection)

    def adaptations(self) -> list[Adaptation]:
        """Return what became of every network that learnt here, the oldest first."""
        with self._database.reading() as connection:
            return adaptations.every(connection)

    def decided_since_last_try(self) -> int:
        """Count the bytes decided since a network last tried to learn from all."""
        with self._database.reading() as connection:
            last = adaptations.last_try(adaptations.every(connection))
            return adaptations.newer(connection, last.newest_decision_id if last else 0)

    def record_adaptation(self, adaptation: Adaptation) -> int:
        """Record what became of an adaptation, at this moment; return its id."""
        with self._database.writing() as connection:
            return adaptations.put(connection, adaptation)

    def best_order(self, selection: Selection) -> Order:
        """Return in which order what is selected is answered best.

        By lot, which teaches most; where it is fewer than 50, the least sure first.
        """
        with self._database.reading() as connection:
            return queue.best_order(connection, selection)

    @contextmanager
    def reviewing(self, reviewer: str, selection: Selection) -> Iterator[Reviewing]:
        """Begin a reviewer's session; what it leased is given back at its end."""
        reviewing = Reviewing(self._database, reviewer, selection)
        try:
            yield reviewing
        finally:
            with suppress(InventoryError):
                reviewing.release()

    def draw_audit(
        self,
        size: int,
        reviewer: str,
        *,
        least: float | None = None,
        tag: str | None = None,
    ) -> AuditResult | None:
        """Draw a random sample of what the machine accepted, or find the open one.

        With `least` it is drawn from all that the machine is at least so confident of,
        with `tag` from one tag alone. An audit that has not been answered to its end is
        gone on with, lest the items that are hard to answer drop out. None where there
        is nothing to draw from.
        """
        with self._database.writing() as connection:
            return audits.draw(connection, size, reviewer, least=least, tag=tag)

    def audits(self) -> list[AuditResult]:
        """Return every audit as it stands, the newest first."""
        with self._database.reading() as connection:
            return audits.results(connection)

    def audit_evidence(self, model_digest: str) -> AuditEvidence:
        """Gather what audits, answered by persons, tell of a network."""
        with self._database.reading() as connection:
            return certificates.audit_evidence(connection, model_digest)

    def undecided(self, model_digest: str, margin: float) -> list[tuple[str, float]]:
        """Return a network's tag and confidence of each picture nobody decided.

        Of those that a threshold can accept; each bytes once.
        """
        with self._database.reading() as connection:
            return certificates.undecided(connection, model_digest, margin)

    def keep_certificate(self, certificate: Certificate) -> None:
        """Put a certificate in force for its network, in place of the one before."""
        with self._database.writing() as connection:
            certificates.keep(connection, certificate)

    def certificate(self, model_digest: str) -> Certificate | None:
        """Return the newest certificate of a network; None where none was made."""
        with self._database.reading() as connection:
            return certificates.newest(connection, model_digest)

    def auto_tagging_stats(self) -> AutoTaggingStats | None:
        """Tell how well it is known what the machine does alone; None before a scan."""
        with self._database.reading() as connection:
            return certificates.auto_tagging_stats(connection)

    def certificates(self) -> list[Certificate]:
        """Return all certificates, the newest first."""
        with self._database.reading() as connection:
            return list(certificates.every(connection))

    def shift(self, model_digest: str) -> float | None:
        """Return how far the pictures are from those a network knows, if measured."""
        with self._database.reading() as connection:
            return connection.scalar(
                select(MODEL.c.shift).where(MODEL.c.digest == model_digest)
            )

    def classified_by(self, model: ModelIdentity) -> bool:
        """Whether a network ever classified here; ModelError under other labels."""
        with self._database.reading() as connection:
            return _known_model_id(connection, model) is not None

    def decisions(self) -> Iterator[tuple[Decision | Note, list[str]]]:
        """Yield all decisions and notes with the paths of their bytes."""
        with self._database.reading() as connection:
            for record in decisions.every_record(connection):
                digest = (
                    record.digest if isinstance(record, Note) else record.answer.digest
                )
                yield record, decisions.paths(connection, digest)

    def merge_decisions(self, records: Iterable[Decision | Note]) -> Merged:
        """Take in the decisions of another inventory, all of them or none."""
        with self._database.writing() as connection:
            return decisions.merge(connection, records)

    def correct(
        self,
        corrections: Sequence[Correction],
        *,
        reviewer: str,
        source: str,
        prepared: Mapping[str, bytes],
    ) -> None:
        """Record corrections as decisions, all of them or none.

        `source` names the file that they are from; `prepared` maps digests to the bytes
        of what the network sees of them.
        """
        answers = [
            (Answer(one.digest, one.kind, one.tag, prepared.get(one.digest)), "")
            for one in corrections
        ]
        if answers:
            self.decide_all(answers, reviewer=reviewer, source=source)

    def standing(self, root: str, paths: Iterable[str]) -> dict[str, Standing]:
        """Return how these paths of a root stand; those that it has not are left."""
        query = select(VIEW).where(VIEW.c.root == root, VIEW.c.path.in_(list(paths)))
        with self._database.reading() as connection:
            found = [item(row) for row in connection.execute(query).mappings()]
            last = last_decisions(connection, {one.digest for one in found})
        return {one.path: standing(one, last) for one in found}

    def items(self, where: Sequence[Condition] = ()) -> Iterator[Item]:
        """Yield the items that meet conditions, by root and path, one at a time.

        They are those of one moment.
        """
        query = select(VIEW).where(meeting(where))
        with self._database.reading() as connection:
            yield from map(item, in_order(connection, query))

    def rows(
        self, columns: Sequence[Column], where: Sequence[Condition] = ()
    ) -> Iterator[Sequence[Any]]:
        """Yield the values of some columns of the items, as `items` does."""
        chosen = (VIEW.c[column.name] for column in columns)
        query = select(*chosen).where(meeting(where))
        with self._database.reading() as connection:
            yield from values_in_order(connection, query)

    def changed_rows(
        self, mark: str, columns: Sequence[Column], where: Sequence[Condition] = ()
    ) -> ChangedRows:
        """Return the rows that differ from what was exported under a mark."""
        return ChangedRows(self._database, mark, columns, where)

    def photographs(self, where: Sequence[Condition] = ()) -> Iterator[Photograph]:
        """Yield items as `items` does, with all that the network said of them."""
        with self._database.reading() as connection:
            yield from photographs(connection, where)

    def policies(self) -> Mapping[str, Policy]:
        """Return the policy in force for each network, by its name."""
        with self._database.reading() as connection:
            return policies(connection)

    def item_patterns(self) -> dict[str, str]:
        """Return the pattern of items of each root that has one."""
        query = select(ROOT.c.path, ROOT.c.item_pattern).where(
            ROOT.c.item_pattern.is_not(None)
        )
        with self._database.reading() as connection:
            return {row.path: row.item_pattern for row in connection.execute(query)}

    def set_item_pattern(self, roots: Sequence[str], pattern: str | None) -> None:
        """Keep the pattern by which the paths of roots name their items, or none."""
        with self._database.writing() as connection:
            connection.execute(
                update(ROOT).where(ROOT.c.path.in_(roots)).values(item_pattern=pattern)
            )

    def count(self, where: Sequence[Condition] = ()) -> int:
        """Count the items that meet conditions."""
        with self._database.reading() as connection:
            number = select(func.count()).select_from(VIEW).where(meeting(where))
            return connection.scalar(number) or 0

    def status(self) -> InventoryStatus:
        """Count what is in the inventory."""
        with self._database.reading() as connection:
            counts = count_items(connection)
            return InventoryStatus(
                database=self.path,
                roots=counts.roots,
                states=counts.states,
                tags=counts.tags,
                flagged=counts.flagged,
                decided_by_person=counts.decided_by_person,
                last_run=_run(connection),
                scanning=str(scan_in_progress(self.path) or ""),
            )

    def overdue(self, max_age: timedelta) -> str:
        """Say why no scan has done its work of late; empty where one has.

        A scan that ended with status 0 or 3 has, where it saw its folders whole.
        """
        with self._database.reading() as connection:
            return overdue(connection, max_age, now())

    def check(self, size: int | None, *, seed: int) -> CheckReport:
        """Look for what is wrong, reading `size` pictures; all where it is None."""
        with self._database.reading() as connection:
            damage = integrity.damage(connection)
            standing = integrity.without_item(connection, DECISION.c.digest)
            predictions = integrity.without_item(connection, PREDICTION.c.digest)
            files = integrity.sample(connection, size, seed)
        return CheckReport(
            damage=damage,
            files_read=len(files),
            files_differing=tuple(f.path for f in files if integrity.differs(f)),
            decisions_without_item=standing,
            predictions_without_item=predictions,
        )

    def overview(self, *, pictures: int, lines: int) -> Overview:
        """Gather what a report tells, at most so many pictures and lines a list."""
        with self._database.reading() as connection:
            return overview(connection, pictures=pictures, lines=lines)

    def story(self, path: Path) -> PathHistory | None:
        """Return all that is known of an absolute path; None when nothing is."""
        with self._database.reading() as connection:
            roots = connection.execute(select(ROOT.c.id, ROOT.c.path)).all()
            under = [row for row in roots if path.is_relative_to(row.path)]
            for root in sorted(under, key=lambda row: len(row.path), reverse=True):
                relative = path.relative_to(root.path).as_posix()
                found = path_history(connection, root.id, root.path, relative)
                if found:
                    return found
        return None

    def network_file_system(self) -> str:
        """Return the type of the network file system it lies on; empty for none."""
        return network_file_system(self.path)

    def knows(self, root: Path, folder: str = "") -> bool:
        """Whether a root was ever scanned, or anything is known of a folder in it."""
        query = select(ROOT.c.id).where(ROOT.c.path == str(root))
        if folder:  # of a root all that lay there may have moved
            query = query.join(IMAGE).where(within(folder))
        with self._database.reading() as connection:
            return connection.scalar(query.limit(1)) is not None

    def move_root(self, old: Path, new: Path) -> int:
        """Say that a root is at another place now; return how many items it has.

        Raises InventoryError where `old` is no root, `new` already has a part in one,
        or none of the root's pictures lies at `new`.
        """
        with self._database.writing() as connection:
            return roots.move(connection, old, new)

    def forget_root(self, root: Path) -> Forgotten:
        """Forget a root with its images and their stories, as if never scanned.

        What is known of their bytes stays: decisions, predictions, audits. Raises
        InventoryError where it is no root. Hold the lock: a scan may be at it.
        """
        with self._database.writing() as connection:
            return roots.forget(connection, root)

    def root_records(self) -> list[RootRecord]:
        """Return the scanned folders with what is known of them."""
        query = (
            select(
                ROOT.c.path,
                func.coalesce(func.sum(COUNTED.c.number), 0),
                ROOT.c.scanned_at,
                ROOT.c.item_pattern,
            )
            .outerjoin(COUNTED, COUNTED.c.root_id == ROOT.c.id)
            .group_by(ROOT.c.id)
            .order_by(ROOT.c.path)
        )
        with self._database.reading() as connection:
            return [RootRecord(*row) for row in connection.execute(query)]

    def machine_tags(self) -> list[str]:
        """Return the tags that the networks which classified here can say."""
        with self._database.reading() as connection:
            known = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
            tags = kind_tags(connection)
            labels = dict.fromkeys(
                label
                for labels in known.all()
                for label in reading(labels, tags).labels
            )
        return list(tags_of(tuple(labels)))

    def labels_here(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return a network's labels with the tags that this shop gave to kinds."""
        with self._database.reading() as connection:
            return read_labels(connection, labels)

    def known_tags(self) -> list[str]:
        """Return every tag there can be: of networks, of decisions, the shop's own."""
        with self._database.reading() as connection:
            return own_tags.every(connection)

    def own_tags(self) -> tuple[OwnTag, ...]:
        """Return the tags that the shop added, the oldest first."""
        with self._database.reading() as connection:
            return own_tags.own(connection)

    def add_tag(self, tag: str, reviewer: str) -> bool:
        """Add a tag of the shop's own; False where there is such a tag.

        Raises ReviewError where it cannot be one.
        """
        with self._database.writing() as connection:
            return own_tags.add(connection, tag, reviewer)

    def map_kind(self, kind: str, tag: str, reviewer: str) -> str:
        """Give a kind of thing a tag; the next scan tags by it. Return the kind.

        Raises ReviewError where the networks here know no such kind, or there is no
        such tag.
        """
        with self._database.writing() as connection:
            return own_tags.map_kind(connection, kind, tag, reviewer)

    def unmap_kind(self, kind: str) -> str:
        """Let a kind have no tag again. ReviewError where it has none."""
        with self._database.writing() as connection:
            return own_tags.unmap_kind(connection, kind)

    def kinds_in_shop(self) -> tuple[KindInShop, ...]:
        """Return the kinds without a tag that are found here, most waiting first."""
        with self._database.reading() as connection:
            return own_tags.kinds_in_shop(connection)

    def remove_tag(self, tag: str) -> None:
        """Offer a tag of the shop's own no more. ReviewError where it is not one."""
        with self._database.writing() as connection:
            own_tags.remove(connection, tag)

    def run(self, number: int | None = None) -> RunRecord | None:
        """Return a run by its number, or the last one; None where there is none."""
        with self._database.reading() as connection:
            return _run(connection, number)

    def runs(self, *, limit: int | None = None) -> list[RunRecord]:
        """Return the runs, the newest first."""
        query = select(RUN).order_by(RUN.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [run_record(row) for row in connection.execute(query).mappings()]

    def roots(self) -> list[str]:
        """Return the scanned folders."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(ROOT.c.path).order_by(ROOT.c.path)))


def _known_model_id(connection: Connection, model: ModelIdentity) -> int | None:
    """Return the row of a network that classified here; None where none did.

    What it said is kept by the order of its labels, and its tags in words. Raises
    ModelError where the same weights come with other labels, or in another order.
    """
    query = select(MODEL.c.id, MODEL.c.labels)
    found = connection.execute(query.where(MODEL.c.digest == model.digest)).first()
    if found is None:
        return None
    for label, here in zip_longest(model.labels, found.labels):
        if label != here:
            raise ModelError(
                f"the network {model.name} says {label} where its weights said {here} "
                "in this inventory: put the former labels back into its card, or scan "
                "into another inventory with --db"
            )
    return int(found.id)


def _model_id(connection: Connection, model: ModelIdentity) -> int:
    found = _known_model_id(connection, model)
    if found is not None:
        return found
    return insert_one(
        connection,
        insert(MODEL).values(
            name=model.name, digest=model.digest, labels=list(model.labels)
        ),
    )


def _run(connection: Connection, number: int | None = None) -> RunRecord | None:
    query = select(RUN).order_by(RUN.c.id.desc()).limit(1)
    if number is not None:
        query = query.where(RUN.c.id == number)
    row = connection.execute(query).mappings().first()
    return None if row is None else run_record(row)
