"""Gather the audit evidence about a network; keep its certificates.

Only pictures drawn at random are evidence. Answers to the queue are about flagged
pictures, and may leave out hard ones; they count only if an audit drew their picture.
The functions take a connection; their caller opens the transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    func,
    insert,
    select,
)

from tagger.inventory import audits, previous_policy
from tagger.inventory.decisions import contradicts, decision, paths
from tagger.inventory.mapping import prediction
from tagger.inventory.records import (
    Agreement,
    AuditedAnswer,
    AuditEvidence,
    AutoTaggingStats,
    Contradiction,
    Decision,
    PreviousPolicy,
)
from tagger.inventory.tables import (
    AUDIT,
    CERTIFICATE,
    DECISION,
    IMAGE,
    IN_FORCE,
    MODEL,
    PREDICTION,
    SAMPLED,
    agrees,
    is_doubtful,
    is_standing,
)
from tagger.policy.accept import accepts
from tagger.records import PREPARING, Certificate, Claim, Policy, State

_MOST_CONFUSED = 5


def audit_evidence(connection: Connection, model_digest: str) -> AuditEvidence:
    """Gather the answers of a network's audits, and the contradictions among them.

    An unfinished audit counts with its answers so far, in the order of the draw. A
    skipped picture counts as wrong, since it may have been skipped for being hard; so
    does a picture with contradicting answers. Left out are pictures decided before the
    network first classified here, audits of older tagger versions that did not record
    their population, and predictions on views of another preprocessing.
    """
    decisions = _standing(connection)
    contradicted = list(_contradicted(decisions))
    drawn = _Drawn(decisions, set(contradicted))
    model_id = connection.scalar(
        select(MODEL.c.id).where(MODEL.c.digest == model_digest)
    )
    rows = [] if model_id is None else _sampled(connection, model_id)
    for _, sample in groupby(rows, key=lambda row: row["audit_id"]):
        drawn.read(list(sample))
    return AuditEvidence(
        answers=tuple(drawn.answers),
        from_queue=len(drawn.from_queue),
        skipped=drawn.counts["skipped"],
        waiting=drawn.counts["waiting"],
        contradictions=tuple(_contradictions(connection, decisions, contradicted)),
        agreements=tuple(_agreements(decisions)),
    )


def undecided(
    connection: Connection, model_digest: str, margin: float
) -> list[tuple[str, float]]:
    """Return tag and confidence of each undecided picture, each content once.

    Only for pictures that a threshold can accept: those with at least that margin,
    whose tag is more probable than having no tag, and whose file is not damaged.
    """
    query = (
        select(PREDICTION.c.tag, PREDICTION.c.confidence)
        .join(MODEL, MODEL.c.id == PREDICTION.c.model_id)
        .where(
            MODEL.c.digest == model_digest,
            PREDICTION.c.margin >= margin,
            ~PREDICTION.c.damaged,
            ~is_doubtful(),
            PREDICTION.c.id.in_(
                select(IMAGE.c.prediction_id).where(
                    IMAGE.c.state == State.TAGGED, ~audits.has_decision(IMAGE.c.digest)
                )
            ),
        )
    )
    return [(tag, confidence) for tag, confidence in connection.execute(query)]


def auto_tagging_stats(connection: Connection) -> AutoTaggingStats | None:
    """Return what is known about the network that tagged most; None without one."""
    model_id, policy = audits.in_force(connection)
    model = connection.execute(
        select(MODEL.c.name, MODEL.c.digest).where(MODEL.c.id == model_id)
    ).first()
    if model is None:
        return None
    policy = policy or Policy(1.0)
    audited, right = _measured(connection, model.digest, policy)
    certificate = newest(connection, model.digest)
    since = previous_policy.in_force_since(connection, model_id)
    confused = _confused(connection, IN_FORCE.c.decided_at >= since)
    earlier = () if confused else _confused(connection, IN_FORCE.c.decided_at < since)
    return AutoTaggingStats(
        network=model.name,
        digest=model.digest,
        policy=policy,
        audited=audited,
        right=right,
        certificate=certificate,
        audited_since=_audited_since(connection, certificate),
        confused=confused or earlier,
        confused_before=bool(earlier),
        formerly=_formerly(connection, model_id, policy),
    )


def keep(connection: Connection, certificate: Certificate) -> None:
    """Store a certificate; from now on it is in force for its network."""
    values = asdict(certificate)
    digest = values.pop("digest")
    del values["network"]
    model_id = connection.scalar(select(MODEL.c.id).where(MODEL.c.digest == digest))
    connection.execute(
        insert(CERTIFICATE).values(model_id=model_id, preparing=PREPARING, **values)
    )


def newest(connection: Connection, model_digest: str) -> Certificate | None:
    """Return the newest certificate of a network, or None.

    Certificates for pictures of another preprocessing do not count.
    """
    rows = connection.execute(
        _certificates()
        .where(MODEL.c.digest == model_digest, CERTIFICATE.c.preparing == PREPARING)
        .limit(1)
    )
    row = rows.mappings().first()
    return None if row is None else _certificate(row)


def every(connection: Connection) -> Iterator[Certificate]:
    """Yield all certificates, newest first."""
    yield from map(_certificate, connection.execute(_certificates()).mappings())


def _measured(
    connection: Connection, model_digest: str, policy: Policy
) -> tuple[int, int]:
    """Count the audited pictures that a policy accepts, and the right ones of them."""
    answers = audit_evidence(connection, model_digest).answers
    measured = {
        answer.digest: answer.right for answer in answers if _measures(answer, policy)
    }
    return len(measured), sum(measured.values())


def _formerly(
    connection: Connection, model_id: int | None, policy: Policy
) -> PreviousPolicy | None:
    previous = previous_policy.find_previous(connection, model_id, policy)
    if previous is None:
        return None
    audited, right = _measured(connection, previous.digest, previous.policy)
    return replace(previous, audited=audited, right=right)


def _measures(answer: AuditedAnswer, policy: Policy) -> bool:
    """Whether an answer belongs to an even sample of all that a policy accepts."""
    predicted, drawn_by = answer.prediction, answer.drawn_by
    drawn_evenly = answer.of_tag is None and drawn_by.margin <= policy.margin
    # The sample covers the policy only if it reached as low for every tag.
    tags = {predicted.tag, *policy.tags, *drawn_by.tags}
    return (
        drawn_evenly
        and drawn_by.threshold <= policy.threshold
        and all(drawn_by.least(tag) <= policy.least(tag) for tag in tags)
        and accepts(policy, predicted)
    )


def _audited_since(connection: Connection, certificate: Certificate | None) -> int:
    query = select(func.count()).where(
        DECISION.c.source == audits.SOURCE, is_standing()
    )
    if certificate is not None:
        query = query.where(DECISION.c.decided_at > certificate.made_at)
    return connection.scalar(query) or 0


def _confused(
    connection: Connection, when: ColumnElement[bool]
) -> tuple[tuple[str, str | None, int], ...]:
    """Count the decisions in force that differ from the network's answer then."""
    number = func.count()
    corrected = (
        select(IN_FORCE.c.machine_tag, IN_FORCE.c.tag, number)
        .where(
            IN_FORCE.c.machine_tag.is_not(None),
            ~agrees(IN_FORCE.c.machine_tag, IN_FORCE.c.tag),
            when,
        )
        .group_by(IN_FORCE.c.machine_tag, IN_FORCE.c.tag)
        .order_by(
            number.desc(), IN_FORCE.c.machine_tag, func.coalesce(IN_FORCE.c.tag, "")
        )
        .limit(_MOST_CONFUSED)
    )
    return tuple(
        (machine_tag, tag, count)
        for machine_tag, tag, count in connection.execute(corrected)
    )


