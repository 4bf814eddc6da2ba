"""Detect drift: compare the pictures of a run with the month before.

Pure functions of tallies. The usual causes are outside the network: a supplier's new
background, another camera, a folder of other things.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tagger.scan.records import Drift, Measure

DAYS: Final = 30
"""Length of "the month before"."""

MAJOR: Final = 0.25
"""Population stability index from which a change is major, by the rule of thumb of
credit scoring (N. Siddiqi, Credit Risk Scorecards, Wiley 2006)."""

_EFFECT: Final = 0.5
"""Least difference of means that matters, in standard deviations: "medium" in J. Cohen,
Statistical Power Analysis for the Behavioral Sciences, 1988."""

_SIGMA: Final = 3.29
"""Standard deviations that chance exceeds one time in a thousand (two-sided)."""


_ENOUGH: Final = 30
"""Images that a test needs. Both tests assume normally distributed sums, which sums of
fewer are not."""


_TOO_FEW: Final = "too few to tell"


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and sums over the images that a run read under one root.

    `images` counts all of them, `unreadable` and `flagged` are parts of it, `tags`
    counts the predicted tags. `confidence` is the sum of the confidences, `squares` the
    sum of their squares.
    """

    images: int = 0
    unreadable: int = 0
    flagged: int = 0
    confidence: float = 0.0
    squares: float = 0.0
    tags: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Self) -> "Tally":
        return Tally(
            self.images + other.images,
            self.unreadable + other.unreadable,
            self.flagged + other.flagged,
            self.confidence + other.confidence,
            self.squares + other.squares,
            dict(Counter(self.tags) + Counter(other.tags)),
        )

    @property
    def tagged(self) -> int:
        """How many of the images have a prediction."""
        return self.images - self.unreadable

    @property
    def mean_confidence(self) -> float:
        """Mean confidence in [0, 1]; 0 if nothing was tagged."""
        return self.confidence / self.tagged if self.tagged else 0.0


def compare(root: str, now: Tally, before: Tally) -> Drift:
    """Compare each measure with the month before, and test whether it moved.

    A measure moved if the change is large and also significant: chance exceeds it at
    most one time in a thousand. With few images no measure moves.
    """
    return Drift(
        root,
        now.images,
        before.images,
        (
            _class_mix(now, before),
            _mean_confidence(now, before),
            _share(
                "flagged", (now.flagged, now.tagged), (before.flagged, before.tagged)
            ),
            _share(
                "unreadable",
                (now.unreadable, now.images),
                (before.unreadable, before.images),
            ),
        ),
    )


def describe(drift: Drift) -> str:
    """Describe a drift in one line."""
    changes = ", ".join(map(_describe, drift.measures))
    if _few(drift):
        changes = _TOO_FEW
    compared = f"{drift.images:,} images against {drift.before:,}"
    return f"drift in {drift.root}: {changes}; {compared} of the month before"


def verdict(drift: Drift, measure: Measure) -> str:
    """Return in a few words whether a measure of a drift moved."""
    return _TOO_FEW if _few(drift) else _verdict(measure)


def _few(drift: Drift) -> bool:
    return min(drift.images, drift.before) < _ENOUGH


def stability_index(now: Sequence[int], before: Sequence[int]) -> float:
    """Return the population stability index of two counts of the same bins; >= 0.

    The sum over the bins of (p - q) ln(p / q). Half an image is added to each bin, so
    that an empty bin does not make it infinite.
    """
    p = [(count + 0.5) / (sum(now) + len(now) / 2) for count in now]
    q = [(count + 0.5) / (sum(before) + len(before) / 2) for count in before]
    return sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def _moved(now: Sequence[int], before: Sequence[int]) -> bool:
    """Whether counts of the same bins differ by much and not by chance.

    For samples of n and m from one population, the index divided by 1/n + 1/m follows a
    chi-squared distribution; its degrees of freedom are the bins less one
    (B. Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """
    if min(sum(now), sum(before)) < _ENOUGH:
        return False
    index = stability_index(now, before)
    noise = 1 / sum(now) + 1 / sum(before)
    return index >= MAJOR and index / noise >= _chi_squared(len(now) - 1)


def _chi_squared(freedom: int) -> float:
    """Approximate the quantile 0.9995 of chi-squared (Wilson and Hilferty, 1931)."""
    if freedom < 1:
        return math.inf
    part = 2 / (9 * freedom)
    return freedom * (1 - part + _SIGMA * math.sqrt(part)) ** 3


def _class_mix(now: Tally, before: Tally) -> Measure:
    """Compare the shares of the tags, and name the tag that changed most."""
    tags = sorted(set(now.tags) | set(before.tags))
    counts = [now.tags.get(tag, 0) for tag in tags]
    former = [before.tags.get(tag, 0) for tag in tags]
    shares = {
        tag: (is_ / max(1, sum(counts)), was / max(1, sum(former)))
        for tag, is_, was in zip(tags, counts, former, strict=True)
    }
    largest_change = max(
        tags, key=lambda tag: abs(shares[tag][0] - shares[tag][1]), default=""
    )
    value, was = shares.get(largest_change, (0.0, 0.0))
    moved = _moved(counts, former)
    return Measure("class mix", value, was, moved=moved, of=largest_change)


def _mean_confidence(now: Tally, before: Tally) -> Measure:
    value, was = now.mean_confidence, before.mean_confidence
    moved = False
    if min(now.tagged, before.tagged) >= _ENOUGH:
        deviation = math.sqrt(max(1e-6, before.squares / before.tagged - was**2))
        error = deviation * math.sqrt(1 / now.tagged + 1 / before.tagged)
        distance = abs(value - was)
        moved = distance >= _EFFECT * deviation and distance >= _SIGMA * error
    return Measure("mean confidence", value, was, moved=moved)


def _share(name: str, now: tuple[int, int], before: tuple[int, int]) -> Measure:
    """Compare two shares, each given as (part, whole)."""
    (part, whole), (old_part, old_whole) = now, before
    return Measure(
        name,
        part / max(1, whole),
        old_part / max(1, old_whole),
        moved=_moved((part, whole - part), (old_part, old_whole - old_part)),
    )


def _describe(measure: Measure) -> str:
    value, was = _shown(measure)
    of = f"{measure.of} " if measure.of else ""
    return f"{measure.name} {_verdict(measure)} ({of}{value}, was {was})"


def _verdict(measure: Measure) -> str:
    if measure.moved:
        return "moved"
    value, was = _shown(measure)
    return "as before" if value == was else "no clear change"


def _shown(measure: Measure) -> tuple[str, str]:
    is_percent = measure.name != "mean confidence"
    shown = "{:.0%}" if is_percent else "{:.2f}"
    return shown.format(measure.value), shown.format(measure.was)
