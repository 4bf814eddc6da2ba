"""Accept or flag a prediction by a policy. Pure functions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.labels import Reading, answers, kind_of, phrase
from tagger.policy.accept import accepts
from tagger.policy.label_shift import Mix, reweighed
from tagger.records import DAMAGED, NO_ITEM, NO_TAG, Policy, Prediction, Verdict
from tagger.text import two_decimals


def predict(
    probabilities: NDArray[np.float32], labels: Sequence[str]
) -> list[Prediction]:
    """Read the rows of an (n, len(labels)) array as predictions.

    A label that is not a tag is reported as `other` and `kind`, never as the tag. On a
    tie the first label wins, so that the tag does not depend on the runtime's order of
    evaluation. There must be at least two tags.
    """
    read = answers(probabilities, labels)
    return [
        Prediction(
            tag=labels[tag],
            confidence=confidence,
            runner_up=labels[runner_up],
            margin=confidence - second,
            probabilities=tuple(map(float, row)),
            other=none,
            kind="" if what < 0 else kind_of(labels[what]),
        )
        for row, tag, runner_up, confidence, second, none, what in zip(
            probabilities,
            read.tag.tolist(),
            read.runner_up.tolist(),
            read.confidence.tolist(),
            read.second.tolist(),
            read.none.tolist(),
            read.what.tolist(),
            strict=True,
        )
    ]


def adjusted_predictions(
    rows: Sequence[Sequence[float]], read: Reading, mix: Mix | None
) -> list[Prediction]:
    """Return predictions from kept probabilities, adjusted to one shop.

    They are weighed by the shop's mix of tags, if it is known, and read with the tags
    that the shop gave to kinds. `rows` are probabilities as the network gave them,
    (n, labels).
    """
    probabilities = np.array(rows, np.float32)
    if mix is not None:
        probabilities = reweighed(probabilities, mix)
    return predict(np.asarray(read.applied(probabilities), np.float32), read.labels)


def decide(prediction: Prediction, policy: Policy) -> Verdict:
    """Flag a prediction below the policy's threshold or margin, or in doubt.

    In doubt, the picture more probably has no tag: it is not a catalogue item, or of a
    kind without a tag. The tag of a damaged file is always flagged. Monotone: with more
    confidence, no less margin and no more "other", an accepted tag stays accepted.
    """
    if accepts(policy, prediction):
        return Verdict(flagged=False)
    if prediction.damaged:
        reason = f"{DAMAGED}, parts of the picture are missing or wrong: "
        return Verdict(flagged=True, reason=reason + _candidates(prediction))
    if prediction.doubtful:
        reason = f"{_what_else(prediction)} {two_decimals(prediction.other)}, else "
        return Verdict(flagged=True, reason=reason + _candidates(prediction))
    if prediction.margin < policy.margin:
        return Verdict(flagged=True, reason=f"close call: {_candidates(prediction)}")
    least = policy.least(prediction.tag)
    needs = f"needs {least:.2f}" if least < 1 else "always asked about"
    return Verdict(flagged=True, reason=f"unsure: {_candidates(prediction)} ({needs})")


def _what_else(prediction: Prediction) -> str:
    if not prediction.kind:
        return NO_ITEM
    return f"{NO_TAG}{phrase(prediction.kind)}, for which there is no tag"


def _candidates(prediction: Prediction) -> str:
    second = prediction.confidence - prediction.margin
    return (
        f"{prediction.tag} {two_decimals(prediction.confidence)}, "
        f"{prediction.runner_up} {two_decimals(second)}"
    )
