import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.policy.intervals import wilson


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_that_of_the_literature(
    right: int, of: int, low: float, high: float
) -> None:
    share = wilson(right, of)

    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)


@given(
    st.integers(1, 10**7).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))
)
def test_the_interval_holds_the_share_and_is_a_mirror_image(
    counted: tuple[int, int],
) -> None:
    right, of = counted
    share, mirrored = wilson(right, of), wilson(of - right, of)

    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.low == pytest.approx(1 - mirrored.high, abs=1e-9)
    assert wilson(2 * right, 2 * of).low >= share.low - 1e-12


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (10, 10, 0.722, 1.0),
        (0, 10, 0.0, 0.278),
        (50, 100, 0.404, 0.596),
    ],
)
def test_the_interval_of_wilson(right: int, of: int, low: float, high: float) -> None:
    found = wilson(right, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
