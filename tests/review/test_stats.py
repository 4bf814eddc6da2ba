"""How a session goes."""

from tagger.review.stats import remaining


def test_the_time_left_in_words() -> None:
    assert remaining(100, 0) == remaining(0, 10) == ""
    assert remaining(5, 10) == "under a minute left"
    assert remaining(300, 10) == "30 min left"
    assert remaining(6000, 10) == "10 h left"
