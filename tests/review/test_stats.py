"""How a session goes."""

from dataclasses import replace

from tagger.inventory import Inventory
from tagger.inventory.records import Answer, DecisionKind, Selection
from tagger.review.end_summary import headline
from tagger.review.stats import SessionStats, remaining


def test_the_time_left_in_words() -> None:
    assert remaining(100, 0) == remaining(0, 10) == ""
    assert remaining(5, 10) == "under a minute left"
    assert remaining(300, 10) == "30 min left"
    assert remaining(6000, 10) == "10 h left"


def test_the_rate_is_the_decisions_in_the_time_until_the_last(
    queue: Inventory,
) -> None:
    with queue.reviewing("anna", Selection()) as opened:
        (item,) = opened.take(1, without=())
    bag = Answer(item.digest, DecisionKind.CORRECT, "Bag")
    tally = SessionStats(100.0)
    for number in range(45):  # quick, but for one break
        tally.add(item, bag, 120.0 + 1.3 * number + 65.8 * (number == 44))

    found = tally.summary(skipped=0)

    assert (found.decided, round(found.seconds)) == (45, 143)
    assert round(found.per_minute) == 19
    assert "45 decided in 2 min 23 s, 19 a minute" in headline(found).plain
    assert round(found.pace) == 46  # for the time left, without the break


def test_a_rate_needs_some_seconds(queue: Inventory) -> None:
    with queue.reviewing("anna", Selection()) as opened:
        (item,) = opened.take(1, without=())
    tally = SessionStats(0.0)
    assert headline(tally.summary(skipped=0)).plain == "0 decided"
    tally.add(item, Answer(item.digest, DecisionKind.CORRECT, "Bag"), 0.2)

    assert tally.summary(skipped=0).per_minute == 0


def test_the_shops_tag_for_the_kind_agrees_with_the_network(queue: Inventory) -> None:
    with queue.reviewing("anna", Selection()) as opened:
        (item,) = opened.take(1, without=())
    skirt = replace(item, confidence=0.1, none=0.8, none_kind="skirt")
    yes = Answer(item.digest, DecisionKind.CORRECT, "Skirt")
    tally = SessionStats(0.0)

    tally.add(skirt, yes, 1.0, of_kind="Skirt")
    assert (tally.right, tally.summary(skipped=0).confusions) == (1, {})

    tally.take_away(skirt)  # the shop may have taken the tag away by now
    tally.add(skirt, yes, 2.0)
    assert tally.right == 0
    assert tally.summary(skipped=0).confusions == {("no tag: skirt", "Skirt"): 1}
