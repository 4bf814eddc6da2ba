import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.comparison import compare, mcnemar
from tagger.evaluation.measures import (
    NEVER,
    Curve,
    Outcomes,
    Ranked,
    by_tag,
    calibration_error,
    confusion,
    coverage_at,
    coverage_curve,
    macro_f1,
    reliability,
    share,
)

Seen = tuple[float, bool, bool]


def outcomes(seen: list[Seen]) -> Outcomes:
    """Build outcomes from (score, right, item); what is no item is never right."""
    score, right, item = zip(*seen, strict=True)
    items = np.array(item, np.bool_)
    return Outcomes(
        np.array(score, np.float64), np.array(right, np.bool_) & items, items
    )


scores = st.one_of(
    st.just(NEVER), st.floats(0, 1), st.sampled_from([0.25, 0.5, 0.75, 1.0])
)
precisions = st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.97, 1.0])
seen_images = st.lists(st.tuples(scores, st.booleans(), st.booleans()), min_size=1)


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_in_its_interval(count: int, more: int) -> None:
    found = share(count, count + more - 1)

    if found.share is None:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.share <= found.high <= 1


def test_the_interval_is_that_of_the_literature() -> None:
    # Newcombe 1998 (Statist. Med. 17:857), table I, method 3.
    assert share(81, 263).low == pytest.approx(0.2553, abs=5e-5)
    assert share(81, 263).high == pytest.approx(0.3662, abs=5e-5)
    assert share(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert share(1, 29).low == pytest.approx(0.0061, abs=5e-5)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20)
)
def test_every_image_is_in_one_bin(seen: list[tuple[float, bool]], bins: int) -> None:
    confidence = np.array([one for one, _ in seen])
    right = np.array([good for _, good in seen])

    found = reliability(confidence, right, bins)
    error = calibration_error(found)

    assert sum(one.images for one in found) == len(seen)
    for one in found:
        if one.confidence is not None:
            assert one.low - 1e-12 <= one.confidence <= one.high + 1e-12
    assert error is not None
    assert 0 <= error <= 1
    # One bin cannot hide what several show.
    whole = calibration_error(reliability(confidence, right, 1))
    assert whole is not None
    assert error >= whole - 1e-9


def test_the_calibration_error_of_what_is_perfect_and_of_what_is_not() -> None:
    confidence = np.full(10, 0.8)

    assert calibration_error(
        reliability(confidence, np.arange(10) < 8)
    ) == pytest.approx(0)
    assert calibration_error(
        reliability(confidence, np.arange(10) < 3)
    ) == pytest.approx(0.5)
    assert calibration_error(reliability(np.empty(0), np.empty(0, np.bool_))) is None


def points_of(curve: Curve) -> list[str]:
    """Return the points as texts: without items the coverage is not a number."""
    points = zip(curve.threshold, curve.coverage, curve.precision, strict=True)
    return [str(point) for point in points]


@given(seen_images, st.integers(2, 9))
def test_a_thinned_curve_has_points_of_the_curve_and_both_ends(
    seen: list[Seen], most: int
) -> None:
    curve = coverage_curve(outcomes(seen))
    whole = points_of(curve)

    kept = points_of(curve.thinned(most))

    assert len(kept) == min(most, len(whole))
    assert kept == [point for point in whole if point in kept]
    assert kept[:1] == whole[:1]
    assert kept[-1:] == whole[-1:]


@given(seen_images)
def test_the_curve_counts_what_a_threshold_accepts(seen: list[Seen]) -> None:
    found = outcomes(seen)
    if not found.item.any():
        return
    curve = coverage_curve(found)

    assert list(curve.threshold) == sorted(set(curve.threshold), reverse=True)
    assert list(curve.coverage) == sorted(curve.coverage)
    for threshold, coverage, precision in zip(
        curve.threshold, curve.coverage, curve.precision, strict=True
    ):
        accepted = found.score >= threshold
        assert coverage == (accepted & found.item).sum() / found.item.sum()
        assert precision == (accepted & found.right).sum() / accepted.sum()


@given(seen_images, precisions)
def test_no_threshold_covers_more_at_that_precision(
    seen: list[Seen], precision: float
) -> None:
    found = outcomes(seen)
    if not found.item.any():
        return
    curve = coverage_curve(found)

    coverage, threshold = coverage_at(curve, precision)

    enough = curve.coverage[curve.precision >= precision - 1e-9]
    assert coverage == pytest.approx(enough.max(initial=0))
    if threshold is not None:
        accepted = found.score >= threshold
        assert found.right[accepted].mean() >= precision - 1e-9
    once = np.ones(len(seen))
    assert Ranked(found).coverage_at(precision, once) == pytest.approx(coverage)


