"""Classify labelled images and measure the predictions.

A prediction is right if its tag (never "other") is the label. Images labelled "other"
are not catalogue items: accepted ones count as wrong, flagged ones as correct. Images
labelled "ambiguous" are not counted. Accepted images are those that the policy does not
flag.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages
from tagger.errors import DataError
from tagger.evaluation.measures import (
    NEVER,
    Bin,
    Bools,
    Curve,
    Floats,
    Outcomes,
    Share,
    TagMeasures,
    by_tag,
    calibration_error,
    confusion,
    coverage_at,
    coverage_curve,
    macro_f1,
    reliability,
    share,
)
from tagger.labels import OTHER, tags_of
from tagger.policy.decide import decide, predict
from tagger.records import AMBIGUOUS, ModelIdentity, Policy, Prediction, Verdict

PRECISIONS: Final = (0.90, 0.95, 0.97, 0.99)
"""Accepted precisions for which the largest coverage is reported."""


class Classifier(Protocol):
    """A network with an identity."""

    identity: ModelIdentity

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the (n, labels) probabilities of a (n, 28, 28, 3) batch."""
        ...


@dataclass(frozen=True, eq=False)
class Answers:
    """A network's predictions for labelled images, and its policy's verdicts.

    `tags` are the network's labels without "other". `predictions`, `verdicts` and the
    arrays (n,) have the order of the images of `data`.
    """

    data: LabelledImages
    tags: tuple[str, ...]
    predictions: Sequence[Prediction]
    verdicts: Sequence[Verdict]
    unconditional: Bools
    """Flagged at any threshold: the doubt is more probable than the tag."""

    @cached_property
    def confidence(self) -> Floats:
        """Confidence in the tag, in [0, 1]."""
        return np.array([p.confidence for p in self.predictions], np.float64)

    @cached_property
    def tag(self) -> NDArray[np.str_]:
        """The predicted tag of each image."""
        return np.array([p.tag for p in self.predictions], np.str_)

    @cached_property
    def right(self) -> Bools:
        """Whether the tag is the label."""
        return np.asarray(self.tag == self.data.labels)

    @cached_property
    def accepted(self) -> Bools:
        """Whether the policy accepts the tag."""
        return np.array([not verdict.flagged for verdict in self.verdicts], np.bool_)

    @cached_property
    def other(self) -> Bools:
        """Whether the image is not a catalogue item."""
        return np.asarray(self.data.labels == OTHER)

    @cached_property
    def ambiguous(self) -> Bools:
        """Whether the image fits several tags, or none for certain."""
        return np.asarray(self.data.labels == AMBIGUOUS)

    @cached_property
    def item(self) -> Bools:
        """Whether the image has one of the tags."""
        return ~(self.other | self.ambiguous)

    @cached_property
    def outcomes(self) -> Outcomes:
        """The outcomes of all images except ambiguous ones."""
        score = np.where(self.unconditional, NEVER, self.confidence)
        counted = ~self.ambiguous
        return Outcomes(score[counted], self.right[counted], self.item[counted])

    @cached_property
    def curve(self) -> Curve:
        """Coverage and accepted precision at every threshold, without other rules."""
        return coverage_curve(self.outcomes)


@dataclass(frozen=True, slots=True)
class CoverageAt:
    """The largest coverage at an accepted precision, and its threshold.

    The threshold is chosen on the same images: a new shop will do a little worse.
    """

    precision: float
    coverage: float
    threshold: float | None


@dataclass(frozen=True, slots=True)
class AcceptedTag:
    """Accepted images of a predicted tag, and the share of them that is right.

    `images` counts accepted items, `others` accepted images that are not items; `right`
    is the share of right ones among both.
    """

    images: int
    others: int
    right: Share


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of images by true label (row) and predicted tag (column).

    The rows are the tags, then "other" and "ambiguous" if there are such images.
    """

    labels: tuple[str, ...]
    tags: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All measures on one source of labelled images.

    `accuracy` and `coverage` are shares of the items. `accepted_precision` is the right
    share of accepted images, "other" included; `felt_right` includes "ambiguous", too,
    as a person does who looks through the accepted images. `other_accepted` and
    `ambiguous_accepted` are the accepted shares of such images.
    """

    source: str
    images: int
    items: int
    accuracy: Share
    coverage: Share
    accepted_precision: Share
    other_accepted: Share
    felt_right: Share
    ambiguous_accepted: Share
    macro_f1: float | None
    calibration_error: float | None
    calibration_error_with_other: float | None
    coverage_at: tuple[CoverageAt, ...]
    tags: Mapping[str, TagMeasures]
    accepted_tags: Mapping[str, AcceptedTag]
    confusion: Confusion
    reliability: tuple[Bin, ...]


