"""Project vectors to a plane. Pure functions of arrays."""

import numpy as np
from numpy.typing import NDArray

from tagger.evaluation.measures import Bools, Floats


def principal(vectors: Floats, count: int) -> tuple[Floats, Floats]:
    """Project (n, d) vectors on their first `count` principal components.

    Returns (n, min(count, n, d)) points and each component's share of the variance, the
    largest first. The largest weight of a component is made positive, so that the same
    vectors give the same picture everywhere.
    """
    centred = vectors - vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    kept = directions[:count]
    largest = np.abs(kept).argmax(axis=1)
    kept = kept * np.sign(kept[np.arange(len(kept)), largest])[:, None]
    variance = lengths**2
    return centred @ kept.T, variance[: len(kept)] / max(variance.sum(), 1e-12)


def label_axis(vectors: Floats, left: Bools, right: Bools) -> Floats:
    """Project (n, d) vectors on the line between the means of `left` and `right`.

    Returns (n, 2) points: the place along the line (0 at the mean of `left`, 1 at that
    of `right`), and the first principal component of the residual across the line. Both
    masks must select a vector. If the means are equal, all places are 0.
    """
    start = vectors[left].mean(axis=0)
    line = vectors[right].mean(axis=0) - start
    length = float(line @ line)
    along = (vectors - start) @ line / (length or 1.0)
    across, _ = principal(vectors - np.outer(along, line), 1)
    return np.column_stack([along, across[:, 0]])


def matching(labels: NDArray[np.str_], search: str) -> Bools:
    """Return a mask (n,) of the labels that a text means.

    That is the label itself, else the label in another case, else all that contain it.
    """
    wanted = search.casefold()
    folded = np.array([label.casefold() for label in labels.tolist()], np.str_)
    matches = labels == search
    if not matches.any():
        matches = folded == wanted
    return matches if matches.any() else np.char.find(folded, wanted) >= 0
