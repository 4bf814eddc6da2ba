"""Tell whether the pictures of a run are like those of the month before.

Pure functions of tallies. What drifts is seldom the network: a supplier's new ground, a
changed camera, a folder of something else.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tagger.scan.records import Drift, Measure

DAYS: Final = 30
"""What "the month before" is."""

MAJOR: Final = 0.25
"""Population stability index from which a change counts as major, by the rule of thumb
of credit scoring (N. Siddiqi, Credit Risk Scorecards, Wiley 2006)."""

_EFFECT: Final = 0.5
"""Difference of means, in standard deviations, that counts: "medium" in J. Cohen,
Statistical Power Analysis for the Behavioral Sciences, 1988."""

_SIGMA: Final = 3.29
"""Quantile of the normal distribution that chance passes one time in a thousand."""


_ENOUGH: Final = 30
"""Images under which nothing is said to have moved: sums of fewer are not yet normally
distributed, which both tests here lean on."""


_TOO_FEW: Final = "too few to tell"


@dataclass(frozen=True, slots=True)
class Tally:
    """What was read under one root, added up.

    `images` counts what was read, `unreadable` and `flagged` parts of it, `tags` what
    the network said of the rest. `confidence` and `squares` are the sums of its
    confidences and of their squares.
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
        """How many of the images the network saw."""
        return self.images - self.unreadable

    @property
    def mean_confidence(self) -> float:
        """Mean confidence in [0, 1]; 0 where nothing was tagged."""
        return self.confidence / self.tagged if self.tagged else 0.0


def compare(root: str, now: Tally, before: Tally) -> Drift:
    """Say of each measure what it was and is, and whether it moved.

    Moved is what has changed by much, and by more than chance changes it one time in a
    thousand; of a few images nothing is said to have moved.
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
    """Tell a drift in one line."""
    told = ", ".join(map(_describe, drift.measures))
    if _few(drift):
        told = _TOO_FEW
    compared = f"{drift.images:,} images against {drift.before:,}"
    return f"drift in {drift.root}: {told}; {compared} of the month before"


def verdict(drift: Drift, measure: Measure) -> str:
    """Say in a few words whether a measure of a drift moved."""
    return _TOO_FEW if _few(drift) else _verdict(measure)


def _few(drift: Drift) -> bool:
    return min(drift.images, drift.before) < _ENOUGH


def stability_index(now: Sequence[int], before: Sequence[int]) -> float:
    """Return the population stability index of two counts of the same bins; >= 0.

    The sum over the bins of (p - q) ln(p / q), with half an image added to each bin so
    that an empty one is no infinity.
    """
    p = [(count + 0.5) / (sum(now) + len(now) / 2) for count in now]
    q = [(count + 0.5) / (sum(before) + len(before) / 2) for count in before]
    return sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def _moved(now: Sequence[int], before: Sequence[int]) -> bool:
    """Whether counts of the same bins differ by much and not by chance.

    Of samples of n and m from one population, the index divided by 1/n + 1/m follows a
    chi-squared distribution with one degree of freedom less than there are bins
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
    """Compare the shares of the tags, and name the one that changed the most."""
    tags = sorted(set(now.tags) | set(before.tags))
    counts = [now.tags.get(tag, 0) for tag in tags]
    former = [before.tags.get(tag, 0) for tag in tags]
    shares = {
        tag: (is_ / max(1, sum(counts)), was / max(1, sum(former)))
        for tag, is_, was in zip(tags, counts, former, strict=True)
    }
    most = max(tags, key=lambda tag: abs(shares[tag][0] - shares[tag][1]), default="")
    value, was = shares.get(most, (0.0, 0.0))
    return Measure("class mix", value, was, moved=_moved(counts, former), of=most)


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
    """Compare parts of wholes, each given as (part, whole)."""
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
    return "as before" if value == was else "not clearly moved"


def _shown(measure: Measure) -> tuple[str, str]:
    is_percent = measure.name != "mean confidence"
    shown = "{:.0%}" if is_percent else "{:.2f}"
    return shown.format(measure.value), shown.format(measure.was)
