"""The table of a policy in TOML or JSON."""

import msgspec

from tagger.records import Policy
from tagger.validation import Share


class PolicyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a policy, as cards and recipes write them, and their ranges."""

    threshold: Share
    margin: Share = 0.0
    tags: dict[str, Share] = {}

    def policy(self) -> Policy:
        """Return the policy."""
        return Policy(**msgspec.structs.asdict(self))
