import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagger.adaptation.gate import (
    MOST_FORGOTTEN,
    ModelOutputs,
    evaluate_promotion,
    outcomes,
)
from tagger.evaluation.measures import NEVER
from tagger.labels import OTHER

LABELS = ("Shirt", "Coat", OTHER)


def said(truth: np.ndarray, right: float, seed: int) -> ModelOutputs:
    """Answer so often with the true label, and more surely than otherwise."""
    chance = np.random.default_rng(seed)
    hits = chance.random(len(truth)) < right
    rows = np.full((len(truth), 3), 0.05, np.float32)
    found = np.where(hits, truth, (truth + 1) % 2)
    rows[np.arange(len(truth)), found] = np.where(hits, 0.9, 0.6)
    return ModelOutputs(rows / rows.sum(axis=1, keepdims=True), LABELS)


def shop(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(seed).integers(0, 2, count)
    return numbers, np.array(LABELS)[numbers], np.arange(count).astype(str)


def test_a_network_that_is_certainly_better_is_promoted() -> None:
    numbers, truth, groups = shop(200, 1)
    found = evaluate_promotion(
        said(numbers, 0.6, 2), said(numbers, 0.9, 3), truth, groups, (0.9, 0.9)
    )

    assert found.promoted
    assert "accuracy rose" in found.reason
    assert found.comparison.accuracy.low > 0


@given(st.integers(0, 10_000), st.floats(0.2, 0.95))
def test_nothing_is_promoted_for_saying_the_same(seed: int, right: float) -> None:
    numbers, truth, groups = shop(40, seed)
    same = said(numbers, right, seed)

    assert not evaluate_promotion(same, same, truth, groups, (0.9, 0.9)).promoted


def test_what_may_be_luck_is_refused() -> None:
    numbers, truth, groups = shop(30, 1)
    found = evaluate_promotion(
        said(numbers, 0.8, 2), said(numbers, 0.8, 5), truth, groups, (0.9, 0.9)
    )

    assert not found.promoted


def test_a_network_that_forgot_more_than_half_a_point_is_refused() -> None:
    numbers, truth, groups = shop(200, 1)
    two = said(numbers, 0.6, 2), said(numbers, 0.9, 3)
    just = evaluate_promotion(*two, truth, groups, (0.9, 0.9 - MOST_FORGOTTEN))
    more = evaluate_promotion(*two, truth, groups, (0.9, 0.9 - MOST_FORGOTTEN - 0.001))

    assert just.promoted
    assert not more.promoted
    assert "0.6 points of what was known were forgotten" in more.reason


def test_more_accuracy_does_not_pay_for_less_coverage() -> None:
    numbers, truth, groups = shop(300, 1)
    before, after = said(numbers, 0.7, 2), said(numbers, 0.9, 3)
    wrong = outcomes(after, truth).right == 0
    after.rows[wrong] = np.where(after.rows[wrong] > 0.5, 0.999, 0.0005)  # sure of it
    found = evaluate_promotion(before, after, truth, groups, (0.9, 0.9))

    assert not found.promoted
    assert "coverage at 0.97 precision fell" in found.reason


def test_networks_of_different_labels_are_compared_by_their_names() -> None:
    numbers, truth, groups = shop(100, 1)
    truth[:30] = "Skirt"
    rows = np.tile(np.array([0.1, 0.1, 0.1, 0.7], np.float32), (100, 1))
    rows[30:] = np.eye(4, dtype=np.float32)[numbers[30:]] * 0.9 + 0.025
    grown = ModelOutputs(rows, (*LABELS, "Skirt"))
    found = evaluate_promotion(said(numbers, 1, 2), grown, truth, groups, (0.9, 0.9))

    assert found.promoted
    assert found.comparison.accuracy.second == 1


def test_what_is_more_probably_no_item_is_never_accepted() -> None:
    rows = np.array([[0.3, 0.2, 0.5], [0.6, 0.3, 0.1]], np.float32)
    found = outcomes(ModelOutputs(rows, LABELS), np.array(["Shirt", OTHER]))

    assert found.score.tolist() == [NEVER, np.float32(0.6)]
    assert found.right.tolist() == [True, False]
    assert found.item.tolist() == [True, False]


def test_a_picture_less_that_is_covered_does_not_stand_in_the_way() -> None:
    numbers, truth, groups = shop(300, 1)
    before, after = said(numbers, 0.6, 2), said(numbers, 0.9, 3)
    covered = int(outcomes(before, truth).right.sum())
    hits = np.flatnonzero(outcomes(after, truth).right)
    unsure = hits[covered - 1 :]  # less sure of them than of its mistakes
    after.rows[unsure] = np.where(after.rows[unsure] > 0.5, 0.51, 0.245)
    found = evaluate_promotion(before, after, truth, groups, (0.9, 0.9))

    assert -0.01 < found.comparison.coverage.difference < 0
    assert found.promoted
