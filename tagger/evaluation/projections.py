"""Bring vectors of many numbers to a plane. Pure functions of arrays."""

import numpy as np
from numpy.typing import NDArray

from tagger.evaluation.measures import Bools, Floats


def principal(vectors: Floats, count: int) -> tuple[Floats, Floats]:
    """Project (n, d) vectors on their first `count` principal components.

    Returns (n, min(count, n, d)) points and the share of the variance that each
    component holds, the largest first. A component's sign is chosen so that its largest
    weight is positive: the same vectors give the same picture everywhere.
    """
    centred = vectors - vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    kept = directions[:count]
    largest = np.abs(kept).argmax(axis=1)
    kept = kept * np.sign(kept[np.arange(len(kept)), largest])[:, None]
    variance = lengths**2
    return centred @ kept.T, variance[: len(kept)] / max(variance.sum(), 1e-12)


def label_axis(vectors: Floats, left: Bools, right: Bools) -> Floats:
    """Place (n, d) vectors along the line from the mean of some to the mean of others.

    Returns (n, 2) points: how far along the line (0 at the mean of `left`, 1 at that of
    `right`), and the first principal component of what is left across it. Both masks
    must hold somebody; where their means are the same, all lie at 0.
    """
    start = vectors[left].mean(axis=0)
    line = vectors[right].mean(axis=0) - start
    length = float(line @ line)
    along = (vectors - start) @ line / (length or 1.0)
    across, _ = principal(vectors - np.outer(along, line), 1)
    return np.column_stack([along, across[:, 0]])


def matching(labels: NDArray[np.str_], search: str) -> Bools:
    """Say which labels a text means: that label alone, else all that contain it.

    In any case; of labels that differ by case alone, the one that is written so.
    """
    wanted = search.casefold()
    folded = np.array([label.casefold() for label in labels.tolist()], np.str_)
    found = labels == search
    if not found.any():
        found = folded == wanted
    return found if found.any() else np.char.find(folded, wanted) >= 0
