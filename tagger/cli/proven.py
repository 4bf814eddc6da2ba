"""What several commands tell of the machine's work alone."""

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.inventory import Inventory
    from tagger.records import Assurance


def assured(inventory: "Inventory") -> "Assurance | None":
    """Return what is known of the machine's work alone, with the newest answers.

    Where audits were answered since the last certificate, what could be certified now
    is told; nothing is written. Only then are arrays needed.
    """
    from tagger.adapted import bundle_in_force
    from tagger.errors import ModelError

    known = inventory.assurance()
    if known is None or not known.audited_since:
        return known
    from tagger.caution import Caution
    from tagger.proof import as_of_now

    with suppress(ModelError):  # the network is gone: what was certified is told
        network = bundle_in_force(inventory.path, inventory.adaptations())
        card = network.card
        careful = Caution(network.familiar_file).policy(
            card.policy, inventory.shift(card.digest)
        )
        return as_of_now(inventory, known, card, careful)
    return known
