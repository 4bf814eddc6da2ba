"""Read a policy from a table of TOML or JSON."""

import msgspec

from tagger.records import Policy
from tagger.validation import Share, convert


class PolicyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a policy, as cards and recipes write them."""

    threshold: Share
    margin: Share = 0.0
    tags: dict[str, Share] = {}


def policy_from(table: object) -> Policy:
    """Return the policy of a parsed table; ValueError, naming the key, if invalid."""
    return Policy(**msgspec.structs.asdict(convert(table, PolicyTable)))
