"""Estimate a shop's own mix of tags from unlabelled pictures (label shift).

One shop sells dresses, another shoes. A network that was trained on many shops expects
each tag as often as it occurred in all of them. The true frequencies in this shop are
estimated from its predictions for all pictures, by expectation maximisation (Saerens,
Latinne and Decaestecker 2002, Neural Computation 14:1, 21-41). Every prediction is then
weighed by them. A picture that a person decided counts with the label of the decision.

Pure functions of arrays: (n, k) probabilities of k labels, rows that sum to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # `tagger status` and `tagger export` need no arrays
    import numpy as np
    from numpy.typing import NDArray

LEAST_FOR_MIX: Final = 10
"""A mix is estimated from at least this many pictures."""

STRENGTH: Final = 20.0
GROWTH: Final = 0.3
"""The common prior counts as much as `STRENGTH` pictures plus `GROWTH` times the
pictures of the shop. It grows because a network repeats its mistakes in all pictures of
a shop, so that more of them are no more evidence. Chosen on shops left out of training
(models/README.md)."""

MOVED: Final = 0.05
"""Total variation distance up to which the old mix stays in force, so that a single new
picture does not change accepted tags."""

_ROUNDS: Final = 100
_SETTLED: Final = 1e-6
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Mix:
    """The frequency of each label in a shop: shares (k,) that sum to 1.

    `prior` are the shares that the network expects. `pictures` is how many pictures the
    mix was estimated from.
    """

    shares: tuple[float, ...]
    prior: tuple[float, ...]
    pictures: int

    @property
    def ratios(self) -> "NDArray[np.float64]":
        """The factor of each label's probability, (k,), before scaling to sum 1."""
        import numpy as np  # noqa: PLC0415

        return np.divide(self.shares, self.prior, dtype=np.float64)

    def moved_from(self, before: "Mix") -> bool:
        """Whether this mix differs enough from an older one to replace it."""
        pairs = zip(self.shares, before.shares, strict=False)
        off = sum(abs(now - then) for now, then in pairs) / 2
        return before.prior != self.prior or off > MOVED


def common_prior(rows: "NDArray[np.floating]") -> tuple[float, ...]:
    """Return the common prior of all shops, from predictions for many shops.

    Half is the mean of their probabilities, half is uniform: no label is impossible.
    """
    mean = rows.mean(axis=0, dtype="float64")
    return tuple((mean / mean.sum() / 2 + 0.5 / rows.shape[1]).tolist())


def estimate(
    rows: "NDArray[np.floating]",
    prior: Sequence[float],
    known: Sequence[int | None] = (),
) -> Mix | None:
    """Estimate a shop's mix; None for fewer than `LEAST_FOR_MIX` pictures.

    `known` has the column of each decided label, None for undecided pictures; it is as
    long as `rows`, or empty. The order of the pictures does not matter, apart from
    rounding.
    """
    import numpy as np  # noqa: PLC0415

    if len(rows) < LEAST_FOR_MIX:
        return None
    start = np.asarray(prior, np.float64)
    probabilities = rows.astype(np.float64)
    for row, column in enumerate(known):
        if column is not None:
            probabilities[row] = 0
            probabilities[row, column] = 1
    strength = STRENGTH + GROWTH * len(rows)
    shares = start
    for _ in range(_ROUNDS):
        before = shares
        # Expectation: weigh each picture by the present shares, and count the labels.
        counts = _scaled(probabilities * (shares / start)).sum(axis=0)
        # Maximisation: the shares of these counts, with the prior as pseudo-counts.
        shares = (counts + strength * start) / (len(rows) + strength)
        if np.abs(shares - before).max() < _SETTLED:
            break
    return Mix(tuple(shares.tolist()), tuple(start.tolist()), len(rows))


def reweighed(rows: "NDArray[np.floating]", mix: Mix) -> "NDArray[np.float32]":
    """Return the probabilities of a network that had been trained on this mix."""
    import numpy as np  # noqa: PLC0415

    return np.asarray(_scaled(rows.astype(np.float64) * mix.ratios), np.float32)


def _scaled(weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Scale rows to sum to 1."""
    import numpy as np  # noqa: PLC0415

    totals = np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
    return np.asarray(weights / totals)
