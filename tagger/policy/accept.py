"""The one rule of what is accepted without a person, for one picture and for arrays.

A picture's tag is the most probable label that is a tag (`tagger.labels.answers`). It
is accepted where the network does not doubt that it has a tag (`tagger.labels.doubts`),
where its confidence reaches the threshold of that tag, and where its margin reaches
that of the policy. A threshold of 1 accepts nothing: some networks are certain of
anything.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tagger.records import Policy, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def accepts(policy: Policy, said: Prediction) -> bool:
    """Whether a prediction needs no person; `policy.decide` says why another does."""
    return may_be_accepted(said, policy.margin) and reaches(
        said.confidence, policy.least(said.tag)
    )


def may_be_accepted(said: Prediction, margin: float) -> bool:
    """Whether some threshold accepts a prediction: no doubt, and the margin is met."""
    return not said.doubtful and said.margin >= margin


def reaches(confidence: float, threshold: float) -> bool:
    """Whether a confidence suffices for a threshold, both in [0, 1]."""
    return threshold < 1 and confidence >= threshold


def least_by_tag(policy: Policy, tags: Sequence[str]) -> "NDArray[np.float64]":
    """Return the least accepted confidence of each tag, (len(tags),).

    Infinite where the threshold is 1, so that `confidence >= least` is `reaches` for
    arrays.
    """
    import numpy as np  # noqa: PLC0415  a status decides about no array

    least = np.array([policy.least(tag) for tag in tags], np.float64)
    least[least >= 1] = np.inf
    return least
