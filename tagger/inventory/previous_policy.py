"""Find the network and policy in force before the present ones.

All predictions are stored whole, so the former policy can be applied today to the
pictures that are here. The functions take a connection; their caller opens the
transaction.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, cast, func, select

from tagger.inventory.mapping import in_parts, prediction
from tagger.inventory.records import PreviousPolicy
from tagger.inventory.tables import IMAGE, MODEL, POLICY, PREDICTION
from tagger.policy.accept import accepts
from tagger.records import Policy, Prediction, State

_SAMPLE_SIZE: Final = 5000
"""Pictures to compare. A share of all of a million would differ by at most 1.4
percentage points (95 % confidence), and a status should not take seconds."""

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def in_force_since(connection: Connection, model_id: int | None) -> datetime:
    """Return when a network's first policy came into force; 1970 if it has none."""
    query = select(func.min(POLICY.c.since))
    return connection.scalar(query.where(POLICY.c.model_id == model_id)) or _EVER


def find_previous(
    connection: Connection, model_id: int | None, policy: Policy
) -> PreviousPolicy | None:
    """Return the last network and policy in force before the given ones.

    None if no former network saw at least half of the pictures. `audited` and `right`
    are 0: the caller fills them in.
    """
    others = [
        (model, former)
        for model, former in _policies(connection)
        if (model.model_id, former) != (model_id, policy)
    ]
    flagged = _flagged(connection, model_id) if others else {}
    for model, former in others:
        seen = _predictions(connection, flagged, model)
        if seen and 2 * len(seen) >= len(flagged):
            return PreviousPolicy(
                network=model.name,
                digest=model.digest,
                policy=former,
                audited=0,
                right=0,
                pictures=len(seen),
                accepted=sum(accepts(former, past) for past in seen.values()),
                accepted_now=sum(not flagged[digest] for digest in seen),
            )
    return None


def _policies(connection: Connection) -> Iterator[tuple[Any, Policy]]:
    """Yield every policy ever in force with its network's row, newest first.

    If one scan put several in force for a network, only the last: the others were in
    force only during that scan.
    """
    query = (
        select(POLICY, MODEL.c.name, MODEL.c.digest, MODEL.c.labels)
        .join(MODEL, MODEL.c.id == POLICY.c.model_id)
        .order_by(POLICY.c.id.desc())
    )
    seen = set()
    for row in connection.execute(query):
        if (row.model_id, row.since) not in seen:
            seen.add((row.model_id, row.since))
            yield row, Policy(row.threshold, row.margin, row.tags)


def _flagged(connection: Connection, model_id: int | None) -> dict[str, bool]:
    """Return, by digest, whether pictures tagged by a network are flagged.

    At most `_SAMPLE_SIZE`, in the order of digests: a random but repeatable sample.
    """
    query = (
        select(IMAGE.c.digest, func.max(cast(IMAGE.c.flagged, Integer)))
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .where(IMAGE.c.state == State.TAGGED, PREDICTION.c.model_id == model_id)
        .group_by(IMAGE.c.digest)
        .order_by(IMAGE.c.digest)
        .limit(_SAMPLE_SIZE)
    )
    return {str(digest): bool(waits) for digest, waits in connection.execute(query)}


def _predictions(
    connection: Connection,
    digests: Collection[str],
    model: Any,  # noqa: ANN401  a row
) -> dict[str, Prediction]:
    """Return a model's stored predictions of these digests, by digest."""
    predictions = {}
    for part in in_parts(digests):
        query = (
            select(PREDICTION)
            .where(
                PREDICTION.c.digest.in_(part),
                PREDICTION.c.model_id == model.model_id,
            )
            .order_by(PREDICTION.c.id)
        )
        for row in connection.execute(query).mappings():
            predictions[row["digest"]] = prediction(row)
    return predictions
