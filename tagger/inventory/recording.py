"""Write the results of a scan into the inventory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    Text,
    Update,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from tagger.inventory import roots
from tagger.inventory.bulk import put_rows, update_rows
from tagger.inventory.counts import count_items
from tagger.inventory.database import Database
from tagger.inventory.dead_mans_switch import DONE
from tagger.inventory.mapping import (
    BY_ROOT,
    SAID_BY,
    STATES,
    in_parts,
    insert_one,
    kind_tags,
    now,
    pack,
    prediction,
    said_by,
    tallies_by_root,
    unpack,
    within,
)
from tagger.inventory.ordering import in_order
from tagger.inventory.product_key import compile_pattern, product_key
from tagger.inventory.tables import (
    DECISION,
    EVENT,
    IMAGE,
    IN_FORCE,
    MIX,
    MODEL,
    POLICY,
    PREDICTION,
    RAW_NAME,
    ROOT,
    RUN,
    VIEW,
    PathText,
    name_from,
)
from tagger.labels import Reading, kind_of, none_of_the_tags, reading
from tagger.policy.label_shift import Mix
from tagger.records import (
    FileStamp,
    ImageFile,
    KnownFile,
    ModelIdentity,
    Policy,
    Prediction,
    PreparedImage,
    SkippedFile,
    State,
    UnreadableImage,
    Verdict,
)
from tagger.storage import Location, is_within, location
from tagger.system.paths import shop_of

_MANY = 10_000
"""Rows fetched at a time when the whole inventory is read."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A prepared image with its prediction and verdict."""

    image: PreparedImage
    prediction: Prediction
    verdict: Verdict

    @property
    def digest(self) -> str:
        """SHA-256 of the image's content."""
        return self.image.digest


AdjustedPredictions = Callable[
    [Sequence[tuple[float, ...]], Reading, Mix | None], Sequence[Prediction]
]
"""Makes predictions from probabilities, a shop's tags of kinds and its own mix."""


@dataclass(frozen=True, slots=True)
class _Adjustment:
    """An adjustment of predictions: its name (None for no adjustment) and the mix."""

    name: str | None
    mix: Mix | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A network's probabilities for pictures under a root, before any own mix.

    `rows` holds one row a digest. `decided` holds the tags in force that people gave,
    by digest, None for "not a catalogue item"; `kind_tags` the tags of kinds here.
    """

    digests: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    decided: Mapping[str, str | None]
    labels: tuple[str, ...]
    kind_tags: Mapping[str, str]

    def column(self, digest: str, row: Sequence[float]) -> int | None:
        """Return the column of the label that a person gave a picture.

        None if nobody decided, or if the network has no label for the tag. For "not a
        catalogue item", return the column of the most probable label without a tag.
        """
        if digest not in self.decided:
            return None
        tag = self.decided[digest]
        if tag is None:
            read = reading(self.labels, self.kind_tags)
            _, label = none_of_the_tags(row, read.labels)
            return read.labels.index(label) if label else None
        columns = (
            column
            for column, label in enumerate(self.labels)
            if tag in {label, self.kind_tags.get(kind_of(label))}
        )
        return next(columns, None)


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new state of a known row, and the name of that event in its history."""

    known: KnownFile
    state: State
    reason: str
    what: str


@dataclass(frozen=True, slots=True)
class Former:
    """The former place of a moved file, and its row there."""

    root: Location
    path: str
    known: KnownFile


