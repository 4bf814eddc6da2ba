"""Mix pictures of several domains into batches for training.

A domain is one source of pictures: Fashion-MNIST's arrays, a shop's photographs, drawn
people. Its weight sets its share of the training, however many pictures it has. Knows
no network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages, numbered
from tagger.errors import DataError
from tagger.imaging.views import CANVAS_SIDE, Views
from tagger.labels import OTHER
from tagger.records import (
    AMBIGUOUS,
    FASHION_LABELS,
    IMAGE_SIDE,
)
from tagger.training.augment import NO_TEXTURES, USUAL, Chances, vary
from tagger.training.worn_garments import WORN_TAGS, wear_cut_out, wear_gray

LABELS: Final = (*FASHION_LABELS, OTHER)
"""The labels of every network for shops: the tags, and `other` for the rest. The kinds
of a recipe come after these."""


class Batch(NamedTuple):
    """Views (n, 28, 28, 3), and the numbers (n,) of their labels and domains."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    domains: NDArray[np.int64]


_AHEAD: Final = 4
"""Batches prefetched while the network learns from another."""

_FASHION_WORN: Final[Mapping[str, int]] = MappingProxyType(
    {
        "T-shirt/top": 4000,
        "Trouser": 4000,
        "Pullover": 3500,
        "Dress": 6000,
        "Coat": 4500,
        "Shirt": 3500,
    }
)
"""How many arrays of each tag, of 55,000, are drawn on people. Dresses get most: shops
often show them on people, and a network trained on Fashion-MNIST mistakes them most."""

_CUT_OUTS_WORN: Final[Mapping[str, int]] = MappingProxyType(
    {
        "T-shirt/top": 3,
        "Trouser": 5,
        "Pullover": 5,
        "Dress": 8,
        "Coat": 8,
        "Shirt": 8,
    }
)
"""How many people are drawn with each cut-out: more for tags with fewer phone
pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """One source of pictures, and its weight in the training.

    `pictures` is uint8, in a form of `augment.vary`: canvases of views (n, 96, 96, 3),
    views (n, 28, 28, 3) or gray arrays (n, 28, 28). `labels` are numbers of labels,
    (n,). `weight` is relative to those of the other domains. `sets` has the shop of
    each picture; None if there is only one.
    """

    weight: float
    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sets: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.pictures)


def domain_of(
    data: LabelledImages, weight: float, labels: Sequence[str] = LABELS
) -> Domain:
    """Make a domain of prepared images or canvases; leave out ambiguous pictures.

    Prepared images give only their gray view. Raises DataError if no picture is left,
    or a label is not in `labels`.
    """
    data = data.take(data.labels != AMBIGUOUS)
    if not len(data):
        raise DataError(f"{data.name}: no labelled images")
    finer = data.images.shape[1] == CANVAS_SIDE
    pictures = data.images if finer else np.ascontiguousarray(data.images[..., 0])
    return Domain(weight, pictures, numbered(data, labels), data.sets)


def dressed(domain: Domain, weight: float, seed: int) -> Domain:
    """Draw people who wear a domain's garments; return a new domain of canvases.

    The canvases must show items that were cut out, or photographed on a plain ground:
    their distance view gives the garment's outline. Raises DataError if no garment can
    be drawn on a person.
    """
    chance = np.random.default_rng(seed)
    arrays = domain.pictures.shape[1:] == (IMAGE_SIDE, IMAGE_SIDE)
    choose, wear = (
        (_arrays_to_wear, wear_gray) if arrays else (_cut_outs_to_wear, wear_cut_out)
    )
    people: list[Views] = []
    labels: list[int] = []
    for number in choose(domain.labels, chance):
        label = int(domain.labels[number])
        person = wear(domain.pictures[number], LABELS[label], chance)
        if person is not None:
            people.append(person)
            labels.append(label)
    if not people:
        raise DataError(
            "this domain has no garment that can be drawn on a person (tops, dresses, "
            "coats, trousers)"
        )
    return Domain(weight, np.stack(people), np.array(labels, np.int64))


def batches(  # noqa: PLR0913
    domains: Sequence[Domain],
    size: int,
    seed: int,
    textures: NDArray[np.uint8] = NO_TEXTURES,
    *,
    chances: Chances = USUAL,
    start: int = 0,
) -> Iterator[Batch]:
    """Yield batches of `size` augmented pictures for ever, the same for the same seed.

    Each picture is drawn in steps: a domain by its weight; a label by the root of its
    count, so that rare labels are seen more often than they occur, but less than common
    ones; a shop by the root of its count of this label, so that no shop dominates a
    label; a picture of it evenly. `textures` and `chances` are those of `augment.vary`.
    The randomness of a batch depends on its number only, so that a training can
    continue from batch `start`.
    """
    weights = np.array([domain.weight for domain in domains])
    draws = [_draw_by_root_of_count(domain.labels, domain.sets) for domain in domains]
    for batch in count(start):
        chance = np.random.default_rng([seed, batch])
        images = np.empty((size, IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)
        labels = np.empty(size, np.int64)
        chosen = chance.choice(len(domains), size, p=weights / weights.sum())
        for place, which in enumerate(chosen.tolist()):
            number = draws[which](chance)
            picture = domains[which].pictures[number]
            images[place] = vary(picture, chance, textures, chances)
            labels[place] = domains[which].labels[number]
        yield Batch(images, labels, chosen)


def prefetch(source: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches; make them ahead in a thread while the network learns."""
    with ThreadPoolExecutor(1) as maker:
        waiting = [maker.submit(next, source) for _ in range(_AHEAD)]
        try:
            while True:
                waiting.append(maker.submit(next, source))
                yield waiting.pop(0).result()
        finally:
            for batch in waiting:
                batch.cancel()


def _draw_by_root_of_count(
    labels: NDArray[np.int64], sets: NDArray[np.str_] | None = None
) -> Callable[[np.random.Generator], int]:
    """Return a function that draws the number of a picture; see `batches`."""
    present, counts = np.unique(labels, return_counts=True)
    shares = np.sqrt(counts) / np.sqrt(counts).sum()
    places = [np.flatnonzero(labels == label) for label in present]
    # For each label, the cumulative probabilities of its pictures.
    sums = [] if sets is None else [_sums_by_set(sets[place]) for place in places]

    def draw(chance: np.random.Generator) -> int:
        label = int(chance.choice(len(present), p=shares))
        of_label = places[label]
        if not sums:
            return int(of_label[chance.integers(len(of_label))])
        place = np.searchsorted(sums[label], chance.random(), side="right")
        return int(of_label[min(int(place), len(of_label) - 1)])

    return draw


def _sums_by_set(sets: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return cumulative shares that draw a shop by the root of its count.

    Each picture of a shop with n pictures has 1/√n of the weight of a single picture.
    """
    _, of_set, counts = np.unique(sets, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[of_set])
    return np.asarray(np.cumsum(weights) / weights.sum())


def _arrays_to_wear(
    labels: NDArray[np.int64], chance: np.random.Generator
) -> Iterator[int]:
    for tag, most in _FASHION_WORN.items():
        of_tag = np.flatnonzero(labels == LABELS.index(tag))
        some = chance.choice(of_tag, min(most, len(of_tag)), replace=False)
        yield from some.tolist()


def _cut_outs_to_wear(
    labels: NDArray[np.int64], _: np.random.Generator
) -> Iterator[int]:
    for number, label in enumerate(labels.tolist()):
        if label < len(LABELS) and LABELS[label] in WORN_TAGS:
            yield from [number] * _CUT_OUTS_WORN[LABELS[label]]
