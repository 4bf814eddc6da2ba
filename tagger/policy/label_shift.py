"""A shop's own mix of tags, estimated from its pictures without labels.

One shop sells dresses, another shoes. A network that learnt from many shops holds every
tag for as probable as it was in all of them. How often a tag is right in this shop can
be estimated from what the network says of all its pictures, and then every picture is
weighed by it: label shift, corrected by expectation maximisation (Saerens, Latinne and
Decaestecker 2002, Neural Computation 14:1, 21-41). Pictures that a person decided count
with the label they have.

Pure functions of arrays: (n, k) probabilities of k labels, rows that sum to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a status or an export needs no arrays
    import numpy as np
    from numpy.typing import NDArray

LEAST_PICTURES: Final = 10
"""Pictures of a folder below which its mix is not estimated."""

STRENGTH: Final = 20.0
GROWTH: Final = 0.3
"""The common prior counts for `STRENGTH` pictures and `GROWTH` times those there are:
what a network mistakes, it mistakes in all pictures of a shop alike, so that many of
them prove no more. Chosen on shops left out of training (models/README.md)."""

MOVED: Final = 0.05
"""Share of the pictures whose label two mixes see otherwise (their total variation
distance) up to which yesterday's mix stays: no accepted tag flickers for a picture."""

_ROUNDS: Final = 100
_SETTLED: Final = 1e-6
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each label is right in a shop: shares (k,) that sum to 1.

    `prior` are those that the network takes for granted. `pictures` were asked.
    """

    shares: tuple[float, ...]
    prior: tuple[float, ...]
    pictures: int

    @property
    def ratios(self) -> "NDArray[np.float64]":
        """By what the probability of each label is multiplied, (k,), before scaling."""
        import numpy as np  # noqa: PLC0415

        return np.divide(self.shares, self.prior, dtype=np.float64)

    def moved_from(self, before: "Mix") -> bool:
        """Whether it differs so much from a former mix that it takes its place."""
        pairs = zip(self.shares, before.shares, strict=False)
        off = sum(abs(now - then) for now, then in pairs) / 2
        return before.prior != self.prior or off > MOVED


def common_prior(rows: "NDArray[np.floating]") -> tuple[float, ...]:
    """Return the prior that shops are drawn towards, from pictures of many shops.

    Half the mean of their probabilities, half even: no label is impossible.
    """
    mean = rows.mean(axis=0, dtype="float64")
    return tuple((mean / mean.sum() / 2 + 0.5 / rows.shape[1]).tolist())


def estimate(
    rows: "NDArray[np.floating]",
    prior: Sequence[float],
    known: Sequence[int | None] = (),
) -> Mix | None:
    """Estimate a shop's mix; None of fewer than `LEAST_PICTURES`.

    `known` are the columns of the labels that persons gave, None for pictures that
    nobody decided; it is as long as `rows`, or empty. The result does not depend on the
    order of the pictures but for rounding.
    """
    import numpy as np  # noqa: PLC0415

    if len(rows) < LEAST_PICTURES:
        return None
    start = np.asarray(prior, np.float64)
    said = rows.astype(np.float64)
    for row, column in enumerate(known):
        if column is not None:
            said[row] = 0
            said[row, column] = 1
    strength = STRENGTH + GROWTH * len(rows)
    shares = start
    for _ in range(_ROUNDS):
        before = shares
        counts = _scaled(said * (shares / start)).sum(axis=0)
        shares = (counts + strength * start) / (len(rows) + strength)
        if np.abs(shares - before).max() < _SETTLED:
            break
    return Mix(tuple(shares.tolist()), tuple(start.tolist()), len(rows))


def reweighed(rows: "NDArray[np.floating]", mix: Mix) -> "NDArray[np.float32]":
    """Return what the network would say had it learnt in a shop of this mix."""
    import numpy as np  # noqa: PLC0415

    return np.asarray(_scaled(rows.astype(np.float64) * mix.ratios), np.float32)


def _scaled(weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Scale rows to sum to 1."""
    import numpy as np  # noqa: PLC0415

    totals = np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
    return np.asarray(weights / totals)
