"""Check that answers cover the whole queue, not only its least sure pictures.

A network learnt 400 answers about the least sure pictures of a shop alone. On the 3,650
photographs without an answer its precision was 0.89, where the answers had promised
0.97. Most of the shop had a confidence between the answered pictures and the accepted
ones, and the answers said nothing about it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DataError

Confidences = NDArray[np.float64]

_PARTS: Final = 5
"""Parts of equal size into which the flagged pictures are divided by confidence."""

_LEAST_OF_A_PART: Final = 3
"""Answers that a part needs. Of fifty answers drawn at random, a part gets fewer once
in 780 times."""

_MOST_UNCOVERED: Final = 0.3
"""Share of the flagged pictures that may be in parts with fewer answers."""


def check_coverage(answered: Confidences, waiting: Confidences) -> None:
    """Refuse answers that are all from one end of the queue.

    `answered` are the confidences, in [0, 1], of the network in force for the answered
    pictures of the queue, (n,). Answers to audits are not among them: most are about
    accepted pictures. `waiting` are those for the pictures still in the queue, (m,).
    Raises DataError if more than 0.3 of both are in parts with fewer than three
    answers.
    """
    uncovered = uncovered_share(answered, waiting)
    if uncovered > _MOST_UNCOVERED:
        raise DataError(
            f"your answers do not cover {uncovered:.0%} of the flagged pictures: "
            "review a random sample ('tagger review --order random')"
        )


def uncovered_share(answered: Confidences, waiting: Confidences) -> float:
    """Return the share, in [0, 1], of both that is in parts with too few answers.

    A part whose pictures are all answered has enough.
    """
    both = np.concatenate([answered, waiting])
    if not len(both):
        return 0.0
    edges = np.quantile(both, np.linspace(0, 1, _PARTS + 1)[1:-1])
    sizes, answers = (
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=_PARTS)
        for values in (both, answered)
    )
    uncovered = answers < np.minimum(_LEAST_OF_A_PART, sizes)
    return float(sizes[uncovered].sum() / len(both))
