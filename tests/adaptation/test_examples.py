"""What of the decisions can be learnt from: twins together, doubtful ones left out."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Photo

from tagger.adaptation.examples import collect_examples, groups_of
from tagger.errors import DataError
from tagger.exchange.decisions_jsonl import read_lines, write_lines
from tagger.imaging.prepare import prepare
from tagger.inventory import Inventory
from tagger.inventory.records import Answer, DecisionKind, Reviewed, Reviews, Selection
from tagger.labels import OTHER
from tagger.records import FASHION_LABELS, PREPARING, PreparedImage


def reviewed(
    number: int,
    label: str = "Dress",
    *,
    bits: int | None = None,
    items: tuple[str, ...] = (),
    prepared: bool = True,
) -> Reviewed:
    pixels = np.random.default_rng(number).integers(0, 256, (28, 28, 3), np.uint8)
    array = pixels.tobytes() if prepared else None
    return Reviewed(f"{number:064x}", label, array, (), bits, items)


def reviews(*found: Reviewed, contradicted: tuple[str, ...] = ()) -> Reviews:
    return Reviews(found, contradicted, len(found))


def arrays(found: list[Reviewed]) -> np.ndarray:
    views = [np.frombuffer(one.prepared or b"", np.uint8) for one in found]
    return np.stack(views).reshape(-1, 28, 28, 3)


def fifty(*labels: str) -> list[Reviewed]:
    return [reviewed(n, labels[n % len(labels)]) for n in range(50)]


def test_decisions_become_labelled_arrays() -> None:
    found = collect_examples(
        reviews(*fifty("Dress", "Coat", OTHER)), (*FASHION_LABELS, OTHER)
    )

    assert len(found.answers) == 50
    assert found.answers.labels[:3].tolist() == ["Dress", "Coat", OTHER]
    assert found.answers.names[0] == f"{0:064x}"
    assert found.labels == (*FASHION_LABELS, OTHER)
    assert (found.contradicted, found.gone, found.waiting) == (0, 0, {})
    np.testing.assert_array_equal(found.answers.images[1], arrays(fifty("x"))[1])


def test_too_few_answers_are_told() -> None:
    with pytest.raises(DataError, match="there are 10 answers to learn from, 50 are"):
        collect_examples(reviews(*fifty("Dress", "Coat")[:10]), FASHION_LABELS)


def test_answers_of_one_tag_are_told() -> None:
    with pytest.raises(DataError, match="all 50 answers are Dress"):
        collect_examples(reviews(*fifty("Dress")), FASHION_LABELS)


def test_a_decision_without_picture_is_left_out_and_counted() -> None:
    gone = reviewed(99, prepared=False)
    found = collect_examples(reviews(*fifty("Dress", "Coat"), gone), FASHION_LABELS)

    assert found.gone == 1
    assert len(found.answers) == 50


def test_a_tag_that_is_new_waits_until_there_are_enough() -> None:
    few = [reviewed(100 + n, "Skirt") for n in range(19)]
    found = collect_examples(reviews(*fifty("Dress", "Coat"), *few), FASHION_LABELS)
    more = collect_examples(
        reviews(*fifty("Dress", OTHER), *few, reviewed(200, "Skirt")), FASHION_LABELS
    )

    assert found.waiting == {"Skirt": 19}
    assert found.labels == FASHION_LABELS
    assert len(found.answers) == 50
    assert more.labels == (*FASHION_LABELS, "Skirt", OTHER)
    assert len(more.answers) == 70


def test_twins_by_bits_by_item_and_by_array_are_one_group_with_all_theirs() -> None:
    same = reviewed(7)
    found = [
        reviewed(1, bits=0b111111),
        reviewed(2, bits=0),
        reviewed(3, bits=-1, items=("/shop/77",)),
        reviewed(4, items=("/shop/77", "/shop/78")),
        reviewed(5, items=("/shop/78",)),
        Reviewed("a" * 64, "Dress", same.prepared, (), None, ()),
        same,
        reviewed(8, bits=0b1111111 << 20),
    ]
    groups = groups_of(found, arrays(found)).tolist()

    assert groups[0] == groups[1]
    assert groups[2] == groups[3] == groups[4]
    assert groups[5] == groups[6]
    assert len(set(groups)) == 4


def test_a_chain_of_likenesses_is_no_group() -> None:
    found = [reviewed(n, bits=(1 << 6 * n) - 1) for n in range(6)]

    groups = groups_of(found, arrays(found)).tolist()

    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4] == groups[5]
    assert len(set(groups)) == 3


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=1))
def test_groups_do_not_depend_on_the_order(pairs: list[tuple[int, int]]) -> None:
    found = [
        reviewed(n, bits=bits << 40, items=(str(item),))
        for n, (bits, item) in enumerate(pairs)
    ]

    def sets(some: list[Reviewed]) -> set[frozenset[str]]:
        groups = groups_of(some, arrays(some))
        return {
            frozenset(
                one.digest for one, own in zip(some, groups, strict=True) if own == name
            )
            for name in groups
        }

    assert sets(found) == sets(found[::-1])


def decided(inventory: Inventory, digest: str, tag: str | None, who: str) -> int:
    kind = DecisionKind.NOT_CATALOGUE if tag is None else DecisionKind.CORRECT
    return inventory.decide(digest, kind, tag=tag, reviewer=who, prepared=b"x")


def test_what_two_people_say_differently_is_left_out_and_named(
    inventory: Inventory,
) -> None:
    decided(inventory, "a" * 64, "Dress", "ann")
    decided(inventory, "a" * 64, "Coat", "bob")
    decided(inventory, "b" * 64, "Dress", "ann")
    decided(inventory, "b" * 64, None, "ann")  # changed her mind
    decided(inventory, "c" * 64, "Dress", "ann")
    decided(inventory, "c" * 64, "Dress", "bob")
    found = inventory.reviews()

    assert found.contradicted == ("a" * 64,)
    assert {one.digest[0]: one.label for one in found.reviewed} == {
        "b": OTHER,
        "c": "Dress",
    }
    assert found.newest_decision_id == 6


def test_a_decision_that_was_taken_back_contradicts_nothing(
    inventory: Inventory,
) -> None:
    decided(inventory, "a" * 64, "Dress", "ann")
    wrong = decided(inventory, "a" * 64, "Coat", "bob")
    with inventory.reviewing("bob", Selection()) as reviewing:
        reviewing.undo([wrong])

    (found,) = inventory.reviews().reviewed
    assert found.label == "Dress"


def test_which_recipe_prepared_an_array_is_known_wherever_it_goes(
    inventory: Inventory, tmp_path: Path
) -> None:
    former = Answer("a" * 64, DecisionKind.CORRECT, "Dress", bytes(2352), "views28-0")
    today = Answer("b" * 64, DecisionKind.CORRECT, "Coat", bytes(2352))
    inventory.decide_all([(former, ""), (today, "")], reviewer="ann", source="review")
    lines = io.StringIO()
    write_lines(inventory.decisions(), lines)
    other = Inventory(tmp_path / "other.db")
    other.merge_decisions(read_lines(io.BytesIO(lines.getvalue().encode()), "lines"))

    for one in (inventory, other):
        kept = {r.label: r.preparing for r in one.reviews().reviewed}
        assert kept == {"Dress": "views28-0", "Coat": PREPARING}


def test_what_another_recipe_prepared_is_prepared_anew_where_the_file_is_there(
    photo: Photo,
) -> None:
    path = photo()
    image = prepare(path)
    assert isinstance(image, PreparedImage)
    former = bytes([7] * 2352)
    here = Reviewed(image.digest, "Coat", former, (str(path),), None, (), "views28-0")
    gone = Reviewed("f" * 64, "Coat", former, ("/gone.png",), None, (), "views28-0")
    found = collect_examples(reviews(*fifty("Dress"), here, gone), FASHION_LABELS)

    assert found.gone == 0
    np.testing.assert_array_equal(found.answers.images[-2], image.pixels)
    assert (found.answers.images[-1] == 7).all()


def test_a_picture_is_prepared_anew_where_no_array_was_kept(photo: Photo) -> None:
    path = photo()
    image = prepare(path)
    assert isinstance(image, PreparedImage)
    here = Reviewed(image.digest, "Coat", None, ("/gone.png", str(path)), None, ())
    changed = Reviewed("f" * 64, "Coat", None, (str(path),), None, ())
    found = collect_examples(reviews(*fifty("Dress"), here, changed), FASHION_LABELS)

    assert found.gone == 1
    np.testing.assert_array_equal(found.answers.images[-1], image.pixels)
