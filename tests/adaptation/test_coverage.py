import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.adaptation.coverage import check_coverage, uncovered_share
from tagger.errors import DataError

Confidences = st.lists(st.floats(0, 1), max_size=60).map(np.array)


def queue(count: int) -> np.ndarray:
    """Return the confidences of a queue, the least sure first."""
    return np.linspace(0.2, 0.95, count)


@given(Confidences, Confidences)
def test_what_is_unheard_is_a_share(answered: np.ndarray, waiting: np.ndarray) -> None:
    assert 0 <= uncovered_share(answered, waiting) <= 1


@given(Confidences)
def test_who_answered_all_has_heard_all(answered: np.ndarray) -> None:
    assert uncovered_share(answered, np.empty(0)) == 0


@given(Confidences, Confidences)
def test_no_order_of_answers_matters(answered: np.ndarray, waiting: np.ndarray) -> None:
    again = uncovered_share(answered[::-1], waiting[::-1])

    assert again == uncovered_share(answered, waiting)


@pytest.mark.parametrize("count", [50, 200, 400, 790])
def test_the_least_sure_alone_are_refused(count: int) -> None:
    all_ = queue(4000)

    with pytest.raises(DataError, match=r"80% of the flagged pictures.*--order random"):
        check_coverage(all_[:count], all_[count:])


@pytest.mark.parametrize("seed", range(20))
def test_fifty_drawn_by_lot_are_heard(seed: int) -> None:
    all_ = np.random.default_rng(seed).permutation(queue(4000))

    check_coverage(all_[:50], all_[50:])


def test_a_few_drawn_by_lot_make_the_least_sure_heard() -> None:
    all_ = queue(4000)
    lot = np.random.default_rng(1).permutation(all_[400:])

    check_coverage(np.concatenate([all_[:400], lot[:40]]), lot[40:])


def test_audits_do_not_speak_for_what_lies_between() -> None:
    """Of what was accepted, the surest: they are one part at most."""
    all_ = queue(4000)

    with pytest.raises(DataError, match="60%"):
        check_coverage(np.concatenate([all_[:360], np.full(40, 0.99)]), all_[360:])
