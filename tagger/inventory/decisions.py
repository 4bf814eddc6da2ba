"""Decisions of people: record, undo and merge them.

A decision belongs to a content, not to a path. The standing decision with the latest
time is in force, in whichever order decisions arrived here. The functions take a
connection; their caller opens the transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    insert,
    select,
    update,
)

from tagger.inventory.mapping import insert_one, now
from tagger.inventory.records import Answer, Decision, Merged, Note
from tagger.inventory.tables import (
    DECISION,
    IMAGE,
    IN_FORCE,
    NOTE,
    PREDICTION,
    ROOT,
    SAMPLED,
    is_standing,
)
from tagger.inventory.tables import answer as machine_answer

REVIEW: Final = "review"
"""Source of decisions made in a review."""

WHOLE_SHEET: Final = " (all rows)"
"""End of the source of decisions in a sheet that are a sample; it follows its name."""

_TICK = timedelta(microseconds=1)


def put(
    connection: Connection, answer: Answer, *, reviewer: str, source: str, note: str
) -> int:
    """Record an answer, in force from now on; return the decision's id.

    Its time is later than that of every decision about the same content, even if the
    clock was set back in between.
    """
    moment = now()
    if (last := _last_moment(connection, answer.digest)) is not None:
        moment = max(moment, last + _TICK)
    if note:
        put_note(connection, Note(answer.digest, note, reviewer, moment))
    return insert_one(
        connection,
        insert(DECISION).values(
            digest=answer.digest,
            kind=answer.kind,
            tag=answer.tag,
            prepared=answer.prepared,
            preparing=answer.preparing,
            reviewer=reviewer,
            source=source,
            decided_at=moment,
            machine_tag=machine_tag(connection, answer.digest),
        ),
    )


def put_note(connection: Connection, note: Note) -> None:
    """Record a reviewer's note."""
    connection.execute(
        insert(NOTE).values(
            digest=note.digest,
            text=note.text,
            reviewer=note.reviewer,
            written_at=note.written_at,
        )
    )


def undo(
    connection: Connection, ids: Sequence[int], at: datetime | None = None
) -> None:
    """Undo decisions, now or `at`; the decisions before them are in force again.

    Audit samples that they answered are unanswered again. The rows of their pictures
    get a new `updated_at`, so that programs which poll for changes see them.
    """
    moment = now()
    standing = DECISION.c.id.in_(ids) & is_standing()
    about = select(DECISION.c.digest).where(standing)
    # Not before `at`: a sheet exported after the undo would count as older than it.
    changed = max(moment, at or moment)
    _touch(connection, IMAGE.c.digest.in_(about), changed)
    connection.execute(update(DECISION).where(standing).values(undone_at=at or moment))
    connection.execute(
        update(SAMPLED).where(SAMPLED.c.decision_id.in_(ids)).values(decision_id=None)
    )


def _touch(connection: Connection, which: ColumnElement[bool], at: datetime) -> None:
    connection.execute(update(IMAGE).where(which).values(updated_at=at))


def in_force(connection: Connection, digest: str) -> Decision | None:
    """Return the decision in force about a content."""
    newest = select(IN_FORCE.c.id).where(IN_FORCE.c.digest == digest)
    query = select(DECISION).where(DECISION.c.id == newest.scalar_subquery())
    row = connection.execute(query).mappings().first()
    return None if row is None else decision(row)


def contradicts(answers: Iterable[tuple[str, str | None, bool]]) -> bool:
    """Whether the standing answers about one picture contradict each other.

    Each answer is a reviewer, a tag (None for "not a catalogue item") and whether it
    was blind, in an audit; oldest first. Two reviewers contradict each other if their
    last answers differ. A reviewer contradicts themselves if a blind answer differs
    from their answer before; an answer that is not blind is a correction.
    """
    last: dict[str, str | None] = {}
    for reviewer, tag, blind in answers:
        if blind and last.get(reviewer, tag) != tag:
            return True
        last[reviewer] = tag
    return len(set(last.values())) > 1


def history(connection: Connection, digest: str) -> tuple[Decision, ...]:
    """Return every decision about a content, undone or not, oldest first."""
    query = _about(digest).order_by(DECISION.c.decided_at, DECISION.c.id)
    return tuple(map(decision, connection.execute(query).mappings()))


def notes(connection: Connection, digest: str) -> tuple[Note, ...]:
    """Return the notes about a content, oldest first."""
    query = (
        select(NOTE)
        .where(NOTE.c.digest == digest)
        .order_by(NOTE.c.written_at, NOTE.c.id)
    )
    return tuple(map(_note, connection.execute(query).mappings()))


