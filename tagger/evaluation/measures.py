"""Compute measures of predictions: pure functions of NumPy arrays.

An *item* is an image whose true label is one of the tags. An image that is not a
catalogue item ("other") is wrong if it is accepted, and not counted otherwise. The
caller leaves out images that the tags do not decide ("ambiguous").
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
"""Tolerance by which 97 of 100 reaches 0.97 in floating point."""

NEVER: Final = -math.inf
"""The score of an image that is flagged at any threshold."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Share:
    """A count as a share of another, with Wilson's 95 % interval; all in [0, 1].

    The shares are None if `of` is 0. The interval assumes independent images: for
    near-duplicates it is too narrow.
    """

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose confidence lies in (`low`, `high`].

    `confidence` is their mean confidence, `right` the share that is right; None for an
    empty bin.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    right: float | None


@dataclass(frozen=True, slots=True)
class TagMeasures:
    """Measures of one tag among the items, shares in [0, 1]; None if undefined.

    `images` counts the items of the tag. `recall` is the share of them that are
    predicted so, `precision` the share of predictions of the tag that are right, `f1`
    their harmonic mean.
    """

    images: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The outcomes of n images, none of them ambiguous, as arrays (n,).

    `score` is the confidence that a threshold is compared with, or `NEVER` if the image
    is flagged at any threshold. `right` says whether the predicted tag is true, `item`
    whether the image has a true tag; only items can be right.
    """

    score: Floats
    right: Bools
    item: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Coverage and accepted precision at every threshold, the strictest first.

    Arrays of one length, which may be 0. `threshold` falls, `coverage` (the accepted
    share of the items) rises, `precision` (the right share of accepted images) can do
    either.
    """

    threshold: Floats
    coverage: Floats
    precision: Floats

    def __len__(self) -> int:
        return len(self.threshold)

    def thinned(self, most: int) -> "Curve":
        """Return at most `most` of the points, evenly chosen, with both ends."""
        chosen = np.unique(np.linspace(0, len(self) - 1, most).astype(int))[: len(self)]
        return Curve(
            self.threshold[chosen], self.coverage[chosen], self.precision[chosen]
        )


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Concatenate the outcomes of several sets of images."""
    return Outcomes(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.item for part in parts]),
    )


def share(count: int, of: int) -> Share:
    """Return `count` of `of` with its score interval (see `intervals.wilson`)."""
    if not of:
        return Share(count, of, None, None, None)
    interval = wilson(count, of)
    return Share(count, of, interval.value, interval.low, interval.high)


def reliability(
    confidence: Floats, right: Bools, bins: int = CALIBRATION_BINS
) -> tuple[Bin, ...]:
    """Sort images into `bins` bins of equal width by their confidence in [0, 1]."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    members = [which == number for number in range(bins)]
    return tuple(
        _bin(low, high, confidence[inside], right[inside])
        for (low, high), inside in zip(pairwise(edges.tolist()), members, strict=True)
    )


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Return the expected calibration error, in [0, 1]; None without images.

    The mean distance of a bin's confidence from its share of right images, weighted by
    its images: equation 3 of Guo et al. 2017 (arXiv:1706.04599), after Naeini et al.
    2015 (AAAI 29).
    """
    images = sum(b.images for b in bins)
    if not images:
        return None
    return sum(
        b.images / images * abs(b.confidence - b.right)
        for b in bins
        if b.confidence is not None and b.right is not None
    )


def coverage_curve(outcomes: Outcomes) -> Curve:
    """Return coverage and accepted precision at every distinct confidence.

    Images of the same confidence are accepted together.
    """
    ranked = Ranked(outcomes)
    once = np.ones(len(outcomes.score))
    accepted, items, right = ranked.accepted(once)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Curve(ranked.thresholds, items / outcomes.item.sum(), right / accepted)


def coverage_at(curve: Curve, precision: float) -> tuple[float, float | None]:
    """Return the largest coverage with an accepted precision of at least `precision`.

    Returns it with its threshold, or (0, None) if no threshold is precise enough.
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
        # The last image of each distinct score: equal scores are accepted together.
        self._ends = np.flatnonzero(np.append(score[1:] != score[:-1], len(score) > 0))
        self._right = outcomes.right[self._order]
        self._item = outcomes.item[self._order]
        self._every_item = outcomes.item
        self.thresholds: Floats = score[self._ends]

    def accepted(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return weighted counts at each threshold: accepted, items, right.

        `weights` has one number an image (n,).
        """
        ranked = weights[self._order]
        counts = (ranked, ranked * self._item, ranked * self._right)
        accepted, items, right = (np.cumsum(count)[self._ends] for count in counts)
        return accepted, items, right

    def coverage_at(self, precision: float, weights: Floats) -> float:
        """Return the largest weighted coverage with at least this precision.

        NaN if the weighted images contain no items.
        """
        accepted, items, right = self.accepted(weights)
        enough = (accepted > 0) & (right >= precision * accepted - _ROUNDING)
        most = float(items[enough].max(initial=0.0))
        every = float((weights * self._every_item).sum())
        return most / every if every else math.nan


def confusion(truth: Numbers, found: Numbers, rows: int, columns: int) -> Numbers:
    """Count images by true label (row) and predicted tag (column), given as numbers."""
    places = truth * columns + found
    return np.bincount(places, minlength=rows * columns).reshape(rows, columns)


def by_tag(counts: Numbers) -> tuple[TagMeasures, ...]:
    """Measure each tag from the (tags, tags) confusion matrix of the items."""
    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return tuple(
        _tag_measures(int(r), int(t), int(p))
        for r, t, p in zip(right, true, predicted, strict=True)
    )


def macro_f1(tags: tuple[TagMeasures, ...]) -> float | None:
    """Return the mean F1 of the tags that have images; None without any."""
    present = [tag.f1 or 0.0 for tag in tags if tag.images]
    return sum(present) / len(present) if present else None


def _bin(low: float, high: float, confidence: Floats, right: Bools) -> Bin:
    if not len(confidence):
        return Bin(low, high, 0, None, None)
    return Bin(
        low, high, len(confidence), float(confidence.mean()), float(right.mean())
    )


def _tag_measures(right: int, true: int, predicted: int) -> TagMeasures:
    return TagMeasures(
        true,
        recall=right / true if true else None,
        precision=right / predicted if predicted else None,
        f1=2 * right / (true + predicted) if true + predicted else None,
    )
