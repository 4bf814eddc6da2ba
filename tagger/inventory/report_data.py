"""Gather the data of a report: counts, and the items to look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, case, exists, func, select

from tagger.inventory import adaptations, audits, decisions
from tagger.inventory.dialects import whole_part
from tagger.inventory.mapping import item, run_record, said_by, tallies_by_root
from tagger.inventory.records import AuditResult, DecidedBy, Item, PathEvent, RunRecord
from tagger.inventory.tables import (
    DECISION,
    EVENT,
    IMAGE,
    ROOT,
    RUN,
    SAMPLED,
    VIEW,
    agrees,
    is_standing,
    is_without_tag,
)
from tagger.records import NOT_CATALOGUE, Adaptation, State

BINS = 20
"""Bins of the confidence histogram, each 1/20 wide."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of tagged items of one root with one answer in force, by who decided.

    `tag` is that answer: a tag, or as `records.without_tag`.
    """

    root: str
    tag: str
    accepted: int
    by_person: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """How often a person answered `person` when the network's answer was `machine`.

    `machine` is a tag, or as `records.without_tag`; `person` is None for "not a
    catalogue item". `accepted`: the policy in force accepts the prediction. `reviewed`:
    decided in a review, so not in an audit, and not in a spreadsheet, which yields only
    corrections. `agreed`: the person gave the network's answer. Each content counts
    once, however many paths it has.
    """

    machine: str
    person: str | None
    accepted: bool
    count: int
    reviewed: bool
    agreed: bool


@dataclass(frozen=True, slots=True)
class ReadInRun:
    """A run's tally of the pictures read under one root, as `drift.Tally` fields.

    `said_by` identifies network and preprocessing; empty if the run did not record it.
    """

    run: RunRecord
    root: str
    tally: Mapping[str, Any]
    said_by: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Overview:
    """A snapshot of an inventory, for a report.

    `confidences` counts the undecided items by bin: (accepted, flagged). `audits`,
    `runs` and `adaptations` are newest first. `read` holds the tallies of the runs of
    the last 60 days. `flagged` is least confident first. `close_calls` are the
    undecided items of the smallest margin, accepted or flagged, doubtful ones left out.
    `events` are those of the last run; `arrived` counts, by tag, the pictures that it
    saw for the first time.
    """

    tallies: tuple[Tally, ...]
    states: tuple[tuple[str, str, int], ...]
    confidences: tuple[tuple[int, int], ...]
    judgements: tuple[Judgement, ...]
    audits: tuple[AuditResult, ...]
    flagged: tuple[Item, ...]
    flagged_count: int
    close_calls: tuple[Item, ...]
    unreadable: tuple[Item, ...]
    unreadable_count: int
    runs: tuple[RunRecord, ...]
    read: tuple[ReadInRun, ...]
    events: tuple[tuple[str, PathEvent], ...]
    events_count: int
    arrived: tuple[tuple[str, int], ...]
    adaptations: tuple[Adaptation, ...]


def overview(connection: Connection, *, pictures: int, lines: int) -> Overview:
    """Gather an overview, with at most `pictures` a gallery and `lines` a list."""
    runs = _runs(connection)
    last = runs[0] if runs else None
    return Overview(
        tallies=_tallies(connection),
        states=_states(connection),
        confidences=_confidences(connection),
        judgements=_judgements(connection),
        audits=tuple(audits.results(connection)),
        flagged=_items(connection, VIEW.c.flagged, VIEW.c.confidence, pictures),
        flagged_count=_count(connection, VIEW.c.flagged),
        close_calls=_items(connection, _CLOSE, VIEW.c.margin, pictures // 4),
        unreadable=_items(connection, _UNREADABLE, VIEW.c.root, lines),
        unreadable_count=_count(connection, _UNREADABLE),
        runs=runs,
        read=_read(connection, last),
        events=_events(connection, last, lines),
        events_count=_events_count(connection, last),
        arrived=_arrived(connection, last),
        adaptations=tuple(adaptations.every(connection)[: -lines - 1 : -1]),
    )


_RECENT: Final = timedelta(days=60)
_TAGGED = VIEW.c.state == State.TAGGED
_UNREADABLE = VIEW.c.state == State.UNREADABLE
_BY_MACHINE = VIEW.c.decided_by == DecidedBy.MACHINE
_UNDECIDED = _TAGGED & _BY_MACHINE
_CLOSE = _UNDECIDED & ~is_without_tag(VIEW.c.machine_tag)
_ANSWER = func.coalesce(
    VIEW.c.tag, case((_BY_MACHINE, VIEW.c.machine_tag), else_=NOT_CATALOGUE)
)
"""The answer in force about a tagged item: a tag, or as `records.without_tag`."""


def _tallies(connection: Connection) -> tuple[Tally, ...]:
    person = func.sum(case((VIEW.c.decided_by == DecidedBy.PERSON, 1), else_=0))
    waiting = func.sum(case((VIEW.c.flagged, 1), else_=0))
    rows = connection.execute(
        select(VIEW.c.root, _ANSWER.label("answer"), func.count(), person, waiting)
        .where(_TAGGED)
        .group_by(VIEW.c.root, "answer")
        .order_by(VIEW.c.root, "answer")
    )
    return tuple(
        Tally(root, tag, number - by_person - waits, by_person, waits)
        for root, tag, number, by_person, waits in rows
    )


def _states(connection: Connection) -> tuple[tuple[str, str, int], ...]:
    rows = connection.execute(
        select(VIEW.c.root, VIEW.c.state, func.count())
        .group_by(VIEW.c.root, VIEW.c.state)
        .order_by(VIEW.c.root, VIEW.c.state)
    )
    return tuple((root, state, number) for root, state, number in rows)


def _confidences(connection: Connection) -> tuple[tuple[int, int], ...]:
    # A confidence of 1 belongs to the last bin, too.
    index = whole_part(VIEW.c.confidence * BINS)
    rows = connection.execute(
        select(index.label("bin"), VIEW.c.flagged, func.count())
        .where(_UNDECIDED)
        .group_by("bin", VIEW.c.flagged)
    )
    bins = [[0, 0] for _ in range(BINS)]
    for bin_, flagged, number in rows:
        bins[min(bin_, BINS - 1)][bool(flagged)] += number
    return tuple((accepted, waiting) for accepted, waiting in bins)


def _judgements(connection: Connection) -> tuple[Judgement, ...]:
    audited = exists().where(
        SAMPLED.c.digest == IMAGE.c.digest, SAMPLED.c.decision_id.is_not(None)
    )
    reviewed = ~audited & exists().where(
        DECISION.c.digest == IMAGE.c.digest,
        is_standing(),
        DECISION.c.source == decisions.REVIEW,
    )
    agreed = agrees(VIEW.c.machine_tag, VIEW.c.tag)
    kinds = (
        VIEW.c.machine_tag,
        VIEW.c.tag,
        IMAGE.c.flagged,
        reviewed.label("reviewed"),
        func.coalesce(agreed, False).label("agreed"),
    )
    named = (*kinds[:3], "reviewed", "agreed")  # PostgreSQL compares no two parameters
    rows = connection.execute(
        select(*kinds, func.count(VIEW.c.digest.distinct()))
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .where(VIEW.c.decided_by == DecidedBy.PERSON, VIEW.c.machine_tag.is_not(None))
        .group_by(*named)
        .order_by(*named)
    )
    return tuple(
        Judgement(machine, person, not flagged, number, bool(was_reviewed), bool(same))
        for machine, person, flagged, was_reviewed, same, number in rows
    )


def _items(
    connection: Connection, where: object, by: object, most: int
) -> tuple[Item, ...]:
    query = (
        select(VIEW)
        .where(where)  # type: ignore[arg-type]
        .order_by(by, VIEW.c.root, VIEW.c.path)  # type: ignore[arg-type]
        .limit(most)
    )
    return tuple(item(row) for row in connection.execute(query).mappings())


def _count(connection: Connection, where: object) -> int:
    query = select(func.count()).select_from(VIEW).where(where)  # type: ignore[arg-type]
    return connection.scalar(query) or 0


def _runs(connection: Connection) -> tuple[RunRecord, ...]:
    rows = connection.execute(select(RUN).order_by(RUN.c.id.desc()).limit(60))
    return tuple(map(run_record, rows.mappings()))


def _read(connection: Connection, last: RunRecord | None) -> tuple[ReadInRun, ...]:
    if last is None:
        return ()
    recent = RUN.c.started_at >= last.started_at - _RECENT
    runs = connection.execute(select(RUN).where(recent).order_by(RUN.c.id.desc()))
    roots = {
        str(row.id): row.path
        for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
    }
    return tuple(
        ReadInRun(run, roots[number], tally, said_by(run.counts))
        for run in map(run_record, runs.mappings())
        for number, tally in tallies_by_root(run.counts).items()
        if number in roots and tally["images"]
    )


def _events(
    connection: Connection, run: RunRecord | None, most: int
) -> tuple[tuple[str, PathEvent], ...]:
    if run is None:
        return ()
    rows = connection.execute(
        select(ROOT.c.path, IMAGE.c.path, EVENT.c.at, EVENT.c.kind, EVENT.c.detail)
        .join(IMAGE, IMAGE.c.id == EVENT.c.image_id)
        .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
        .where(EVENT.c.run_id == run.id)
        .order_by(EVENT.c.id)
        .limit(most)
    )
    return tuple(
        (f"{row[0]}/{row[1]}", PathEvent(row.at, row.kind, row.detail)) for row in rows
    )


def _events_count(connection: Connection, run: RunRecord | None) -> int:
    if run is None:
        return 0
    query = select(func.count()).select_from(EVENT).where(EVENT.c.run_id == run.id)
    return connection.scalar(query) or 0


def _arrived(
    connection: Connection, run: RunRecord | None
) -> tuple[tuple[str, int], ...]:
    if run is None:
        return ()
    rows = connection.execute(
        select(_ANSWER.label("answer"), func.count())
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .where(IMAGE.c.first_seen == run.started_at, _TAGGED)
        .group_by("answer")
        .order_by(func.count().desc(), "answer")
    )
    return tuple((tag, number) for tag, number in rows)
