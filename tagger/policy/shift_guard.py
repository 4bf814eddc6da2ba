"""Tighten a policy for pictures that are far from the training pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tagger.records import LEAST_FOR_SHIFT, Policy

LIMIT: Final = 1.1
"""The policy is tightened above this shift (see `policy.covariate_shift`). Measured by
leaving sets of shops out of the training: held-back parts of sets that were trained on
have shifts of 0.1 to 1.0, sets that were left out 1.4 to 2.5. Samples of a hundred
pictures have 0 to 1.3, and 1.0 to 2.8."""

_TIGHTER: Final = 4
"""The distance of a threshold from 1 is divided by this: 0.96 becomes 0.99. At 0.99 the
precision reached 0.97 in each of the four sets that were left out, at 0.96 in one."""


@dataclass(frozen=True, slots=True)
class ShiftGuard:
    """Tightens a network's policy for tags that are not certified.

    `reference` is the file of the network's reference statistics; if it is None, the
    policy never changes. `certified` are the thresholds of tags that are certified
    alone; they hold at any shift. With `report_only` the shift is measured, and the
    policy does not change.
    """

    reference: Path | None
    certified: Mapping[str, float] = field(default_factory=dict)
    report_only: bool = False

    def policy(self, bundled: Policy, shift: float | None) -> Policy:
        """Return the policy for pictures of this shift.

        A `shift` of None is unknown: the policy is not tightened.
        """
        active = self.reference is not None and not self.report_only
        far = active and shift is not None and shift > LIMIT
        policy = tightened(bundled) if far else bundled
        return replace(policy, tags={**policy.tags, **self.certified})

    def shift(self, rows: Sequence[Sequence[float]]) -> float | None:
        """Return the shift of pictures with these probabilities, (n, labels).

        None without reference statistics, or for fewer than `LEAST_FOR_SHIFT` pictures.
        Raises ModelError if the file of reference statistics is damaged.
        """
        if self.reference is None or len(rows) < LEAST_FOR_SHIFT:
            return None
        import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

        from tagger.policy.covariate_shift import read_reference, shift_of  # noqa: PLC0415

        return shift_of(np.array(rows, np.float32), read_reference(self.reference))


def tightened(policy: Policy) -> Policy:
    """Return a policy whose thresholds are four times as close to 1."""
    return Policy(
        _tighter(policy.threshold),
        policy.margin,
        {tag: _tighter(least) for tag, least in policy.tags.items()},
    )


def _tighter(least: float) -> float:
    return round(1 - (1 - least) / _TIGHTER, 4)


NO_GUARD: Final = ShiftGuard(None)
"""The policy holds at any shift."""
