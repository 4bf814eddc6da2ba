"""Which policy is in force in a scan.

The first of these that is there decides:

1. the threshold that the caller asks for, for all tags alike;
2. a certificate about all tags together: its policy;
3. a certificate about single tags: their thresholds, and for the others the policy of
   the network, tightened where the pictures are unlike those it was trained on;
4. the policy of the network, tightened likewise.

Tags that the shop gave to kinds of things are unknown to the network's policy. From 2
on they have a threshold of their own, unless the certificate speaks of them.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tagger.policy.shift_guard import ShiftGuard
from tagger.records import Certificate, Policy, certified_alone

LEAST_OF_ADDED: Final = 0.9
"""Least confidence from which on a tag is accepted that a shop gave to a kind: of the
skirts, heels and boots of shops that a network had not seen 95 in 100 are right from
there on, from 0.8 on 85 (models/README.md)."""


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """The policy of a scan before it knows its pictures, and what may tighten it.

    `certified` says that a certificate is in force: a promise is made about the network
    as it stands, so the shop's mix of tags must stay as it is, too.
    """

    policy: Policy
    guard: ShiftGuard
    certified: bool = False

    def for_shift(self, shift: float | None) -> Policy:
        """Return the policy for pictures of that shift; None where it is not known."""
        return self.guard.policy(self.policy, shift)


def effective_policy(  # noqa: PLR0913  what may decide
    bundled: Policy,
    tags: Collection[str],
    *,
    reference: Path | None = None,
    certificate: Certificate | None = None,
    threshold: float | None = None,
    added: Collection[str] = (),
) -> EffectivePolicy:
    """Return the policy in force.

    `bundled` is the policy of the network's card and `tags` are the tags it speaks of.
    `reference` is the network's file of the pictures it was trained on; None where it
    has none. `certificate` is the newest one of this network here; `threshold` is what
    the caller asks for, in [0, 1]; `added` are the tags in use here.
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
