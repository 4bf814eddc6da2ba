"""Issue a certificate for a network from audit evidence."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tagger.bundles.bundle import ModelCard
from tagger.certification.reach import audit_reach
from tagger.certification.sequential_testing import (
    Population,
    certified_policy,
    certify,
    evidence_of,
    reachable_precision,
)
from tagger.errors import ReviewError
from tagger.inventory import Inventory
from tagger.inventory.records import AuditEvidence, AuditReach, AutoTaggingStats
from tagger.labels import tags_of
from tagger.policy.calibration import CERTAINTY, TARGET_PRECISION
from tagger.records import Certificate, ModelIdentity, Policy


@dataclass(frozen=True, slots=True)
class CertificationResult:
    """A certificate that is not stored yet, its evidence, and what audits can add."""

    certificate: Certificate
    evidence: AuditEvidence
    reach: AuditReach


def certify_network(  # noqa: PLR0913  the terms of a certificate
    inventory: Inventory,
    network: ModelIdentity,
    *,
    bundled: Policy,
    uncertified: Policy,
    precision: float,
    certainty: float,
) -> CertificationResult:
    """Certify as much of a network's policy as can be proven now; nothing is written.

    `bundled` is the network's own policy, `uncertified` the policy for tags without a
    certificate. Raises ReviewError if the network never classified here, and ModelError
    if it classified under other labels.
    """
    if not inventory.classified_by(network):
        raise ReviewError(
            f"the network {network.name} never classified pictures of this inventory: "
            "scan with it first"
        )
    tags = list(tags_of(inventory.labels_here(network.labels)))
    audited = inventory.audit_evidence(network.digest)
    evidence = evidence_of(audited.answers, tags, bundled)
    claims = certify(evidence, bundled, precision, certainty)
    population = _population(inventory, network, tags, bundled)
    policy = certified_policy(claims, bundled, uncertified, population)
    before = inventory.certificate(network.digest)
    in_force = before.policy if before is not None and before.policy else uncertified
    certificate = Certificate(
        made_at=datetime.now(UTC),
        network=network.name,
        digest=network.digest,
        precision=precision,
        certainty=certainty,
        policy=policy,
        claims=claims,
        pictures=len(population.tag),
        accepts=_share(population, policy or uncertified, tags),
        accepted_before=_share(population, in_force, tags),
    )
    return CertificationResult(certificate, audited, _reach(inventory, certificate))


def _reach(inventory: Inventory, certificate: Certificate) -> AuditReach:
    """Return what audits can reach, with the precision for all tags together."""
    reach, joint = audit_reach(inventory, certificate), certificate.claims[0]
    if reach.joint is None:
        return reach
    precision = reachable_precision(joint, reach.joint, certificate.certainty)
    return replace(reach, precision=precision)


def _population(
    inventory: Inventory, network: ModelIdentity, tags: list[str], bundled: Policy
) -> Population:
    numbers = {tag: number for number, tag in enumerate(tags)}
    # Pictures keep a tag that was removed since the last scan until the next one.
    undecided = [
        (tag, confidence)
        for tag, confidence in inventory.undecided(network.digest, bundled.margin)
        if tag in numbers
    ]
    return Population(
        tag=np.array([numbers[tag] for tag, _ in undecided], np.int64),
        confidence=np.array([confidence for _, confidence in undecided], float),
    )


def _share(population: Population, policy: Policy, tags: list[str]) -> float:
    """Return the share that a policy accepts; 0 if there are no pictures."""
    if not len(population.tag):
        return 0.0
    return float(population.accepted(policy, tags).mean())


def as_of_now(
    inventory: Inventory, known: AutoTaggingStats, card: ModelCard, uncertified: Policy
) -> AutoTaggingStats:
    """Return the statistics with what could be certified now; nothing is written.

    `uncertified` is the policy for tags that are not certified. If the card belongs to
    another network, `known` is returned unchanged.
    """
    if card.digest != known.digest:
        return known
    before = known.certificate
    result = certify_network(
        inventory,
        card.identity,
        bundled=card.policy,
        uncertified=uncertified,
        precision=before.precision if before else TARGET_PRECISION,
        certainty=before.certainty if before else CERTAINTY,
    )
    certificate = result.certificate
    is_new = not has_same_claims(before, certificate)
    waits = is_new and certificate.policy is not None
    return replace(
        known,
        certificate=certificate,
        audited_since=0,
        waits=waits,
        reach=result.reach,
    )


def has_same_claims(before: Certificate | None, now: Certificate) -> bool:
    """Whether a new certificate makes the same promise on the same evidence."""
    return before is not None and (
        (before.precision, before.certainty, before.policy, before.claims)
        == (now.precision, now.certainty, now.policy, now.claims)
    )
