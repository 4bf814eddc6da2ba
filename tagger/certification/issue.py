"""From what audits tell of a network to a certificate."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tagger.bundles.bundle import ModelCard
from tagger.certification.testing import (
    Population,
    certified_policy,
    certify,
    evidence_of,
)
from tagger.errors import ReviewError
from tagger.inventory import Inventory
from tagger.inventory.records import AuditEvidence, AutoTaggingStats
from tagger.labels import tags_of
from tagger.policy.calibration import CERTAINTY, TARGET_PRECISION
from tagger.records import Certificate, ModelIdentity, Policy


@dataclass(frozen=True, slots=True)
class CertificationResult:
    """A certificate that could be kept, and what it rests on."""

    certificate: Certificate
    evidence: AuditEvidence


def certify_network(  # noqa: PLR0913  a promise is made of these
    inventory: Inventory,
    network: ModelIdentity,
    *,
    bundled: Policy,
    careful: Policy,
    precision: float,
    certainty: float,
) -> CertificationResult:
    """Certify what can be certified of a network today; nothing is written.

    `bundled` is the network's own policy, `careful` the one that holds for what is not
    certified. Raises ReviewError where the network never classified here, ModelError
    where it did under other labels.
    """
    if not inventory.classified_by(network):
        raise ReviewError(
            f"the network {network.name} never classified here: scan with it first"
        )
    tags = list(tags_of(inventory.labels_here(network.labels)))
    heard = inventory.audit_evidence(network.digest)
    evidence = evidence_of(heard.answers, tags, bundled)
    claims = certify(evidence, bundled, precision, certainty)
    population = _population(inventory, network, tags, bundled)
    policy = certified_policy(claims, bundled, careful, population)
    before = inventory.certificate(network.digest)
    in_force = before.policy if before is not None and before.policy else careful
    certificate = Certificate(
        made_at=datetime.now(UTC),
        network=network.name,
        digest=network.digest,
        precision=precision,
        certainty=certainty,
        policy=policy,
        claims=claims,
        pictures=len(population.tag),
        accepts=_share(population, policy or careful, tags),
        accepted_before=_share(population, in_force, tags),
    )
    return CertificationResult(certificate, heard)


def _population(
    inventory: Inventory, network: ModelIdentity, tags: list[str], bundled: Policy
) -> Population:
    numbers = {tag: number for number, tag in enumerate(tags)}
    # A tag that was removed since the last scan is that of its pictures until the next.
    found = [
        (tag, confidence)
        for tag, confidence in inventory.undecided(network.digest, bundled.margin)
        if tag in numbers
    ]
    return Population(
        tag=np.array([numbers[tag] for tag, _ in found], np.int64),
        confidence=np.array([confidence for _, confidence in found], float),
    )


def _share(population: Population, policy: Policy, tags: list[str]) -> float:
    """Return the share that a policy accepts; 0 of nothing."""
    if not len(population.tag):
        return 0.0
    return float(population.accepted(policy, tags).mean())


def as_of_now(
    inventory: Inventory, known: AutoTaggingStats, card: ModelCard, careful: Policy
) -> AutoTaggingStats:
    """Return what is known with what could be certified now; nothing is written.

    `careful` is the policy for what is not certified. As it was known where the card is
    another network's.
    """
    if card.digest != known.digest:
        return known
    before = known.certificate
    found = certify_network(
        inventory,
        card.identity,
        bundled=card.policy,
        careful=careful,
        precision=before.precision if before else TARGET_PRECISION,
        certainty=before.certainty if before else CERTAINTY,
    )
    fresh = not says_the_same(before, found.certificate)
    waits = fresh and found.certificate.policy is not None
    return replace(known, certificate=found.certificate, audited_since=0, waits=waits)


def says_the_same(before: Certificate | None, now: Certificate) -> bool:
    """Whether a new certificate promises what the last did, for the same reasons."""
    return before is not None and (
        (before.precision, before.certainty, before.policy, before.claims)
        == (now.precision, now.certainty, now.policy, now.claims)
    )
