"""What comes of asking: a bundle's evaluation, and two bundles' comparison."""

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
"""Of metrics.json. Keys are only ever added; where one changes, so does this number."""

WORST_TOLD: Final = 24
_CURVE_POINTS = 200
_LEAST_GROUPS = 2

AVERAGED: Final = (
    "accuracy",
    "coverage",
    "accepted_precision",
    "other_accepted",
    "macro_f1",
    "calibration_error",
)
"""What the overall figures are the means of, each over the sources that have it."""

Reading = Callable[[str], None]
"""Told the source that is read next."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """What a bundle made of one source."""

    answers: Answers
    figures: Figures


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a bundle made of several sources, and when (UTC)."""

    bundle: Bundle
    part: Part
    sections: tuple[Section, ...]
    measured_at: datetime

    @property
    def overall(self) -> Mapping[str, float | None]:
        """The means of the sources' figures, each source counting alike."""
        return {name: self._mean(name) for name in AVERAGED}

    def _mean(self, name: str) -> float | None:
        found = [_plain(getattr(section.figures, name)) for section in self.sections]
        known = [value for value in found if value is not None]
        return fmean(known) if known else None


@dataclass(frozen=True, slots=True)
class Method:
    """How to compare: at which accepted precision, and how often and how to draw."""

    precision: float = 0.95
    resamples: int = RESAMPLES
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison was made on, and what came of it."""

    source: str
    comparison: Comparison


def evaluate(
    bundle: Bundle,
    sources: Sequence[str],
    part: Part = "test",
    reading: Reading = lambda _: None,
    tell: Reading = lambda _: None,
) -> Evaluation:
    """Measure a bundle on each source, of which `part` is taken where it has parts.

    `reading` is given each source before it is read, `tell` what is left out of it.
    Raises DataError where a source cannot be used or has tags that the bundle lacks,
    ModelError where its network cannot be run.
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
    """Compare two bundles on each source, and on all together where there are several.

    Raises DataError as `evaluate` does, and where a source's items are of one group.
    """
    tags = tuple(dict.fromkeys(tag for bundle in bundles for tag in bundle.card.tags))
    classifiers = [BundleClassifier(bundle) for bundle in bundles]
    asked = []
    for number, source in enumerate(sources):
        reading(source)
        data = load(source, part, tags, tell=tell)
        one, two = (
            ask(classifier, data, bundle.card.policy)
            for bundle, classifier in zip(bundles, classifiers, strict=True)
        )
        asked.append((one, two, _groups(one, number)))
    told = [
        _compared(one.data.name, one.outcomes, two.outcomes, groups, method)
        for one, two, groups in asked
    ]
    if len(asked) > 1:
        ones, twos, groups = zip(*asked, strict=True)
        together = joined([one.outcomes for one in ones])
        others = joined([two.outcomes for two in twos])
        everything = np.concatenate(groups)
        told.append(_compared("all together", together, others, everything, method))
    return tuple(told)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as metrics.json holds it: its keys are a promise.

    Shares lie in [0, 1] and are null where there is nothing to share.
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
    told = asdict(section.figures)
    told["source"] = encodable(section.figures.source)
    curve = section.answers.curve
    some = np.unique(np.linspace(0, len(curve) - 1, _CURVE_POINTS).astype(int))
    told["curve"] = [
        {"threshold": threshold, "coverage": coverage, "precision": precision}
        for threshold, coverage, precision in zip(
            curve.threshold[some].tolist(),
            curve.coverage[some].tolist(),
            curve.precision[some].tolist(),
            strict=True,
        )
        if len(curve)
    ]
    told["worst_mistakes"] = [
        _mistake(section.answers, number)
        for number in worst_mistakes(section.answers, WORST_TOLD).tolist()
    ]
    rounded: dict[str, Any] = _rounded(told)
    return rounded


def _groups(answers: Answers, number: int) -> NDArray[np.str_]:
    """Return the groups of what counts; `number` keeps those of sources apart."""
    groups = answers.data.groups
    # Those of what is no item alone do not count: every draw would hold the same items.
    if len(np.unique(groups[answers.item])) < _LEAST_GROUPS:
        raise DataError(
            f"{answers.data.name}: its items are all of one group, and chance draws "
            "whole groups: label pictures of more than one"
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
    said = answers.predictions[number]
    return {
        "name": encodable(str(answers.data.names[number])),
        "label": str(answers.data.labels[number]),
        "tag": said.tag,
        "confidence": said.confidence,
        "accepted": bool(answers.accepted[number]),
    }


def _plain(value: object) -> float | None:
    return value if isinstance(value, float) else getattr(value, "share", None)


def _rounded(value: Any) -> Any:  # noqa: ANN401
    """Round every float of a nested value to six decimals, tuples as lists."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
