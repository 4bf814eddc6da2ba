"""Compute confidence intervals of shares."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Share:
    """The share `right` of `of`, with a confidence interval of the true share."""

    right: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The observed share, 0 to 1; `of` must not be 0."""
        return self.right / self.of


def wilson(right: int, of: int, confidence: float = 0.95) -> Share:
    """Return a share with Wilson's score interval, both ends in [0, 1].

    If `of` is 0, the interval is [0, 1]. Source: E. B. Wilson, Probable inference, the
    law of succession, and statistical inference, JASA 22 (1927) 209-212; recommended
    for small counts by Brown, Cai and DasGupta, Interval estimation for a binomial
    proportion, Statistical Science 16 (2001) 101-133.
    """
    if of == 0:
        return Share(0, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    shrink = 1 + z * z / of
    middle = (share + z * z / (2 * of)) / shrink
    half = z / shrink * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    # With none or all right the formula gives 0 or 1, apart from rounding errors.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == of else min(1.0, middle + half)
    return Share(right, of, low, high)
