"""Training examples from decisions, and the record of adaptations.

The functions take a connection; their caller opens the transaction.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from tagger.inventory import audits
from tagger.inventory.decisions import REVIEW, WHOLE_SHEET, contradicts
from tagger.inventory.mapping import in_parts, insert_one, kind_tags, now
from tagger.inventory.product_key import compile_pattern, product_key
from tagger.inventory.records import Reviewed, Reviews
from tagger.inventory.tables import (
    ADAPTATION,
    DECISION,
    FINGERPRINT,
    IMAGE,
    MODEL,
    PREDICTION,
    ROOT,
    WAITING,
    is_standing,
)
from tagger.labels import OTHER
from tagger.records import PREPARING, Adaptation, Outcome


def reviews(connection: Connection) -> Reviews:
    """Return the decisions made here, each content once, without damaged files.

    The last answer counts, unless the answers contradict each other: then none counts
    (see `decisions.contradicts`).
    """
    answers: dict[str, list[tuple[str, str | None, bool]]] = defaultdict(list)
    prepared: dict[str, tuple[bytes, str]] = {}
    outside_audits: set[str] = set()
    not_only_corrected: set[str] = set()
    damaged = select(PREDICTION.c.digest).where(PREDICTION.c.damaged)
    query = (
        select(DECISION)
        .where(is_standing(), DECISION.c.digest.not_in(damaged))
        .order_by(DECISION.c.decided_at, DECISION.c.id)
    )
    for row in connection.execute(query).mappings():
        blind = row["source"] == audits.SOURCE
        answers[row["digest"]].append((row["reviewer"], row["tag"], blind))
        if not blind:
            outside_audits.add(row["digest"])
        # Other spreadsheets hold only the wrong tags: a biased sample.
        source = row["source"]
        if source in {REVIEW, audits.SOURCE} or source.endswith(WHOLE_SHEET):
            not_only_corrected.add(row["digest"])
        if row["prepared"] is not None:
            prepared[row["digest"]] = row["prepared"], row["preparing"]
    agreed = {
        digest: OTHER if given[-1][1] is None else given[-1][1]
        for digest, given in answers.items()
        if not contradicts(given)
    }
    paths, products = _places(connection, list(agreed))
    bits = _fingerprints(connection, list(agreed))
    reviewed = []
    for digest, label in agreed.items():
        views, preparing = prepared.get(digest, (None, PREPARING))
        reviewed.append(
            Reviewed(
                digest=digest,
                label=label,
                prepared=views,
                paths=tuple(paths[digest]),
                bits=bits.get(digest),
                items=tuple(products[digest]),
                preparing=preparing,
            )
        )
    return Reviews(
        reviewed=tuple(reviewed),
        contradicted=tuple(answers.keys() - agreed.keys()),
        newest_decision_id=connection.scalar(select(func.max(DECISION.c.id))) or 0,
        waiting=_waiting(connection),
        audited=frozenset(agreed.keys() - outside_audits),
        corrected=frozenset(agreed.keys() - not_only_corrected),
        kind_tags=kind_tags(connection),
    )


def _waiting(connection: Connection) -> dict[str, tuple[float, ...]]:
    """Return the queue's confidences by network digest, for today's preprocessing."""
    confidences: dict[str, list[float]] = defaultdict(list)
    query = (
        select(MODEL.c.digest, PREDICTION.c.confidence)
        .select_from(WAITING)
        .join(IMAGE, IMAGE.c.id == WAITING.c.image_id)
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .join(MODEL, MODEL.c.id == PREDICTION.c.model_id)
        .where(PREDICTION.c.preparing == PREPARING)
    )
    for digest, confidence in connection.execute(query):
        confidences[digest].append(confidence)
    return {digest: tuple(values) for digest, values in confidences.items()}


def newer(connection: Connection, decision_id: int) -> int:
    """Count the contents with a standing decision newer than that one."""
    query = select(func.count(DECISION.c.digest.distinct())).where(
        DECISION.c.id > decision_id, is_standing()
    )
    return connection.scalar(query) or 0


def put(connection: Connection, adaptation: Adaptation) -> int:
    """Record an adaptation, dated now; return its id."""
    return insert_one(
        connection,
        insert(ADAPTATION).values(
            at=now(),
            outcome=adaptation.outcome,
            bundle=adaptation.bundle,
            beside=adaptation.beside,
            digest=adaptation.digest,
            parent_digest=adaptation.parent_digest,
            decisions=adaptation.decisions,
            newest_decision_id=adaptation.newest_decision_id,
            figures=dict(adaptation.figures),
            reason=adaptation.reason,
        ),
    )


def every(connection: Connection) -> list[Adaptation]:
    """Return all adaptations, oldest first."""
    query = select(ADAPTATION).order_by(ADAPTATION.c.id)
    return [Adaptation(**row) for row in connection.execute(query).mappings()]


def last_try(adaptations: Sequence[Adaptation]) -> Adaptation | None:
    """Return the last attempt to train, promoted or refused."""
    attempts = [a for a in adaptations if a.outcome is not Outcome.ROLLED_BACK]
    return attempts[-1] if attempts else None


def _places(
    connection: Connection, digests: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return, by digest, the paths of each content and the products it shows."""
    paths: dict[str, list[str]] = defaultdict(list)
    products: dict[str, list[str]] = defaultdict(list)
    for part in in_parts(digests):
        query = (
            select(
                IMAGE.c.digest,
                IMAGE.c.path,
                ROOT.c.path.label("root"),
                ROOT.c.item_pattern,
            )
            .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
            .where(IMAGE.c.digest.in_(part))
        )
        for row in connection.execute(query):
            paths[row.digest].append(f"{row.root}/{row.path}")
            if row.item_pattern is None:
                continue
            if key := product_key(compile_pattern(row.item_pattern), row.path):
                products[row.digest].append(f"{row.root}/{key}")
    return paths, products


def _fingerprints(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    bits: dict[str, int] = {}
    for part in in_parts(digests):
        query = select(FINGERPRINT.c.digest, FINGERPRINT.c.bits).where(
            FINGERPRINT.c.digest.in_(part)
        )
        bits.update((row.digest, row.bits) for row in connection.execute(query))
    return bits