def _certificates() -> Any:  # noqa: ANN401
    return (
        select(CERTIFICATE, MODEL.c.name, MODEL.c.digest)
        .join(MODEL, MODEL.c.id == CERTIFICATE.c.model_id)
        .order_by(CERTIFICATE.c.id.desc())
    )


def _certificate(row: RowMapping) -> Certificate:
    return Certificate(
        made_at=row["made_at"],
        network=row["name"],
        digest=row["digest"],
        precision=row["precision"],
        certainty=row["certainty"],
        policy=None if row["policy"] is None else Policy(**row["policy"]),
        claims=tuple(Claim(**claim) for claim in row["claims"]),
        pictures=row["pictures"],
        accepts=row["accepts"],
        accepted_before=row["accepted_before"],
    )


def _sampled(connection: Connection, model_id: int) -> list[Mapping[str, Any]]:
    query = (
        select(
            SAMPLED.c.id.label("sampled_id"),
            SAMPLED.c.audit_id,
            SAMPLED.c.again,
            SAMPLED.c.decision_id,
            AUDIT.c.drawn_by,
            AUDIT.c.tag.label("of_tag"),
            audits.answered_in_audit().label("asked"),
            audits.is_present(SAMPLED.c.digest).label("there"),
            PREDICTION,
        )
        .join(AUDIT, AUDIT.c.id == SAMPLED.c.audit_id)
        .join(PREDICTION, PREDICTION.c.id == SAMPLED.c.prediction_id)
        .where(
            audits.by_current_network(model_id),
            AUDIT.c.model_id == model_id,
            AUDIT.c.drawn_by.is_not(None),
            audits.drawn_under_current_mix(model_id),
            ~audits.seen_in_training(SAMPLED.c.digest, model_id),
        )
        .order_by(SAMPLED.c.id)
    )
    return [*connection.execute(query).mappings()]


