"""Mix pictures of several domains into batches for training.

A domain is a set of pictures of one kind: Fashion-MNIST's arrays, a shop's photographs,
drawn people. Each takes the share of the training that its weight says, however many
pictures it has. Knows no network.
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
"""The labels of every network of shops: the tags, and `other` for the rest.
The kinds that a recipe names come after these."""


class Batch(NamedTuple):
    """Views (n, 28, 28, 3), and the numbers (n,) of their labels and their domains."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    domains: NDArray[np.int64]


_AHEAD: Final = 4
"""Batches made while the network learns from another."""

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
"""How many arrays of each tag are worn, of 55,000: most of what shops show on people
and a network of Fashion-MNIST mistakes, which is dresses."""

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
"""How many people wear each cut-out: more of the tags that phones photograph less."""


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Pictures of one kind, and the share of the training that they are given.

    `pictures` is uint8, as `augment.vary` takes them: canvases of views (n, 96, 96, 3),
    views (n, 28, 28, 3) or gray arrays (n, 28, 28).
    `labels` are numbers of labels, (n,). `weight` is relative to the other domains'.
    `sets` names the shop that each picture is from; None for one set.
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
    """Make a domain of prepared images or of canvases; leave out what is ambiguous.

    Of prepared images only the gray is taken. Raises DataError where nothing is left
    or a label is none of `labels`.
    """
    data = data.take(data.labels != AMBIGUOUS)
    if not len(data):
        raise DataError(f"{data.name}: no labelled images")
    finer = data.images.shape[1] == CANVAS_SIDE
    pictures = data.images if finer else np.ascontiguousarray(data.images[..., 0])
    return Domain(weight, pictures, numbered(data, labels), data.sets)


def dressed(domain: Domain, weight: float, seed: int) -> Domain:
    """Draw people wearing a domain's garments: a domain of its own, of canvases.

    Canvases must be of items that were cut out or stood on a plain ground, for their
    distance is the garment's outline. Raises DataError where nobody wears any of them.
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
        raise DataError("nobody wears any of these pictures")
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
    """Yield batches of `size` varied pictures for ever, the same for the same seed.

    A domain is drawn by its weight, a label of it by the root of its count (a rare tag
    is seen more often than it is found, yet not as often as a common one), a shop by
    the root of its count of that label, so that no shop decides a tag, and a picture
    of it alike. `textures` and `chances` are those of `augment.vary`. The chance of a
    batch depends on its number alone, so that a training may go on from batch `start`.
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
    """Yield the batches, each made in a thread while the network learns from others."""
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
    found, counts = np.unique(labels, return_counts=True)
    shares = np.sqrt(counts) / np.sqrt(counts).sum()
    places = [np.flatnonzero(labels == label) for label in found]
    # Of each label the sums, up to each picture, of how probable the pictures are.
    sums = [] if sets is None else [_sums_by_set(sets[some]) for some in places]

    def draw(chance: np.random.Generator) -> int:
        label = int(chance.choice(len(found), p=shares))
        of_label = places[label]
        if not sums:
            return int(of_label[chance.integers(len(of_label))])
        place = np.searchsorted(sums[label], chance.random(), side="right")
        return int(of_label[min(int(place), len(of_label) - 1)])

    return draw


def _sums_by_set(sets: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return cumulative shares by which a shop is drawn by the root of its count.

    Of a shop with n pictures each has 1/√n of the weight of a shop's only picture.
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
