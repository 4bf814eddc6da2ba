"""Whether an adapted network may take another's place. Pure functions of arrays.

Both are asked about the same answers, none of which either has learnt from, so what
counts is where they differ. The answers are no random sample of the shop: most were
asked because the network in force was unsure. So neither's figures say how it will do
in the shop; that the one is better than the other where the shop is hard, they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.evaluation.comparison import Comparison, Difference, compare
from tagger.evaluation.measures import NEVER, Outcomes
from tagger.labels import answers, are_tags
from tagger.policy.calibration import TARGET_PRECISION

MOST_FORGOTTEN: Final = 0.005
"""Most of the accuracy on what was known before that may be lost: half a point."""

MOST_LOST: Final = 0.02
"""Most that accuracy, or coverage, may fall where the other certainly rises: of two
hundred answers the coverage moves by more than that by chance alone."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ModelOutputs:
    """What a network said of pictures: probabilities (n, labels), and its labels."""

    rows: NDArray[np.float32]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether the second network is promoted, why, and what was measured.

    `known` are the accuracies of both on arrays that they should know, in [0, 1].
    """

    promoted: bool
    reason: str
    comparison: Comparison
    known: tuple[float, float]

    @property
    def forgotten(self) -> float:
        """How much less right the second is on what both should know."""
        return self.known[0] - self.known[1]


def evaluate_promotion(  # noqa: PLR0913  two networks, and what they are asked
    active: ModelOutputs,
    candidate: ModelOutputs,
    truth: NDArray[np.str_],
    groups: NDArray[np.str_],
    known: tuple[float, float],
    *,
    precision: float = TARGET_PRECISION,
) -> Promotion:
    """Judge a candidate beside the network in force, on answers neither learnt from.

    Promoted where accuracy, or coverage at the precision, is certainly better (with
    95 % confidence, by the paired bootstrap over groups), the other of the two is not
    certainly worse and falls by no more than `MOST_LOST`, and no more than
    `MOST_FORGOTTEN` of the accuracy on known arrays is lost. `truth` are labels, (n,).
    There must be an item in two groups or more.
    """
    measured = compare(
        outcomes(active, truth), outcomes(candidate, truth), groups, precision=precision
    )
    lost = known[0] - known[1]
    worse, better = [], []
    for name, difference in (
        ("accuracy", measured.accuracy),
        (f"coverage at {precision:g} precision", measured.coverage),
    ):
        if difference.high < 0 or difference.difference < -MOST_LOST - _ROUNDING:
            worse.append(f"{name} fell {_told(difference)}")
        elif difference.low > 0:
            better.append(f"{name} rose {_told(difference)}")
    if lost > MOST_FORGOTTEN + _ROUNDING:
        worse.append(
            f"{100 * lost:.1f} points of what was known were forgotten "
            f"({known[0]:.3f} to {known[1]:.3f}; at most {100 * MOST_FORGOTTEN:g})"
        )
    if worse:
        return Promotion(False, "; ".join(worse), measured, known)
    if not better:
        no_gain = "no gain that could not be chance: accuracy "
        return Promotion(False, no_gain + _told(measured.accuracy), measured, known)
    return Promotion(True, "; ".join(better), measured, known)


def outcomes(said: ModelOutputs, truth: NDArray[np.str_]) -> Outcomes:
    """Return what became of pictures with these labels, as the policy's rules have it.

    The tag is the most probable label that is one; where it more probably has no tag,
    no threshold accepts it.
    """
    read = answers(said.rows, said.labels)
    score = np.where(read.doubtful, NEVER, read.confidence)
    tags = np.array(said.labels)[read.tag]
    return Outcomes(score, tags == truth, are_tags(truth))


def _told(difference: Difference) -> str:
    return (
        f"from {difference.first:.3f} to {difference.second:.3f} "
        f"({difference.difference:+.3f}, 95 % {difference.low:+.3f} to "
        f"{difference.high:+.3f})"
    )
