"""Define labelled images, choose some of them, and split them by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DataError

Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Prepared images with their true labels.

    `images` is uint8 of shape (n, 28, 28, 3). `labels` are tags, "other" or
    "ambiguous". Images with the same entry of `groups` stay on one side of a split:
    pictures of one photo shoot, near-duplicates. `names` are the sources of the images,
    `sets` their shops, "" if unknown; None means "" for all.
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
        """Select images, by number or by mask."""
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
    """A choice of pictures from a folder with a `labels.csv`, and their kinds.

    `kinds` gives the kind (see `tagger.labels`) of ambiguous pictures by the word in
    their column `kind`, or `detail` if that is empty. Other ambiguous pictures stay
    ambiguous. `left_out` are files to leave out, as written in the column `file`.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


EVERYTHING: Final = Choice()
"""All pictures of a folder, without kinds."""


def numbered(data: LabelledImages, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the labels of the images as indices into `labels`, (n,).

    Raises DataError if a label is not in `labels`.
    """
    known = {label: number for number, label in enumerate(labels)}
    unknown = sorted(set(data.labels.tolist()) - known.keys())
    if unknown:
        raise DataError(f"{data.name}: this network has no tag {', '.join(unknown)}")
    return np.array([known[label] for label in data.labels.tolist()], np.int64)


def split(
    data: LabelledImages, share: float, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Hold back about `share` of the images in whole groups; return (rest, held back).

    Groups are drawn at random until the share is reached.
    """
    names, inverse = np.unique(data.groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(inverse)[order]
    chosen = order[np.cumsum(sizes) - sizes < share * len(data)]
    held_back = np.isin(inverse, chosen)
    return data.take(~held_back), data.take(held_back)
