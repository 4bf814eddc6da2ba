"""Labelled images, and which of them are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DataError

Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Prepared images with the truth about each.

    `images` is uint8 of shape (n, 28, 28, 3). `labels` are tags, "other" or
    "ambiguous". `groups` names what must stay on one side of a split: neighbours of
    one shoot, near-twins. `names` says where each image is from. `sets` names the shop
    that each is from, "" where that is not known; None stands for "" everywhere.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    names: NDArray[np.str_]
    sets: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> "LabelledImages":
        """Return those images, by number or by mask."""
        return LabelledImages(
            self.name,
            self.images[which],
            self.labels[which],
            self.groups[which],
            self.names[which],
            None if self.sets is None else self.sets[which],
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pictures of a folder with a `labels.csv` a training takes, and as what.

    `kinds` gives the kind (see `tagger.labels`) of ambiguous pictures by a word of
    their column `kind`, or `detail` where that is empty; other ambiguous pictures stay
    ambiguous. `left_out` are files, as the column `file` has them, that are not read.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


EVERYTHING: Final = Choice()
"""All pictures of a folder, by their labels alone."""


def numbered(data: LabelledImages, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the labels of the images as numbers of `labels`, (n,).

    Raises DataError where a label is none of them.
    """
    known = {label: number for number, label in enumerate(labels)}
    strange = sorted(set(data.labels.tolist()) - known.keys())
    if strange:
        raise DataError(f"{data.name}: this network has no tag {', '.join(strange)}")
    return np.array([known[label] for label in data.labels.tolist()], np.int64)


def split(
    data: LabelledImages, share: float, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Hold back about `share` of the images, never part of a group; (rest, held back).

    Groups are drawn at random until the share is reached.
    """
    names, inverse = np.unique(data.groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(inverse)[order]
    chosen = order[np.cumsum(sizes) - sizes < share * len(data)]
    held_back = np.isin(inverse, chosen)
    return data.take(~held_back), data.take(held_back)
