"""Collect training examples from an inventory's decisions.

Knows the inventory's values and the preprocessing, but no network.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages
from tagger.errors import DataError
from tagger.imaging.prepare import prepare
from tagger.inventory.records import LEAST_ANSWERS, NEAR_DUPLICATE, Reviewed, Reviews
from tagger.labels import OTHER
from tagger.records import IMAGE_SIDE, PREPARING, VIEWS, PreparedImage
from tagger.storage import location

LEAST_OF_A_TAG: Final = 20
"""Answers that a tag needs before a network that does not have it can learn it."""

_SHAPE: Final = (IMAGE_SIDE, IMAGE_SIDE, VIEWS)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExamples:
    """The training examples, and counts of those left out.

    The names of `answers` are digests. `labels` are the network's, then the new tags to
    learn. `contradicted` counts contents whose decisions contradict each other, `gone`
    those with neither views nor a file. `waiting` counts the answers of tags that have
    too few.
    """

    answers: LabelledImages
    labels: tuple[str, ...]
    contradicted: int
    gone: int
    waiting: Mapping[str, int]
    newest_decision_id: int


def collect_examples(reviews: Reviews, labels: Sequence[str]) -> TrainingExamples:
    """Collect the reviews that a network with these labels can learn from.

    Pictures without kept views are prepared again. Raises DataError if there are too
    few answers, or all have one label.
    """
    counts = Counter(review.label for review in reviews.reviewed)
    new = sorted(
        label
        for label, count in counts.items()
        if label not in labels and count >= LEAST_OF_A_TAG
    )
    # In bundles, `other` comes after the tags.
    known = (*labels, *(n for n in new if n != OTHER), *(n for n in new if n == OTHER))
    usable = [review for review in reviews.reviewed if review.label in known]
    pairs = [(review, _views(review)) for review in usable]
    complete = [(review, views) for review, views in pairs if views is not None]
    _check(Counter(review.label for review, _ in complete))
    reviewed = [review for review, _ in complete]
    images = np.stack([views for _, views in complete])
    digests = np.array([review.digest for review in reviewed], np.str_)
    answers = LabelledImages(
        "answers",
        images,
        np.array([review.label for review in reviewed], np.str_),
        groups_of(reviewed, images),
        digests,
    )
    return TrainingExamples(
        answers=answers,
        labels=known,
        contradicted=len(reviews.contradicted),
        gone=len(pairs) - len(complete),
        waiting={label: counts[label] for label in counts if label not in known},
        newest_decision_id=reviews.newest_decision_id,
    )


def groups_of(
    reviewed: Sequence[Reviewed], images: NDArray[np.uint8]
) -> NDArray[np.str_]:
    """Return the group of each answer, (n,), named by a digest.

    A group must not be on both sides of a test. Two answers are in one group if they
    show one item, or if their views are equal; groups that share an answer are merged.
    An answer also joins a group if it is a near-duplicate of the first answer of the
    group. A near-duplicate of any answer would form chains: these joined 907 of a
    shop's 4,050 photographs, where the groups by first answer have at most 39.
    """
    parents = list(range(len(reviewed)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for one, other in _pairs(reviewed, images):
        parents[root(one)] = root(other)
    return np.array([reviewed[root(n)].digest for n in range(len(reviewed))], np.str_)


def _pairs(
    reviewed: Sequence[Reviewed], images: NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield pairs of answers that belong to one group, by their numbers."""
    same: dict[object, list[int]] = defaultdict(list)
    for number, review in enumerate(reviewed):
        same[images[number].tobytes()].append(number)
        for item in review.items:
            same["item", item].append(number)
    for numbers in same.values():
        yield from ((numbers[0], other) for other in numbers[1:])
    hashed = [n for n, review in enumerate(reviewed) if review.bits is not None]
    # Sorted, so that the groups do not depend on the order of the answers.
    hashed.sort(key=lambda n: reviewed[n].digest)
    bits = np.array([reviewed[n].bits for n in hashed], np.int64)
    firsts: list[int] = []
    for place, number in enumerate(hashed):
        distances = np.bitwise_count((bits[firsts] ^ bits[place]).view(np.uint64))
        if len(distances) and distances.min() <= NEAR_DUPLICATE:
            yield number, hashed[firsts[int(distances.argmin())]]
        else:
            firsts.append(place)


def _views(review: Reviewed) -> NDArray[np.uint8] | None:
    """Return the kept views, or new ones if another preprocessing made them.

    If the file is gone, the views of the older preprocessing are used.
    """
    kept = None
    if review.prepared is not None and len(review.prepared) == np.prod(_SHAPE):
        kept = np.frombuffer(review.prepared, np.uint8).reshape(_SHAPE)
    if kept is not None and review.preparing == PREPARING:
        return kept
    new = _prepared_again(review.digest, review.paths)
    return kept if new is None else new


def _prepared_again(digest: str, paths: Iterable[str]) -> NDArray[np.uint8] | None:
    """Prepare the first file that still has this content; None without such a file."""
    for path in paths:
        prepared = prepare(location(path))
        if isinstance(prepared, PreparedImage) and prepared.digest == digest:
            return prepared.pixels
    return None


def _check(counts: Counter[str]) -> None:
    if counts.total() < LEAST_ANSWERS:
        raise DataError(
            f"there are {counts.total()} answers to learn from, {LEAST_ANSWERS} are "
            "needed: go on with 'tagger review'"
        )
    if len(counts) < 2:  # noqa: PLR2004
        raise DataError(
            f"all {counts.total()} answers are {next(iter(counts))}: a network can "
            "only learn from answers that differ"
        )
    if not counts.keys() - {OTHER}:
        raise DataError("no answer is a tag: a network needs tags to learn")
