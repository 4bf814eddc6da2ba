"""How far a share that was counted may be from the true one."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `of`, with the interval that the true share lies in."""

    right: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share that was counted, 0 to 1; `of` must not be 0."""
        return self.right / self.of


def wilson(right: int, of: int, confidence: float = 0.95) -> Share:
    """Return a share with Wilson's score interval, both ends in [0, 1].

    With nothing counted the interval is all of [0, 1]. Source: E. B. Wilson, Probable
    inference, the law of succession, and statistical inference, JASA 22 (1927)
    209-212; recommended for small counts by Brown, Cai and DasGupta, Interval
    estimation for a binomial proportion, Statistical Science 16 (2001) 101-133.
    """
    if of == 0:
        return Share(0, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    shrink = 1 + z * z / of
    middle = (share + z * z / (2 * of)) / shrink
    half = z / shrink * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    # At the ends the formula gives 0 and 1, but for rounding.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == of else min(1.0, middle + half)
    return Share(right, of, low, high)
