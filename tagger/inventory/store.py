"""Open an inventory: all its queries and the writes of commands."""

import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

from sqlalchemy import Connection, func, insert, select, update

from tagger.errors import InventoryError, ModelError, NoInventoryError, Stopped
from tagger.inventory import (
    adaptations,
    audits,
    certificates,
    custom_tags,
    decisions,
    faults,
    integrity,
    queue,
    roots,
)
from tagger.inventory.columns import PROBABILITIES, Column, Condition
from tagger.inventory.counts import count_damaged, count_items
from tagger.inventory.database import open_database
from tagger.inventory.dead_mans_switch import overdue
from tagger.inventory.exports import (
    ChangedProducts,
    ChangedRows,
    Photograph,
    ProductRow,
    photographs,
    policies,
    rows_with_probabilities,
)
from tagger.inventory.filters_sql import meeting
from tagger.inventory.history import path_history, possible_places
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
    LEAST_ANSWERS,
    Answer,
    AuditEvidence,
    AuditResult,
    AutoTaggingStats,
    CheckReport,
    Correction,
    CustomTag,
    Decision,
    DecisionKind,
    Forgotten,
    InventoryStatus,
    Item,
    ItemNow,
    KindInShop,
    Merged,
    Note,
    Order,
    PathHistory,
    Reviews,
    RootRecord,
    RunRecord,
    Selection,
)
from tagger.inventory.report_data import Overview, overview
from tagger.inventory.reviewing import Reviewing
from tagger.inventory.rewriting import Rewriting
from tagger.inventory.sqlite_file import copy_to_look_in, upgrade_copy
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
from tagger.storage import Location
from tagger.system.database_url import DatabaseUrl, Place

if TYPE_CHECKING:
    from tagger.inventory.merging import InventoryMerged

MOST: Final = 2**63 - 1
"""The largest number that a database can hold."""

_AT_ONCE: Final = 4096
"""Rows fetched at a time when the whole inventory is read."""


