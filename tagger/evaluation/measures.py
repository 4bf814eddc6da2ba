"""Measures of a network's answers: pure functions of arrays.

An *item* is an image whose truth is one of the tags. An image that is no catalogue item
("other") can only be wrong, and only where it is accepted; what the tags do not decide
("ambiguous") counts as neither and must be left out by the caller. Knows NumPy alone:
no labels, no files, no network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.policy.intervals import wilson

CALIBRATION_BINS: Final = 15
"""Bins of equal width, the number of Guo et al. 2017 (arXiv:1706.04599)."""

_ROUNDING: Final = 1e-9
"""So that 97 of 100 reaches 0.97 in floating point too."""

NEVER: Final = -math.inf
"""Score of an image that no threshold accepts."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Share:
    """A count as a share of another, with Wilson's 95 % interval; all in [0, 1].

    None where there is nothing to share. The interval takes the images for independent:
    where they are near-twins it is too narrow.
    """

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose confidence lies in (`low`, `high`].

    `confidence` is their mean confidence, `right` the share that is right; None where
    there is none.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    right: float | None


@dataclass(frozen=True, slots=True)
class TagMeasures:
    """How one tag fares among the items, all shares in [0, 1]; None where undefined.

    `recall` is the share of its items that got it, `precision` the share of the items
    that got it that are its own, `f1` their harmonic mean.
    """

    images: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What became of images, as arrays of one length n; nothing ambiguous among them.

    `score` is what a threshold is held against, the confidence; `NEVER` where the image
    is flagged whatever the threshold. `right` says whether its tag is the true one, and
    `item` whether there is a true one: no image is right that is no item.
    """

    score: Floats
    right: Bools
    item: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Coverage and accepted precision at every threshold, the strictest first.

    Arrays of one length, perhaps 0: `threshold` falls, `coverage` (share of the items
    that are accepted) rises, `precision` (share of the accepted that are right) does as
    it likes.
    """

    threshold: Floats
    coverage: Floats
    precision: Floats

    def __len__(self) -> int:
        return len(self.threshold)


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Put outcomes of several sets of images one after the other."""
    return Outcomes(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.item for part in parts]),
    )


def share(count: int, of: int) -> Share:
    """Return `count` of `of` with its score interval (see `intervals.wilson`)."""
    if not of:
        return Share(count, of, None, None, None)
    found = wilson(count, of)
    return Share(count, of, found.value, found.low, found.high)


def reliability(
    confidence: Floats, right: Bools, bins: int = CALIBRATION_BINS
) -> tuple[Bin, ...]:
    """Sort images into `bins` bins of equal width by their confidence in [0, 1]."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = [which == number for number in range(bins)]
    return tuple(
        _bin(low, high, confidence[inside], right[inside])
        for (low, high), inside in zip(pairwise(edges.tolist()), found, strict=True)
    )


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Return the expected calibration error, in [0, 1]; None without images.

    The mean distance of a bin's confidence from its share of right ones, weighted by
    its images: equation 3 of Guo et al. 2017 (arXiv:1706.04599), after Naeini et al.
    2015 (AAAI 29).
    """
    images = sum(found.images for found in bins)
    if not images:
        return None
    return sum(
        found.images / images * abs(found.confidence - found.right)
        for found in bins
        if found.confidence is not None and found.right is not None
    )


def coverage_curve(outcomes: Outcomes) -> Curve:
    """Return coverage and accepted precision for every threshold that matters.

    Images of the same confidence are accepted together.
    """
    ranked = Ranked(outcomes)
    once = np.ones(len(outcomes.score))
    accepted, items, right = ranked.accepted(once)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Curve(ranked.thresholds, items / outcomes.item.sum(), right / accepted)


def coverage_at(curve: Curve, precision: float) -> tuple[float, float | None]:
    """Return the largest coverage whose accepted precision is at least `precision`.

    And the threshold it needs; (0, None) where no threshold is precise enough.
    """
    enough = np.flatnonzero(curve.precision >= precision - _ROUNDING)
    if not len(enough):
        return 0.0, None
    return float(curve.coverage[enough[-1]]), float(curve.threshold[enough[-1]])


class Ranked:
    """Images in the order in which a falling threshold accepts them."""

    def __init__(self, outcomes: Outcomes) -> None:
        order = np.argsort(-outcomes.score, kind="stable")
        self._order = order[outcomes.score[order] > NEVER]
        score = outcomes.score[self._order]
        self._ends = np.flatnonzero(np.append(score[1:] != score[:-1], len(score) > 0))
        self._right = outcomes.right[self._order]
        self._item = outcomes.item[self._order]
        self._every_item = outcomes.item
        self.thresholds: Floats = score[self._ends]

    def accepted(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return weighted counts at each threshold: accepted, items, right ones."""
        ranked = weights[self._order]
        counts = (ranked, ranked * self._item, ranked * self._right)
        accepted, items, right = (np.cumsum(count)[self._ends] for count in counts)
        return accepted, items, right

    def coverage_at(self, precision: float, weights: Floats) -> float:
        """Return the largest weighted coverage that is at least so precise."""
        accepted, items, right = self.accepted(weights)
        enough = (accepted > 0) & (right >= precision * accepted - _ROUNDING)
        most = float(items[enough].max(initial=0.0))
        every = float((weights * self._every_item).sum())
        return most / every if every else math.nan


def confusion(truth: Numbers, found: Numbers, rows: int, columns: int) -> Numbers:
    """Count images by the number of their truth (row) and of their tag (column)."""
    places = truth * columns + found
    return np.bincount(places, minlength=rows * columns).reshape(rows, columns)


def by_tag(counts: Numbers) -> tuple[TagMeasures, ...]:
    """Measure each tag from the (tags, tags) confusion of the items."""
    own, truth, found = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return tuple(
        _tag_measures(int(o), int(t), int(f))
        for o, t, f in zip(own, truth, found, strict=True)
    )


def macro_f1(tags: tuple[TagMeasures, ...]) -> float | None:
    """Return the mean F1 of the tags that there are images of; None if of none."""
    present = [tag.f1 or 0.0 for tag in tags if tag.images]
    return sum(present) / len(present) if present else None


def _bin(low: float, high: float, confidence: Floats, right: Bools) -> Bin:
    if not len(confidence):
        return Bin(low, high, 0, None, None)
    return Bin(
        low, high, len(confidence), float(confidence.mean()), float(right.mean())
    )


def _tag_measures(own: int, truth: int, found: int) -> TagMeasures:
    return TagMeasures(
        truth,
        recall=own / truth if truth else None,
        precision=own / found if found else None,
        f1=2 * own / (truth + found) if truth + found else None,
    )
