"""What audits can prove with the pictures that are there."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audits import BUNDLED, answer_audit, certified, scan, stock

from tagger.certification.reach import audit_reach
from tagger.certification.sequential_testing import (
    JOINT,
    STARTS,
    answers_needed,
    reachable_precision,
)
from tagger.certification.summary import certified_lines, next_steps
from tagger.inventory import Inventory
from tagger.inventory.records import AuditReach
from tagger.records import Claim


@given(st.integers(0, 60), st.integers(0, 5), st.integers(0, 200))
def test_what_can_be_reached_needs_no_more_than_there_is(
    right: int, wrong: int, more: int
) -> None:
    claim = Claim(None, right + wrong, right, None, 1, 0.8)
    doubt = JOINT * 0.1 / len(STARTS)

    best = reachable_precision(claim, more, 0.9)

    if best:
        assert answers_needed(right, wrong, best, doubt) <= more
    above = best + 0.01 if best else 0.5
    assert above > 0.99 or answers_needed(right, wrong, above, doubt) > more


def test_no_more_is_asked_for_than_there_is_and_what_is_asked_for_suffices(
    inventory: Inventory,
) -> None:
    """Of 90 pictures, 60 are confident enough: they are asked for, not 155."""
    scan(inventory, stock(60, 0.9) | stock(30, 0.4, start=60), BUNDLED)
    first = certified(inventory)

    (step,) = [s for s in next_steps(first.certificate, first.reach) if "all" in s]
    size, least = re.search(r"--audit (\d+) --from ([\d.]+)", step).groups()  # type: ignore[union-attr]
    lower = re.search(r"certify --precision ([\d.]+)", step)
    assert (first.reach.joint, int(size)) == (60, 60)
    assert lower is not None
    assert float(lower[1]) == first.reach.precision

    answer_audit(inventory, inventory.draw_audit(60, "anna", least=float(least)))
    assert certified(inventory, float(lower[1])).certificate.policy is not None
    then = certified(inventory)
    assert then.certificate.policy is None
    assert then.reach.joint == 0
    (step,) = [s for s in next_steps(then.certificate, then.reach) if "all" in s]
    assert "--audit" not in step
    assert f"certify --precision {then.reach.precision:.2f}" in step


def test_with_enough_pictures_the_audit_is_asked_for_as_before(
    inventory: Inventory,
) -> None:
    scan(inventory, stock(200, 0.9), BUNDLED)
    proof = certified(inventory)

    assert proof.reach.joint is None
    assert "--audit 155 --from 0.80" in " ".join(
        next_steps(proof.certificate, proof.reach)
    )


def test_a_status_asks_for_no_more_than_there_is(inventory: Inventory) -> None:
    """Before the first certificate, too."""
    scan(inventory, stock(60, 0.99), BUNDLED)
    answer_audit(inventory, inventory.draw_audit(1, "anna"))
    stats = inventory.auto_tagging_stats()
    assert stats is not None
    few = AuditReach(inventory.auditable(0.8, most=155))

    told = certified_lines(replace(stats, reach=few))[-1]

    assert "only 60" in told
    assert "--audit 155" not in told
    assert "--audit 155" in certified_lines(stats)[-1]


@pytest.mark.parametrize("decided_first", [True, False])
def test_copies_count_once_and_decided_pictures_count(
    inventory: Inventory, *, decided_first: bool
) -> None:
    items = stock(20, 0.9)
    scan(inventory, items | {"copy.jpg": items["00000.jpg"]}, BUNDLED)
    if decided_first:
        answer_audit(inventory, inventory.draw_audit(5, "anna", least=0.8))

    assert inventory.auditable(0.8, most=100) == 20
    assert inventory.auditable(0.8, most=7) == 7
    assert inventory.auditable(0.95, most=100) == 0
    assert inventory.auditable(0.8, tag="no such tag", most=100) == 0


def test_proven_claims_lack_nothing(inventory: Inventory) -> None:
    scan(inventory, stock(20, 0.9), BUNDLED)
    certificate = certified(inventory).certificate
    proven = tuple(replace(c, threshold=0.8, needed=0) for c in certificate.claims)

    reach = audit_reach(inventory, replace(certificate, claims=proven))

    assert (reach.joint, dict(reach.tags)) == (None, {})