@given(seen_images, precisions, st.data())
def test_a_weight_is_a_repetition(
    seen: list[Seen], precision: float, data: st.DataObject
) -> None:
    times = st.lists(st.integers(0, 3), min_size=len(seen), max_size=len(seen))
    weights = data.draw(times)
    repeated = [one for one, n in zip(seen, weights, strict=True) for _ in range(n)]
    if not any(item for _, _, item in repeated):
        return

    found = Ranked(outcomes(seen)).coverage_at(precision, np.array(weights, float))

    assert found == pytest.approx(
        coverage_at(coverage_curve(outcomes(repeated)), precision)[0]
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=80))
def test_the_confusion_counts_every_image_once(pairs: list[tuple[int, int]]) -> None:
    truth = np.array([a for a, _ in pairs], np.int64)
    found = np.array([b for _, b in pairs], np.int64)

    counts = confusion(truth, found, 4, 3)

    assert counts.sum() == len(pairs)
    assert all(counts[a, b] == pairs.count((a, b)) for a in range(4) for b in range(3))
    for number, tag in enumerate(by_tag(counts[:3])):
        assert tag.images == counts[number].sum()
        if tag.recall and tag.precision:
            harmonic = 2 / (1 / tag.recall + 1 / tag.precision)
            assert tag.f1 == pytest.approx(harmonic)


def test_tags_without_images_are_told_apart_from_bad_ones() -> None:
    never, bad, good = by_tag(np.array([[0, 0, 0], [0, 0, 2], [0, 0, 3]]))

    assert (never.recall, never.precision, never.f1) == (None, None, None)
    assert (bad.recall, bad.precision, bad.f1) == (0, None, 0)
    assert (good.recall, good.precision) == (1, 0.6)
    assert macro_f1((never, bad, good)) == pytest.approx(0.375)
    assert macro_f1((never,)) is None


@given(seen_images, st.integers(2, 6), st.integers(0, 5))
def test_a_network_does_not_differ_from_itself(
    seen: list[Seen], groups: int, seed: int
) -> None:
    found = outcomes([*seen, (0.5, True, True), (0.6, False, True)])
    names = (np.arange(len(found.score)) % groups).astype(str)

    told = compare(found, found, names, precision=0.9, resamples=20, seed=seed)

    for difference in (told.accuracy, told.coverage):
        assert (difference.difference, difference.low, difference.high) == (0, 0, 0)
        assert not difference.certain
    assert told.mcnemar.p == 1


@given(seen_images, seen_images, st.integers(0, 5))
def test_the_other_way_round_is_the_same_difference(
    one: list[Seen], two: list[Seen], seed: int
) -> None:
    count = min(len(one), len(two))
    common = [(0.4, True, True), (0.9, False, True)]
    first = outcomes([*one[:count], *common])
    second_seen = [
        (score, right, item)
        for (score, right, _), (_, _, item) in zip(two, one, strict=False)
    ]
    second = outcomes([*second_seen, *common])
    names = np.arange(count + 2).astype(str)

    there = compare(first, second, names, precision=0.9, resamples=20, seed=seed)
    back = compare(second, first, names, precision=0.9, resamples=20, seed=seed)

    assert there.accuracy.difference == -back.accuracy.difference
    assert there.accuracy.low == pytest.approx(-back.accuracy.high)
    assert there.coverage.low == pytest.approx(-back.coverage.high)
    assert there.mcnemar.p == back.mcnemar.p
    assert there.accuracy.low <= there.accuracy.high


def test_what_is_clearly_better_is_found_so_and_what_is_not_is_not() -> None:
    chance = np.random.default_rng(1)
    item = np.ones(400, np.bool_)
    score = chance.random(400)

    def network(right: float) -> Outcomes:
        return Outcomes(score, chance.random(400) < right, item)

    names = np.arange(400).astype(str)
    better = compare(network(0.6), network(0.9), names, precision=0.8)
    alike = compare(network(0.8), network(0.8), names, precision=0.8)

    assert better.accuracy.certain
    assert better.accuracy.low > 0.2
    assert better.mcnemar.p < 1e-6
    assert not alike.accuracy.certain
    assert alike.mcnemar.p > 0.01


def test_near_twins_say_less_than_as_many_strangers() -> None:
    right = np.repeat(np.arange(20) % 4 > 0, 20)
    score, item = np.linspace(0, 1, 400), np.ones(400, np.bool_)
    worse = Outcomes(score, np.zeros(400, np.bool_), item)
    better = Outcomes(score, right, item)

    alone = compare(worse, better, np.arange(400).astype(str), precision=0.9)
    twins = compare(
        worse, better, np.repeat(np.arange(20), 20).astype(str), precision=0.9
    )

    def width(told: object) -> float:
        return told.accuracy.high - told.accuracy.low  # type: ignore[attr-defined,no-any-return]

    assert width(twins) > 2 * width(alone)


def test_mcnemar_is_the_sign_test_of_the_differing_images() -> None:
    def p(only_first: int, only_second: int) -> float:
        first = np.array([True] * only_first + [False] * only_second + [True] * 7)
        second = np.array([False] * only_first + [True] * only_second + [True] * 7)
        return mcnemar(first, second).p

    assert p(0, 0) == 1
    assert p(1, 0) == 1
    assert p(5, 5) == 1
    assert p(3, 9) == p(9, 3) == 2 * (1 + 12 + 66 + 220) / 4096
    assert p(0, 400) == 2.0**-399
