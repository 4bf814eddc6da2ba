"""What a report tells of an inventory: counts by what matters, and what to look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Integer, case, cast, exists, func, select

from tagger.inventory import adaptations, audits, decisions
from tagger.inventory.mapping import (
    doubts_item,
    item,
    run_record,
    said_by,
    tallies_by_root,
)
from tagger.inventory.records import AuditResult, DecidedBy, Item, PathEvent, RunRecord
from tagger.inventory.tables import (
    DECISION,
    EVENT,
    IMAGE,
    ROOT,
    RUN,
    SAMPLED,
    VIEW,
    is_standing,
)
from tagger.records import Adaptation, State

BINS = 20
"""Bars of the histogram of confidence, each a twentieth wide."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Tagged items of one root with one tag in force, by who vouches for it."""

    root: str
    tag: str
    accepted: int
    by_person: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """How often a person said `person` where the machine had said `machine`.

    `person` is None for "no catalogue item"; `accepted` whether the policy in force
    accepts what the machine said, `reviewed` whether a review came upon it: no audit,
    nor a sheet, from which only what differs is taken. They `agreed` where the person
    says the machine's tag, or shares its doubt of any. Bytes are counted once, however
    many paths they have.
    """

    machine: str
    person: str | None
    accepted: bool
    count: int
    reviewed: bool
    agreed: bool


@dataclass(frozen=True, slots=True)
class ReadInRun:
    """What a run read under one root, in the fields of `drift.Tally`.

    `said_by` tells networks apart, and recipes; empty where the run does not tell.
    """

    run: RunRecord
    root: str
    tally: Mapping[str, Any]
    said_by: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Overview:
    """An inventory as one moment of it, for a report.

    `confidences` counts, by bin, the items that the machine decided: accepted, and
    waiting. `audits` and `runs` are newest first, `read` tells what each run of the
    last two months had to read. `flagged` are least confident first, `close_calls` of
    the smallest margin that no person has decided, accepted or not, of what the network
    takes for an item. `events` befell paths in the last run; `arrived` counts by tag
    what it saw for the first time. `adaptations` are what became of networks that
    learnt here, the newest first.
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
    """Gather an overview: at most so many pictures a gallery, and lines a list."""
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


_OF_LATE: Final = timedelta(days=60)
_TAGGED = VIEW.c.state == State.TAGGED
_UNREADABLE = VIEW.c.state == State.UNREADABLE
_BY_MACHINE = VIEW.c.decided_by == DecidedBy.MACHINE
_UNDECIDED = _TAGGED & _BY_MACHINE
# Between two tags: what is none has two improbable ones, which are always close.
_CLOSE = _UNDECIDED & ~doubts_item(func.coalesce(VIEW.c.reason, ""))


def _tallies(connection: Connection) -> tuple[Tally, ...]:
    person = func.sum(case((VIEW.c.decided_by == DecidedBy.PERSON, 1), else_=0))
    waiting = func.sum(case((VIEW.c.flagged, 1), else_=0))
    rows = connection.execute(
        select(VIEW.c.root, VIEW.c.tag, func.count(), person, waiting)
        .where(_TAGGED)
        .group_by(VIEW.c.root, VIEW.c.tag)
        .order_by(VIEW.c.root, VIEW.c.tag)
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
    place = func.min(cast(VIEW.c.confidence * BINS, Integer), BINS - 1)
    rows = connection.execute(
        select(place, VIEW.c.flagged, func.count())
        .where(_UNDECIDED)
        .group_by(place, VIEW.c.flagged)
    )
    bins = [[0, 0] for _ in range(BINS)]
    for at, flagged, number in rows:
        bins[at][bool(flagged)] = number
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
    agreed = (VIEW.c.tag == VIEW.c.machine_tag) | (
        VIEW.c.tag.is_(None) & doubts_item(IMAGE.c.flag_reason)
    )
    kinds = (
        VIEW.c.machine_tag,
        VIEW.c.tag,
        IMAGE.c.flagged,
        reviewed.label("reviewed"),
        func.coalesce(agreed, False).label("agreed"),
    )
    rows = connection.execute(
        select(*kinds, func.count(VIEW.c.digest.distinct()))
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .where(VIEW.c.decided_by == DecidedBy.PERSON, VIEW.c.machine_tag.is_not(None))
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return tuple(
        Judgement(machine, person, not flagged, number, bool(met), bool(same))
        for machine, person, flagged, met, same, number in rows
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
    of_late = RUN.c.started_at >= last.started_at - _OF_LATE
    runs = connection.execute(select(RUN).where(of_late).order_by(RUN.c.id.desc()))
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
        select(VIEW.c.tag, func.count())
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .where(IMAGE.c.first_seen == run.started_at, _TAGGED)
        .group_by(VIEW.c.tag)
        .order_by(func.count().desc(), VIEW.c.tag)
    )
    return tuple((tag, number) for tag, number in rows)
