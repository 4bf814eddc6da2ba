"""A careful start: ask for more where pictures are not like those of the training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tagger.records import LEAST_PICTURES, Policy

LIMIT: Final = 1.1
"""Shift (see `familiarity`) from which on pictures are unfamiliar. Measured by leaving
sets of shops out of the training: held-back parts of sets that were trained on lie at
0.1 to 1.0, sets that were left out at 1.4 to 2.5; samples of a hundred pictures at 0 to
1.3, and at 1.0 to 2.8."""

_TIGHTER: Final = 4
"""By how much less room a tightened threshold leaves below 1: of 0.96 it makes 0.99,
which kept 0.97 of what was accepted right in each of the four sets that were left out;
0.96 did in one."""


@dataclass(frozen=True, slots=True)
class ShiftGuard:
    """Tightens a network's policy for what is not certified.

    `familiar` is the file that says what the network knows; None where it has none, and
    then its policy stays as it is. `certified` are the thresholds of tags that are
    certified alone, which hold whatever the pictures are like. With `report_only` the
    policy stays as it is, and the shift is known to whoever asks later.
    """

    familiar: Path | None
    certified: Mapping[str, float] = field(default_factory=dict)
    report_only: bool = False

    def policy(self, bundled: Policy, shift: float | None) -> Policy:
        """Return the policy for pictures of that shift; None where it is not known."""
        holds = self.familiar is not None and not self.report_only
        unlike = holds and shift is not None and shift > LIMIT
        policy = conservative(bundled) if unlike else bundled
        return replace(policy, tags={**policy.tags, **self.certified})

    def shift(self, rows: Sequence[Sequence[float]]) -> float | None:
        """Return the shift of pictures with these probabilities, (n, labels).

        None where the network does not say what it knows, and of few pictures. Raises
        ModelError where its file is not what it should be.
        """
        if self.familiar is None or len(rows) < LEAST_PICTURES:
            return None
        import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

        from tagger.policy.shift import read_reference, shift_of  # noqa: PLC0415

        return shift_of(np.array(rows, np.float32), read_reference(self.familiar))


def conservative(policy: Policy) -> Policy:
    """Return a policy that leaves a quarter of the room below 1."""
    return Policy(
        _tighter(policy.threshold),
        policy.margin,
        {tag: _tighter(least) for tag, least in policy.tags.items()},
    )


def _tighter(least: float) -> float:
    return round(1 - (1 - least) / _TIGHTER, 4)
