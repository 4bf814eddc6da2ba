"""The learning rate over a training, and the check that its loss is still a number."""

import math

from tagger.errors import TrainingError


def cosine_with_warm_up(
    step: int, done: float, *, warm_up: int, floor: float = 0.0
) -> float:
    """Return the share of its highest rate that a training learns at, in 0..1 + floor.

    `step` counts from 0, and the rate rises evenly over the first `warm_up` steps.
    `done` is the share of the training that is over, in 0..1: from 1 the rate falls to
    0 along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983), and `floor` is
    added to it.
    """
    warm = min(1.0, (step + 1) / warm_up)
    return warm * (0.5 * (1 + math.cos(math.pi * done)) + floor)


def check_finite(loss: float, where: str, advice: str = "") -> None:
    """Raise TrainingError where a loss is infinite or not a number.

    `where` says when: "at step 7"; `advice` says what to do.
    """
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} {where}" + (advice and f"; {advice}"))
