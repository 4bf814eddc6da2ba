from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import RequestError
from tagger.exchange.products import Product, pool, products
from tagger.inventory import Photograph
from tagger.inventory.product_key import compile_pattern
from tagger.inventory.records import DecidedBy, Item
from tagger.records import Policy, State

LABELS = ("Shirt", "Dress", "Coat", "other")
PATTERN = compile_pattern(r"(?P<item>[^_/]+)_\d+\.jpg")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

probabilities = st.lists(
    st.floats(0, 1), min_size=len(LABELS), max_size=len(LABELS)
).map(tuple)


def photograph(
    path: str,
    said: Sequence[float] = (0.7, 0.2, 0.1, 0.0),
    *,
    person: str | None = None,
    state: State = State.TAGGED,
    labels: tuple[str, ...] = LABELS,
) -> Photograph:
    tag = labels[max(range(3), key=lambda n: said[n])] if said else None
    item = Item(
        "/shop", path, person or tag, 0.5, False, "",
        DecidedBy.PERSON if person else DecidedBy.MACHINE, None, None, state,
        "d" * 64, "net", NOON, tag, person,
    )  # fmt: skip
    return Photograph(item, labels, tuple(said))


def joined(*shown: Photograph, threshold: float = 0.6) -> list[Product]:
    policies = {"net": Policy(threshold)}
    return list(products(shown, {"/shop": PATTERN}, policies))


@given(st.lists(probabilities, min_size=1, max_size=5), st.randoms())
def test_the_order_of_photographs_and_their_copies_do_not_matter(
    rows: list[tuple[float, ...]], chance: Random
) -> None:
    shuffled = [*rows]
    chance.shuffle(shuffled)

    assert sum(pool(rows)) == pytest.approx(1)
    assert pool(shuffled) == pytest.approx(pool(rows))
    assert pool(rows * 3) == pytest.approx(pool(rows))


@given(probabilities.filter(lambda row: sum(row) > 0.01))
def test_one_photograph_says_what_it_says(row: tuple[float, ...]) -> None:
    total = sum(max(value, 1e-6) for value in row)

    assert pool([row]) == pytest.approx([max(v, 1e-6) / total for v in row])


def test_photographs_of_an_item_are_one_row() -> None:
    (one, other) = joined(
        photograph("a/123_1.jpg", (0.5, 0.4, 0.1, 0.0)),
        photograph("a/123_2.jpg", (0.9, 0.05, 0.05, 0.0)),
        photograph("b/124_1.jpg"),
    )

    assert (one.item, one.photographs, one.path) == ("123", 2, "a/123_1.jpg")
    assert (one.tag, one.runner_up, one.flagged) == ("Shirt", "Dress", False)
    # sqrt(0.5 * 0.9) : sqrt(0.4 * 0.05) : sqrt(0.1 * 0.05), which sum to 0.8829
    assert one.confidence == pytest.approx(0.7598, abs=2e-3)
    assert (other.item, other.photographs) == ("124", 1)


def test_photographs_that_disagree_flag_their_item() -> None:
    (one,) = joined(
        photograph("1_1.jpg", (0.9, 0.05, 0.05, 0.0)),
        photograph("1_2.jpg", (0.1, 0.8, 0.1, 0.0)),
    )

    assert one.flagged
    assert one.reason == "photographs disagree: Shirt 1, Dress 1"


def test_a_person_outranks_all_photographs() -> None:
    (one,) = joined(
        photograph("1_1.jpg", (0.9, 0.05, 0.05, 0.0)),
        photograph("1_2.jpg", (0.9, 0.05, 0.05, 0.0), person="Coat"),
    )

    assert (one.tag, one.decided_by, one.flagged) == ("Coat", DecidedBy.PERSON, False)


def test_persons_who_disagree_flag_the_item() -> None:
    (one,) = joined(
        photograph("1_1.jpg", person="Coat"), photograph("1_2.jpg", person="Dress")
    )

    assert (one.flagged, one.reason) == (True, "persons disagree: Coat 1, Dress 1")


def test_the_policy_holds_for_what_they_say_together() -> None:
    unsure = (0.5, 0.4, 0.1, 0.0)

    assert joined(photograph("1_1.jpg", unsure))[0].reason.startswith("unsure: Shirt")
    assert not joined(photograph("1_1.jpg", unsure), threshold=0.4)[0].flagged
    (foreign,) = joined(photograph("1_1.jpg", (0.2, 0.1, 0.1, 0.6)))
    assert foreign.reason.startswith("probably not a catalogue item")


def test_a_damaged_photograph_accepts_nothing_and_counts_only_alone() -> None:
    damaged = replace(photograph("1_1.jpg", (0.9, 0.1, 0.0, 0.0)), damaged=True)

    (alone,) = joined(damaged)
    (beside,) = joined(damaged, photograph("1_2.jpg", (0.7, 0.3, 0.0, 0.0)))

    assert alone.flagged
    assert alone.reason.startswith("damaged file")
    assert not beside.flagged
    assert beside.confidence == pytest.approx(0.7, abs=1e-4)


def test_what_cannot_be_joined_is_a_row_of_its_own() -> None:
    rows = joined(
        photograph("loose.jpg"),
        photograph("1_1.jpg", (), state=State.UNREADABLE),
        photograph("1_2.jpg", (), state=State.MISSING),
    )

    assert [(row.item, row.photographs, row.tag) for row in rows] == [
        ("1", 0, None),
        ("loose.jpg", 1, "Shirt"),
    ]
    assert rows[0].reason == "no photograph is tagged"


def test_what_an_older_network_said_is_left_out() -> None:
    older = photograph("1_1.jpg", (0.1, 0.2, 0.7), labels=("Shirt", "Dress", "Coat"))
    newer = photograph("1_2.jpg", (0.1, 0.1, 0.8, 0.0))

    (one,) = joined(newer, older)

    assert (one.tag, one.photographs) == ("Coat", 2)
    assert one.confidence == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "says"),
    [("(", "missing \\)"), (r"\d+", "no group"), ("(?:x)", "no gr")],
)
def test_a_pattern_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        compile_pattern(text)
