from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.labels import OTHER
from tagger.policy.accept import accepts, is_eligible, least_by_tag
from tagger.policy.decide import decide, predict
from tagger.records import (
    FASHION_LABELS,
    Policy,
    Prediction,
)

shares = st.floats(0, 1)


def prediction(confidence: float, margin: float) -> Prediction:
    return Prediction("Shirt", confidence, "Coat", margin, (confidence,))


@given(said=shares, other=shares, margin=shares, least=shares, own=shares)
def test_deciding_and_accepting_are_one(
    said: float, other: float, margin: float, least: float, own: float
) -> None:
    one = Prediction("Shirt", said, "Coat", margin, (), other)

    for tag in ("Shirt", "Coat"):
        policy = Policy(least, least / 2, {tag: own})
        assert accepts(policy, one) != decide(one, policy).flagged


@given(said=shares, other=shares, margin=shares, least=shares, own=shares)
def test_one_picture_and_arrays_are_accepted_by_the_same_rule(
    said: float, other: float, margin: float, least: float, own: float
) -> None:
    tags = ("Shirt", "Coat")
    policy = Policy(least, 0.1, {"Coat": own})
    enough = np.array([said, said]) >= least_by_tag(policy, tags)

    for number, tag in enumerate(tags):
        one = Prediction(tag, said, "Bag", margin, (), other)
        alone = is_eligible(one, policy.margin) and bool(enough[number])
        assert accepts(policy, one) == alone


@given(confidence=shares, margin=shares, threshold=shares, least_margin=shares)
def test_what_is_accepted_meets_the_policy(
    confidence: float, margin: float, threshold: float, least_margin: float
) -> None:
    verdict = decide(prediction(confidence, margin), Policy(threshold, least_margin))

    meets = threshold < 1 and confidence >= threshold and margin >= least_margin
    assert verdict.flagged != meets
    assert bool(verdict.reason) == verdict.flagged


@given(confidence=shares, margin=shares, threshold=shares)
def test_no_policy_accepts_the_tag_of_a_damaged_file(
    confidence: float, margin: float, threshold: float
) -> None:
    damaged = replace(prediction(confidence, margin), damaged=True)

    verdict = decide(damaged, Policy(threshold))

    assert verdict.flagged
    assert verdict.reason.startswith("damaged file")
    assert not is_eligible(damaged, 0.0)


def test_a_threshold_of_one_accepts_nothing_however_sure_a_network_is() -> None:
    policy = Policy(0.5, tags={"Shirt": 1.0})

    verdict = decide(prediction(1.0, 1.0), policy)

    assert verdict.reason == "unsure: Shirt 1.00, Coat 0.00 (always asked about)"


@given(
    low=shares,
    high=shares,
    margin=shares,
    wider=shares,
    policy=st.tuples(shares, shares),
)
def test_more_confidence_never_turns_accepted_into_flagged(
    low: float, high: float, margin: float, wider: float, policy: tuple[float, float]
) -> None:
    low, high = sorted((low, high))
    margin, wider = sorted((margin, wider))
    before = decide(prediction(low, margin), Policy(*policy))
    after = decide(prediction(high, wider), Policy(*policy))

    assert before.flagged or not after.flagged


def test_the_reason_names_both_candidates() -> None:
    close = decide(prediction(0.46, 0.05), Policy(0.9, margin=0.2))
    unsure = decide(prediction(0.46, 0.3), Policy(0.9, margin=0.2))

    assert close.reason == "close call: Shirt 0.46, Coat 0.41"
    assert unsure.reason == "unsure: Shirt 0.46, Coat 0.16 (needs 0.90)"


def test_what_falls_short_is_never_shown_as_if_it_did_not() -> None:
    verdict = decide(prediction(0.9899, 0.9), Policy(0.99))

    assert verdict.reason == "unsure: Shirt 0.98, Coat 0.08 (needs 0.99)"


@given(st.lists(st.lists(shares, min_size=10, max_size=10), max_size=5))
def test_predictions_follow_the_probabilities(rows: list[list[float]]) -> None:
    table = np.array(rows, np.float32).reshape(-1, 10)

    said = predict(table, FASHION_LABELS)

    assert len(said) == len(rows)
    for row, one in zip(table, said, strict=True):
        top, second = np.sort(row)[::-1][:2]
        assert one.tag == FASHION_LABELS[int(row.argmax())]
        assert one.confidence == top
        assert one.margin == pytest.approx(float(top) - float(second), abs=1e-7)
        assert 0 <= one.margin <= one.confidence <= 1
        assert one.runner_up != one.tag


def test_what_is_more_probably_no_catalogue_item_is_flagged_whatever_the_policy() -> (
    None
):
    rows = np.array([[0.3, 0.1, 0.6], [0.5, 0.1, 0.4]], np.float32)

    odd, sound = predict(rows, ("Bag", "Coat", OTHER))

    assert (odd.tag, odd.runner_up) == ("Bag", "Coat")
    assert odd.other == pytest.approx(0.6)
    assert decide(odd, Policy(0.0)).reason == (
        "probably not a catalogue item 0.60, else Bag 0.30, Coat 0.10"
    )
    assert not decide(sound, Policy(0.0)).flagged


def test_a_tie_goes_to_the_first_label() -> None:
    (said,) = predict(np.full((1, 10), 0.1, np.float32), FASHION_LABELS)

    assert (said.tag, said.runner_up) == ("T-shirt/top", "Trouser")
    assert said.margin == 0


def test_a_tag_may_ask_for_more_than_the_others() -> None:
    labels = ("Coat", "Bag", "Dress")
    policy = Policy(0.5, tags={"Coat": 0.9})
    rows = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.95, 0.03, 0.02]], np.float32)

    verdicts = [decide(prediction, policy) for prediction in predict(rows, labels)]

    assert [verdict.flagged for verdict in verdicts] == [True, False, False]
    assert verdicts[0].reason == "unsure: Coat 0.80, Bag 0.10 (needs 0.90)"
