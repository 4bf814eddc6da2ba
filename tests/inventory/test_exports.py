"""An export of what changed since the one before."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import AT_ONCE, FakeClassifier, Photo, scan

from tagger.inventory import Inventory
from tagger.inventory.columns import COLUMNS, Condition, Operator
from tagger.inventory.records import DecisionKind
from tagger.records import Policy

PATH = COLUMNS[1:2]


def changed(
    inventory: Inventory, mark: str = "default", *, keep: bool = True
) -> set[str]:
    rows = inventory.changed_rows(mark, PATH)
    found = {path for (path,) in rows}
    if keep:
        rows.keep()
    return found


@pytest.fixture
def stocked(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    for number in range(4):
        photo(f"{number}.png", shade=50 * number)
    scan([shop], inventory, FakeClassifier(), Policy(0.6))
    return inventory


def test_the_first_export_has_all_and_the_next_nothing(stocked: Inventory) -> None:
    assert len(changed(stocked)) == 4
    assert changed(stocked) == set()


def test_a_row_that_differs_comes_again_however_it_changed(
    stocked: Inventory, shop: Path, photo: Photo
) -> None:
    changed(stocked)
    (digest,) = [one.digest for one in stocked.items() if one.path == "0.png"]
    assert digest
    stocked.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    photo("1.png", shade=222)
    (shop / "2.png").rename(shop / "moved.png")
    (shop / "3.png").unlink()
    photo("new.png", shade=99)
    options = replace(AT_ONCE, max_missing=1)
    scan([shop], stocked, FakeClassifier(), Policy(0.6), options=options)

    assert changed(stocked) == {"0.png", "1.png", "moved.png", "3.png", "new.png"}
    assert changed(stocked) == set()


def test_an_export_that_failed_is_none(stocked: Inventory) -> None:
    changed(stocked, keep=False)

    assert len(changed(stocked)) == 4


def test_marks_are_kept_apart(stocked: Inventory) -> None:
    changed(stocked, "shop")

    assert changed(stocked, "shop") == set()
    assert len(changed(stocked, "books")) == 4


def test_only_what_was_exported_is_remembered(stocked: Inventory) -> None:
    one = (Condition("path", Operator.EQUAL, ("1.png",)),)
    rows = stocked.changed_rows("default", PATH, one)
    assert [tuple(row) for row in rows] == [("1.png",)]
    rows.keep()

    assert changed(stocked) == {"0.png", "2.png", "3.png"}
