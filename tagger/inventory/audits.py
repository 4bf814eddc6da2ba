"""Random samples of what the machine tagged, judged by people who do not see its tag.

Only an audit measures how often the machine is right where nobody looks. Functions of a
connection; whoever calls them opens the transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    distinct,
    exists,
    func,
    insert,
    select,
    true,
    update,
)

from tagger.inventory.mapping import insert_one, now
from tagger.inventory.records import AuditResult
from tagger.inventory.tables import (
    ADAPTATION,
    AUDIT,
    DECISION,
    IMAGE,
    KIND_TAG,
    MIX,
    MODEL,
    POLICY,
    PREDICTION,
    SAMPLED,
    is_standing,
)
from tagger.records import PREPARING, Policy, State

SOURCE: Final = "audit"
"""Source of decisions that were given blind."""

_AGAIN_ONE_IN: Final = 10
"""Of the pictures drawn that had been decided, one in so many is asked about again,
and of those asked one in so many at most: who answers by chance is soon found out."""


def draw(
    connection: Connection,
    size: int,
    reviewer: str,
    *,
    least: float | None = None,
    tag: str | None = None,
) -> AuditResult | None:
    """Draw accepted items at random, each bytes once, and store them.

    So many that `size` of them are to be answered, where there are as many. What has
    been decided since the network came is drawn as well, or the sample would be one of
    what persons left over; it answers itself, but for a few that are asked about again.
    With `least` they are drawn from all that the network in force is at least so
    confident of, flagged or not, with `tag` only from what it tagged so. Where an audit
    of that network is open, that one is returned; not one of a network before, or of
    pictures that another recipe had prepared, for its answers would prove nothing. None
    where there is nothing to ask about.
    """
    model_id, policy = in_force(connection)
    if model_id is None:
        return None
    for audit in results(connection):
        if _open(connection, audit.id, model_id):
            return audit
    if least is not None:
        policy = Policy(least, policy.margin if policy else 0.0)
    here = _drawn_from(model_id, policy, least, tag)
    items = select(IMAGE.c.digest).join(
        PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id
    )
    counted = items.with_only_columns(func.count(distinct(IMAGE.c.digest))).where(here)
    shuffled = (
        items.with_only_columns(
            IMAGE.c.digest,
            func.min(IMAGE.c.prediction_id).label("prediction_id"),
            has_decision(IMAGE.c.digest).label("has_decision"),
            _at_random().label("lot"),
        )
        .where(here)
        .group_by(IMAGE.c.digest)
        .order_by(func.random())
    )
    sample = _until_asked(connection.execute(shuffled).mappings(), size)
    if not any(row["again"] or not row["has_decision"] for row in sample):
        return None
    audit_id = insert_one(
        connection,
        insert(AUDIT).values(
            drawn_at=now(),
            reviewer=reviewer,
            accepted=connection.scalar(counted),
            model_id=model_id,
            drawn_by=policy and asdict(policy),
            least=least,
            tag=tag,
        ),
    )
    names = ("digest", "prediction_id", "again")
    rows = [{n: row[n] for n in names} | {"audit_id": audit_id} for row in sample]
    connection.execute(insert(SAMPLED), rows)
    _answer_what_is_decided(connection, audit_id)
    return next(one for one in results(connection) if one.id == audit_id)


def results(connection: Connection) -> list[AuditResult]:
    """Return every audit as it stands, the newest first."""
    right = case((DECISION.c.tag == PREDICTION.c.tag, 1), else_=0)
    query = (
        select(
            AUDIT.c.id,
            AUDIT.c.drawn_at,
            AUDIT.c.reviewer,
            AUDIT.c.accepted,
            func.count(SAMPLED.c.id).label("sampled"),
            func.count(DECISION.c.id).label("answered"),
            func.coalesce(func.sum(right), 0).label("right"),
            AUDIT.c.least,
            AUDIT.c.tag.label("of_tag"),
        )
        .select_from(AUDIT)
        .join(SAMPLED, SAMPLED.c.audit_id == AUDIT.c.id)
        .join(PREDICTION, PREDICTION.c.id == SAMPLED.c.prediction_id)
        .outerjoin(DECISION, DECISION.c.id == SAMPLED.c.decision_id)
        .group_by(AUDIT.c.id)
        .order_by(AUDIT.c.id.desc())
    )
    return [AuditResult(**row) for row in _rows(connection, query)]


def note_answers(
    connection: Connection, audit_id: int, answered: Sequence[tuple[str, int]]
) -> None:
    """Note which decisions, by digest, answer an audit."""
    for digest, decision_id in answered:
        connection.execute(
            update(SAMPLED)
            .where(SAMPLED.c.audit_id == audit_id, SAMPLED.c.digest == digest)
            .values(decision_id=decision_id)
        )


def unanswered(audit_id: int) -> ColumnElement[bool]:
    """Whether a sampled row waits for its answer, and can still be given one."""
    return (
        (SAMPLED.c.audit_id == audit_id)
        & SAMPLED.c.decision_id.is_(None)
        & is_present(SAMPLED.c.digest)
        & (SAMPLED.c.again | ~has_decision(SAMPLED.c.digest))
    )


def answered_in_audit() -> ColumnElement[bool]:
    """Whether a row was answered when its audit asked, not by what stood before it."""
    return exists().where(
        DECISION.c.id == SAMPLED.c.decision_id,
        DECISION.c.source == SOURCE,
        DECISION.c.decided_at >= AUDIT.c.drawn_at,
    )


def has_decision(digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a decision about the bytes of that column is in force."""
    return exists().where(DECISION.c.digest == digest, is_standing())


