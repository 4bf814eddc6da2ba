"""How far pictures are from those a network knows, and what a scan makes of it."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import FakeClassifier, Photo, scan

from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle
from tagger.errors import ModelError
from tagger.inventory import Inventory
from tagger.policy.covariate_shift import (
    FAR,
    ReferenceStatistics,
    packed,
    read_reference,
    reference_statistics,
    shift_of,
)
from tagger.policy.shift_guard import LIMIT, ShiftGuard, tightened
from tagger.records import FASHION_LABELS, LEAST_FOR_SHIFT, Policy

LABELS = ("Shirt", "Coat", "Bag", "other")


def pictures(
    count: int, seed: int, *, shift: float = 0.0, tags: tuple[int, ...] = (0, 1, 2)
) -> NDArray[np.float32]:
    """Return what a network says of pictures that are `shift` spreads off."""
    chance = np.random.default_rng(seed)
    tag = chance.choice(tags, count)
    logits = chance.normal(size=(count, len(LABELS)))
    logits[np.arange(count), tag] += 6
    logits[:, 3] += shift
    odds = np.exp(logits)
    rows: NDArray[np.float32] = (odds / odds.sum(axis=1, keepdims=True)).astype("f4")
    return rows


@pytest.fixture(scope="module")
def known() -> ReferenceStatistics:
    return reference_statistics(
        {"studio": pictures(900, 1), "street": pictures(900, 2, shift=3)}, LABELS
    )


def test_pictures_of_a_known_set_are_familiar_whatever_their_mix(
    known: ReferenceStatistics,
) -> None:
    for seed, tags in enumerate([(0, 1, 2), (0,), (1, 2)]):
        for shift in (0.0, 3.0):
            found = shift_of(pictures(200, 10 + seed, shift=shift, tags=tags), known)
            assert found is not None
            assert found < LIMIT


def test_pictures_of_no_known_set_are_not(known: ReferenceStatistics) -> None:
    found = shift_of(pictures(200, 20, shift=-3), known)

    assert found is not None
    assert found > LIMIT


def test_what_cannot_be_compared_is_far_and_few_pictures_tell_nothing() -> None:
    coats = reference_statistics({"coats": pictures(200, 3, tags=(1,))}, LABELS)

    assert shift_of(pictures(LEAST_FOR_SHIFT, 4, tags=(0,)), coats) == FAR
    assert shift_of(pictures(LEAST_FOR_SHIFT - 1, 4), coats) is None
    assert (
        shift_of(pictures(LEAST_FOR_SHIFT, 4), reference_statistics({}, LABELS)) == FAR
    )


def test_what_a_network_knows_survives_its_file(
    known: ReferenceStatistics, tmp_path: Path
) -> None:
    path = tmp_path / "familiar.json"
    path.write_bytes(packed(known))
    rows = pictures(300, 5, shift=1)

    assert shift_of(rows, read_reference(path)) == pytest.approx(
        shift_of(rows, known), abs=0.01
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"labels": ["a", "b"]}',
        '{"labels": ["a", "b"], "centres": {}, "precision": [[1]]}',
        '{"labels": ["a", "b"], "centres": {"x": {"a": [1]}}, "precision": []}',
        '{"labels": ["a"], "centres": {}, "precision": [[NaN]]}',
        "[" * 99_999,
    ],
)
def test_a_file_that_does_not_say_it_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "familiar.json"
    path.write_text(text)

    with pytest.raises(ModelError, match="reference statistics"):
        read_reference(path)
    with pytest.raises(ModelError, match="reference statistics"):
        read_reference(tmp_path)


@given(st.floats(0, 1), st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1)))
def test_a_tightened_policy_asks_no_less_and_no_more_than_certainty(
    threshold: float, tags: dict[str, float]
) -> None:
    policy = Policy(threshold, 0.1, tags)

    tighter = tightened(policy)

    for tag in (*LABELS, "Sandal"):
        assert policy.least(tag) - 1e-4 <= tighter.least(tag) <= 1
    assert tighter.margin == policy.margin


def test_the_guard_waits_for_a_measure_and_for_a_network_that_has_one() -> None:
    policy = Policy(0.96)
    ours = ShiftGuard(Path("familiar.json"))

    assert ours.policy(policy, None) == policy
    assert ours.policy(policy, LIMIT) == policy
    assert ours.policy(policy, LIMIT + 0.1) == Policy(0.99)
    assert ShiftGuard(None).policy(policy, FAR) == policy
    assert ShiftGuard(None).shift(pictures(99, 1).tolist()) is None


def test_what_is_certified_alone_holds_and_who_reporting_tightens_nothing() -> None:
    policy, path = Policy(0.96, tags={"Coat": 0.98}), Path("familiar.json")
    some = ShiftGuard(path, certified={"Bag": 0.8, "Coat": 0.9})

    assert some.policy(policy, FAR) == Policy(0.99, tags={"Bag": 0.8, "Coat": 0.9})
    assert some.policy(policy, None) == Policy(0.96, tags={"Bag": 0.8, "Coat": 0.9})
    assert ShiftGuard(path, report_only=True).policy(policy, FAR) == policy


def test_unfamiliar_pictures_are_accepted_from_a_higher_confidence_on(
    inventory: Inventory,
    shop: Path,
    photo: Photo,
    classifier: FakeClassifier,
    tmp_path: Path,
) -> None:
    for number in range(LEAST_FOR_SHIFT):
        photo(f"{number}.png", shade=number)
    path = tmp_path / "familiar.json"
    elsewhere = np.full((200, len(FASHION_LABELS)), 0.01, np.float32)
    elsewhere[:, :9] += np.eye(9, dtype=np.float32)[np.arange(200) % 9]
    path.write_bytes(
        packed(reference_statistics({"elsewhere": elsewhere}, FASHION_LABELS))
    )
    policy = Policy(0.5)

    plain = scan([shop], inventory, classifier, policy)
    # Nothing is left to classify, as after a scan that was killed before it measured.
    first = scan([shop], inventory, classifier, policy, guard=ShiftGuard(path))
    second = scan([shop], inventory, classifier, policy, guard=ShiftGuard(path))

    assert (plain.shift, plain.tightened) == (None, "")
    assert first.shift is not None
    assert first.shift > LIMIT
    assert (first.threshold, first.base_threshold) == (0.875, 0.5)
    assert "tagger review" in first.tightened
    assert not re.search(r"\d|shift|threshold|certif", first.tightened)
    assert "0.88 instead of 0.50" in first.describe_shift()
    assert first.flagged > plain.flagged
    # With nothing to classify nothing is measured, and what was measured holds.
    assert second.tightened == first.tightened
    assert second.flagged == first.flagged
    assert inventory.policies()["fake"] == Policy(0.875)
    assert inventory.shift(classifier.identity.digest) == first.shift


def test_no_bundled_network_asks_for_more_of_unfamiliar_pictures() -> None:
    # The policy of `shops` was read off shops that it had never seen.
    assert find_bundle(DEFAULT_BUNDLE).reference_file is None
    assert find_bundle("three-block").reference_file is None
