"""Decide what a person must look at. Pure functions of a prediction and a policy."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.labels import Reading, answers, kind_of, phrase
from tagger.policy.accept import accepts
from tagger.policy.label_shift import Mix, reweighed
from tagger.records import NO_ITEM, NO_TAG, Policy, Prediction, Verdict


def predict(
    probabilities: NDArray[np.float32], labels: Sequence[str]
) -> list[Prediction]:
    """Read the rows of an (n, len(labels)) array as predictions.

    A label that is no tag never wins, but is told. Ties go to the label that comes
    first, so that the tag never depends on the engine's order of evaluation. There must
    be at least two tags.
    """
    found = answers(probabilities, labels)
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
            found.tag.tolist(),
            found.runner_up.tolist(),
            found.confidence.tolist(),
            found.second.tolist(),
            found.none.tolist(),
            found.what.tolist(),
            strict=True,
        )
    ]


def read_again(
    rows: Sequence[Sequence[float]], read: Reading, mix: Mix | None
) -> list[Prediction]:
    """Read what a network said as a shop has it: by its mix of tags, where it is known.

    And with the tags that the shop gave to kinds. `rows` are probabilities as the
    network gave them, (n, labels).
    """
    said = np.array(rows, np.float32)
    if mix is not None:
        said = reweighed(said, mix)
    return predict(np.asarray(read.applied(said), np.float32), read.labels)


def decide(prediction: Prediction, policy: Policy) -> Verdict:
    """Flag a prediction that is less sure, or nearer to a tie, than the policy asks.

    And one that more probably shows something without a tag: no catalogue item, or of a
    kind that no tag is for. Monotone: more confidence with no less margin, and no more
    of "other", never turns an accepted tag into a flagged one.
    """
    if accepts(policy, prediction):
        return Verdict(flagged=False)
    if prediction.doubtful:
        reason = f"{_what_else(prediction)} {_rounded_down(prediction.other)}, else "
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
        f"{prediction.tag} {_rounded_down(prediction.confidence)}, "
        f"{prediction.runner_up} {_rounded_down(second)}"
    )


def _rounded_down(share: float) -> str:
    """Never show what fell short of a threshold as if it reached it."""
    return f"{math.floor(share * 100 + 1e-6) / 100:.2f}"
