"""Random samples of what the machine accepted, judged by people who do not see its tag.

Only an audit measures how often the machine is right where nobody looks. Functions of a
connection; whoever calls them opens the transaction.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    distinct,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import aliased

from tagger.inventory.rows import insert_one, now
from tagger.inventory.tables import Audit, Decision, Image, Sampled
from tagger.inventory.tables import Prediction as PredictionRow
from tagger.records import AuditResult, State


def draw(connection: Connection, size: int, reviewer: str) -> AuditResult | None:
    """Draw `size` of the accepted items at random, each bytes once, and store them.

    Where an audit is open, that one is returned. None where nothing is accepted.
    """
    for audit in results(connection):
        if _open(connection, audit.id):
            return audit
    here = _accepted()
    accepted = connection.scalar(select(func.count(distinct(Image.digest))).where(here))
    if not accepted:
        return None
    audit_id = insert_one(
        connection,
        insert(Audit).values(drawn_at=now(), reviewer=reviewer, accepted=accepted),
    )
    sample = (
        select(Image.digest, func.min(Image.prediction_id).label("prediction_id"))
        .where(here)
        .group_by(Image.digest)
        .order_by(func.random())
        .limit(size)
    )
    rows = [dict(row) | {"audit_id": audit_id} for row in _rows(connection, sample)]
    connection.execute(insert(Sampled), rows)
    return next(one for one in results(connection) if one.id == audit_id)


def results(connection: Connection) -> list[AuditResult]:
    """Return every audit as it stands, the newest first."""
    right = case((Decision.tag == PredictionRow.tag, 1), else_=0)
    query = (
        select(
            Audit.id,
            Audit.drawn_at,
            Audit.reviewer,
            Audit.accepted,
            func.count(Sampled.id).label("sampled"),
            func.count(Decision.id).label("answered"),
            func.coalesce(func.sum(right), 0).label("right"),
        )
        .select_from(Audit)
        .join(Sampled, Sampled.audit_id == Audit.id)
        .join(PredictionRow, PredictionRow.id == Sampled.prediction_id)
        .outerjoin(Decision, Decision.id == Sampled.decision_id)
        .group_by(Audit.id)
        .order_by(Audit.id.desc())
    )
    return [AuditResult(**row) for row in _rows(connection, query)]


def note_answers(
    connection: Connection, audit_id: int, answered: Sequence[tuple[str, int]]
) -> None:
    """Note which decisions, by digest, answer an audit."""
    for digest, decision_id in answered:
        connection.execute(
            update(Sampled)
            .where(Sampled.audit_id == audit_id, Sampled.digest == digest)
            .values(decision_id=decision_id)
        )


def unanswered(audit_id: int) -> ColumnElement[bool]:
    """Whether a sampled row waits for its answer, and can still be given one."""
    here = aliased(Image)
    there = exists().where(here.digest == Sampled.digest, here.state == State.TAGGED)
    return (
        (Sampled.audit_id == audit_id)
        & Sampled.decision_id.is_(None)
        & there
        & ~decided(Sampled.digest)
    )


def decided(digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a decision about the bytes of that column is in force."""
    return exists().where(Decision.digest == digest, Decision.undone_at.is_(None))


def _open(connection: Connection, audit_id: int) -> bool:
    query = select(Sampled.id).where(unanswered(audit_id)).limit(1)
    return connection.scalar(query) is not None


def _accepted() -> ColumnElement[bool]:
    return (
        (Image.state == State.TAGGED)
        & Image.flagged.is_(other=False)
        & ~decided(Image.digest)
    )


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return [dict(row) for row in connection.execute(query).mappings()]
