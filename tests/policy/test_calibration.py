import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tagger.evaluation.measures import calibration_error, reliability
from tagger.labels import OTHER
from tagger.policy.calibration import choose_policy, choose_temperature, least_share
from tagger.policy.decide import decide, predict

LABELS = ("Coat", "Bag", OTHER)
Rows = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@given(
    arrays(np.float32, (60, 3), elements=st.floats(0.125, 1, width=32)),
    arrays(np.int64, 60, elements=st.integers(0, 2)),
    st.floats(0.3, 0.95),
)
def test_what_the_policy_accepts_is_as_precise_as_asked_tag_by_tag(
    found: Rows, labels: Numbers, precision: float
) -> None:
    found = found / found.sum(axis=1, keepdims=True)
    policy = choose_policy(found, labels, LABELS, precision, certainty=0.9)

    right: dict[str, list[bool]] = {}
    for prediction, label in zip(predict(found, LABELS), labels, strict=True):
        if not decide(prediction, policy).flagged:
            was = LABELS[label] == prediction.tag
            right.setdefault(prediction.tag, []).append(was)

    for tag, found_right in right.items():
        if policy.least(tag) < 1:
            assert np.mean(found_right) >= precision
    assert all(least > policy.threshold for least in policy.tags.values())


def simulated(sharpness: float, count: int = 4000) -> tuple[Rows, Numbers]:
    """Probabilities and truth drawn from them; reported `sharpness` times as sharp."""
    chance = np.random.default_rng(1)
    logits = chance.normal(0, 2, (count, 5))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (shares.cumsum(axis=1) < chance.random((count, 1))).sum(axis=1)
    told = np.exp(sharpness * logits)
    rows = (told / told.sum(axis=1, keepdims=True)).astype(np.float32)
    return rows, truth.clip(0, 4)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_what_was_too_sharp(sharpness: float) -> None:
    rows, truth = simulated(sharpness)

    assert choose_temperature(rows, truth) == pytest.approx(sharpness, rel=0.1)


def test_the_calibration_error_is_small_for_honest_confidence_only() -> None:
    def error(sharpness: float) -> float:
        rows, truth = simulated(sharpness)
        right = rows.argmax(axis=1) == truth
        return calibration_error(reliability(rows.max(axis=1), right)) or 0.0

    assert error(1.0) < 0.03
    assert error(2.0) > 0.1
    assert error(0.5) > 0.1


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_bound_lies_below_the_share_and_rises_with_evidence(
    right: int, wrong: int
) -> None:
    of = right + wrong
    bound = least_share(right, of)

    assert 0 <= bound <= 1
    assert bound <= (right / of if of else 0) + 1e-12
    assert bound <= least_share(10 * right, 10 * of) + 1e-12


def test_a_bound_holds_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    right = chance.binomial(200, 0.97, 2000)

    held = np.mean([least_share(int(n), 200, 0.9) <= 0.97 for n in right])

    assert held == pytest.approx(0.9, abs=0.05)