def every_record(connection: Connection) -> Iterator[Decision | Note]:
    """Yield all decisions, then all notes, each oldest first."""
    some = {"yield_per": 500}
    decided = select(DECISION).order_by(DECISION.c.decided_at, DECISION.c.id)
    with connection.execute(decided, execution_options=some) as rows:
        yield from map(decision, rows.mappings())
    written = select(NOTE).order_by(NOTE.c.written_at, NOTE.c.id)
    with connection.execute(written, execution_options=some) as rows:
        yield from map(_note, rows.mappings())


def paths(connection: Connection, digest: str) -> list[str]:
    """Return the absolute paths at which a content was last seen."""
    query = (
        select(ROOT.c.path.label("root"), IMAGE.c.path)
        .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
        .where(IMAGE.c.digest == digest)
        .order_by(ROOT.c.path, IMAGE.c.path)
    )
    return [f"{row.root}/{row.path}" for row in connection.execute(query)]


def machine_tag(connection: Connection, digest: str) -> str | None:
    """Return the network's answer about a content."""
    query = (
        select(machine_answer())
        .join(IMAGE, IMAGE.c.prediction_id == PREDICTION.c.id)
        .where(IMAGE.c.digest == digest)
        .limit(1)
    )
    return connection.scalar(query)


def decision(row: RowMapping) -> Decision:
    """Convert a row of the decisions."""
    return Decision(
        id=row["id"],
        answer=Answer(
            row["digest"], row["kind"], row["tag"], row["prepared"], row["preparing"]
        ),
        reviewer=row["reviewer"],
        decided_at=row["decided_at"],
        source=row["source"],
        machine_tag=row["machine_tag"],
        undone_at=row["undone_at"],
    )


def _note(row: RowMapping) -> Note:
    return Note(row["digest"], row["text"], row["reviewer"], row["written_at"])


def _about(digest: str) -> "Select[tuple[object, ...]]":
    return select(DECISION).where(DECISION.c.digest == digest)


def _last_moment(connection: Connection, digest: str) -> datetime | None:
    query = (
        select(DECISION.c.decided_at)
        .where(DECISION.c.digest == digest)
        .order_by(DECISION.c.decided_at.desc())
        .limit(1)
    )
    return connection.scalar(query)


def merge(connection: Connection, records: Iterable[Decision | Note]) -> Merged:
    """Import the records of another inventory; skip those known already.

    Two records are the same if content, reviewer and time are. A decision undone there
    is undone here.
    """
    tally = {"added": 0, "known": 0, "taken_back": 0, "notes": 0}
    conflicts: list[tuple[Decision, Decision]] = []
    for record in records:
        if isinstance(record, Note):
            tally["notes"] += _merge_note(connection, record)
            continue
        twin = _twin(connection, record)
        if twin is None:
            before = in_force(connection, record.answer.digest)
            _insert(connection, record)
            tally["added"] += 1
            if before and record.undone_at is None and _differ(before, record):
                older, newer = sorted((before, record), key=lambda d: d.decided_at)
                conflicts.append((newer, older))
        elif record.undone_at and not twin.undone_at:
            undo(connection, [twin.id], record.undone_at)
            tally["taken_back"] += 1
        else:
            _undo_earlier(connection, twin, record)
            tally["known"] += 1
    return Merged(**tally, conflicts=tuple(conflicts))


def _differ(one: Decision, other: Decision) -> bool:
    return one.answer.tag != other.answer.tag and one.reviewer != other.reviewer


def _twin(connection: Connection, record: Decision) -> Decision | None:
    query = _about(record.answer.digest).where(
        DECISION.c.reviewer == record.reviewer,
        DECISION.c.decided_at == record.decided_at,
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else decision(row)


def _undo_earlier(connection: Connection, twin: Decision, record: Decision) -> None:
    """Of two times of an undo keep the earlier one, in whichever order they arrive."""
    if twin.undone_at and record.undone_at and record.undone_at < twin.undone_at:
        connection.execute(
            update(DECISION)
            .where(DECISION.c.id == twin.id)
            .values(undone_at=record.undone_at)
        )


def _insert(connection: Connection, record: Decision) -> None:
    connection.execute(
        insert(DECISION).values(
            digest=record.answer.digest,
            kind=record.answer.kind,
            tag=record.answer.tag,
            prepared=record.answer.prepared,
            preparing=record.answer.preparing,
            reviewer=record.reviewer,
            source=record.source,
            decided_at=record.decided_at,
            machine_tag=record.machine_tag,
            undone_at=record.undone_at,
        )
    )
    # The decision may be old; that it holds here is a change made now.
    _touch(connection, IMAGE.c.digest == record.answer.digest, now())


def _merge_note(connection: Connection, note: Note) -> int:
    if note in notes(connection, note.digest):
        return 0
    put_note(connection, note)
    return 1
