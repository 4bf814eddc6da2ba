"""Find out if there are enough pictures for the audits that claims still need."""

from typing import TYPE_CHECKING

from tagger.inventory.records import AuditReach

if TYPE_CHECKING:
    from tagger.inventory import Inventory
    from tagger.records import Certificate, Claim


def audit_reach(inventory: "Inventory", certificate: "Certificate") -> AuditReach:
    """Count the pictures left for each claim that needs more than there are."""
    lacking = [claim for claim in certificate.claims if claim.threshold is None]
    left = {claim.tag: _left(inventory, claim) for claim in lacking}
    short = {c.tag: left[c.tag] for c in lacking if left[c.tag] < c.needed}
    tags = {tag: number for tag, number in short.items() if tag is not None}
    return AuditReach(short.get(None), tags)


def _left(inventory: "Inventory", claim: "Claim") -> int:
    """Return how many pictures audits can still draw, at most as many as are needed."""
    most = claim.answers + claim.needed
    drawn = inventory.auditable(claim.least, tag=claim.tag, most=most)
    return max(0, drawn - claim.answers)
