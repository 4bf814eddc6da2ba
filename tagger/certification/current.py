"""What several commands tell of the machine's work alone."""

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.bundles.bundle import Bundle
    from tagger.inventory import Inventory
    from tagger.inventory.records import AutoTaggingStats
    from tagger.records import Policy


def current_stats(inventory: "Inventory") -> "AutoTaggingStats | None":
    """Return what is known of the machine's work alone, with the newest answers.

    Where audits were answered since the last certificate, what could be certified now
    is told; nothing is written. Only then are arrays needed.
    """
    from tagger.bundles.adapted import bundle_in_force
    from tagger.errors import ModelError

    known = inventory.auto_tagging_stats()
    if known is None or not known.audited_since:
        return known
    from tagger.certification.issue import as_of_now

    with suppress(ModelError):  # the network is gone: what was certified is told
        network = bundle_in_force(inventory.path, inventory.adaptations())
        careful = uncertified_policy(inventory, network)
        return as_of_now(inventory, known, network.card, careful)
    return known


def uncertified_policy(inventory: "Inventory", network: "Bundle") -> "Policy":
    """Return the policy of a network here for what is not certified."""
    from tagger.policy.shift_guard import ShiftGuard

    card = network.card
    guard = ShiftGuard(network.familiar_file)
    return guard.policy(card.policy, inventory.shift(card.digest))