def is_present(digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a tagged picture has the bytes of that column."""
    here = IMAGE.alias()
    return exists().where(here.c.digest == digest, here.c.state == State.TAGGED)


def seen_in_training(digest: Any, model_id: int) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a person had said something of these bytes before a network came here.

    Then it may have learnt them, and its being right about them proves nothing. A clock
    may have been wrong: what was there when it learnt was there, whatever its date.
    """
    former = DECISION.alias()
    came = select(func.min(POLICY.c.since)).where(POLICY.c.model_id == model_id)
    itself = select(MODEL.c.digest).where(MODEL.c.id == model_id)
    newest = select(func.max(ADAPTATION.c.newest_decision_id)).where(
        ADAPTATION.c.digest == itself.scalar_subquery()
    )
    return exists().where(
        former.c.digest == digest,
        (former.c.decided_at < came.scalar_subquery())
        | (former.c.id <= func.coalesce(newest.scalar_subquery(), 0)),
    )


def in_force(connection: Connection) -> tuple[int | None, Policy | None]:
    """Return the network that tagged most of what there is, and its policy."""
    models = list(connection.scalars(select(MODEL.c.id).limit(2)))
    if len(models) == 1:  # as nearly always: a million pictures need not be counted
        return models[0], policy_of(connection, models[0])
    model_id = connection.scalar(
        select(PREDICTION.c.model_id)
        .join(IMAGE, IMAGE.c.prediction_id == PREDICTION.c.id)
        .where(IMAGE.c.state == State.TAGGED)
        .group_by(PREDICTION.c.model_id)
        .order_by(func.count().desc())
        .limit(1)
    )
    return model_id, None if model_id is None else policy_of(connection, model_id)


def policy_of(connection: Connection, model_id: int) -> Policy | None:
    """Return the policy in force for a network; None where none ever was."""
    row = connection.execute(
        select(POLICY.c.threshold, POLICY.c.margin, POLICY.c.tags)
        .where(POLICY.c.model_id == model_id)
        .order_by(POLICY.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else Policy(row.threshold, row.margin, row.tags)


def _open(connection: Connection, audit_id: int, model_id: int) -> bool:
    """Whether an audit waits for answers that would still tell of a network."""
    query = (
        select(SAMPLED.c.id)
        .join(PREDICTION, PREDICTION.c.id == SAMPLED.c.prediction_id)
        .join(AUDIT, AUDIT.c.id == SAMPLED.c.audit_id)
        .where(unanswered(audit_id), said_today(model_id), as_weighed_today(model_id))
        .limit(1)
    )
    return connection.scalar(query) is not None


def as_weighed_today(model_id: int) -> ColumnElement[bool]:
    """Whether an audit was drawn by the mixes and tags for kinds of today.

    What another mix made of the pictures decided what could be drawn: of what is
    accepted today that is no random sample.
    """
    mixed = select(func.max(MIX.c.since)).where(MIX.c.model_id == model_id)
    mapped = select(func.max(KIND_TAG.c.mapped_at))
    return and_(
        *(
            AUDIT.c.drawn_at >= func.coalesce(since.scalar_subquery(), "")
            for since in (mixed, mapped)
        )
    )


def said_today(model_id: int) -> ColumnElement[bool]:
    """Whether a prediction is a network's, of a picture as it is prepared today."""
    return (PREDICTION.c.model_id == model_id) & (PREDICTION.c.preparing == PREPARING)


def _drawn_from(
    model_id: int, policy: Policy | None, least: float | None, tag: str | None
) -> ColumnElement[bool]:
    here = (
        (IMAGE.c.state == State.TAGGED)
        & said_today(model_id)
        & ~seen_in_training(IMAGE.c.digest, model_id)
        & (true() if tag is None else PREDICTION.c.tag == tag)
    )
    if least is None or policy is None:
        return here & IMAGE.c.flagged.is_(other=False)
    return (
        here
        & (PREDICTION.c.confidence >= policy.threshold)
        & (PREDICTION.c.margin >= policy.margin)
    )


def _until_asked(shuffled: Iterable[RowMapping], size: int) -> list[dict[str, Any]]:
    """Take rows until `size` of them are to be asked, a tenth at most again."""
    sample: list[dict[str, Any]] = []
    answered_in_audit, again_left = 0, size // _AGAIN_ONE_IN
    for row in shuffled:
        again = bool(row["has_decision"] and row["lot"] and again_left)
        again_left -= again
        answered_in_audit += again or not row["has_decision"]
        sample.append(dict(row) | {"again": again})
        if answered_in_audit == size:
            break
    return sample


def _at_random() -> ColumnElement[bool]:
    return func.abs(func.random()) % _AGAIN_ONE_IN == 0


def _answer_what_is_decided(connection: Connection, audit_id: int) -> None:
    in_force = (
        select(DECISION.c.id)
        .where(DECISION.c.digest == SAMPLED.c.digest, is_standing())
        .order_by(DECISION.c.decided_at.desc(), DECISION.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(
        update(SAMPLED)
        .where(SAMPLED.c.audit_id == audit_id, ~SAMPLED.c.again)
        .values(decision_id=in_force)
    )


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return [dict(row) for row in connection.execute(query).mappings()]
