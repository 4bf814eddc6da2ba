"""Compute the learning rate of each step, and check that the loss is finite."""

import math

from tagger.errors import TrainingError


def cosine_with_warm_up(
    step: int, done: float, *, warm_up: int, floor: float = 0.0
) -> float:
    """Return the learning rate as a share of the highest rate, in 0..1 + floor.

    `step` counts from 0; the rate rises linearly over the first `warm_up` steps. `done`
    is the finished share of the training, in 0..1; with it the rate falls from 1 to 0
    along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983). `floor` is added
    to it.
    """
    warm = min(1.0, (step + 1) / warm_up)
    return warm * (0.5 * (1 + math.cos(math.pi * done)) + floor)


def check_finite(loss: float, where: str, advice: str = "") -> None:
    """Raise TrainingError if a loss is infinite or not a number.

    `where` is the time, such as "at step 7"; `advice` is the next step for the user.
    """
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} {where}" + (advice and f"; {advice}"))
