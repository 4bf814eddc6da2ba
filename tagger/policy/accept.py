"""Decide if a tag is accepted: the one rule, for one picture and for arrays.

A picture's tag is the most probable label that is a tag (`tagger.labels.answers`). It
is accepted if

- its file is not damaged,
- the network does not doubt that the picture has a tag (`tagger.labels.doubts`),
- its confidence reaches the threshold of that tag, and
- its margin reaches the margin of the policy.

A threshold of 1 accepts nothing: some networks give every picture a confidence of 1.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tagger.records import Policy, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def accepts(policy: Policy, prediction: Prediction) -> bool:
    """Whether a policy accepts a prediction; `policy.decide` gives reasons if not."""
    return is_eligible(prediction, policy.margin) and reaches(
        prediction.confidence, policy.least(prediction.tag)
    )


def is_eligible(prediction: Prediction, margin: float) -> bool:
    """Whether some threshold accepts a prediction: without doubt, with the margin.

    Never that of a damaged file.
    """
    sound = not prediction.damaged and not prediction.doubtful
    return sound and prediction.margin >= margin


def reaches(confidence: float, threshold: float) -> bool:
    """Whether a confidence reaches a threshold below 1; both are in [0, 1]."""
    return threshold < 1 and confidence >= threshold


def least_by_tag(policy: Policy, tags: Sequence[str]) -> "NDArray[np.float64]":
    """Return the least accepted confidence of each tag, (len(tags),).

    Infinite if the threshold is 1, so that `confidence >= least` is `reaches` for
    arrays.
    """
    import numpy as np  # noqa: PLC0415  `tagger status` needs no arrays

    least = np.array([policy.least(tag) for tag in tags], np.float64)
    least[least >= 1] = np.inf
    return least
