"""Which policy is in force: what was asked for, a certificate, the network's own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.policy.effective import LEAST_OF_ADDED, effective_policy
from tagger.records import Certificate, Claim, Policy

TAGS = ("Bag", "Coat")
BUNDLED = Policy(0.8, 0.05, {"Coat": 0.9})
REFERENCE = Path("familiar.json")
FAR, NEAR = 2.0, 0.5


def certificate(
    policy: Policy | None, *claims: tuple[str | None, float | None]
) -> Certificate:
    return Certificate(
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        network="net",
        digest="0" * 64,
        precision=0.97,
        certainty=0.9,
        policy=policy,
        claims=tuple(
            Claim(tag, 100, 99, threshold, 0, threshold or 0.9)
            for tag, threshold in claims
        ),
        pictures=100,
        accepts=0.5,
        accepted_before=0.4,
    )


JOINT = certificate(Policy(0.7, 0.05), (None, 0.7), ("Bag", None), ("Coat", None))
ALONE = certificate(
    Policy(0.95, 0.05, {"Bag": 0.6}), (None, None), ("Bag", 0.6), ("Coat", None)
)
WITHDRAWN = certificate(None, (None, None), ("Bag", None))


def test_the_network_has_its_own_policy_and_is_stricter_about_unlike_pictures() -> None:
    found = effective_policy(BUNDLED, TAGS, reference=REFERENCE)

    assert found.for_shift(None) == found.for_shift(NEAR) == BUNDLED
    assert found.for_shift(FAR).threshold > BUNDLED.threshold
    assert not found.certified


def test_a_joint_certificate_replaces_it_whatever_the_pictures_are_like() -> None:
    found = effective_policy(BUNDLED, TAGS, reference=REFERENCE, certificate=JOINT)

    assert found.for_shift(NEAR) == found.for_shift(FAR) == JOINT.policy
    assert found.certified


def test_tags_certified_alone_keep_their_threshold_the_others_stay_guarded() -> None:
    found = effective_policy(BUNDLED, TAGS, reference=REFERENCE, certificate=ALONE)

    assert found.for_shift(NEAR) == Policy(0.8, 0.05, {"Coat": 0.9, "Bag": 0.6})
    far = found.for_shift(FAR)
    assert far.least("Bag") == 0.6
    assert far.least("Coat") > 0.9
    assert found.certified


def test_a_certificate_that_was_withdrawn_counts_for_nothing() -> None:
    withdrawn = effective_policy(
        BUNDLED, TAGS, reference=REFERENCE, certificate=WITHDRAWN
    )

    assert withdrawn == effective_policy(BUNDLED, TAGS, reference=REFERENCE)


@given(
    threshold=st.floats(0, 1),
    shift=st.none() | st.floats(0, 5),
    held=st.sampled_from([None, JOINT, ALONE, WITHDRAWN]),
    added=st.sets(st.sampled_from(["Skirt", "Polo", *TAGS])),
)
def test_the_threshold_that_is_asked_for_holds_for_every_tag(
    threshold: float, shift: float | None, held: Certificate | None, added: set[str]
) -> None:
    found = effective_policy(
        BUNDLED,
        TAGS,
        reference=REFERENCE,
        certificate=held,
        threshold=threshold,
        added=added,
    )

    assert found.for_shift(shift) == Policy(threshold, BUNDLED.margin)


@pytest.mark.parametrize("held", [None, JOINT, ALONE])
def test_tags_that_the_shop_added_have_a_threshold_of_their_own(
    held: Certificate | None,
) -> None:
    found = effective_policy(BUNDLED, TAGS, certificate=held, added={"Skirt", *TAGS})

    assert found.base.least("Skirt") == LEAST_OF_ADDED
    without = effective_policy(BUNDLED, TAGS, certificate=held)
    assert found.base.least("Bag") == without.base.least("Bag")


def test_a_certificate_that_speaks_of_an_added_tag_decides_about_it() -> None:
    held = certificate(Policy(0.7), (None, 0.7), ("Bag", None), ("Skirt", None))

    found = effective_policy(BUNDLED, TAGS, certificate=held, added={"Skirt"})

    assert found.base.least("Skirt") == 0.7
