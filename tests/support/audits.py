"""Inventories without files, and audits of them."""

from collections.abc import Iterable
from dataclasses import replace

from support import FakeClassifier
from support.inventories import ROOT, tagged

from tagger.certification.issue import CertificationResult, certify_network
from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import Answer, AuditResult, DecisionKind, Selection
from tagger.policy.decide import decide
from tagger.records import ImageFile, ModelIdentity, Policy

NETWORK = FakeClassifier().identity
BUNDLED = Policy(0.96)


def scan(
    inventory: Inventory,
    items: dict[str, Tagged],
    policy: Policy,
    network: ModelIdentity = NETWORK,
) -> None:
    """Put items into the inventory as a scan by a policy would, without files."""
    with inventory.recording(network, options={}) as recording:
        recording.enforce(policy, decide)
        judged = [
            (
                ImageFile(path, 1, 2),
                replace(one, verdict=decide(one.prediction, policy)),
            )
            for path, one in items.items()
        ]
        recording.record(ROOT, judged, recording.known(ROOT), {})
        recording.finish([ROOT], exit_code=0, counts={})


def stock(count: int, confidence: float, *, start: int = 0) -> dict[str, Tagged]:
    return {f"{n:05}.jpg": tagged(n, confidence) for n in range(start, start + count)}


def certified(inventory: Inventory, precision: float = 0.97) -> CertificationResult:
    return certify_network(
        inventory,
        NETWORK,
        bundled=BUNDLED,
        uncertified=BUNDLED,
        precision=precision,
        certainty=0.9,
    )


def answer_audit(
    inventory: Inventory,
    audit: AuditResult | None,
    *,
    most: int = 10_000,
    wrong: Iterable[str] = (),
    reviewer: str = "anna",
) -> AuditResult:
    """Answer an audit in the order of its draw."""
    assert audit is not None
    bad = set(wrong)
    with inventory.reviewing(reviewer, Selection(audit_id=audit.id)) as opened:
        for item in opened.take(most, without=()):
            shown = {item.digest: item.in_force.id if item.in_force else None}
            given = say(item.digest, "Bag" if item.digest in bad else item.tag)
            opened.decide([given], shown)
        result = opened.audit()
        assert result is not None
        return result


def say(digest: str, tag: str | None) -> Answer:
    kind = DecisionKind.CORRECT if tag else DecisionKind.NOT_CATALOGUE
    return Answer(digest, kind, tag)
