"""Choose the policy that is in force in a scan.

The first of these that exists is used:

1. the threshold that the caller asks for, the same for all tags;
2. a certificate about all tags together: its policy;
3. a certificate about single tags: their thresholds. The other tags have the policy of
   the network, tightened if the pictures are unlike those it was trained on;
4. the policy of the network, tightened in the same way.

The network's policy does not know tags that the shop gave to kinds of things. In cases
2 to 4 these have a threshold of their own, unless the certificate names them.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tagger.policy.shift_guard import NO_GUARD, ShiftGuard
from tagger.records import Certificate, Policy, certified_alone

LEAST_OF_ADDED: Final = 0.9
"""Least threshold of a tag that a shop gave to a kind. In shops that a network had not
seen, 95 % of its skirts, heels and boots were right at this threshold, 85 % at 0.8
(models/README.md)."""


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """The base policy of a scan, and the guard that may tighten it.

    By default the guard has no reference, and the policy holds at any shift.

    `certified` is true if a certificate is in force. A certificate holds for the
    network with the shop's present mix of tags, so the mix must not change.
    """

    base: Policy
    guard: ShiftGuard = NO_GUARD
    certified: bool = False

    def for_shift(self, shift: float | None) -> Policy:
        """Return the policy in force for pictures of this shift.

        A `shift` of None is unknown: the policy is not tightened.
        """
        return self.guard.policy(self.base, shift)


def effective_policy(  # noqa: PLR0913  all that can set the policy
    bundled: Policy,
    tags: Collection[str],
    *,
    reference: Path | None = None,
    certificate: Certificate | None = None,
    threshold: float | None = None,
    added: Collection[str] = (),
) -> EffectivePolicy:
    """Return the base policy and its guard; `for_shift` gives the policy in force.

    `bundled` is the policy of the network's card, for the tags `tags`. `reference` is
    the file of the network's reference statistics; None if it has none. `certificate`
    is the newest one of this network in this inventory; `threshold` is the caller's, in
    [0, 1]; `added` are the custom tags of the inventory.
    """
    valid = certificate if certificate and certificate.policy else None
    if threshold is not None:
        policy = replace(bundled, threshold=threshold, tags={})
        return EffectivePolicy(policy, _reporting(reference), valid is not None)
    own = dict.fromkeys(
        set(added) - set(tags) - _certified_tags(valid),
        max(bundled.threshold, LEAST_OF_ADDED),
    )
    if valid is None or valid.policy is None:
        return EffectivePolicy(_with(bundled, own), ShiftGuard(reference))
    if valid.joint:
        return EffectivePolicy(
            _with(valid.policy, own), _reporting(reference), certified=True
        )
    guard = ShiftGuard(reference, certified=certified_alone(valid.claims))
    return EffectivePolicy(_with(bundled, own), guard, certified=True)


def _certified_tags(certificate: Certificate | None) -> set[str | None]:
    if certificate is None:
        return set()
    return {
        claim.tag
        for claim in certificate.claims
        if certificate.joint or claim.threshold is not None
    }


def _with(policy: Policy, tags: dict[str, float]) -> Policy:
    return replace(policy, tags={**policy.tags, **tags})


def _reporting(reference: Path | None) -> ShiftGuard:
    return ShiftGuard(reference, report_only=True)
