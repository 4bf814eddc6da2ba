"""What decided here before: another network, or the same by another policy.

Predictions are kept whole, so what a policy of then accepts can be counted today, of
the very pictures that are here. Functions of a connection; whoever calls them opens the
transaction.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from tagger.inventory.mapping import in_parts, prediction, read_labels
from tagger.inventory.records import PreviousPolicy
from tagger.inventory.tables import IMAGE, MODEL, POLICY, PREDICTION
from tagger.policy.accept import accepts
from tagger.records import Policy, Prediction, State

_SOME: Final = 5000
"""Pictures that are compared: with all of a million a share would be another by 1.4
points at most (95 %), and a status should not take seconds."""

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def came(connection: Connection, model_id: int | None) -> datetime:
    """Return when a network's first policy came into force; 1970 where none did."""
    query = select(func.min(POLICY.c.since))
    return connection.scalar(query.where(POLICY.c.model_id == model_id)) or _EVER


def last(
    connection: Connection, model_id: int | None, policy: Policy
) -> PreviousPolicy | None:
    """Return what was in force last before a network and its policy are.

    None where nothing was that had seen half of the pictures at least. Nothing is told
    of audits: 0 were made.
    """
    others = [
        (model, former)
        for model, former in _policies(connection)
        if (model.model_id, former) != (model_id, policy)
    ]
    flagged = _flagged(connection, model_id) if others else {}
    for model, former in others:
        seen = _said(connection, flagged, model)
        if seen and 2 * len(seen) >= len(flagged):
            return PreviousPolicy(
                network=model.name,
                digest=model.digest,
                policy=former,
                audited=0,
                right=0,
                pictures=len(seen),
                accepted=sum(accepts(former, said) for said in seen.values()),
                accepted_now=sum(not flagged[digest] for digest in seen),
            )
    return None


def _policies(connection: Connection) -> Iterator[tuple[Any, Policy]]:
    """Yield what was ever in force, the newest first, and with what it was replaced.

    Of what one scan put in force for a network the last alone: the others were so for
    the time of that scan.
    """
    query = (
        select(POLICY, MODEL.c.name, MODEL.c.digest, MODEL.c.labels)
        .join(MODEL, MODEL.c.id == POLICY.c.model_id)
        .order_by(POLICY.c.id.desc())
    )
    told = set()
    for row in connection.execute(query):
        if (row.model_id, row.since) not in told:
            told.add((row.model_id, row.since))
            yield row, Policy(row.threshold, row.margin, row.tags)


def _flagged(connection: Connection, model_id: int | None) -> dict[str, bool]:
    """Return of some bytes that a network tagged whether it asks a person about them.

    By lot, and the same lot tomorrow: digests are as good as one.
    """
    query = (
        select(IMAGE.c.digest, func.max(IMAGE.c.flagged))
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .where(IMAGE.c.state == State.TAGGED, PREDICTION.c.model_id == model_id)
        .group_by(IMAGE.c.digest)
        .order_by(IMAGE.c.digest)
        .limit(_SOME)
    )
    return {str(digest): bool(waits) for digest, waits in connection.execute(query)}


def _said(
    connection: Connection,
    digests: Collection[str],
    model: Any,  # noqa: ANN401  a row
) -> dict[str, Prediction]:
    """Return what a model said of bytes, as far as it has seen them."""
    found = {}
    labels = read_labels(connection, model.labels)
    for some in in_parts(digests):
        query = (
            select(PREDICTION)
            .where(
                PREDICTION.c.digest.in_(some),
                PREDICTION.c.model_id == model.model_id,
            )
            .order_by(PREDICTION.c.id)
        )
        for row in connection.execute(query).mappings():
            found[row["digest"]] = prediction(row, labels)
    return found