@dataclass
class _Drawn:
    """Collects the answers of audits, one sample after another.

    `decisions` are the standing ones by digest, oldest first.
    """

    decisions: Mapping[str, Sequence[Decision]]
    contradicted: set[str]

    def __post_init__(self) -> None:
        self.answers: list[AuditedAnswer] = []
        self.counts: Counter[str] = Counter()
        self.from_queue: set[str] = set()

    def read(self, sample: Sequence[Mapping[str, Any]]) -> None:
        """Add the sample of one audit, in the order of its draw."""
        end = self._reached(sample)
        for place, row in enumerate(sample):
            answer = self._answer(row)
            if answer is None and row["there"]:
                self.counts["skipped" if place < end else "waiting"] += 1
            if place >= end:
                continue
            if answer is None and not row["there"]:
                continue  # deleted before anyone could answer: no evidence either way
            if answer is not None and answer.source != audits.SOURCE:
                self.from_queue.add(row["digest"])
            self.answers.append(self._read(row, answer))

    def _reached(self, sample: Sequence[Mapping[str, Any]]) -> int:
        """Return how far the reviewers got: the place after the last picture asked.

        Answers of an earlier audit, or of another inventory, were not asked here.
        """
        if not any(map(self._waits, sample)):
            return len(sample)
        asked = [n for n, row in enumerate(sample) if row["asked"]]
        return asked[-1] + 1 if asked else 0

    def _waits(self, row: Mapping[str, Any]) -> bool:
        return row["there"] and self._answer(row) is None

    def _answer(self, row: Mapping[str, Any]) -> Decision | None:
        """Return the decision in force; None if its picture is to be asked again."""
        standing = self.decisions.get(row["digest"], ())
        if not standing or (row["again"] and row["decision_id"] is None):
            return None
        return standing[-1]

    def _read(self, row: Mapping[str, Any], decided: Decision | None) -> AuditedAnswer:
        predicted = prediction(row)  # type: ignore[arg-type]
        agreed = decided is not None and decided.answer.tag == predicted.tag
        return AuditedAnswer(
            digest=row["digest"],
            prediction=predicted,
            drawn_by=Policy(**row["drawn_by"]),
            of_tag=row["of_tag"],
            right=agreed and row["digest"] not in self.contradicted,
        )


def _standing(connection: Connection) -> dict[str, list[Decision]]:
    """Return the standing decisions by digest, oldest first.

    Only about contents that an audit drew or that were decided several times.
    """
    columns = [c for c in DECISION.columns if c.key != "prepared"]  # long, not needed
    asked = select(SAMPLED.c.digest)
    several = (
        select(DECISION.c.digest)
        .where(is_standing())
        .group_by(DECISION.c.digest)
        .having(func.count() > 1)
    )
    query = (
        select(*columns)
        .where(
            is_standing(),
            DECISION.c.digest.in_(asked) | DECISION.c.digest.in_(several),
        )
        .order_by(DECISION.c.decided_at, DECISION.c.id)
    )
    by_digest: dict[str, list[Decision]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        made = decision({**row, "prepared": None})  # type: ignore[arg-type]
        by_digest[made.answer.digest].append(made)
    return by_digest


def _contradicted(decisions: Mapping[str, Sequence[Decision]]) -> Iterator[str]:
    """Yield the contents whose standing decisions contradict each other.

    See `decisions.contradicts`.
    """
    for digest, history in decisions.items():
        if contradicts(
            (made.reviewer, made.answer.tag, made.source == audits.SOURCE)
            for made in history
        ):
            yield digest


def _contradictions(
    connection: Connection,
    decisions: Mapping[str, Sequence[Decision]],
    contradicted: Sequence[str],
) -> Iterator[Contradiction]:
    for digest in contradicted:
        known_paths = paths(connection, digest)
        yield Contradiction(
            path=known_paths[0] if known_paths else digest,
            tags=tuple(made.answer.tag for made in decisions[digest]),
            reviewers=tuple(made.reviewer for made in decisions[digest]),
        )


def _agreements(decisions: Mapping[str, Sequence[Decision]]) -> list[Agreement]:
    """Count, by reviewer, the blind answers about pictures they had decided before."""
    again, same = Counter[str](), Counter[str]()
    for history in decisions.values():
        former: dict[str, str | None] = {}
        for made in history:
            if made.reviewer in former and made.source == audits.SOURCE:
                again[made.reviewer] += 1
                same[made.reviewer] += former[made.reviewer] == made.answer.tag
            former[made.reviewer] = made.answer.tag
    return [Agreement(name, again[name], same[name]) for name in sorted(again)]
