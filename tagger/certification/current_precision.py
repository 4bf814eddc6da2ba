"""Report how precise tags without a person are, as of now."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tagger.certification.reach import audit_reach
from tagger.certification.summary import FIRST_CERTIFICATE, FIRST_FROM
from tagger.inventory.records import ENOUGH, AuditReach

if TYPE_CHECKING:
    from tagger.bundles.bundle import Bundle
    from tagger.inventory import Inventory
    from tagger.inventory.records import AutoTaggingStats
    from tagger.records import Certificate, Policy


def current_stats(inventory: "Inventory") -> "AutoTaggingStats | None":
    """Return the statistics of automatic tagging, with the newest answers.

    If audits were answered since the last certificate, they show what could be
    certified now. Nothing is written. Only this case needs arrays.
    """
    from tagger.bundles.adapted import bundle_in_force
    from tagger.errors import ModelError

    stats = inventory.auto_tagging_stats()
    if stats is None:
        return None
    if not stats.audited_since:
        return replace(stats, reach=_reach(inventory, stats.certificate))
    from tagger.certification.issue import as_of_now

    with suppress(ModelError):  # without the network, report the last certificate
        network = bundle_in_force(inventory.place, inventory.adaptations())
        uncertified = uncertified_policy(inventory, network)
        return as_of_now(inventory, stats, network.card, uncertified)
    return stats


def _reach(inventory: "Inventory", certificate: "Certificate | None") -> "AuditReach":
    if certificate is not None:
        return audit_reach(inventory, certificate)
    left = inventory.auditable(FIRST_FROM, most=FIRST_CERTIFICATE)
    return AuditReach(left) if left < FIRST_CERTIFICATE else ENOUGH


def uncertified_policy(inventory: "Inventory", network: "Bundle") -> "Policy":
    """Return a network's policy in this inventory for tags that are not certified."""
    from tagger.policy.effective import effective_policy

    card = network.card
    uncertified = effective_policy(
        card.policy, card.tags, reference=network.reference_file
    )
    return uncertified.for_shift(inventory.shift(card.digest))
