"""What audits testify about a network, and the certificates made of it.

Evidence is what was drawn at random. What reviewers answered in the queue is not: it is
what was flagged, and may leave out what is hard. It counts where an audit's lot fell on
it, and only there. Functions of a connection; whoever calls them opens the transaction.
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
    case,
    exists,
    func,
    insert,
    select,
    tuple_,
)

from tagger.inventory import audits, previous_policy
from tagger.inventory.decisions import contradicts, decision, paths
from tagger.inventory.mapping import kind_tags, looked_up_by, prediction, read_labels
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
    MODEL,
    PREDICTION,
    SAMPLED,
    is_standing,
)
from tagger.labels import reading
from tagger.policy.accept import accepts
from tagger.records import PREPARING, Certificate, Claim, Policy, State

_MOST_CONFUSED = 5

_COIN = 0.5
"""From this confidence on, "other" cannot be more probable."""


def audit_evidence(connection: Connection, model_digest: str) -> AuditEvidence:
    """Gather the answers of a network's audits, and what speaks against the answers.

    Of an audit that is being answered the answers so far count, in the order of the
    draw; what was passed over on the way counts as wrong, as it may have been passed
    over for being hard, and so does what persons contradict each other about. Left out
    is what a person had answered before the network came here, audits of an older
    tagger of which nobody knows what they were drawn from, and what the network said
    of pictures that another recipe had prepared.
    """
    said = _standing(connection)
    contradicted = list(_contradicted(said))
    drawn = _Drawn(said, set(contradicted))
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
        contradictions=tuple(_contradictions(connection, said, contradicted)),
        agreements=tuple(_agreements(said)),
    )


def undecided(
    connection: Connection, model_digest: str, margin: float
) -> list[tuple[str, float]]:
    """Return tag and confidence of each picture that no person decided, bytes once.

    Of what a threshold can accept: with at least that margin, and more probably of the
    tag than no catalogue item.
    """
    model = connection.execute(
        select(MODEL.c.id, MODEL.c.labels).where(MODEL.c.digest == model_digest)
    ).first()
    if model is None:
        return []
    labels = read_labels(connection, model.labels)
    doubtful, adjusted = (
        case((PREDICTION.c.confidence < _COIN, column))
        for column in (PREDICTION.c.probabilities, PREDICTION.c.adjusted)
    )
    query = select(
        PREDICTION.c.tag,
        PREDICTION.c.confidence,
        PREDICTION.c.runner_up,
        PREDICTION.c.margin,
        doubtful.label("probabilities"),
        adjusted.label("adjusted"),
    ).where(
        PREDICTION.c.model_id == model.id,
        PREDICTION.c.margin >= margin,
        PREDICTION.c.id.in_(
            select(IMAGE.c.prediction_id).where(
                IMAGE.c.state == State.TAGGED, ~audits.has_decision(IMAGE.c.digest)
            )
        ),
    )
    return [
        (row["tag"], row["confidence"])
        for row in connection.execute(query).mappings()
        if row["probabilities"] is None or not prediction(row, labels).doubtful
    ]


def auto_tagging_stats(connection: Connection) -> AutoTaggingStats | None:
    """Tell how well the network that tagged most is known; None where none did."""
    model_id, policy = audits.in_force(connection)
    model = connection.execute(
        select(MODEL.c.name, MODEL.c.digest).where(MODEL.c.id == model_id)
    ).first()
    if model is None:
        return None
    policy = policy or Policy(1.0)
    audited, right = _measured(connection, model.digest, policy)
    certificate = newest(connection, model.digest)
    came = previous_policy.came(connection, model_id)
    confused = _confused(connection, DECISION.c.decided_at >= came)
    earlier = () if confused else _confused(connection, DECISION.c.decided_at < came)
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
    """Store a certificate; from now on it is the one in force for its network."""
    values = asdict(certificate)
    digest = values.pop("digest")
    del values["network"]
    model_id = connection.scalar(select(MODEL.c.id).where(MODEL.c.digest == digest))
    connection.execute(
        insert(CERTIFICATE).values(model_id=model_id, preparing=PREPARING, **values)
    )


def newest(connection: Connection, model_digest: str) -> Certificate | None:
    """Return the newest certificate of a network; None where none was ever made.

    One that speaks for pictures prepared by another recipe is none.
    """
    rows = connection.execute(
        _certificates()
        .where(MODEL.c.digest == model_digest, CERTIFICATE.c.preparing == PREPARING)
        .limit(1)
    )
    row = rows.mappings().first()
    return None if row is None else _certificate(row)


def every(connection: Connection) -> Iterator[Certificate]:
    """Yield all certificates, the newest first."""
    yield from map(_certificate, connection.execute(_certificates()).mappings())


def _measured(
    connection: Connection, model_digest: str, policy: Policy
) -> tuple[int, int]:
    """Count the audited pictures that a policy accepts, and those that were right."""
    heard = audit_evidence(connection, model_digest).answers
    measured = {one.digest: one.right for one in heard if _measures(one, policy)}
    return len(measured), sum(measured.values())


def _formerly(
    connection: Connection, model_id: int | None, policy: Policy
) -> PreviousPolicy | None:
    found = previous_policy.last(connection, model_id, policy)
    if found is None:
        return None
    audited, right = _measured(connection, found.digest, found.policy)
    return replace(found, audited=audited, right=right)


def _measures(one: AuditedAnswer, policy: Policy) -> bool:
    """Whether an answer is one of an even sample of all that a policy accepts."""
    said, drawn_by = one.prediction, one.drawn_by
    drawn_evenly = one.of_tag is None and drawn_by.margin <= policy.margin
    reached = {said.tag, *policy.tags, *drawn_by.tags}
    return (
        drawn_evenly
        and drawn_by.threshold <= policy.threshold
        and all(drawn_by.least(tag) <= policy.least(tag) for tag in reached)
        and accepts(policy, said)
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
    """Count what persons corrected, as it stands: the last that was said of the bytes.

    Who finds no item where the network doubted that there is one corrects nothing.
    """
    later = DECISION.alias()
    moment = tuple_(DECISION.c.decided_at, DECISION.c.id)
    replaced = exists().where(
        later.c.digest == DECISION.c.digest,
        is_standing(later.c),
        tuple_(later.c.decided_at, later.c.id) > moment,
    )
    corrected = (
        select(DECISION.c.machine_tag, DECISION.c.tag, func.count())
        .where(
            is_standing(),
            DECISION.c.machine_tag.is_not(None),
            DECISION.c.machine_tag.is_distinct_from(DECISION.c.tag),
            ~replaced,
            when,
        )
        .group_by(DECISION.c.machine_tag, DECISION.c.tag)
    )
    times = Counter(
        {(said or "", tag): count for said, tag, count in connection.execute(corrected)}
    )
    times -= _shared(connection, ~replaced & when)
    found = sorted(times.items(), key=lambda one: (-one[1], one[0][0], one[0][1] or ""))
    return tuple((said, tag, n) for (said, tag), n in found[:_MOST_CONFUSED])


def _shared(
    connection: Connection, when: ColumnElement[bool]
) -> Counter[tuple[str, str | None]]:
    """Count, by what the machine said, decisions for no item that shared its doubt.

    Its doubt when it said so: whatever the network in force says today, or whether the
    bytes are still anywhere, changes nothing about what was agreed on.
    """
    query = (
        select(DECISION.c.id.label("decision_id"), PREDICTION, MODEL.c.labels)
        .join(PREDICTION, PREDICTION.c.digest == looked_up_by(DECISION.c.digest))
        .join(MODEL, MODEL.c.id == looked_up_by(PREDICTION.c.model_id))
        .where(
            is_standing(),
            DECISION.c.tag.is_(None),
            DECISION.c.machine_tag == PREDICTION.c.tag,
            PREDICTION.c.confidence < _COIN,
            when,
        )
    )
    doubted, tags = {}, kind_tags(connection)
    for row in connection.execute(query).mappings():
        said = prediction(row, reading(row["labels"], tags).labels)
        if said.doubtful:
            doubted[row["decision_id"]] = (said.tag, None)
    return Counter(doubted.values())


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
            MODEL.c.labels,
        )
        .join(AUDIT, AUDIT.c.id == SAMPLED.c.audit_id)
        .join(PREDICTION, PREDICTION.c.id == SAMPLED.c.prediction_id)
        .join(MODEL, MODEL.c.id == PREDICTION.c.model_id)
        .where(
            audits.said_today(model_id),
            AUDIT.c.model_id == model_id,
            AUDIT.c.drawn_by.is_not(None),
            audits.as_weighed_today(model_id),
            ~audits.seen_in_training(SAMPLED.c.digest, model_id),
        )
        .order_by(SAMPLED.c.id)
    )
    tags = kind_tags(connection)
    return [
        {**row, "labels": reading(row["labels"], tags).labels}
        for row in connection.execute(query).mappings()
    ]


@dataclass
class _Drawn:
    """Reads the samples of audits, one after another."""

    said: Mapping[str, Sequence[Decision]]
    contradicted: set[str]

    def __post_init__(self) -> None:
        self.answers: list[AuditedAnswer] = []
        self.counts: Counter[str] = Counter()
        self.from_queue: set[str] = set()

    def read(self, sample: Sequence[Mapping[str, Any]]) -> None:
        """Take in the sample of one audit, in the order of its draw."""
        end = self._reached(sample)
        for place, row in enumerate(sample):
            found = self._answer(row)
            if found is None and row["there"]:
                self.counts["skipped" if place < end else "waiting"] += 1
            if place >= end:
                continue
            if found is None and not row["there"]:
                continue
            if found is not None and found.source != audits.SOURCE:
                self.from_queue.add(row["digest"])
            self.answers.append(self._read(row, found))

    def _reached(self, sample: Sequence[Mapping[str, Any]]) -> int:
        """Return how far a sample was gone through: what was asked last ends it.

        What an audit before, or another's inventory, had answered was not asked here.
        """
        if not any(map(self._waits, sample)):
            return len(sample)
        asked = [n for n, row in enumerate(sample) if row["asked"]]
        return asked[-1] + 1 if asked else 0

    def _waits(self, row: Mapping[str, Any]) -> bool:
        return row["there"] and self._answer(row) is None

    def _answer(self, row: Mapping[str, Any]) -> Decision | None:
        """Return the decision in force; none where it was to be asked for again."""
        standing = self.said.get(row["digest"], ())
        if not standing or (row["again"] and row["decision_id"] is None):
            return None
        return standing[-1]

    def _read(self, row: Mapping[str, Any], found: Decision | None) -> AuditedAnswer:
        said = prediction(row, row["labels"])  # type: ignore[arg-type]
        agreed = found is not None and found.answer.tag == said.tag
        return AuditedAnswer(
            digest=row["digest"],
            prediction=said,
            drawn_by=Policy(**row["drawn_by"]),
            of_tag=row["of_tag"],
            right=agreed and row["digest"] not in self.contradicted,
        )


def _standing(connection: Connection) -> dict[str, list[Decision]]:
    """Return the decisions that nobody took back, by bytes, oldest first."""
    columns = [c for c in DECISION.columns if c.key != "prepared"]
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
    found: dict[str, list[Decision]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        one = decision({**row, "prepared": None})  # type: ignore[arg-type]
        found[one.answer.digest].append(one)
    return found


def _contradicted(said: Mapping[str, Sequence[Decision]]) -> Iterator[str]:
    """Yield the bytes about which the decisions in force contradict each other.

    See `decisions.contradicts`.
    """
    for digest, made in said.items():
        if contradicts(
            (one.reviewer, one.answer.tag, one.source == audits.SOURCE) for one in made
        ):
            yield digest


def _contradictions(
    connection: Connection,
    said: Mapping[str, Sequence[Decision]],
    contradicted: Sequence[str],
) -> Iterator[Contradiction]:
    for digest in contradicted:
        where = paths(connection, digest)
        yield Contradiction(
            path=where[0] if where else digest,
            tags=tuple(one.answer.tag for one in said[digest]),
            reviewers=tuple(one.reviewer for one in said[digest]),
        )


def _agreements(said: Mapping[str, Sequence[Decision]]) -> list[Agreement]:
    """Count, by reviewer, the answers given blind about what they had decided."""
    again, same = Counter[str](), Counter[str]()
    for decisions in said.values():
        former: dict[str, str | None] = {}
        for one in decisions:
            if one.reviewer in former and one.source == audits.SOURCE:
                again[one.reviewer] += 1
                same[one.reviewer] += former[one.reviewer] == one.answer.tag
            former[one.reviewer] = one.answer.tag
    return [Agreement(name, again[name], same[name]) for name in sorted(again)]