def ask(classifier: Classifier, data: LabelledImages, policy: Policy) -> Answers:
    """Classify labelled images and decide about each.

    Raises DataError for labels that the network does not know.
    """
    labels = classifier.identity.labels
    tags = tags_of(labels)
    unknown = Counter(data.labels.tolist())
    for known in (*tags, OTHER, AMBIGUOUS):
        del unknown[known]
    if unknown:
        listed = ", ".join(f"{tag} ({n:,} images)" for tag, n in unknown.items())
        raise DataError(
            f"{data.name}: the network {classifier.identity.name} has no tag {listed}"
        )
    predictions = predict(classifier.classify(data.images), labels)
    lenient = Policy(threshold=0.0)
    return Answers(
        data=data,
        tags=tags,
        predictions=predictions,
        verdicts=[decide(p, policy) for p in predictions],
        unconditional=np.array(
            [decide(p, lenient).flagged for p in predictions], np.bool_
        ),
    )


def measure(answers: Answers) -> Figures:
    """Measure a network's predictions for one source."""
    item, accepted = answers.item, answers.accepted
    counted = accepted & ~answers.ambiguous
    bins = reliability(answers.confidence[item], answers.right[item])
    judged = ~answers.ambiguous
    with_other = reliability(answers.confidence[judged], answers.right[judged])
    table = _confusion(answers)
    tags = by_tag(np.array(table.counts)[: len(answers.tags)])
    return Figures(
        source=answers.data.name,
        images=len(answers.data),
        items=int(item.sum()),
        accuracy=_share(answers.right, item),
        coverage=_share(accepted, item),
        accepted_precision=_share(answers.right, counted),
        felt_right=_share(answers.right, accepted),
        other_accepted=_share(accepted, answers.other),
        ambiguous_accepted=_share(accepted, answers.ambiguous),
        macro_f1=macro_f1(tags),
        calibration_error=calibration_error(bins),
        calibration_error_with_other=calibration_error(with_other),
        coverage_at=tuple(
            CoverageAt(precision, *coverage_at(answers.curve, precision))
            for precision in PRECISIONS
        ),
        tags=dict(zip(answers.tags, tags, strict=True)),
        accepted_tags={tag: _accepted_tag(answers, tag) for tag in answers.tags},
        confusion=table,
        reliability=bins,
    )


def photograph_of(data: LabelledImages, number: int) -> Path | None:
    """Return the file of an image; None if it came as an array."""
    name = str(data.names[number])
    path = Path(name)  # an array's name is its number
    return path if not name.isdecimal() and path.is_file() else None


def worst_mistakes(answers: Answers, count: int) -> NDArray[np.int64]:
    """Return the numbers of the worst mistakes, the worst first.

    Mistakes are items with a wrong tag, and accepted images that are not items.
    Accepted ones come before flagged ones, then the more confident ones.
    """
    wrong = np.flatnonzero(
        (answers.item & ~answers.right) | (answers.other & answers.accepted)
    )
    order = np.lexsort((-answers.confidence[wrong], ~answers.accepted[wrong]))
    return wrong[order][:count]


def examples(answers: Answers, each: int, seed: int = 1) -> NDArray[np.int64]:
    """Draw up to `each` images of every label at random; return their numbers."""
    chance = np.random.default_rng(seed)
    drawn: list[int] = []
    for label in (*answers.tags, OTHER, AMBIGUOUS):
        of_label = np.flatnonzero(answers.data.labels == label)
        drawn += sorted(chance.permutation(of_label)[:each].tolist())
    return np.array(drawn, np.int64)


def _share(which: Bools, among: Bools) -> Share:
    return share(int((which & among).sum()), int(among.sum()))


def _accepted_tag(answers: Answers, tag: str) -> AcceptedTag:
    accepted = answers.accepted & (answers.tag == tag) & ~answers.ambiguous
    others = int((accepted & answers.other).sum())
    return AcceptedTag(
        images=int(accepted.sum()) - others,
        others=others,
        right=_share(answers.right, accepted),
    )


def _confusion(answers: Answers) -> Confusion:
    present = set(answers.data.labels.tolist())
    extra = tuple(label for label in (OTHER, AMBIGUOUS) if label in present)
    labels = (*answers.tags, *extra)
    rows = {label: number for number, label in enumerate(labels)}
    truth = np.array([rows[label] for label in answers.data.labels.tolist()], np.int64)
    predicted = np.array([rows[tag] for tag in answers.tag.tolist()], np.int64)
    counts = confusion(truth, predicted, len(labels), len(answers.tags))
    return Confusion(labels, answers.tags, tuple(map(tuple, counts.tolist())))
