"""Whether answers speak for what waits, or for its least sure pictures alone.

A network that learnt from the least sure alone was, in the photographs of a shop that
nobody had answered (3,650; after 400 answers), right in 0.89 of what it accepted where
its answers had promised 0.97: between what it was asked about and what it accepted
already lay most of the shop, of which it had heard nothing.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DataError

Confidences = NDArray[np.float64]

_PARTS: Final = 5
"""Parts of what was flagged, alike in size, by the confidence in it."""

_LEAST_OF_A_PART: Final = 3
"""Answers that a part needs. Of fifty drawn by lot a part has fewer once in 780."""

_MOST_UNHEARD: Final = 0.3
"""Share of what was flagged that may lie in parts with fewer."""


def check_coverage(answered: Confidences, waiting: Confidences) -> None:
    """Refuse answers that are of one end of the queue.

    `answered` are the confidences, in [0, 1], of the network in force in the pictures
    of the queue that were answered, (n,), without those of audits, which are mostly of
    what it accepts; `waiting` those in the pictures that wait, (m,). Raises
    DataError where more than 0.3 of both lie in parts with fewer than three answers.
    """
    unheard = uncovered_share(answered, waiting)
    if unheard > _MOST_UNHEARD:
        raise DataError(
            f"the answers say nothing about {unheard:.0%} of what was flagged: answer "
            "some that are drawn by lot ('tagger review --order random')"
        )


def uncovered_share(answered: Confidences, waiting: Confidences) -> float:
    """Return the share, in [0, 1], of both that lies in parts with too few answers.

    Where all of a part are answered, they are never too few.
    """
    both = np.concatenate([answered, waiting])
    if not len(both):
        return 0.0
    edges = np.quantile(both, np.linspace(0, 1, _PARTS + 1)[1:-1])
    all_, heard = (
        np.bincount(np.searchsorted(edges, some, side="right"), minlength=_PARTS)
        for some in (both, answered)
    )
    unheard = heard < np.minimum(_LEAST_OF_A_PART, all_)
    return float(all_[unheard].sum() / len(both))
