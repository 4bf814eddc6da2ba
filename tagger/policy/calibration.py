"""Calibrate confidence by temperature scaling, and choose a policy.

Pure functions of probabilities and true labels of held-back pictures.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagger.labels import answers
from tagger.policy.intervals import wilson
from tagger.records import Policy

TARGET_PRECISION: Final = 0.97
"""Least precision: the share of accepted tags that must be right."""

CERTAINTY: Final = 0.9
"""Certainty of the one-sided bound on the precision."""

_TEMPERATURES: Final = np.geomspace(0.25, 4.0, 241)
_HUNDREDTHS: Final = np.arange(101) / 100
_TINY: Final = 1e-12

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]


def accuracy(probabilities: Rows, labels: Numbers) -> float:
    """Return the share of rows whose most probable label is the true one."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def choose_temperature(probabilities: Rows, labels: Numbers) -> float:
    """Return the temperature with the least negative log-likelihood of the truth.

    In 0.25..4: above 1 if the network is overconfident, below 1 if it is
    underconfident. Temperature scaling of Guo et al. 2017, arXiv:1706.04599.
    """
    logits = np.log(probabilities.astype(np.float64) + _TINY)
    rows = np.arange(len(labels))

    def negative_log_likelihood(temperature: float) -> float:
        scaled = logits / temperature
        top = scaled.max(axis=1)  # subtracted, so that `exp` cannot overflow
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((total - scaled[rows, labels]).mean())

    return float(min(_TEMPERATURES, key=negative_log_likelihood))


def at_temperature(probabilities: Rows, temperature: float) -> Rows:
    """Return the probabilities after the logits are divided by a temperature."""
    logits = np.log(probabilities.astype(np.float64) + _TINY) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares, np.float32)


def least_share(right: int, of: int, certainty: float = CERTAINTY) -> float:
    """Return the lower bound of a share with `certainty`, given `right` of `of`.

    One-sided, by Wilson's score interval (1927); 0 if `of` is 0.
    """
    # A two-sided interval leaves out half of its doubt below and half above.
    return wilson(right, of, 2 * certainty - 1).low


def choose_policy(
    probabilities: Rows,
    labels: Numbers,
    names: Sequence[str],
    precision: float = TARGET_PRECISION,
    certainty: float = CERTAINTY,
) -> Policy:
    """Return a threshold for all tags, and higher ones for tags that need them.

    The general threshold is the least one at which the lower bound of the precision
    reaches `precision`. An accepted picture that is not a catalogue item counts as
    wrong. A tag that falls short at this threshold gets a higher one of its own: the
    least at which its share of right pictures reaches `precision`. That is no bound:
    one tag has too few pictures for it. `names` are the labels of the columns; some may
    not be tags.
    """
    read = answers(probabilities, names)
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
    """Return the least threshold that is precise enough, by a bound if `certainty`."""
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
