"""Evaluate a bundle on labelled images, and compare two bundles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.bundle import Bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.datasets.load import load
from tagger.datasets.records import Part
from tagger.errors import DataError
from tagger.evaluation.comparison import RESAMPLES, Comparison, compare
from tagger.evaluation.measures import CALIBRATION_BINS, Outcomes, joined
from tagger.evaluation.predictions import Answers, Figures, ask, measure, worst_mistakes
from tagger.text import encodable
from tagger.version import __version__

FORMAT: Final = 1
"""Version of metrics.json. New keys keep it; a changed key increments it."""

WORST_TOLD: Final = 24
"""The most mistakes that are listed."""

_CURVE_POINTS = 200
"""The most points of a curve in metrics.json."""

_LEAST_GROUPS = 2

AVERAGED: Final = (
    "accuracy",
    "coverage",
    "accepted_precision",
    "other_accepted",
    "macro_f1",
    "calibration_error",
)
"""Overall figures: each is the mean over the sources that have it."""

Reading = Callable[[str], None]
"""Called with the source that is read next."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A bundle's predictions and figures for one source."""

    answers: Answers
    figures: Figures


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A bundle's evaluation on several sources, with its time (UTC)."""

    bundle: Bundle
    part: Part
    sections: tuple[Section, ...]
    measured_at: datetime

    @property
    def overall(self) -> Mapping[str, float | None]:
        """The means of the sources' figures; each source has the same weight."""
        return {name: self._mean(name) for name in AVERAGED}

    def _mean(self, name: str) -> float | None:
        values = [_plain(getattr(section.figures, name)) for section in self.sections]
        known = [value for value in values if value is not None]
        return fmean(known) if known else None


@dataclass(frozen=True, slots=True)
class Method:
    """Settings of a comparison: accepted precision, resamples and their seed."""

    precision: float = 0.95
    resamples: int = RESAMPLES
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison and its source."""

    source: str
    comparison: Comparison


def evaluate(
    bundle: Bundle,
    sources: Sequence[str],
    part: Part = "test",
    reading: Reading = lambda _: None,
    tell: Reading = lambda _: None,
) -> Evaluation:
    """Measure a bundle on each source, on its `part` if it has parts.

    `reading` is called with each source before it is read, `tell` with a message about
    images that are left out. Raises DataError if a source cannot be used or has tags
    that the bundle lacks, ModelError if the network cannot be run.
    """
    sections, classifier = [], BundleClassifier(bundle)
    for source in sources:
        reading(source)
        data = load(source, part, bundle.card.tags, tell=tell)
        answers = ask(classifier, data, bundle.card.policy)
        sections.append(Section(answers, measure(answers)))
    return Evaluation(bundle, part, tuple(sections), datetime.now(UTC))


def compare_bundles(  # noqa: PLR0913
    bundles: tuple[Bundle, Bundle],
    sources: Sequence[str],
    *,
    part: Part = "test",
    method: Method = Method(),
    reading: Reading = lambda _: None,
    tell: Reading = lambda _: None,
) -> tuple[Compared, ...]:
    """Compare two bundles on each source, and on all together if there are several.

    Raises DataError as `evaluate` does, and if a source's items are of one group.
    """
    tags = tuple(dict.fromkeys(tag for bundle in bundles for tag in bundle.card.tags))
    classifiers = [BundleClassifier(bundle) for bundle in bundles]
    pairs = []
    for number, source in enumerate(sources):
        reading(source)
        data = load(source, part, tags, tell=tell)
        first, second = (
            ask(classifier, data, bundle.card.policy)
            for bundle, classifier in zip(bundles, classifiers, strict=True)
        )
        pairs.append((first, second, _groups(first, number)))
    comparisons = [
        _compared(first.data.name, first.outcomes, second.outcomes, groups, method)
        for first, second, groups in pairs
    ]
    if len(pairs) > 1:
        firsts, seconds, groups = zip(*pairs, strict=True)
        all_first = joined([answers.outcomes for answers in firsts])
        all_second = joined([answers.outcomes for answers in seconds])
        everything = np.concatenate(groups)
        comparisons.append(
            _compared("all together", all_first, all_second, everything, method)
        )
    return tuple(comparisons)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of metrics.json; its keys are a stable interface.

    Shares lie in [0, 1] and are null if their total is 0.
    """
    card = evaluation.bundle.card
    return {
        "format": FORMAT,
        "tagger": __version__,
        "measured_at": evaluation.measured_at.isoformat(timespec="seconds"),
        "part": evaluation.part,
        "bundle": {
            "name": card.name,
            "digest": card.digest,
            "labels": list(card.labels),
            "preparing": card.preparing,
            "policy": asdict(card.policy),
        },
        "calibration_bins": CALIBRATION_BINS,
        "overall": _rounded(evaluation.overall),
        "sections": [_section_as_json(section) for section in evaluation.sections],
    }


def _section_as_json(section: Section) -> dict[str, Any]:
    fields = asdict(section.figures)
    fields["source"] = encodable(section.figures.source)
    curve = section.answers.curve.thinned(_CURVE_POINTS)
    fields["curve"] = [
        {"threshold": threshold, "coverage": coverage, "precision": precision}
        for threshold, coverage, precision in zip(
            curve.threshold.tolist(),
            curve.coverage.tolist(),
            curve.precision.tolist(),
            strict=True,
        )
    ]
    fields["worst_mistakes"] = [
        _mistake(section.answers, number)
        for number in worst_mistakes(section.answers, WORST_TOLD).tolist()
    ]
    rounded: dict[str, Any] = _rounded(fields)
    return rounded


def _groups(answers: Answers, number: int) -> NDArray[np.str_]:
    """Return the groups of images that count; `number` separates the sources."""
    groups = answers.data.groups
    # Groups without items do not count: every resample would have the same items.
    if len(np.unique(groups[answers.item])) < _LEAST_GROUPS:
        raise DataError(
            f"{answers.data.name}: its items are all of one group, but the comparison "
            "needs two: label pictures of another group"
        )
    return np.char.add(f"{number}/", groups[~answers.ambiguous])


def _compared(
    source: str,
    first: Outcomes,
    second: Outcomes,
    groups: NDArray[np.str_],
    method: Method,
) -> Compared:
    return Compared(source, compare(first, second, groups, **asdict(method)))


def _mistake(answers: Answers, number: int) -> dict[str, Any]:
    prediction = answers.predictions[number]
    return {
        "name": encodable(str(answers.data.names[number])),
        "label": str(answers.data.labels[number]),
        "tag": prediction.tag,
        "confidence": prediction.confidence,
        "accepted": bool(answers.accepted[number]),
    }


def _plain(value: object) -> float | None:
    return value if isinstance(value, float) else getattr(value, "share", None)


def _rounded(value: Any) -> Any:  # noqa: ANN401
    """Round every float of a nested value to six decimals, tuples as lists."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
