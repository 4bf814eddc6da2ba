"""Ask a network about labelled images, and measure what it answers.

What is right: the tag (never "other") is the label. Images labelled "other" are no
catalogue items: accepted ones count as wrong, flagged ones are as they should be.
Images labelled "ambiguous" count as neither. Accepted is what the policy does not flag.
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
from tagger.records import (
    AMBIGUOUS,
    ModelIdentity,
    Policy,
    Prediction,
    Verdict,
)

PRECISIONS: Final = (0.90, 0.95, 0.97, 0.99)
"""Accepted precisions that the largest coverage is told for."""


class Classifier(Protocol):
    """A network that says what it is."""

    identity: ModelIdentity

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the (n, labels) probabilities of a (n, 28, 28, 3) batch."""
        ...


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network said of labelled images, and what its policy made of that.

    `tags` are the network's labels without "other"; `predictions`, `verdicts` and the
    arrays follow the images of `data`, n each.
    """

    data: LabelledImages
    tags: tuple[str, ...]
    predictions: Sequence[Prediction]
    verdicts: Sequence[Verdict]
    unconditional: Bools
    """Flagged whatever the threshold: more probably no catalogue item than its tag."""

    @cached_property
    def confidence(self) -> Floats:
        """Confidence in the tag, in [0, 1]."""
        return np.array([said.confidence for said in self.predictions], np.float64)

    @cached_property
    def tag(self) -> NDArray[np.str_]:
        """The tag that each image got."""
        return np.array([said.tag for said in self.predictions], np.str_)

    @cached_property
    def right(self) -> Bools:
        """Whether the tag is the label."""
        return np.asarray(self.tag == self.data.labels)

    @cached_property
    def accepted(self) -> Bools:
        """Whether the policy asks no person."""
        return np.array([not verdict.flagged for verdict in self.verdicts], np.bool_)

    @cached_property
    def other(self) -> Bools:
        """Whether the image is no catalogue item."""
        return np.asarray(self.data.labels == OTHER)

    @cached_property
    def ambiguous(self) -> Bools:
        """Whether the tags do not decide."""
        return np.asarray(self.data.labels == AMBIGUOUS)

    @cached_property
    def item(self) -> Bools:
        """Whether the image has one of the tags."""
        return ~(self.other | self.ambiguous)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What is measured: everything but what is ambiguous."""
        score = np.where(self.unconditional, NEVER, self.confidence)
        counted = ~self.ambiguous
        return Outcomes(score[counted], self.right[counted], self.item[counted])

    @cached_property
    def curve(self) -> Curve:
        """Coverage and accepted precision at every threshold, without other rules."""
        return coverage_curve(self.outcomes)


@dataclass(frozen=True, slots=True)
class CoverageAt:
    """The largest coverage at an accepted precision, and the threshold it needs.

    The threshold is chosen on these very images: a new shop will do a little worse.
    """

    precision: float
    coverage: float
    threshold: float | None


@dataclass(frozen=True, slots=True)
class AcceptedTag:
    """Of the items that got a tag: how many were accepted, and how many of those right.

    `images` counts items, `others` what was accepted and is no item; `right` shares
    the right ones among both.
    """

    images: int
    others: int
    right: Share


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often images with a label (row) got a tag (column).

    The rows are the tags, then "other" and "ambiguous" where there are such images.
    """

    labels: tuple[str, ...]
    tags: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is measured on one source of labelled images.

    `accuracy`, `coverage` are shares of the items, `accepted_precision` of what was
    accepted, "other" with it, and `felt_right` with what is ambiguous, too, which is
    what a person sees who looks at it; `other_accepted`, `ambiguous_accepted` of such
    images.
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

    Raises DataError where they have tags that the network does not know.
    """
    labels = classifier.identity.labels
    tags = tags_of(labels)
    strange = Counter(data.labels.tolist())
    for known in (*tags, OTHER, AMBIGUOUS):
        del strange[known]
    if strange:
        told = ", ".join(f"{tag} ({count:,} images)" for tag, count in strange.items())
        raise DataError(
            f"{data.name}: the network {classifier.identity.name} has no tag {told}"
        )
    said = predict(classifier.classify(data.images), labels)
    lenient = Policy(threshold=0.0)
    return Answers(
        data=data,
        tags=tags,
        predictions=said,
        verdicts=[decide(prediction, policy) for prediction in said],
        unconditional=np.array(
            [decide(one, lenient).flagged for one in said], np.bool_
        ),
    )


def measure(answers: Answers) -> Figures:
    """Measure a network's answers about one source."""
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
    """Return the file an image was read from; None where it came as an array."""
    name = str(data.names[number])
    path = Path(name)  # an array's name is its number
    return path if not name.isdecimal() and path.is_file() else None


def worst_mistakes(answers: Answers, count: int) -> NDArray[np.int64]:
    """Return the numbers of the worst mistakes, the worst first.

    Accepted ones before flagged ones, the more confident first: items with a wrong tag,
    and what was accepted and is no item.
    """
    wrong = np.flatnonzero(
        (answers.item & ~answers.right) | (answers.other & answers.accepted)
    )
    order = np.lexsort((-answers.confidence[wrong], ~answers.accepted[wrong]))
    return wrong[order][:count]


def examples(answers: Answers, each: int, seed: int = 1) -> NDArray[np.int64]:
    """Draw up to `each` images of every label, without regard to what they got."""
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
    found = np.array([rows[tag] for tag in answers.tag.tolist()], np.int64)
    counts = confusion(truth, found, len(labels), len(answers.tags))
    return Confusion(labels, answers.tags, tuple(map(tuple, counts.tolist())))
