"""What a scan writes into an inventory."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Integer,
    LargeBinary,
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
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.inventory import roots
from tagger.inventory.counts import count_items
from tagger.inventory.database import Database
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
    read_labels,
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
    MIX,
    MODEL,
    POLICY,
    PREDICTION,
    ROOT,
    RUN,
    VIEW,
    PathText,
    is_standing,
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

_MANY = 10_000
"""Rows fetched at once when a whole inventory is gone through."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A prepared image with what the network said of it."""

    image: PreparedImage
    prediction: Prediction
    verdict: Verdict

    @property
    def digest(self) -> str:
        """That of the image's bytes."""
        return self.image.digest


ReadAgain = Callable[
    [Sequence[tuple[float, ...]], Reading, Mix | None], Sequence[Prediction]
]
"""Reads what a network said, as a shop's tags for kinds and its mix of tags have it."""


@dataclass(frozen=True, slots=True)
class _Adjustment:
    """By what predictions are adjusted: its name, None for nothing, and the mix."""

    name: str | None
    mix: Mix | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What a network said of pictures under a root, row by row, before any mix.

    `decided` are the tags in force that persons gave, by digest, None for what is no
    catalogue item; `kind_tags` the tags that kinds have here.
    """

    digests: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    decided: Mapping[str, str | None]
    labels: tuple[str, ...]
    kind_tags: Mapping[str, str]

    def column(self, digest: str, row: Sequence[float]) -> int | None:
        """Return the column of the label that a person gave a picture.

        None where nobody decided, or gave it a tag that the network knows nothing of.
        What has no tag is of the most probable label that is none.
        """
        if digest not in self.decided:
            return None
        tag = self.decided[digest]
        if tag is None:
            read = reading(self.labels, self.kind_tags)
            _, what = none_of_the_tags(row, read.labels)
            return read.labels.index(what) if what else None
        places = (
            place
            for place, label in enumerate(self.labels)
            if tag in {label, self.kind_tags.get(kind_of(label))}
        )
        return next(places, None)


@dataclass(frozen=True, slots=True)
class StateChange:
    """A known row that takes another state, and what to call that in its story."""

    known: KnownFile
    state: State
    reason: str
    what: str


@dataclass(frozen=True, slots=True)
class Former:
    """Where the bytes of a moved file lay before, and the row they had there."""

    root: Path
    path: str
    known: KnownFile


class Recording:
    """What one run writes. Each method is one transaction: all of it, or nothing."""

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
        """Put a policy in force, and decide all of this model's predictions by it.

        Does nothing when it already is. No picture is classified again.
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
        """Return how far the pictures here are from those that this model knows."""
        with self._database.reading() as connection:
            return connection.scalar(
                select(MODEL.c.shift).where(MODEL.c.id == self._model_id)
            )

    def note_shift(self, shift: float | None) -> None:
        """Keep how far the pictures here are from those that this model knows."""
        with self._database.writing() as connection:
            connection.execute(
                update(MODEL).where(MODEL.c.id == self._model_id).values(shift=shift)
            )

    def some_said(self, most: int) -> list[tuple[float, ...]]:
        """Return the probabilities that this model gave some pictures that are there.

        As the network gave them, before any mix of tags. Each content once: a random
        sample that is the same tomorrow, for digests are as good as random.
        """
        there = exists().where(
            IMAGE.c.prediction_id == PREDICTION.c.id, IMAGE.c.state == State.TAGGED
        )
        query = (
            select(PREDICTION)
            .where(*self._by_this_model(), there)
            .order_by(PREDICTION.c.digest)
            .limit(most)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings()
            return [unpack(row["probabilities"]) for row in rows]

    def mixes(self) -> dict[Path, Mix]:
        """Return the mix of tags in force under each root, for this model."""
        with self._database.reading() as connection:
            return {
                Path(row.path): _mix(row) for row in _mixes(connection, self._model_id)
            }

    def said_under(self, root: Path, most: int) -> Sample:
        """Return what this model said of pictures under a root, and what persons did.

        Of those that are there, each content once: a random sample that is the same
        tomorrow.
        """
        there = exists().where(
            IMAGE.c.prediction_id == PREDICTION.c.id,
            IMAGE.c.state == State.TAGGED,
            IMAGE.c.root_id == ROOT.c.id,
        )
        query = (
            select(PREDICTION.c.digest, PREDICTION.c.probabilities)
            .join(ROOT, ROOT.c.path == str(root))
            .where(*self._by_this_model(), there)
            .order_by(PREDICTION.c.digest)
            .limit(most)
        )
        with self._database.reading() as connection:
            said = connection.execute(query).all()
            decided: dict[str, str | None] = {}
            for some in in_parts(row.digest for row in said):
                answers = (
                    select(DECISION.c.digest, DECISION.c.tag)
                    .where(DECISION.c.digest.in_(some), is_standing())
                    .order_by(DECISION.c.decided_at, DECISION.c.id)
                )
                decided |= {row.digest: row.tag for row in connection.execute(answers)}
            return Sample(
                digests=tuple(row.digest for row in said),
                rows=tuple(unpack(row.probabilities) for row in said),
                decided=decided,
                labels=self._model.labels,
                kind_tags=kind_tags(connection),
            )

    def keep_mix(self, root: Path, mix: Mix | None) -> None:
        """Put a mix of tags in force under a root; None ends the one that is."""
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
        read_again: ReadAgain,
        decide: Callable[[Prediction, Policy], Verdict],
    ) -> None:
        """Bring this model's predictions in step with the mixes and tags for kinds.

        Only those that are not. What a picture in several roots shows is read by the
        mix of the root that was scanned first. A person's decision is never touched.
        No picture is classified again.
        """
        while self._adjust_some(policy, read_again, decide):
            pass

    def _adjust_some(
        self,
        policy: Policy,
        read_again: ReadAgain,
        decide: Callable[[Prediction, Policy], Verdict],
    ) -> bool:
        """Bring some predictions in step: few, for reviewers write in between.

        Says whether there were any.
        """
        with self._database.writing() as connection:
            tags = kind_tags(connection)
            read = reading(self._model.labels, tags)
            told = ";".join(f"{kind}={tag}" for kind, tag in sorted(tags.items()))
            by_root = {
                row.root_id: _Adjustment(f"{_name(row)}:{told}", _mix(row))
                for row in _mixes(connection, self._model_id)
            }
            without_mix = _Adjustment(f":{told}" if told else None, None)
            query = self._stale(by_root, without_mix).limit(_MANY)
            rows = connection.execute(query).mappings().all()
            stale: dict[int, list[RowMapping]] = {}
            for row in rows:
                stale.setdefault(row["root_id"], []).append(row)
            for root_id, some in stale.items():
                by = by_root.get(root_id, without_mix)
                said = read_again(
                    [unpack(row["probabilities"]) for row in some], read, by.mix
                )
                verdicts = [decide(one, policy) for one in said]
                self._write_read(connection, some, by.name, said, verdicts)
            return bool(rows)

    def _stale(
        self, by_root: Mapping[int, _Adjustment], without_mix: _Adjustment
    ) -> Select[Any]:
        """Return the query for predictions that are not in step, with their root.

        Of a picture in several roots that is the one that was scanned first.
        """
        first = (
            select(IMAGE.c.prediction_id, func.min(IMAGE.c.root_id).label("root_id"))
            .group_by(IMAGE.c.prediction_id)
            .subquery()
        )
        names = {root_id: one.name for root_id, one in by_root.items()}
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

    def _write_read(
        self,
        connection: Connection,
        rows: Sequence[RowMapping],
        name: str | None,
        said: Sequence[Prediction],
        verdicts: Sequence[Verdict],
    ) -> None:
        """Write what some predictions are now, adjusted by what has that name."""
        connection.execute(
            update(PREDICTION)
            .where(PREDICTION.c.id == bindparam("said"))
            .values(
                tag=bindparam("new_tag"),
                confidence=bindparam("new_confidence"),
                runner_up=bindparam("new_runner_up"),
                margin=bindparam("new_margin"),
                adjusted=bindparam("new_adjusted"),
                adjusted_by=name,
            ),
            [
                {
                    "said": row["id"],
                    "new_tag": one.tag,
                    "new_confidence": one.confidence,
                    "new_runner_up": one.runner_up,
                    "new_margin": one.margin,
                    "new_adjusted": pack(one.probabilities) if name else None,
                }
                for row, one in zip(rows, said, strict=True)
            ],
        )
        connection.execute(
            update(IMAGE)
            .where(IMAGE.c.prediction_id == bindparam("said"))
            .values(
                flagged=bindparam("now_flagged"),
                flag_reason=bindparam("now_reason"),
                updated_at=self._started,
            ),
            [
                {
                    "said": row["id"],
                    "now_flagged": verdict.flagged,
                    "now_reason": verdict.reason,
                }
                for row, verdict in zip(rows, verdicts, strict=True)
            ],
        )

    def mixes_in_force(self) -> list[str]:
        """Return a name for each root's mix for this model; another has another."""
        with self._database.reading() as connection:
            return sorted(_name(row) for row in _mixes(connection, self._model_id))

    def roots(self) -> list[Path]:
        """Return the scanned folders."""
        with self._database.reading() as connection:
            return [Path(path) for path in connection.scalars(select(ROOT.c.path))]

    def newest_decision(self) -> int:
        """Return a number that changes when a person decides, or takes that back."""
        query = select(
            func.coalesce(func.max(DECISION.c.id), 0), func.count(DECISION.c.undone_at)
        )
        with self._database.reading() as connection:
            newest, undone = connection.execute(query).one()
            return int(newest) * 2 + int(undone)

    def last_counts(self) -> Mapping[str, Any]:
        """Return the counts of the run before; empty where it did not end well."""
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
        """Return the tags that kinds have in this shop, by the kind."""
        with self._database.reading() as connection:
            return kind_tags(connection)

    def take_in(self, root: Path) -> list[Path]:
        """Know `root`, and take the roots inside it into it, with rows and stories.

        Where both have a row of the same file, the one of `root` goes on with the
        story of the other. A pattern of items is taken along where `root` has none;
        returned are the roots whose pattern matches less of them there than before.
        """
        with self._database.writing() as connection:
            outer = _root_id(connection, root)
            inner = [
                row
                for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
                if row.path != str(root) and Path(row.path).is_relative_to(root)
            ]
            lost = []
            for row in inner:
                folder = Path(row.path).relative_to(root).as_posix()
                if _loses_items(connection, row.id, outer, folder):
                    lost.append(Path(row.path))
                _merge_root(connection, row.id, outer, folder, self._started)
            return lost

    def known(self, root: Path, folder: str = "") -> dict[str, KnownFile]:
        """Return what the inventory holds of a root, or a folder in it, by path."""
        current = (PREDICTION.c.model_id == self._model_id) & (
            PREDICTION.c.preparing == self._model.preparing
        )
        query = (
            select(
                cast(IMAGE.c.path, LargeBinary),
                IMAGE.c.id,
                IMAGE.c.size,
                IMAGE.c.mtime_ns,
                type_coerce(IMAGE.c.state, Text),
                cast(IMAGE.c.reason, LargeBinary),
                IMAGE.c.digest,
                type_coerce(func.coalesce(current, False), Integer),
            )
            .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
            .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
            .where(ROOT.c.path == str(root), within(folder))
        )
        with self._database.reading() as connection:
            # A hundred thousand rows: as they come, without a type's say on each.
            rows = connection.execute(query).partitions(5000)
            return {
                os.fsdecode(path): KnownFile(
                    id_,
                    size,
                    mtime_ns,
                    STATES[state],
                    os.fsdecode(reason) if reason else "",
                    digest,
                    current == 1,
                )
                for part in rows
                for path, id_, size, mtime_ns, state, reason, digest, current in part
            }

    def predictions(self, digests: Iterable[str]) -> dict[str, Prediction]:
        """Return what this model has already said of these bytes, by digest."""
        found: dict[str, Prediction] = {}
        with self._database.reading() as connection:
            labels = read_labels(connection, self._model.labels)
            for some in in_parts(digests):
                query = select(PREDICTION).where(
                    PREDICTION.c.digest.in_(some), *self._by_this_model()
                )
                for row in connection.execute(query).mappings():
                    found[row["digest"]] = prediction(row, labels)
        return found

    def record(
        self,
        root: Path,
        outcomes: Sequence[tuple[ImageFile, Tagged | UnreadableImage]],
        known: Mapping[str, KnownFile],
        moved: Mapping[str, Former],
    ) -> None:
        """Write a batch of files that were read.

        `known` are the rows of the root before the run. `moved` maps a new path to
        where the same bytes lay before; that row is taken along.
        """
        tagged = [result for _, result in outcomes if isinstance(result, Tagged)]
        with self._database.writing() as connection:
            root_id = _root_id(connection, root)
            ids = self._keep_predictions(connection, tagged)
            _update_images(
                connection,
                [
                    {"image_id": former.known.id, "root_id": root_id, "path": path}
                    for path, former in moved.items()
                ],
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
            self._tell(
                connection,
                [
                    (known[file.path].id, *_what_changed(known[file.path], result))
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
        root: Path,
        skipped: Sequence[SkippedFile],
        known: Mapping[str, KnownFile],
    ) -> None:
        """Write paths that are not read, with the state and reason of each.

        Where the bytes were once read, their size and time stay: they are what says,
        when the path is looked at again, whether these are still the bytes. Not where
        it cannot be looked at: once it can, it has to be read.
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
            self._tell(
                connection,
                [
                    (known[entry.path].id, entry.state.value, entry.reason)
                    for entry in skipped
                    if entry.path in known
                ],
            )

    def forget(self, notes: Sequence[KnownFile]) -> None:
        """Delete the rows of paths that were never read and are not there any more."""
        with self._database.writing() as connection:
            gone = [{"gone": note.id} for note in notes]
            for column in (EVENT.c.image_id, IMAGE.c.id):
                where = column == bindparam("gone")
                connection.execute(delete(column.table).where(where), gone)

    def touch(self, stamps: Sequence[tuple[KnownFile, FileStamp]]) -> None:
        """Note new times of files whose bytes turned out to be the same."""
        with self._database.writing() as connection:
            _update_images(
                connection,
                [{"image_id": known.id} | _stamped(stamp) for known, stamp in stamps],
            )

    def change_states(self, changes: Sequence[StateChange]) -> None:
        """Give known rows another state; their tags and decisions stay."""
        with self._database.writing() as connection:
            missing = [change for change in changes if change.state is State.MISSING]
            others = [change for change in changes if change.state is not State.MISSING]
            seen = select(ROOT.c.scanned_at).where(ROOT.c.id == IMAGE.c.root_id)
            for some, values in (
                (missing, {"last_seen": seen.scalar_subquery()}),
                (others, {}),
            ):
                _update_images(
                    connection,
                    [
                        {"image_id": change.known.id}
                        | {"state": change.state, "reason": change.reason}
                        | {"updated_at": self._started}
                        for change in some
                    ],
                    **values,
                )
            self._tell(
                connection,
                [(change.known.id, change.what, change.reason) for change in changes],
            )

    def tallies_of_late(self, days: int) -> dict[Path, dict[str, Any]]:
        """Add up what the runs of the last days before this one read, root by root.

        Of runs with this model: what another said is no measure of the pictures.
        """
        query = select(RUN.c.counts).where(
            RUN.c.id < self.run_id,
            RUN.c.started_at >= self._started - timedelta(days=days),
            RUN.c.counts.is_not(None),
        )
        found: dict[int, dict[str, Any]] = {}
        with self._database.reading() as connection:
            roots = {
                r.id: r.path for r in connection.execute(select(ROOT.c.id, ROOT.c.path))
            }
            for counts in connection.scalars(query):
                if said_by(counts) != self._said_by:
                    continue
                for root_id, tally in tallies_by_root(counts).items():
                    found[int(root_id)] = _added(found.get(int(root_id), {}), tally)
        return {Path(roots[key]): sums for key, sums in found.items() if key in roots}

    def finish(
        self,
        roots: Iterable[Path],
        *,
        exit_code: int,
        counts: Mapping[str, object],
        tallies: Mapping[Path, Mapping[str, object]] = MappingProxyType({}),
    ) -> None:
        """End the run's row; the roots count as scanned when it began.

        `tallies` tell what was read under each root, as numbers and counts of numbers.
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

    def standing(self, roots: Sequence[Path]) -> dict[str, Any]:
        """Count how the images of these roots stand now.

        The keys are those of `RunSummary`: tagged, flagged, unreadable, tags.
        """
        here = or_(false(), *(VIEW.c.root == str(root) for root in roots))
        with self._database.reading() as connection:
            counts = count_items(connection, [str(root) for root in roots])
            unreadable = counts.states.get(State.UNREADABLE, 0)
            unread = select(VIEW.c.root, VIEW.c.path, VIEW.c.reason).where(
                here & (VIEW.c.state == State.UNREADABLE)
            )
            return {
                "tagged": counts.states.get(State.TAGGED, 0),
                "unreadable": unreadable,
                "flagged": counts.flagged,
                "tags": counts.tags,
                "unreadable_images": tuple(
                    (f"{row['root']}/{row['path']}", row["reason"])
                    for row in in_order(connection, unread)
                )
                if unreadable
                else (),
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
        flagged: Any = bindparam("now_flagged")
        reason: Any = bindparam("now_reason")
        change = (
            update(IMAGE)
            .where(IMAGE.c.prediction_id == bindparam("said"))
            .where((IMAGE.c.flagged != flagged) | (IMAGE.c.flag_reason != reason))
            .values(flagged=flagged, flag_reason=reason, updated_at=self._started)
        )
        labels = read_labels(connection, self._model.labels)
        rows = connection.execution_options(yield_per=_MANY).execute(query)
        for part in rows.mappings().partitions():
            verdicts = [
                (row["id"], decide(prediction(row, labels), policy)) for row in part
            ]
            connection.execute(
                change,
                [
                    {"said": said, "now_flagged": v.flagged, "now_reason": v.reason}
                    for said, v in verdicts
                ],
            )

    def _keep_predictions(
        self, connection: Connection, tagged: Sequence[Tagged]
    ) -> dict[str, int]:
        """Store the predictions that are new; return the row ids by digest."""
        if not tagged:
            return {}
        connection.execute(
            upsert(PREDICTION).on_conflict_do_nothing(),
            [
                {
                    "digest": one.image.digest,
                    "model_id": self._model_id,
                    "preparing": self._model.preparing,
                    "tag": one.prediction.tag,
                    "confidence": one.prediction.confidence,
                    "runner_up": one.prediction.runner_up,
                    "margin": one.prediction.margin,
                    "probabilities": pack(one.prediction.probabilities),
                }
                for one in tagged
            ],
        )
        ids: dict[str, int] = {}
        for some in in_parts({one.image.digest for one in tagged}):
            query = select(PREDICTION.c.digest, PREDICTION.c.id).where(
                PREDICTION.c.digest.in_(some), *self._by_this_model()
            )
            ids.update((row.digest, row.id) for row in connection.execute(query))
        return ids

    def _put_images(
        self, connection: Connection, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert rows by root and path, or change the columns that they name.

        All rows must name the same columns.
        """
        connection.execute(
            _put((*rows[0], "updated_at")),
            [
                row | {"updated_at": self._started, "first_seen": self._started}
                for row in rows
            ],
        )

    def _tell(
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
    """Add numbers by name, and counts of them in turn."""
    return {
        name: _added(sums.get(name, {}), value)
        if isinstance(value, Mapping)
        else sums.get(name, 0) + value
        for name, value in more.items()
    } | {name: value for name, value in sums.items() if name not in more}


@cache
def _put(columns: tuple[str, ...]) -> Insert:
    """Return the statement that inserts images, or changes these columns of them.

    Made once: to say what is put, SQLAlchemy makes a copy of the whole table, which
    only a search for garbage finds.
    """
    statement = upsert(IMAGE)
    return statement.on_conflict_do_update(
        index_elements=[IMAGE.c.root_id, IMAGE.c.path],
        set_={name: statement.excluded[name] for name in columns},
    )


def _update_images(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    **values: Any,  # noqa: ANN401
) -> None:
    """Change the columns that the rows name, of the images of their `image_id`.

    All rows must name the same columns; `values` are the same for all.
    """
    if not rows:
        return
    named: dict[str, Any] = {
        name: bindparam(f"new_{name}") for name in rows[0] if name != "image_id"
    }
    connection.execute(
        update(IMAGE)
        .where(IMAGE.c.id == bindparam("image_id"))
        .values(**named, **values),
        [
            {name if name == "image_id" else f"new_{name}": row[name] for name in row}
            for row in rows
        ],
    )


def ended(run_id: int, exit_code: int) -> Update:
    """Return the statement that ends a run's row."""
    return (
        update(RUN)
        .where(RUN.c.id == run_id)
        .values(ended_at=now(), exit_code=exit_code)
    )


def _root_id(connection: Connection, root: Path) -> int:
    found = connection.scalar(select(ROOT.c.id).where(ROOT.c.path == str(root)))
    if found is not None:
        return found
    return insert_one(connection, insert(ROOT).values(path=str(root)))


def _loses_items(connection: Connection, inner: int, outer: int, folder: str) -> bool:
    """Whether a root's pattern of items is about paths as they are without `folder`."""
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
    """Give the rows of one root to another, in which they lie under `folder`."""
    ours, theirs = IMAGE.alias(), IMAGE.alias()
    path = bindparam("folder", f"{folder}/", PathText).op("||")(theirs.c.path)
    twins = connection.execute(
        select(ours.c.id.label("kept"), theirs.c.id.label("given_up"))
        .join(theirs, ours.c.path == path)
        .where(ours.c.root_id == outer, theirs.c.root_id == inner)
    ).all()
    for twin in twins:
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
    """Return the rows of the mixes in force for a model, with the path of their root.

    Their numbers are those of the roots; the newest of each root is in force.
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
    """Name a mix by its root and since when it holds: ids are given again."""
    return f"{row.root_id} since {row.since.isoformat()}"


def _mix(row: Any) -> Mix:  # noqa: ANN401  a row
    return Mix(tuple(row.shares), tuple(row.prior), row.pictures)


_ABSENT = {State.MISSING, State.IGNORED}


def _columns(
    result: Tagged | UnreadableImage, prediction_ids: Mapping[str, int]
) -> dict[str, Any]:
    """Columns of an image's row that its reading decides."""
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


def _what_changed(
    known: KnownFile, result: Tagged | UnreadableImage
) -> tuple[str, str]:
    """Name an event of a path that was known before."""
    if isinstance(result, UnreadableImage):
        return "unreadable", result.reason
    if known.digest is None and known.state is State.UNSETTLED:
        return "settled", f"tagged {result.prediction.tag}"
    if known.digest == result.image.digest and known.state in _ABSENT:
        return "returned", f"tagged {result.prediction.tag}"
    if known.digest == result.image.digest:
        return "classified again", f"as {result.prediction.tag}"
    return "changed", f"tagged {result.prediction.tag}"
