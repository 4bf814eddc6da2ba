"""Audits: random samples of accepted pictures, which reviewers answer blind.

Only an audit measures the precision of the pictures that no person looks at. The
functions take a connection; their caller opens the transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from random import randrange
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
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
from tagger.inventory.roots import here
from tagger.inventory.tables import (
    ADAPTATION,
    AUDIT,
    DECISION,
    IMAGE,
    IN_FORCE,
    KIND_TAG,
    MIX,
    MODEL,
    POLICY,
    PREDICTION,
    SAMPLED,
    is_doubtful,
    is_standing,
)
from tagger.records import PREPARING, Policy, State

SOURCE: Final = "audit"
"""Source of blind decisions."""

_AGAIN_ONE_IN: Final = 10
"""One in so many of the decided pictures drawn is asked about again, but at most one
in so many of all pictures asked: this soon exposes a reviewer who answers at random."""

_AT_ONCE: Final = 1000
"""Rows fetched at a time."""


def draw(
    connection: Connection,
    size: int,
    reviewer: str,
    *,
    least: float | None = None,
    tag: str | None = None,
) -> AuditResult | None:
    """Draw accepted pictures at random, each content once, and store the sample.

    It has `size` pictures to answer, if there are as many, and the decided pictures
    drawn on the way. With `least`, draw from all pictures of at least that confidence,
    flagged or not; with `tag`, from those that the network in force gave that tag.
    Returns the open audit of that network instead, if there is one. None if there is
    nothing to ask about.
    """
    model_id, policy = in_force(connection)
    if model_id is None:
        return None
    # Continue an open audit: a new one would let the hard pictures drop out unanswered.
    open_audit = _open_audit(connection, model_id)
    if open_audit is not None:
        return open_audit
    if least is not None:
        # One threshold for all tags; the margin stays that of the policy in force.
        policy = Policy(least, policy.margin if policy else 0.0)
    population = _population(connection, model_id, policy, least, tag)
    with _shuffled(connection, population) as shuffled:
        sample = _until_asked(shuffled.mappings(), size)
    if not any(row["asked"] for row in sample):
        return None
    audit_id = insert_one(
        connection,
        insert(AUDIT).values(
            drawn_at=now(),
            reviewer=reviewer,
            # Size of the population that the sample stands for.
            accepted=_count(connection, population),
            model_id=model_id,
            drawn_by=policy and asdict(policy),
            least=least,
            tag=tag,
        ),
    )
    _store_sample(connection, audit_id, sample)
    _apply_standing_decisions(connection, audit_id)
    return next(audit for audit in results(connection) if audit.id == audit_id)


def auditable(connection: Connection, least: float, tag: str | None, most: int) -> int:
    """Count the contents that audits from `least` on can draw, but at most `most`.

    Decided ones count: an audit that draws them takes their decision as its answer.
    """
    model_id, policy = in_force(connection)
    if model_id is None:
        return 0
    policy = Policy(least, policy.margin if policy else 0.0)
    population = _population(connection, model_id, policy, least, tag)
    drawn = _from_population([IMAGE.c.digest], population).distinct().limit(most)
    number = select(func.count()).select_from(drawn.subquery())
    return connection.scalar(number) or 0


def results(connection: Connection) -> list[AuditResult]:
    """Return every audit with its answers so far, newest first."""
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
    """Link an audit's sample to the decisions (digest, id) that answer it."""
    for digest, decision_id in answered:
        connection.execute(
            update(SAMPLED)
            .where(SAMPLED.c.audit_id == audit_id, SAMPLED.c.digest == digest)
            .values(decision_id=decision_id)
        )


def unanswered(audit_id: int) -> ColumnElement[bool]:
    """Whether a sampled row has no answer yet, and can still be answered."""
    return (
        (SAMPLED.c.audit_id == audit_id)
        & SAMPLED.c.decision_id.is_(None)
        & is_present(SAMPLED.c.digest)
        & (SAMPLED.c.again | ~has_decision(SAMPLED.c.digest))
    )


