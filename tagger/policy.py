"""Decide what a person must look at. Pure functions of a prediction and a policy."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.records import NO_ITEM, OTHER, Policy, Prediction, Verdict


def predict(
    probabilities: NDArray[np.float32], labels: Sequence[str]
) -> list[Prediction]:
    """Read the rows of an (n, len(labels)) array as predictions.

    The label "other" is no tag: it never wins, but is told. Ties go to the label that
    comes first, so that the tag never depends on the engine's order of evaluation.
    There must be at least two tags.
    """
    tags = np.array([n for n, label in enumerate(labels) if label != OTHER])
    order = tags[np.argsort(-probabilities[:, tags], axis=1, kind="stable")[:, :2]]
    other = labels.index(OTHER) if OTHER in labels else None
    return [
        Prediction(
            tag=labels[first],
            confidence=float(row[first]),
            runner_up=labels[second],
            margin=float(row[first]) - float(row[second]),
            probabilities=tuple(map(float, row)),
            other=0.0 if other is None else float(row[other]),
        )
        for row, (first, second) in zip(probabilities, order.tolist(), strict=True)
    ]


def decide(prediction: Prediction, policy: Policy) -> Verdict:
    """Flag a prediction that is less sure, or nearer to a tie, than the policy asks.

    And one that is more probably no catalogue item at all. Monotone: more confidence
    with no less margin, and no more of "other", never turns an accepted tag into a
    flagged one.
    """
    if policy.accepts(prediction):
        return Verdict(flagged=False)
    if prediction.other > prediction.confidence:
        reason = f"{NO_ITEM} {_rounded_down(prediction.other)}, else "
        return Verdict(flagged=True, reason=reason + _candidates(prediction))
    if prediction.margin < policy.margin:
        return Verdict(flagged=True, reason=f"close call: {_candidates(prediction)}")
    least = policy.least(prediction.tag)
    needs = f"needs {least:.2f}" if least < 1 else "always asked about"
    return Verdict(flagged=True, reason=f"unsure: {_candidates(prediction)} ({needs})")


def _candidates(prediction: Prediction) -> str:
    second = prediction.confidence - prediction.margin
    return (
        f"{prediction.tag} {_rounded_down(prediction.confidence)}, "
        f"{prediction.runner_up} {_rounded_down(second)}"
    )


def _rounded_down(share: float) -> str:
    """Never show what fell short of a threshold as if it reached it."""
    return f"{math.floor(share * 100 + 1e-6) / 100:.2f}"