class Recording:
    """The writes of one run. Each method is one transaction: all or nothing."""

    def __init__(
        self,
        database: Database,
        run_id: int,
        started: datetime,
        model_id: int,
        model: ModelIdentity,
    ) -> None:
        self.run_id = run_id
        self._database = database
        self._started = started
        self._model_id = model_id
        self._model = model
        self._said_by = {"digest": model.digest, "preparing": model.preparing}

    def enforce(
        self, policy: Policy, decide: Callable[[Prediction, Policy], Verdict]
    ) -> None:
        """Put a policy in force, and apply it to all of this model's predictions.

        Does nothing if it is already in force. No picture is classified again.
        """
        with self._database.writing() as connection:
            newest = connection.execute(
                select(POLICY.c.threshold, POLICY.c.margin, POLICY.c.tags)
                .where(POLICY.c.model_id == self._model_id)
                .order_by(POLICY.c.id.desc())
                .limit(1)
            ).first()
            if newest == (policy.threshold, policy.margin, policy.tags):
                return
            connection.execute(
                insert(POLICY).values(
                    model_id=self._model_id,
                    threshold=policy.threshold,
                    margin=policy.margin,
                    tags=dict(policy.tags),
                    since=self._started,
                )
            )
            self._decide_again(connection, policy, decide)

    def shift(self) -> float | None:
        """Return how far the pictures here are from the model's training, if known."""
        with self._database.reading() as connection:
            return connection.scalar(
                select(MODEL.c.shift).where(MODEL.c.id == self._model_id)
            )

    def note_shift(self, shift: float | None) -> None:
        """Store how far the pictures here are from the model's training."""
        with self._database.writing() as connection:
            connection.execute(
                update(MODEL).where(MODEL.c.id == self._model_id).values(shift=shift)
            )

    def sample_probabilities(self, most: int) -> list[tuple[float, ...]]:
        """Return this model's probabilities for at most `most` tagged pictures.

        They are those of the network, before any own mix, without damaged files. Each
        content counts once. The sample is random but repeatable, since it is taken in
        the order of digests.
        """
        present = exists().where(
            IMAGE.c.prediction_id == PREDICTION.c.id, IMAGE.c.state == State.TAGGED
        )
        query = (
            select(PREDICTION)
            .where(*self._by_this_model(), present, ~PREDICTION.c.damaged)
            .order_by(PREDICTION.c.digest)
            .limit(most)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings()
            return [unpack(row["probabilities"]) for row in rows]

    def mixes(self) -> dict[Location, Mix]:
        """Return the own mix in force under each root, for this model."""
        with self._database.reading() as connection:
            return {
                location(row.path): _mix(row)
                for row in _mixes(connection, self._model_id)
            }

    def mix_sample(self, root: Location, most: int) -> Sample:
        """Return this model's probabilities under a root, with people's decisions.

        For at most `most` tagged pictures, each content once, without damaged files;
        the sample is random but repeatable.
        """
        present = exists().where(
            IMAGE.c.prediction_id == PREDICTION.c.id,
            IMAGE.c.state == State.TAGGED,
            IMAGE.c.root_id == ROOT.c.id,
        )
        query = (
            select(PREDICTION.c.digest, PREDICTION.c.probabilities)
            .join(ROOT, ROOT.c.path == str(root))
            .where(*self._by_this_model(), present, ~PREDICTION.c.damaged)
            .order_by(PREDICTION.c.digest)
            .limit(most)
        )
        with self._database.reading() as connection:
            predictions = connection.execute(query).all()
            decided: dict[str, str | None] = {}
            for digests in in_parts(row.digest for row in predictions):
                answers = select(IN_FORCE.c.digest, IN_FORCE.c.tag).where(
                    IN_FORCE.c.digest.in_(digests)
                )
                decided |= {row.digest: row.tag for row in connection.execute(answers)}
            return Sample(
                digests=tuple(row.digest for row in predictions),
                rows=tuple(unpack(row.probabilities) for row in predictions),
                decided=decided,
                labels=self._model.labels,
                kind_tags=kind_tags(connection),
            )

    def keep_mix(self, root: Location, mix: Mix | None) -> None:
        """Put an own mix in force under a root; None removes the present one."""
        with self._database.writing() as connection:
            root_id = _root_id(connection, root)
            if mix is None:
                connection.execute(
                    delete(MIX).where(
                        MIX.c.root_id == root_id, MIX.c.model_id == self._model_id
                    )
                )
                return
            connection.execute(
                insert(MIX).values(
                    root_id=root_id,
                    model_id=self._model_id,
                    since=self._started,
                    pictures=mix.pictures,
                    shares=list(mix.shares),
                    prior=list(mix.prior),
                )
            )

    def adjust(
        self,
        policy: Policy,
        adjusted_predictions: AdjustedPredictions,
        decide: Callable[[Prediction, Policy], Verdict],
    ) -> None:
        """Adjust this model's predictions to the present mixes and tags of kinds.

        Predictions that are up to date are skipped. A picture in several roots gets the
        mix of the root that was scanned first. People's decisions stay. No picture is
        classified again.
        """
        while self._adjust_some(policy, adjusted_predictions, decide):
            pass

    def _adjust_some(
        self,
        policy: Policy,
        adjusted_predictions: AdjustedPredictions,
        decide: Callable[[Prediction, Policy], Verdict],
    ) -> bool:
        """Adjust up to `_MANY` stale predictions; return whether there were any.

        One batch is one transaction, so that reviewers can write in between.
        """
        with self._database.writing() as connection:
            tags = kind_tags(connection)
            read = reading(self._model.labels, tags)
            # The name of an adjustment holds all that it depends on: another name
            # means that a prediction is stale.
            tags_text = ";".join(f"{kind}={tag}" for kind, tag in sorted(tags.items()))
            by_root = {
                row.root_id: _Adjustment(f"{_name(row)}:{tags_text}", _mix(row))
                for row in _mixes(connection, self._model_id)
            }
            without_mix = _Adjustment(f":{tags_text}" if tags_text else None, None)
            query = self._stale(by_root, without_mix, roots.here(connection)).limit(
                _MANY
            )
            rows = connection.execute(query).mappings().all()
            stale: dict[int, list[RowMapping]] = {}
            for row in rows:
                stale.setdefault(row["root_id"], []).append(row)
            for root_id, root_rows in stale.items():
                adjustment = by_root.get(root_id, without_mix)
                rows_read = adjusted_predictions(
                    [unpack(row["probabilities"]) for row in root_rows],
                    read,
                    adjustment.mix,
                )
                predictions = [
                    replace(prediction, damaged=row["damaged"])
                    for prediction, row in zip(rows_read, root_rows, strict=True)
                ]
                verdicts = [decide(adjusted, policy) for adjusted in predictions]
                self._write_adjusted(
                    connection, root_rows, adjustment.name, predictions, verdicts
                )
            return bool(rows)

    def _stale(
        self,
        by_root: Mapping[int, _Adjustment],
        without_mix: _Adjustment,
        here: ColumnElement[bool],
    ) -> Select[Any]:
        """Return the query for predictions that are out of date, with their root.

        For a picture in several roots, that is the root that was scanned first.
        """
        first = (
            select(IMAGE.c.prediction_id, func.min(IMAGE.c.root_id).label("root_id"))
            .where(here)
            .group_by(IMAGE.c.prediction_id)
            .subquery()
        )
        names = {root_id: adjustment.name for root_id, adjustment in by_root.items()}
        wanted: Any = without_mix.name
        if names:
            wanted = case(names, value=first.c.root_id, else_=without_mix.name)
        return (
            select(PREDICTION, first.c.root_id)
            .join(first, first.c.prediction_id == PREDICTION.c.id)
            .where(
                PREDICTION.c.model_id == self._model_id,
                PREDICTION.c.adjusted_by.is_distinct_from(wanted),
            )
        )

    def _write_adjusted(
        self,
        connection: Connection,
        rows: Sequence[RowMapping],
        name: str | None,
        predictions: Sequence[Prediction],
        verdicts: Sequence[Verdict],
    ) -> None:
        """Write adjusted predictions and their verdicts under an adjustment's name."""
        update_rows(
            connection,
            PREDICTION,
            [
                {
                    "id": row["id"],
                    "tag": adjusted.tag,
                    "confidence": adjusted.confidence,
                    "runner_up": adjusted.runner_up,
                    "margin": adjusted.margin,
                    "other": adjusted.other,
                    "kind": adjusted.kind,
                    "adjusted": pack(adjusted.probabilities) if name else None,
                }
                for row, adjusted in zip(rows, predictions, strict=True)
            ],
            by="id",
            also={"adjusted_by": name},
        )
        here = roots.here(connection)
        update_rows(
            connection,
            IMAGE,
            [
                _judged(row, verdict)
                for row, verdict in zip(rows, verdicts, strict=True)
            ],
            by="prediction_id",
            also={"updated_at": self._started},
            where=lambda _new: here,
        )

    def mixes_in_force(self) -> list[str]:
        """Return a unique name for each root's mix in force for this model."""
        with self._database.reading() as connection:
            return sorted(_name(row) for row in _mixes(connection, self._model_id))

    def roots(self) -> list[Location]:
        """Return the scanned folders, without those of other shops."""
        with self._database.reading() as connection:
            paths = connection.scalars(select(ROOT.c.path))
            return [location(path) for path in paths if not shop_of(path)]

    def newest_decision(self) -> int:
        """Return a number that changes when a person decides, or undoes a decision."""
        query = select(
            func.coalesce(func.max(DECISION.c.id), 0), func.count(DECISION.c.undone_at)
        )
        with self._database.reading() as connection:
            newest, undone = connection.execute(query).one()
            return int(newest) * 2 + int(undone)

    def last_counts(self) -> Mapping[str, Any]:
        """Return the counts of the run before this one.

        Empty if that run did not end well, or used another network or preprocessing.
        """
        query = (
            select(RUN.c.counts)
            .where(RUN.c.id < self.run_id)
            .order_by(RUN.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            counts: Mapping[str, Any] = connection.scalar(query) or {}
            return counts if said_by(counts) == self._said_by else {}

    def kind_tags(self) -> dict[str, str]:
        """Return the tags of kinds in this shop, by kind."""
        with self._database.reading() as connection:
            return kind_tags(connection)

    def take_in(self, root: Location) -> list[Location]:
        """Add `root`, and merge the roots inside it into it, with rows and histories.

        If both have a row of the same file, the row of `root` stays and gets the
        history of the other. `root` inherits an item pattern if it has none. Returns
        the merged roots whose pattern no longer matches all their paths.
        """
        with self._database.writing() as connection:
            outer = _root_id(connection, root)
            inner = [
                row
                for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
                if row.path != str(root) and is_within(location(row.path), root)
            ]
            lost = []
            for row in inner:
                folder = location(row.path).relative_to(str(root)).as_posix()
                if _loses_items(connection, row.id, outer, folder):
                    lost.append(location(row.path))
                _merge_root(connection, row.id, outer, folder, self._started)
            return lost

    def known(self, root: Location, folder: str = "") -> dict[str, KnownFile]:
        """Return the rows of a root, or of a folder in it, by path."""
        current = (PREDICTION.c.model_id == self._model_id) & (
            PREDICTION.c.preparing == self._model.preparing
        )
        query = (
            select(
                cast(IMAGE.c.path, RAW_NAME),
                IMAGE.c.id,
                IMAGE.c.size,
                IMAGE.c.mtime_ns,
                type_coerce(IMAGE.c.state, Text),
                cast(IMAGE.c.reason, RAW_NAME),
                IMAGE.c.digest,
                type_coerce(func.coalesce(current, False), Integer),
            )
            .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
            .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
            .where(ROOT.c.path == str(root), within(folder))
        )
        with self._database.reading() as connection:
            # A hundred thousand rows: plain types, since a conversion of each is slow.
            rows = connection.execute(query).partitions(5000)
            return {
                name_from(path): KnownFile(
                    id_,
                    size,
                    mtime_ns,
                    STATES[state],
                    name_from(reason) if reason else "",
                    digest,
                    current == 1,
                )
                for part in rows
                for path, id_, size, mtime_ns, state, reason, digest, current in part
            }

    def predictions(self, digests: Iterable[str]) -> dict[str, Prediction]:
        """Return this model's stored predictions of these digests, by digest."""
        predictions: dict[str, Prediction] = {}
        with self._database.reading() as connection:
            for part in in_parts(digests):
                query = select(PREDICTION).where(
                    PREDICTION.c.digest.in_(part), *self._by_this_model()
                )
                for row in connection.execute(query).mappings():
                    predictions[row["digest"]] = prediction(row)
        return predictions

    def record(
        self,
        root: Location,
        outcomes: Sequence[tuple[ImageFile, Tagged | UnreadableImage]],
        known: Mapping[str, KnownFile],
        moved: Mapping[str, Former],
    ) -> None:
        """Write a batch of files that were read.

        `known` are the rows of the root before the run. `moved` maps a new path to the
        former place of the same content, whose row moves with it.
        """
        tagged = [result for _, result in outcomes if isinstance(result, Tagged)]
        with self._database.writing() as connection:
            root_id = _root_id(connection, root)
            ids = self._keep_predictions(connection, tagged)
            update_rows(
                connection,
                IMAGE,
                [
                    {"id": former.known.id, "root_id": root_id, "path": path}
                    for path, former in moved.items()
                ],
                by="id",
            )
            self._put_images(
                connection,
                [
                    {"root_id": root_id, "path": file.path}
                    | _stamped(file.stamp)
                    | _columns(result, ids)
                    for file, result in outcomes
                ],
            )
            self._flag_copies(connection, tagged, ids)
            self._record_events(
                connection,
                [
                    (known[file.path].id, *_event(known[file.path], result))
                    for file, result in outcomes
                    if file.path in known
                ]
                + [
                    (former.known.id, "moved", f"from {former.root / former.path}")
                    for former in moved.values()
                ],
            )

    def skip(
        self,
        root: Location,
        skipped: Sequence[SkippedFile],
        known: Mapping[str, KnownFile],
    ) -> None:
        """Write paths that were not read, with the state and reason of each.

        If the file was read before, its old size and time stay: they show at the next
        scan whether its content is still the same. An unreadable path loses them, so
        that it is read as soon as it can be.
        """
        with self._database.writing() as connection:
            root_id = _root_id(connection, root)
            read, unread = [], []
            for entry in skipped:
                row = {
                    "root_id": root_id,
                    "path": entry.path,
                    "state": entry.state,
                    "reason": entry.reason,
                }
                former = known.get(entry.path)
                here = entry.state is not State.UNREADABLE
                if here and former is not None and former.digest is not None:
                    read.append(row)
                else:
                    unread.append(row | _stamped(entry.stamp))
            for rows in (read, unread):
                if rows:
                    self._put_images(connection, rows)
            self._record_events(
                connection,
                [
                    (known[entry.path].id, entry.state.value, entry.reason)
                    for entry in skipped
                    if entry.path in known
                ],
            )

    def forget(self, notes: Sequence[KnownFile]) -> None:
        """Delete the rows of paths that were never read and no longer exist."""
        with self._database.writing() as connection:
            gone = [{"gone": note.id} for note in notes]
            for column in (EVENT.c.image_id, IMAGE.c.id):
                where = column == bindparam("gone")
                connection.execute(delete(column.table).where(where), gone)

    def touch(self, stamps: Sequence[tuple[KnownFile, FileStamp]]) -> None:
        """Store new sizes and times of files whose content is the same."""
        with self._database.writing() as connection:
            update_rows(
                connection,
                IMAGE,
                [{"id": known.id} | _stamped(stamp) for known, stamp in stamps],
                by="id",
            )

    def change_states(self, changes: Sequence[StateChange]) -> None:
        """Give known rows another state; their tags and decisions stay."""
        with self._database.writing() as connection:
            missing = [change for change in changes if change.state is State.MISSING]
            others = [change for change in changes if change.state is not State.MISSING]
            seen = select(ROOT.c.scanned_at).where(ROOT.c.id == IMAGE.c.root_id)
            for group, values in (
                (missing, {"last_seen": seen.scalar_subquery()}),
                (others, {}),
            ):
                update_rows(
                    connection,
                    IMAGE,
                    [
                        {"id": change.known.id}
                        | {"state": change.state, "reason": change.reason}
                        for change in group
                    ],
                    by="id",
                    also={"updated_at": self._started} | values,
                )
            self._record_events(
                connection,
                [(change.known.id, change.what, change.reason) for change in changes],
            )

    def recent_tallies(self, days: int) -> dict[Location, dict[str, Any]]:
        """Add up the tallies of the runs in the last `days` before this one, by root.

        Only runs with this model count: another network's predictions differ even if
        the pictures do not.
        """
        query = select(RUN.c.counts).where(
            RUN.c.id < self.run_id,
            RUN.c.started_at >= self._started - timedelta(days=days),
            RUN.c.counts.is_not(None),
        )
        sums_by_root: dict[int, dict[str, Any]] = {}
        with self._database.reading() as connection:
            roots = {
                r.id: r.path for r in connection.execute(select(ROOT.c.id, ROOT.c.path))
            }
            for counts in connection.scalars(query):
                if said_by(counts) != self._said_by:
                    continue
                for root_id, tally in tallies_by_root(counts).items():
                    key = int(root_id)
                    sums_by_root[key] = _added(sums_by_root.get(key, {}), tally)
        return {
            location(roots[key]): sums
            for key, sums in sums_by_root.items()
            if key in roots
        }

    def finish(
        self,
        roots: Iterable[Location],
        *,
        exit_code: int,
        counts: Mapping[str, object],
        tallies: Mapping[Location, Mapping[str, object]] = MappingProxyType({}),
    ) -> None:
        """End the run's row; the roots count as scanned at the run's start.

        `tallies` describe the pictures read under each root: numbers by name, or
        nested mappings of numbers.
        """
        with self._database.writing() as connection:
            for root in roots:
                connection.execute(
                    update(ROOT)
                    .where(ROOT.c.path == str(root))
                    .values(scanned_at=self._started)
                )
            by_root = {
                str(_root_id(connection, root)): dict(tally)
                for root, tally in tallies.items()
            }
            connection.execute(
                ended(self.run_id, exit_code).values(
                    counts=dict(counts) | {BY_ROOT: by_root, SAID_BY: self._said_by}
                )
            )
        self._database.optimize()

    def claim_unreported(self, roots: Sequence[Location]) -> None:
        """Take over the unreadable files that a run found which then failed.

        A row of a file holds the start of the run that found it unreadable. That run
        reported it, if it came to its end; else this run does.
        """
        failed = select(RUN.c.started_at).where(
            or_(RUN.c.exit_code.is_(None), RUN.c.exit_code.not_in(DONE))
        )
        here = select(ROOT.c.id).where(ROOT.c.path.in_([str(root) for root in roots]))
        with self._database.writing() as connection:
            connection.execute(
                update(IMAGE)
                .where(
                    IMAGE.c.state == State.UNREADABLE,
                    IMAGE.c.root_id.in_(here),
                    IMAGE.c.updated_at.in_(failed),
                )
                .values(updated_at=self._started)
            )

    def standing(self, roots: Sequence[Location]) -> dict[str, Any]:
        """Count the images of these roots by their present state.

        The keys are those of `RunSummary`: tagged, flagged, unreadable, tags, with the
        unreadable images themselves. The rows of newly unreadable ones hold the start
        of this run.
        """
        with self._database.reading() as connection:
            counts = count_items(connection, [str(root) for root in roots])
            unreadable = counts.states.get(State.UNREADABLE, 0)
            faults = self._unreadable(connection, roots) if unreadable else {}
            newly = tuple(fault for fault, is_new in faults.items() if is_new)
            return {
                "tagged": counts.states.get(State.TAGGED, 0),
                "unreadable": unreadable,
                "newly_unreadable": len(newly),
                "flagged": counts.flagged,
                "tags": counts.tags,
                "unreadable_images": tuple(faults),
                "newly_unreadable_images": newly,
            }

    def _unreadable(
        self, connection: Connection, roots: Sequence[Location]
    ) -> dict[tuple[str, str], bool]:
        """Return path and reason of unreadable files, and whether each is new."""
        here = or_(false(), *(VIEW.c.root == str(root) for root in roots))
        query = select(
            VIEW.c.root, VIEW.c.path, VIEW.c.reason, VIEW.c.updated_at
        ).where(here & (VIEW.c.state == State.UNREADABLE))
        return {
            (f"{row['root']}/{row['path']}", row["reason"]): (
                row["updated_at"] == self._started
            )
            for row in in_order(connection, query)
        }

    def _by_this_model(self) -> tuple[Any, Any]:
        return (
            PREDICTION.c.model_id == self._model_id,
            PREDICTION.c.preparing == self._model.preparing,
        )

    def _decide_again(
        self,
        connection: Connection,
        policy: Policy,
        decide: Callable[[Prediction, Policy], Verdict],
    ) -> None:
        query = select(PREDICTION).where(PREDICTION.c.model_id == self._model_id)
        here = roots.here(connection)
        rows = connection.execute(query.execution_options(yield_per=_MANY))
        for part in rows.mappings().partitions():
            update_rows(
                connection,
                IMAGE,
                [_judged(row, decide(prediction(row), policy)) for row in part],
                by="prediction_id",
                also={"updated_at": self._started},
                where=lambda new: (
                    here
                    & (
                        (IMAGE.c.flagged != new["flagged"])
                        | (IMAGE.c.flag_reason != new["flag_reason"])
                    )
                ),
            )

    def _keep_predictions(
        self, connection: Connection, tagged: Sequence[Tagged]
    ) -> dict[str, int]:
        """Store the new predictions; return the row ids of all of them by digest."""
        if not tagged:
            return {}
        put_rows(
            connection,
            PREDICTION,
            [
                {
                    "digest": result.image.digest,
                    "model_id": self._model_id,
                    "preparing": self._model.preparing,
                    "tag": result.prediction.tag,
                    "confidence": result.prediction.confidence,
                    "runner_up": result.prediction.runner_up,
                    "margin": result.prediction.margin,
                    "other": result.prediction.other,
                    "kind": result.prediction.kind,
                    "probabilities": pack(result.prediction.probabilities),
                    "damaged": result.prediction.damaged,
                }
                for result in tagged
            ],
            key=("digest", "model_id", "preparing"),
            change=("damaged",),  # another decoder sees more damage
            only_if_changed=True,
        )
        ids: dict[str, int] = {}
        for digests in in_parts({result.image.digest for result in tagged}):
            query = select(PREDICTION.c.digest, PREDICTION.c.id).where(
                PREDICTION.c.digest.in_(digests), *self._by_this_model()
            )
            ids.update((row.digest, row.id) for row in connection.execute(query))
        return ids

    def _flag_copies(
        self, connection: Connection, tagged: Sequence[Tagged], ids: Mapping[str, int]
    ) -> None:
        """Flag other paths with the content of damaged files, once taken for whole."""
        for result in tagged:
            if result.prediction.damaged:
                connection.execute(
                    update(IMAGE)
                    .where(IMAGE.c.prediction_id == ids[result.digest])
                    .where(IMAGE.c.flag_reason != result.verdict.reason)
                    .values(
                        flagged=True,
                        flag_reason=result.verdict.reason,
                        updated_at=self._started,
                    )
                )

    def _put_images(
        self, connection: Connection, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert rows, or update the given columns of rows with that root and path.

        All rows must have the same columns.
        """
        put_rows(
            connection,
            IMAGE,
            [
                row | {"updated_at": self._started, "first_seen": self._started}
                for row in rows
            ],
            key=("root_id", "path"),
            change=(*rows[0], "updated_at"),
        )

    def _record_events(
        self, connection: Connection, events: Sequence[tuple[int, str, str]]
    ) -> None:
        if events:
            connection.execute(
                insert(EVENT),
                [
                    {
                        "image_id": image_id,
                        "run_id": self.run_id,
                        "at": self._started,
                        "kind": what,
                        "detail": detail,
                    }
                    for image_id, what, detail in events
                ],
            )


def _added(sums: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add two mappings of numbers key by key, including nested mappings."""
    return {
        name: _added(sums.get(name, {}), value)
        if isinstance(value, Mapping)
        else sums.get(name, 0) + value
        for name, value in more.items()
    } | {name: value for name, value in sums.items() if name not in more}


def _judged(row: RowMapping, verdict: Verdict) -> dict[str, Any]:
    """Return the columns of the images of a prediction that a verdict sets."""
    return {
        "prediction_id": row["id"],
        "flagged": verdict.flagged,
        "flag_reason": verdict.reason,
    }


def ended(run_id: int, exit_code: int) -> Update:
    """Return the statement that ends a run's row."""
    return (
        update(RUN)
        .where(RUN.c.id == run_id)
        .values(ended_at=now(), exit_code=exit_code)
    )


def _root_id(connection: Connection, root: Location) -> int:
    """Return the id of a root; insert the root if it is new."""
    root_id = connection.scalar(select(ROOT.c.id).where(ROOT.c.path == str(root)))
    if root_id is not None:
        return root_id
    return insert_one(connection, insert(ROOT).values(path=str(root)))


def _loses_items(connection: Connection, inner: int, outer: int, folder: str) -> bool:
    """Whether a root's item pattern matches some paths only without `folder`."""
    patterns = select(ROOT.c.item_pattern).where(ROOT.c.id.in_([inner, outer]))
    ours = connection.scalar(patterns.where(ROOT.c.id == inner))
    if ours is None or connection.scalar(patterns.where(ROOT.c.id == outer)):
        return False
    pattern = compile_pattern(ours)
    paths = connection.scalars(select(IMAGE.c.path).where(IMAGE.c.root_id == inner))
    return any(
        product_key(pattern, path) and not product_key(pattern, f"{folder}/{path}")
        for path in paths
    )


def _merge_root(
    connection: Connection, inner: int, outer: int, folder: str, moment: datetime
) -> None:
    """Move the rows of root `inner` to root `outer`, in its folder `folder`."""
    ours, theirs = IMAGE.alias(), IMAGE.alias()
    path = bindparam("folder", f"{folder}/", PathText).op("||")(theirs.c.path)
    twins = connection.execute(
        select(ours.c.id.label("kept"), theirs.c.id.label("given_up"))
        .join(theirs, ours.c.path == path)
        .where(ours.c.root_id == outer, theirs.c.root_id == inner)
    ).all()
    for twin in twins:
        # The outer row stays, and keeps the history of both.
        connection.execute(
            update(EVENT)
            .where(EVENT.c.image_id == twin.given_up)
            .values(image_id=twin.kept)
        )
        connection.execute(delete(IMAGE).where(IMAGE.c.id == twin.given_up))
    prefix = bindparam("prefix", f"{folder}/", PathText)
    connection.execute(
        update(IMAGE)
        .where(IMAGE.c.root_id == inner)
        .values(root_id=outer, path=prefix.op("||")(IMAGE.c.path), updated_at=moment)
    )
    taken_in = ROOT.alias()
    pattern = select(taken_in.c.item_pattern).where(taken_in.c.id == inner)
    connection.execute(
        update(ROOT)
        .where(ROOT.c.id == outer, ROOT.c.item_pattern.is_(None))
        .values(item_pattern=pattern.scalar_subquery())
    )
    roots.drop(connection, inner)


def _mixes(connection: Connection, model_id: int) -> list[Any]:
    """Return the mixes in force for a model, the newest of each root.

    With the columns of the mix and the path of its root.
    """
    newest = (
        select(func.max(MIX.c.id))
        .where(MIX.c.model_id == model_id)
        .group_by(MIX.c.root_id)
    )
    query = (
        select(MIX, ROOT.c.path)
        .join(ROOT, ROOT.c.id == MIX.c.root_id)
        .where(MIX.c.id.in_(newest))
    )
    return list(connection.execute(query))


def _name(row: Any) -> str:  # noqa: ANN401  a row
    """Name a mix by its root and its start: SQLite reuses ids, so they do not do."""
    return f"{row.root_id} since {row.since.isoformat()}"


def _mix(row: Any) -> Mix:  # noqa: ANN401  a row
    return Mix(tuple(row.shares), tuple(row.prior), row.pictures)


_ABSENT = {State.MISSING, State.IGNORED}


def _columns(
    result: Tagged | UnreadableImage, prediction_ids: Mapping[str, int]
) -> dict[str, Any]:
    """Return the columns of an image's row that result from reading the file."""
    if isinstance(result, UnreadableImage):
        return {
            "digest": result.digest,
            "state": State.UNREADABLE,
            "reason": result.reason,
            "prediction_id": None,
            "flagged": False,
            "flag_reason": "",
            "width": None,
            "height": None,
            "format": None,
        }
    return {
        "digest": result.image.digest,
        "state": State.TAGGED,
        "reason": "",
        "prediction_id": prediction_ids[result.image.digest],
        "flagged": result.verdict.flagged,
        "flag_reason": result.verdict.reason,
        "width": result.image.width,
        "height": result.image.height,
        "format": result.image.format,
    }


def _stamped(stamp: FileStamp | None) -> dict[str, Any]:
    size, mtime_ns = stamp or (None, None)
    return {"size": size, "mtime_ns": mtime_ns}


def _event(known: KnownFile, result: Tagged | UnreadableImage) -> tuple[str, str]:
    """Return the name and the detail of the event of a path known before."""
    if isinstance(result, UnreadableImage):
        return "unreadable", result.reason
    if known.digest is None and known.state is State.UNSETTLED:
        return "settled", f"tagged {result.prediction.answer}"
    if known.digest == result.image.digest and known.state in _ABSENT:
        return "returned", f"tagged {result.prediction.answer}"
    if known.digest == result.image.digest:
        return "classified again", f"as {result.prediction.answer}"
    return "changed", f"tagged {result.prediction.answer}"
