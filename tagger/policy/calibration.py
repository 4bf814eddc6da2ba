"""Make confidence mean something, and choose what is accepted without a person.

Pure functions of probabilities and truth, both of pictures that were never trained on.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.labels import answers
from tagger.policy.intervals import wilson
from tagger.records import Policy

TARGET_PRECISION: Final = 0.97
"""Share of what is accepted that must be right."""

CERTAINTY: Final = 0.9
"""How certain it must be that the share is reached, by a one-sided bound."""

_TEMPERATURES: Final = np.geomspace(0.25, 4.0, 241)
_HUNDREDTHS: Final = np.arange(101) / 100
_TINY: Final = 1e-12

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]


def accuracy(found: Rows, labels: Numbers) -> float:
    """Share of rows whose most probable label is the true one."""
    return float((found.argmax(axis=1) == labels).mean())


def choose_temperature(found: Rows, labels: Numbers) -> float:
    """Return by what to divide the logits for the truth to be most probable.

    In 0.25..4; above 1 where the network is too sure of itself, below where it is not
    sure enough. Temperature scaling of Guo et al. 2017, arXiv:1706.04599.
    """
    logits = np.log(found.astype(np.float64) + _TINY)
    rows = np.arange(len(labels))

    def surprise(temperature: float) -> float:
        scaled = logits / temperature
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((total - scaled[rows, labels]).mean())

    return float(min(_TEMPERATURES, key=surprise))


def at_temperature(found: Rows, temperature: float) -> Rows:
    """Return the probabilities of the same logits divided by a temperature."""
    logits = np.log(found.astype(np.float64) + _TINY) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares, np.float32)


def least_share(right: int, of: int, certainty: float = CERTAINTY) -> float:
    """Return the share that is reached with `certainty`, given `right` of `of`.

    The lower end of Wilson's score interval (1927), one-sided; 0 where nothing is seen.
    """
    # One-sided: what lies outside a two-sided interval lies half below and half above.
    return wilson(right, of, 2 * certainty - 1).low


def choose_policy(
    found: Rows,
    labels: Numbers,
    names: Sequence[str],
    precision: float = TARGET_PRECISION,
    certainty: float = CERTAINTY,
) -> Policy:
    """Return a threshold for all tags, and higher ones for tags that need them.

    The general threshold is the least from which on the lower bound of the accepted
    precision reaches `precision`; what is no catalogue item counts as wrong where it is
    accepted. A tag that falls short there is given the least threshold, no lower, from
    which on its own share reaches it: one tag has too few pictures for a bound.
    `names` are the labels of the columns, some perhaps no tags.
    """
    read = answers(found, names)
    tag, confidence = read.tag, read.confidence
    right = tag == labels
    may = ~read.doubtful
    threshold = _least(confidence[may], right[may], precision, certainty)
    own = {}
    for number in np.unique(tag):
        mine = may & (tag == number) & (confidence >= threshold)
        least = _least(confidence[mine], right[mine], precision, None)
        if mine.any() and least > threshold:
            own[names[number]] = least
    return Policy(threshold, tags=own)


def _least(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    precision: float,
    certainty: float | None,
) -> float:
    for threshold in _HUNDREDTHS[:-1]:
        accepted = confidence >= threshold
        count, good = int(accepted.sum()), int(right[accepted].sum())
        if not count:
            break
        share = (
            good / count if certainty is None else least_share(good, count, certainty)
        )
        if share >= precision:
            return float(threshold)
    return 1.0
