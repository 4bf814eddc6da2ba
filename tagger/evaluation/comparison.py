"""Test whether one network is better than another, or only luckier.

Pure functions of arrays. Both networks classify the same images, so the bootstrap is
paired. It draws whole groups, because images of one shoot are right or wrong together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.evaluation.measures import Bools, Floats, Outcomes, Ranked

RESAMPLES: Final = 2000
"""Enough for a 95 % percentile interval (Efron and Tibshirani 1993, "An Introduction to
the Bootstrap", chapter 13: at least 1,000)."""

_TAILS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of two networks, and `second` minus `first`.

    `low` and `high` bound the difference with 95 % confidence.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval excludes zero."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class McNemar:
    """Items that only one of two networks has right, and McNemar's exact test.

    `p` is the probability of counts at least as uneven if both networks are equally
    good. It assumes independent images.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two networks on the same images.

    `groups` counts the groups that contain items. The bootstrap also draws groups
    without items.
    """

    items: int
    groups: int
    accuracy: Difference
    coverage: Difference
    mcnemar: McNemar


def compare(  # noqa: PLR0913  two networks, and the settings of the bootstrap
    first: Outcomes,
    second: Outcomes,
    groups: NDArray[np.str_],
    *,
    precision: float,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Comparison:
    """Compare two networks' outcomes on the same images, n each, by group (n,).

    Percentile intervals of the paired bootstrap over groups (Efron and Tibshirani 1993,
    chapter 13; whole clusters drawn with replacement: Field and Welsh 2007, J. R.
    Statist. Soc. B 69:3). Coverage is the largest whose accepted precision is at least
    `precision`. Each resample chooses its threshold anew, so that the interval includes
    the luck of that choice. Two groups or more must contain items.
    """
    item = first.item.astype(np.float64)
    gain = second.right.astype(np.float64) - first.right
    ranked = Ranked(first), Ranked(second)

    def measured(weights: Floats) -> tuple[float, float]:
        coverages = [network.coverage_at(precision, weights) for network in ranked]
        items = float(weights @ item)
        accuracy = float(weights @ (gain * item)) / items if items else np.nan
        return accuracy, coverages[1] - coverages[0]

    drawn = [measured(weights) for weights in _drawn(groups, resamples, seed)]
    accuracy, coverage = np.nanquantile(np.array(drawn), _TAILS, axis=0).T
    once = np.ones(len(item))
    covered = [network.coverage_at(precision, once) for network in ranked]
    right = [float(network.right[first.item].mean()) for network in (first, second)]
    return Comparison(
        items=int(item.sum()),
        groups=len(np.unique(groups[first.item])),
        accuracy=_difference(right, accuracy),
        coverage=_difference(covered, coverage),
        mcnemar=mcnemar(first.right[first.item], second.right[first.item]),
    )


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Return McNemar's test, exact and two-sided (1947, Psychometrika 12:153).

    If the networks are equally good, an image that only one has right is either's with
    probability 1/2.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    trials, fewer = only_first + only_second, min(only_first, only_second)
    ways, tail = 1, 0
    for count in range(fewer + 1):
        tail += ways
        ways = ways * (trials - count) // (count + 1)
    # Integers until the last division: p is exact, however small it is.
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**trials))


def _drawn(groups: NDArray[np.str_], resamples: int, seed: int) -> Iterator[Floats]:
    """Yield image weights (n,) of resamples of the groups, with replacement."""
    names, which = np.unique(groups, return_inverse=True)
    chance = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = chance.integers(0, len(names), len(names))
        yield np.bincount(drawn, minlength=len(names)).astype(np.float64)[which]


def _difference(measured: list[float], interval: Floats) -> Difference:
    first, second = measured
    return Difference(
        first, second, second - first, float(interval[0]), float(interval[1])
    )
