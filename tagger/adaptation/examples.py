"""Turn what people decided into what a network can learn from, and count what is left.

Knows the inventory's values and the one preparing; no network.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages
from tagger.errors import DataError
from tagger.imaging.decode import prepare
from tagger.inventory.records import LEAST_ANSWERS, NEAR_DUPLICATE, Reviewed, Reviews
from tagger.labels import OTHER
from tagger.records import IMAGE_SIDE, PREPARING, VIEWS, PreparedImage

LEAST_OF_A_TAG: Final = 20
"""Answers of a tag that the network does not know yet, for it to learn it."""

_SHAPE: Final = (IMAGE_SIDE, IMAGE_SIDE, VIEWS)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExamples:
    """What is learnt, and how much was left out.

    The names of `answers` are digests. `labels` are the network's, then the tags that
    it is to learn now. `contradicted` bytes were judged differently by two people, of
    `gone` neither the prepared picture nor a file is there, `waiting` are tags with too
    few answers, by count.
    """

    answers: LabelledImages
    labels: tuple[str, ...]
    contradicted: int
    gone: int
    waiting: Mapping[str, int]
    newest_decision_id: int


def collect_examples(reviews: Reviews, labels: Sequence[str]) -> TrainingExamples:
    """Gather what a network of these labels can learn from reviews.

    Pictures whose prepared array was not kept are prepared anew. Raises DataError where
    there are too few answers, or all are of one label.
    """
    counts = Counter(one.label for one in reviews.reviewed)
    new = sorted(
        label
        for label, count in counts.items()
        if label not in labels and count >= LEAST_OF_A_TAG
    )
    # What is no catalogue item comes after the tags, as bundles have it.
    known = (*labels, *(n for n in new if n != OTHER), *(n for n in new if n == OTHER))
    usable = [one for one in reviews.reviewed if one.label in known]
    pairs = [(one, _views(one)) for one in usable]
    seen = [(one, views) for one, views in pairs if views is not None]
    _check(Counter(one.label for one, _ in seen))
    reviewed = [one for one, _ in seen]
    images = np.stack([views for _, views in seen])
    digests = np.array([one.digest for one in reviewed], np.str_)
    answers = LabelledImages(
        "answers",
        images,
        np.array([one.label for one in reviewed], np.str_),
        groups_of(reviewed, images),
        digests,
    )
    return TrainingExamples(
        answers=answers,
        labels=known,
        contradicted=len(reviews.contradicted),
        gone=len(pairs) - len(seen),
        waiting={label: counts[label] for label in counts if label not in known},
        newest_decision_id=reviews.newest_decision_id,
    )


def groups_of(
    reviewed: Sequence[Reviewed], images: NDArray[np.uint8]
) -> NDArray[np.str_]:
    """Name the group of each answer, (n,): twins must never be on both sides of a test.

    Two belong together where they show one item, or are the same to the network, and so
    does whatever belongs with either; and where one looks, to the perceptual hash, like
    the first of a group. To be like any of a group is not enough: such chains joined
    907 of a shop's 4,050 photographs, where the groups by their first have at most 39.
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
    same: dict[object, list[int]] = defaultdict(list)
    for number, one in enumerate(reviewed):
        same[images[number].tobytes()].append(number)
        for item in one.items:
            same["item", item].append(number)
    for numbers in same.values():
        yield from ((numbers[0], other) for other in numbers[1:])
    hashed = [n for n, one in enumerate(reviewed) if one.bits is not None]
    hashed.sort(key=lambda n: reviewed[n].digest)  # the order of answers is no matter
    bits = np.array([reviewed[n].bits for n in hashed], np.int64)
    firsts: list[int] = []
    for place, number in enumerate(hashed):
        apart = np.bitwise_count((bits[firsts] ^ bits[place]).view(np.uint64))
        if len(apart) and apart.min() <= NEAR_DUPLICATE:
            yield number, hashed[firsts[int(apart.argmin())]]
        else:
            firsts.append(place)


def _views(one: Reviewed) -> NDArray[np.uint8] | None:
    """Return what was kept, or where another recipe made it, what today's makes.

    Where the file is gone, too, the former recipe's is better than nothing.
    """
    kept = None
    if one.prepared is not None and len(one.prepared) == np.prod(_SHAPE):
        kept = np.frombuffer(one.prepared, np.uint8).reshape(_SHAPE)
    if kept is not None and one.preparing == PREPARING:
        return kept
    anew = _prepared_anew(one.digest, one.paths)
    return kept if anew is None else anew


def _prepared_anew(digest: str, paths: Iterable[str]) -> NDArray[np.uint8] | None:
    for path in paths:
        found = prepare(Path(path))
        if isinstance(found, PreparedImage) and found.digest == digest:
            return found.pixels
    return None


def _check(counts: Counter[str]) -> None:
    if counts.total() < LEAST_ANSWERS:
        raise DataError(
            f"there are {counts.total()} answers to learn from, {LEAST_ANSWERS} are "
            "needed: go on with 'tagger review'"
        )
    if len(counts) < 2:  # noqa: PLR2004
        raise DataError(
            f"all {counts.total()} answers are {next(iter(counts))}: a network learns "
            "from answers that differ"
        )
    if not counts.keys() - {OTHER}:
        raise DataError("no answer is a tag")
