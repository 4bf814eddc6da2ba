"""Estimate, keep and apply a shop's own mix of tags at the end of a scan."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tagger.inventory import Recording
from tagger.records import (
    Policy,
    Prediction,
    Verdict,
)
from tagger.scan.records import OwnMix
from tagger.storage import Location
from tagger.text import encodable

if TYPE_CHECKING:  # a scan with nothing to read needs no arrays
    from tagger.policy.label_shift import Mix


SAMPLE = 5000
"""Most pictures used to measure a shift or to estimate a mix."""


_RARE = 0.02
"""Tags below this share of a root's pictures are left out of the reported mix."""


def adjust_to_own_mix(
    recording: Recording,
    own_mix: OwnMix,
    policy: Policy,
    *,
    asked: bool,
) -> dict[str, Any]:
    """Estimate the mix of tags of each root, and adjust all predictions to the mixes.

    Skipped if nothing can have changed since the previous run: no picture was read, the
    network was not `asked`, nobody decided, no root was removed, and the previous run
    ended. Returns the marks by which the next run detects a change.
    """
    marks = {
        "newest_decision": recording.newest_decision(),
        "kind_tags": recording.kind_tags(),
        "prior": list(own_mix.prior),
        "mixes": recording.mixes_in_force(),
        "frozen": own_mix.frozen,
    }
    last = recording.last_counts()
    if not asked and all(last.get(name) == value for name, value in marks.items()):
        return marks
    if not own_mix.frozen:  # a certificate holds for the mixes as they are
        _estimate_all(recording, own_mix.prior)
    from tagger.policy.decide import adjusted_predictions  # noqa: PLC0415  it needs NumPy

    recording.adjust(policy, adjusted_predictions, decide_later)
    return marks | {"mixes": recording.mixes_in_force()}


def _estimate_all(recording: Recording, prior: tuple[float, ...]) -> None:
    """Put in force the mix of every root, even of roots that this run does not scan.

    The marks that tell a run that nothing changed are about the whole inventory.
    """
    before = recording.mixes()
    for root in recording.roots():
        mix = _estimated(recording, root, prior) if prior else None
        former = before.get(root)
        if mix is None and former is None:
            continue
        if mix is None or former is None or mix.moved_from(former):
            recording.keep_mix(root, mix)


def _estimated(
    recording: Recording, root: Location, prior: tuple[float, ...]
) -> "Mix | None":
    """Estimate the mix of tags under a root; None for too few pictures."""
    import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

    from tagger.policy.label_shift import estimate  # noqa: PLC0415

    sample = recording.mix_sample(root, SAMPLE)
    if not sample.rows:
        return None
    known = [
        sample.column(digest, row)
        for digest, row in zip(sample.digests, sample.rows, strict=True)
    ]
    return estimate(np.array(sample.rows, np.float32), prior, known)


def describe_mixes(
    recording: Recording, labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the mix of each root, without rare labels."""
    return {
        encodable(str(root)): {
            label: round(share, 3)
            for label, share in zip(labels, mix.shares, strict=True)
            if share >= _RARE
        }
        for root, mix in recording.mixes().items()
    }


def decide_later(prediction: Prediction, policy: Policy) -> Verdict:
    """Decide by the policy; NumPy is loaded by the first call, not at start-up."""
    from tagger.policy.decide import decide  # noqa: PLC0415

    return decide(prediction, policy)