class Inventory:
    """An open inventory. Close it, or use it as a context manager."""

    def __init__(self, place: Place, *, create: bool = True) -> None:
        self.place = place
        self._database = open_database(place, create=create)

    @property
    def path(self) -> Path:
        """The file that it is in; InventoryError if it is on a server."""
        if isinstance(self.place, DatabaseUrl):
            raise InventoryError(f"{self.place} is not a file")
        return self.place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @classmethod
    @contextmanager
    def scratch_copy(cls, place: Place) -> Iterator[Self]:
        """Open a temporary copy; changes to it do not reach the inventory.

        It is a SQLite file, of an inventory on a server, too: so it needs no right to
        write there, and holds nobody up. Raises InventoryError if no folder for
        temporary files is writable.
        """
        try:
            tempfile.gettempdir()
        except FileNotFoundError as error:
            raise InventoryError(
                "cannot make a temporary copy of the inventory: no folder for "
                "temporary files is writable; name one in TMPDIR"
            ) from error
        with tempfile.TemporaryDirectory(prefix="tagger-") as folder:
            copy = Path(folder) / "inventory.db"
            if isinstance(place, Path) and place.exists():
                copy_to_look_in(place, copy)
                upgrade_copy(copy)
            with cls(copy) as inventory:
                if isinstance(place, DatabaseUrl):
                    inventory._fill_from(place)
                yield inventory

    def _fill_from(self, place: Place) -> None:
        """Copy the rows of another inventory, if there is one, into this blank one."""
        from tagger.inventory.copying import copy_rows  # noqa: PLC0415  rarely needed

        with (
            suppress(NoInventoryError),
            closing(open_database(place, create=False)) as other,
        ):
            copy_rows(other, self._database)

    @contextmanager
    def recording(
        self, model: ModelIdentity, *, options: Mapping[str, object]
    ) -> Iterator[Recording]:
        """Begin a run with a network; its row stays open.

        `Recording.finish` ends the row; an error ends it with its exit status. The
        row of a killed run has no end. Raises ModelError, and begins no run, if the
        network classified here under other labels.
        """
        started = now()

        def begin() -> tuple[int, int]:
            run = insert(RUN).values(
                started_at=started, host=socket.gethostname(), options=dict(options)
            )
            with self._database.writing() as connection:
                return insert_one(connection, run), _model_id(connection, model)

        run_id, model_id = self._database.again(begin)
        recording = Recording(self._database, run_id, started, model_id, model)
        try:
            yield cast("Recording", _Repeated(recording, self._database.again))
        except BaseException as error:
            code = error.exit_code if isinstance(error, Stopped) else 1
            with suppress(InventoryError), self._database.writing() as connection:
                connection.execute(ended(run_id, code))
            raise

    def decide(  # noqa: PLR0913  the parts of an answer
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
        """Record a person's decision about a content; it outranks every prediction.

        `source` names where it was given ("review", "audit", a file's name). Returns
        the decision's id.
        """
        answer = Answer(digest, kind, tag, prepared)
        return self.decide_all([(answer, note)], reviewer=reviewer, source=source)[0]

    def decide_all(
        self, answers: Iterable[tuple[Answer, str]], *, reviewer: str, source: str
    ) -> list[int]:
        """Record answers with their notes ("" for no note), all or nothing.

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
        """Return the decisions made here, as training examples for a network."""
        with self._database.reading() as connection:
            return adaptations.reviews(connection)

    def can_adapt(self) -> bool:
        """Whether enough answers here are a sample to adapt a network from."""
        found = self.reviews()
        return len(found.reviewed) - len(found.corrected) >= LEAST_ANSWERS

    def adaptations(self) -> list[Adaptation]:
        """Return every adaptation here with its outcome, oldest first."""
        with self._database.reading() as connection:
            return adaptations.every(connection)

    def decided_since_last_try(self) -> int:
        """Count the contents decided since the last attempt to adapt a network."""
        with self._database.reading() as connection:
            last = adaptations.last_try(adaptations.every(connection))
            return adaptations.newer(connection, last.newest_decision_id if last else 0)

    def record_adaptation(self, adaptation: Adaptation) -> int:
        """Record an adaptation and its outcome, dated now; return its id."""
        with self._database.writing() as connection:
            return adaptations.put(connection, adaptation)

    def best_order(self, selection: Selection) -> Order:
        """Return the best order to review a selection in.

        Random order, which teaches a network most; with fewer than 50 items, least
        confident first.
        """
        with self._database.reading() as connection:
            return queue.best_order(connection, selection)

    @contextmanager
    def reviewing(self, reviewer: str, selection: Selection) -> Iterator[Reviewing]:
        """Begin a review session; release its leases at the end."""
        reviewing = Reviewing(self._database, reviewer, selection)
        try:
            yield reviewing
        finally:
            with suppress(InventoryError):
                reviewing.release()

    def rewriting(self) -> Rewriting:
        """Return the queries and writes for picture files that tagger rewrites."""
        return Rewriting(self._database)

    def draw_audit(
        self,
        size: int,
        reviewer: str,
        *,
        least: float | None = None,
        tag: str | None = None,
    ) -> AuditResult | None:
        """Draw a random sample of the accepted pictures, or return the open audit.

        With `least`, draw from all pictures of at least that confidence; with `tag`,
        from that tag alone. An unfinished audit is continued, so that pictures that
        are hard to answer do not drop out. None if there is nothing to draw from.
        """
        with self._database.writing() as connection:
            return audits.draw(connection, size, reviewer, least=least, tag=tag)

    def auditable(self, least: float, *, tag: str | None = None, most: int) -> int:
        """Count the pictures that audits from `least` on can draw, at most `most`."""
        with self._database.reading() as connection:
            return audits.auditable(connection, least, tag, most)

    def audits(self) -> list[AuditResult]:
        """Return every audit with its answers so far, newest first."""
        with self._database.reading() as connection:
            return audits.results(connection)

    def audit_evidence(self, model_digest: str) -> AuditEvidence:
        """Gather the evidence of all audits about a network."""
        with self._database.reading() as connection:
            return certificates.audit_evidence(connection, model_digest)

    def undecided(self, model_digest: str, margin: float) -> list[tuple[str, float]]:
        """Return a network's tag and confidence for each undecided picture.

        Only for those that a threshold can accept; each content once.
        """
        with self._database.reading() as connection:
            return certificates.undecided(connection, model_digest, margin)

    def keep_certificate(self, certificate: Certificate) -> None:
        """Put a certificate in force for its network; it replaces the former one."""
        with self._database.writing() as connection:
            certificates.keep(connection, certificate)

    def certificate(self, model_digest: str) -> Certificate | None:
        """Return the newest certificate of a network, or None."""
        with self._database.reading() as connection:
            return certificates.newest(connection, model_digest)

    def auto_tagging_stats(self) -> AutoTaggingStats | None:
        """Return what is known about the machine's precision; None before a scan."""
        with self._database.reading() as connection:
            return certificates.auto_tagging_stats(connection)

    def certificates(self) -> list[Certificate]:
        """Return all certificates, newest first."""
        with self._database.reading() as connection:
            return list(certificates.every(connection))

    def shift(self, model_digest: str) -> float | None:
        """Return how far the pictures are from a network's training, if measured."""
        with self._database.reading() as connection:
            return connection.scalar(
                select(MODEL.c.shift).where(MODEL.c.digest == model_digest)
            )

    def classified_by(self, model: ModelIdentity) -> bool:
        """Whether a network ever classified here; ModelError if its labels differ."""
        with self._database.reading() as connection:
            return _known_model_id(connection, model) is not None

    def decisions(self) -> Iterator[tuple[Decision | Note, list[str]]]:
        """Yield all decisions and notes with the paths of their content."""
        with self._database.reading() as connection:
            for record in decisions.every_record(connection):
                digest = (
                    record.digest if isinstance(record, Note) else record.answer.digest
                )
                yield record, decisions.paths(connection, digest)

    def merge_decisions(self, records: Iterable[Decision | Note]) -> Merged:
        """Import the decisions of another inventory, all or nothing."""
        with self._database.writing() as connection:
            return decisions.merge(connection, records)

    def merge(
        self,
        other: "Inventory",
        shop: str,
        *,
        max_missing: float = 1.0,
        progress: Callable[[str, int], None] = lambda _what, _rows: None,
    ) -> "InventoryMerged":
        """Merge another shop's inventory into this one, all or nothing.

        Raises InventoryError and ModelError as `merging.merge` does. Hold the lock: a
        scan may be running.
        """
        from tagger.inventory.merging import merge  # noqa: PLC0415  rarely needed

        with (
            other._database.reading() as source,  # noqa: SLF001  of the same class
            self._database.writing() as connection,
        ):
            return merge(
                connection, source, shop, max_missing=max_missing, progress=progress
            )

    def correct(
        self,
        corrections: Sequence[Correction],
        *,
        reviewer: str,
        source: str,
        prepared: Mapping[str, bytes],
    ) -> None:
        """Record the decisions of a sheet, all or nothing.

        `source` names the file they come from; `prepared` maps digests to the bytes
        of the views that the network sees.
        """
        if not corrections:
            return
        with self._database.writing() as connection:
            for made in corrections:
                views = prepared.get(made.digest)
                decisions.put(
                    connection,
                    Answer(made.digest, made.kind, made.tag, views),
                    reviewer=reviewer,
                    source=source + decisions.WHOLE_SHEET * made.sampled,
                    note="",
                )

    def standing(self, root: str, paths: Iterable[str]) -> dict[str, ItemNow]:
        """Return the state of these paths of a root; unknown paths are left out."""
        query = select(VIEW).where(VIEW.c.root == root, VIEW.c.path.in_(list(paths)))
        with self._database.reading() as connection:
            items = [item(row) for row in connection.execute(query).mappings()]
            last = last_decisions(connection, {known.digest for known in items})
        return {known.path: standing(known, last) for known in items}

    def items(self, where: Sequence[Condition] = ()) -> Iterator[Item]:
        """Yield the items that meet the conditions, by root and path, one at a time.

        All come from one snapshot of the database.
        """
        query = select(VIEW).where(meeting(where))
        with self._database.reading() as connection:
            yield from map(item, in_order(connection, query))

    def rows(
        self, columns: Sequence[Column], where: Sequence[Condition] = ()
    ) -> Iterator[Sequence[Any]]:
        """Yield the values of the given columns, item by item, as `items` does.

        They may include `columns.PROBABILITIES`.
        """
        if PROBABILITIES in columns:
            with self._database.reading() as connection:
                yield from rows_with_probabilities(connection, columns, where)
            return
        chosen = (VIEW.c[column.name] for column in columns)
        query = select(*chosen).where(meeting(where))
        with self._database.reading() as connection:
            yield from values_in_order(connection, query)

    def changed_rows(
        self, mark: str, columns: Sequence[Column], where: Sequence[Condition] = ()
    ) -> ChangedRows:
        """Return the rows that changed since the last export under a mark."""
        return ChangedRows(self._database, mark, columns, where)

    def changed_products(
        self, mark: str, products: Sequence[ProductRow]
    ) -> ChangedProducts:
        """Return the products that changed since the last export under a mark."""
        return ChangedProducts(self._database, mark, products)

    def photographs(self, where: Sequence[Condition] = ()) -> Iterator[Photograph]:
        """Yield items as `items` does, with all their probabilities."""
        with self._database.reading() as connection:
            yield from photographs(connection, where)

    def policies(self) -> Mapping[str, Policy]:
        """Return the policy in force for each network, by the network's name."""
        with self._database.reading() as connection:
            return policies(connection)

    def item_patterns(self) -> dict[str, str]:
        """Return the item pattern of each root that has one."""
        query = select(ROOT.c.path, ROOT.c.item_pattern).where(
            ROOT.c.item_pattern.is_not(None)
        )
        with self._database.reading() as connection:
            return {row.path: row.item_pattern for row in connection.execute(query)}

    def set_item_pattern(self, roots: Sequence[str], pattern: str | None) -> None:
        """Keep the item pattern of some roots; None removes it."""
        with self._database.writing() as connection:
            connection.execute(
                update(ROOT).where(ROOT.c.path.in_(roots)).values(item_pattern=pattern)
            )

    def count(self, where: Sequence[Condition] = ()) -> int:
        """Count the items that meet the conditions."""
        with self._database.reading() as connection:
            number = select(func.count()).select_from(VIEW).where(meeting(where))
            return connection.scalar(number) or 0

    def status(self) -> InventoryStatus:
        """Count the items of the inventory by root, state and tag."""
        with self._database.reading() as connection:
            counts = count_items(connection)
            return InventoryStatus(
                database=self.place,
                roots=counts.roots,
                states=counts.states,
                tags=counts.tags,
                by_tag=counts.by_tag,
                flagged=counts.flagged,
                waiting_pictures=queue.count_pictures(connection, Selection()),
                decided_by_person=counts.decided_by_person,
                damaged=count_damaged(connection),
                last_run=_run(connection),
                scanning=str(scan_in_progress(self.place) or ""),
            )

    def overdue(self, max_age: timedelta) -> str:
        """Explain why no scan succeeded within `max_age`; empty if one did.

        A scan succeeded if it ended with status 0 or 3 and saw its folders whole.
        """
        with self._database.reading() as connection:
            return overdue(connection, max_age, now())

    def check(
        self,
        size: int | None,
        *,
        seed: int,
        track: Callable[
            [Sequence[integrity.ScannedFile]], Iterable[integrity.ScannedFile]
        ] = iter,
    ) -> CheckReport:
        """Check the database, and read `size` pictures again; None reads all.

        `track` shows progress while it passes on the files that are read.
        """
        with self._database.reading() as connection:
            damage = integrity.errors(connection)
            orphan_decisions = integrity.without_item(connection, DECISION.c.digest)
            predictions = integrity.without_item(connection, PREDICTION.c.digest)
            files = integrity.sample(connection, size, seed)
            known = integrity.damaged_files(connection)
        differing, found = [], set()
        for file in track(files):
            if integrity.differs(file):
                differing.append(file.path)
            elif integrity.is_damaged(file):
                found.add(file.path)
        return CheckReport(
            damage=damage,
            files_read=len(files),
            files_differing=tuple(differing),
            files_damaged=tuple(sorted({*known, *found} - {*differing}, key=str)),
            decisions_without_item=orphan_decisions,
            predictions_without_item=predictions,
        )

    def overview(self, *, pictures: int, lines: int) -> Overview:
        """Gather a report's data, with at most so many pictures and lines a list."""
        with self._database.reading() as connection:
            return overview(connection, pictures=pictures, lines=lines)

    def history(self, path: Location) -> PathHistory | None:
        """Return the history of an absolute path; None for an unknown path."""
        with self._database.reading() as connection:
            for place in possible_places(connection, path):
                if history := path_history(connection, *place):
                    return history
        return None

    def network_file_system(self) -> str:
        """Return the type of the network file system it lies on; "" on a local disk."""
        if isinstance(self.place, DatabaseUrl):
            return ""
        return network_file_system(self.place)

    def knows(self, root: Location, folder: str = "") -> bool:
        """Whether a root was ever scanned, or a folder in it has items."""
        query = select(ROOT.c.id).where(ROOT.c.path == str(root))
        if folder:  # a root itself stays known even after all its files moved away
            query = query.join(IMAGE).where(within(folder))
        with self._database.reading() as connection:
            return connection.scalar(query.limit(1)) is not None

    def ignore_faults(
        self, paths: Iterable[Location], person: str, *, undo: bool = False
    ) -> None:
        """Ignore unreadable files until their content changes, or undo that.

        `paths` are absolute. All or nothing: raises InventoryError, and changes
        nothing, if one of them is not an unreadable (or, to undo, an ignored) file.
        """
        with self._database.writing() as connection:
            change = faults.undo if undo else faults.ignore
            change(connection, paths, person)

    def move_root(self, old: Location, new: Location) -> int:
        """Record a root's new path; return the number of its items.

        Raises InventoryError if `old` is not a root, if `new` overlaps another root,
        or if none of the root's pictures is in `new`.
        """
        with self._database.writing() as connection:
            return roots.move(connection, old, new)

    def forget_root(self, root: Location) -> Forgotten:
        """Forget a root with its items and their histories, as if never scanned.

        Records about their content stay: decisions, predictions, audits. Raises
        InventoryError if it is not a root. Hold the lock: a scan may be running.
        """
        with self._database.writing() as connection:
            return roots.forget(connection, root)

    def root_records(self) -> list[RootRecord]:
        """Return the scanned folders with their items, last scan and item pattern."""
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
        """Return the tags that the networks which classified here can predict."""
        with self._database.reading() as connection:
            networks = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
            tags = kind_tags(connection)
            # A dictionary keeps the first place of each label, and drops repeats.
            distinct_labels = dict.fromkeys(
                label
                for labels in networks.all()
                for label in reading(labels, tags).labels
            )
        return list(tags_of(tuple(distinct_labels)))

    def labels_here(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return a network's labels, with this shop's tags in place of its kinds."""
        with self._database.reading() as connection:
            return read_labels(connection, labels)

    def known_tags(self) -> list[str]:
        """Return every possible tag: of networks, of decisions and custom tags."""
        with self._database.reading() as connection:
            return custom_tags.every(connection)

    def known_kinds(self) -> list[str]:
        """Return the kinds without a tag that the networks here know."""
        with self._database.reading() as connection:
            return custom_tags.kinds(connection)

    def custom_tags(self) -> tuple[CustomTag, ...]:
        """Return the custom tags of the shop, oldest first."""
        with self._database.reading() as connection:
            return custom_tags.own(connection)

    def add_tag(self, tag: str, reviewer: str) -> bool:
        """Add a custom tag; return False if the tag exists already.

        Raises ReviewError if the text cannot be a tag.
        """
        with self._database.writing() as connection:
            return custom_tags.add(connection, tag, reviewer)

    def map_kind(self, kind: str, tag: str, reviewer: str) -> str:
        """Give a kind a tag, which the next scan uses; return the kind.

        Raises ReviewError if no network here knows the kind, or if the tag does not
        exist.
        """
        with self._database.writing() as connection:
            return custom_tags.map_kind(connection, kind, tag, reviewer)

    def unmap_kind(self, kind: str) -> str:
        """Take the tag of a kind away; ReviewError if it has none."""
        with self._database.writing() as connection:
            return custom_tags.unmap_kind(connection, kind)

    def kinds_in_shop(self) -> tuple[KindInShop, ...]:
        """Return the kinds that networks find here, longest queue first."""
        with self._database.reading() as connection:
            return custom_tags.kinds_in_shop(connection)

    def remove_tag(self, tag: str) -> None:
        """Stop offering a custom tag; ReviewError if it is not a custom tag."""
        with self._database.writing() as connection:
            custom_tags.remove(connection, tag)

    def run(self, number: int | None = None) -> RunRecord | None:
        """Return a run by its number, or the last run; None if there is no such run."""
        if number is not None and not 0 < number <= MOST:
            return None
        with self._database.reading() as connection:
            return _run(connection, number)

    def runs(self, *, limit: int | None = None) -> list[RunRecord]:
        """Return the runs, newest first."""
        query = select(RUN).order_by(RUN.c.id.desc())
        query = query.limit(None if limit is None else min(limit, MOST))
        with self._database.reading() as connection:
            return [run_record(row) for row in connection.execute(query).mappings()]

    def roots(self) -> list[str]:
        """Return the scanned folders."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(ROOT.c.path).order_by(ROOT.c.path)))


@dataclass(frozen=True)
class _Repeated:
    """An object each of whose methods is one transaction, done again if need be."""

    of: object
    again: Callable[[Callable[[], Any]], Any]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self.of, name)
        if not callable(found):
            return found
        return lambda *parts, **named: self.again(lambda: found(*parts, **named))


def _known_model_id(connection: Connection, model: ModelIdentity) -> int | None:
    """Return the id of a network that classified here; None for a new network.

    Stored probabilities are in the order of its labels, and stored tags are words.
    Raises ModelError if the same weights come with other labels, or another order.
    """
    query = select(MODEL.c.id, MODEL.c.labels)
    row = connection.execute(query.where(MODEL.c.digest == model.digest)).first()
    if row is None:
        return None
    for label, here in zip_longest(model.labels, row.labels):
        if label != here:
            raise ModelError(
                f"the network {model.name} has the label {label}, but in this "
                f"inventory the same weights have {here}: put the former labels back "
                "into its card, or scan into another inventory with --db"
            )
    return int(row.id)


def _model_id(connection: Connection, model: ModelIdentity) -> int:
    model_id = _known_model_id(connection, model)
    if model_id is not None:
        return model_id
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
