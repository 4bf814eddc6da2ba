"""Compare a candidate with the network in force: the promotion gate.

Pure functions of arrays. Both networks are measured on the same answers, which neither
has learnt. The answers are not a random sample of the shop: most were asked because the
network in force was unsure. So the figures do not predict the accuracy in the shop, but
they show which network is better on its hard pictures.
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
"""Most that the accuracy on previously known arrays may fall: half a point."""

MOST_LOST: Final = 0.02
"""Most that accuracy or coverage may fall if the other certainly rises. With two
hundred answers the coverage varies by more than this by chance alone."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ModelOutputs:
    """A network's outputs for pictures: probabilities (n, labels), and its labels."""

    rows: NDArray[np.float32]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Promotion:
    """The decision of the gate, its reason, and the measurements.

    `known` are the accuracies of both networks, in [0, 1], on arrays known before.
    """

    promoted: bool
    reason: str
    comparison: Comparison
    known: tuple[float, float]

    @property
    def forgotten(self) -> float:
        """By how much the candidate's accuracy on known arrays is lower."""
        return self.known[0] - self.known[1]


def evaluate_promotion(  # noqa: PLR0913  two networks and their test data
    active: ModelOutputs,
    candidate: ModelOutputs,
    truth: NDArray[np.str_],
    groups: NDArray[np.str_],
    known: tuple[float, float],
    *,
    precision: float = TARGET_PRECISION,
) -> Promotion:
    """Compare a candidate with the network in force, on answers that neither learnt.

    The candidate is promoted if

    - accuracy, or coverage at `precision`, is certainly better (with 95 % confidence,
      by the paired bootstrap over groups),
    - the other of the two is not certainly worse, and falls by at most `MOST_LOST`, and
    - the accuracy on known arrays falls by at most `MOST_FORGOTTEN`.

    `truth` are labels, (n,). The answers must be of two or more groups.
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
    """Return the outcomes for pictures with these true labels, by the policy's rules.

    The tag is the most probable label that is a tag. No threshold accepts a picture
    that the network doubts.
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