def answered_in_audit() -> ColumnElement[bool]:
    """Whether the answer was given in this audit, not in an earlier decision."""
    return exists().where(
        DECISION.c.id == SAMPLED.c.decision_id,
        DECISION.c.source == SOURCE,
        DECISION.c.decided_at >= AUDIT.c.drawn_at,
    )


def has_decision(digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a decision about the content in a digest column is in force."""
    return exists().where(DECISION.c.digest == digest, is_standing())


def is_present(digest: Any) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a tagged picture has the content in a digest column."""
    image = IMAGE.alias()
    return exists().where(image.c.digest == digest, image.c.state == State.TAGGED)


def seen_in_training(digest: Any, model_id: int) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a content was decided before the network first classified here.

    The network may have been trained on it, so a right prediction proves nothing.
    Clocks may be wrong, so the newest decision id of its training counts as well.
    """
    former = DECISION.alias()
    came = select(func.min(POLICY.c.since)).where(POLICY.c.model_id == model_id)
    network = select(MODEL.c.digest).where(MODEL.c.id == model_id)
    newest = select(func.max(ADAPTATION.c.newest_decision_id)).where(
        ADAPTATION.c.digest == network.scalar_subquery()
    )
    return exists().where(
        former.c.digest == digest,
        (former.c.decided_at < came.scalar_subquery())
        | (former.c.id <= func.coalesce(newest.scalar_subquery(), 0)),
    )


def in_force(connection: Connection) -> tuple[int | None, Policy | None]:
    """Return the network that tagged most of the pictures, and its policy."""
    models = list(connection.scalars(select(MODEL.c.id).limit(2)))
    if len(models) == 1:  # the usual case; spares counting a million pictures
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
    """Return the policy in force for a network, or None."""
    row = connection.execute(
        select(POLICY.c.threshold, POLICY.c.margin, POLICY.c.tags)
        .where(POLICY.c.model_id == model_id)
        .order_by(POLICY.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else Policy(row.threshold, row.margin, row.tags)


def _open_audit(connection: Connection, model_id: int) -> AuditResult | None:
    """Return the newest audit with pictures still to answer about a network.

    An audit of a former network, or of pictures prepared by another recipe, would prove
    nothing about this one; it is passed over.
    """
    audits = results(connection)
    return next((a for a in audits if _is_open(connection, a.id, model_id)), None)


def _is_open(connection: Connection, audit_id: int, model_id: int) -> bool:
    """Whether an audit has unanswered pictures that are evidence about a network."""
    query = (
        select(SAMPLED.c.id)
        .join(PREDICTION, PREDICTION.c.id == SAMPLED.c.prediction_id)
        .join(AUDIT, AUDIT.c.id == SAMPLED.c.audit_id)
        .where(
            unanswered(audit_id),
            by_current_network(model_id),
            drawn_under_current_mix(model_id),
        )
        .limit(1)
    )
    return connection.scalar(query) is not None


def drawn_under_current_mix(model_id: int) -> ColumnElement[bool]:
    """Whether an audit was drawn under today's own mixes and tags of kinds.

    These change which pictures are accepted, so an older sample is not a random sample
    of the pictures accepted today.
    """
    mixed = select(func.max(MIX.c.since)).where(MIX.c.model_id == model_id)
    mapped = select(func.max(KIND_TAG.c.mapped_at))
    return and_(
        *(
            AUDIT.c.drawn_at >= func.coalesce(since.scalar_subquery(), "")
            for since in (mixed, mapped)
        )
    )


def by_current_network(model_id: int) -> ColumnElement[bool]:
    """Whether a prediction is by a network, on views of today's preprocessing."""
    return (PREDICTION.c.model_id == model_id) & (PREDICTION.c.preparing == PREPARING)


def _population(
    connection: Connection,
    model_id: int,
    policy: Policy | None,
    least: float | None,
    tag: str | None,
) -> ColumnElement[bool]:
    """Return the condition for the pictures that an audit draws from.

    Those of other shops cannot be shown here.
    """
    eligible = (
        (IMAGE.c.state == State.TAGGED)
        & here(connection)
        & by_current_network(model_id)
        # The network may have been trained on these: a right prediction proves nothing.
        & ~seen_in_training(IMAGE.c.digest, model_id)
        & (true() if tag is None else PREDICTION.c.tag == tag)
    )
    if least is None or policy is None:
        return eligible & IMAGE.c.flagged.is_(other=False)
    return (
        eligible
        & (PREDICTION.c.confidence >= policy.threshold)
        & (PREDICTION.c.margin >= policy.margin)
        & ~PREDICTION.c.damaged
        & ~is_doubtful()
    )


def _from_population(columns: Iterable[Any], population: ColumnElement[bool]) -> Any:  # noqa: ANN401
    query = select(*columns).select_from(IMAGE)
    joined = query.join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
    return joined.where(population)


def _count(connection: Connection, population: ColumnElement[bool]) -> int:
    """Count the contents of a population, copies not included."""
    number = func.count(distinct(IMAGE.c.digest))
    return connection.scalar(_from_population([number], population)) or 0


def _shuffled(
    connection: Connection, population: ColumnElement[bool]
) -> CursorResult[Any]:
    """Return the contents of a population in random order.

    Decided ones are included: without them, the sample would be what people left over.
    """
    columns = (
        IMAGE.c.digest,
        func.min(IMAGE.c.prediction_id).label("prediction_id"),
        has_decision(IMAGE.c.digest).label("has_decision"),
    )
    query = (
        _from_population(columns, population)
        # One row a content: copies would raise the chance to be drawn.
        .group_by(IMAGE.c.digest)
        .order_by(func.random())
    )
    # In parts: a sample needs the first few of what may be a million rows.
    return connection.execute(query.execution_options(yield_per=_AT_ONCE))


def _until_asked(shuffled: Iterable[RowMapping], size: int) -> list[dict[str, Any]]:
    """Take rows until `size` of them are `asked`, at most a tenth of these `again`.

    A row is a digest, its prediction, and whether it is asked about, and again. The
    others have been decided, and their decision answers them.
    """
    sample: list[dict[str, Any]] = []
    number_asked, again_left = 0, size // _AGAIN_ONE_IN
    for row in shuffled:
        # Some decided pictures are asked again, to see whether the answers agree.
        again = bool(row["has_decision"] and _at_random() and again_left)
        again_left -= again
        asked = again or not row["has_decision"]
        number_asked += asked
        sample.append(
            {
                "digest": row["digest"],
                "prediction_id": row["prediction_id"],
                "again": again,
                "asked": asked,
            }
        )
        if number_asked == size:
            break
    return sample


def _at_random() -> bool:
    """Return True once in `_AGAIN_ONE_IN` calls, at random."""
    return randrange(_AGAIN_ONE_IN) == 0  # noqa: S311  not for cryptography


def _store_sample(
    connection: Connection, audit_id: int, sample: Iterable[dict[str, Any]]
) -> None:
    names = ("digest", "prediction_id", "again")
    rows = [
        {"audit_id": audit_id} | {name: row[name] for name in names} for row in sample
    ]
    connection.execute(insert(SAMPLED), rows)


def _apply_standing_decisions(connection: Connection, audit_id: int) -> None:
    """Answer the sampled pictures not asked again with the decisions in force."""
    newest = select(IN_FORCE.c.id).where(IN_FORCE.c.digest == SAMPLED.c.digest)
    connection.execute(
        update(SAMPLED)
        .where(SAMPLED.c.audit_id == audit_id, ~SAMPLED.c.again)
        .values(decision_id=newest.scalar_subquery())
    )


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return [dict(row) for row in connection.execute(query).mappings()]
