"""A shop's own tags: added, given, taken back, everywhere a tag can be said."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import FakeClassifier, Photo, scan, wait_for
from support.program import Tagger
from support.reviews import decided, in_lines, on_screen, press, sit, text_of

from tagger.errors import ReviewError
from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind, Note, Selection
from tagger.records import FASHION_LABELS, Policy
from tagger.review.screens import ContactSheet, TagScreen


@pytest.fixture
def queue(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """An inventory with a tag of its own, and pictures that wait."""
    for number, shade in enumerate((40, 90, 140)):
        photo(f"{number}.png", shade)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    inventory.add_tag("Skirt", "anna")
    return inventory


def test_a_tag_is_added_once(inventory: Inventory) -> None:
    assert inventory.add_tag("Skirt", "anna")
    assert not inventory.add_tag("Skirt", "ben")
    assert not inventory.add_tag("Dress", "ben")

    (own,) = inventory.custom_tags()
    assert (own.tag, own.added_by, own.examples) == ("Skirt", "anna", 0)
    assert inventory.known_tags() == [*FASHION_LABELS, "Skirt"]


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("", "one word or a few"),
        (" Skirt", "without spaces"),
        ("Sk\x1b[31mirt", "one word or a few"),
        ("S" * 65, "at most 64"),
        ("Other", "reserved word"),
        ("ambiguous", "reserved word"),
        ("Not a catalogue item", "reserved word"),
        ("7", "keys in the review"),
        ("x", "keys in the review"),
        ("dress", "the tag Dress exists already"),
    ],
)
def test_what_cannot_be_a_tag_is_refused(
    inventory: Inventory, tag: str, why: str
) -> None:
    with pytest.raises(ReviewError, match=why):
        inventory.add_tag(tag, "anna")

    assert inventory.custom_tags() == ()


def test_a_removed_tag_is_offered_no_more_and_its_decisions_stay(
    queue: Inventory,
) -> None:
    in_lines(queue, "Skirt", "q")
    queue.remove_tag("Skirt")

    assert queue.custom_tags() == ()
    assert "Skirt" in queue.known_tags()
    assert [tag for tag, _ in decided(queue).values()] == ["Skirt"]
    with pytest.raises(ReviewError, match="not a custom tag here"):
        queue.remove_tag("Skirt")


def test_lines_take_a_tag_by_number_and_by_name(queue: Inventory) -> None:
    told = in_lines(queue, "?", "10", "skirt", "Skirts", "dRESS")

    assert "10 Skirt" in told
    assert "'Skirts' is not an answer" in told
    tags = [tag for tag, _ in decided(queue).values()]
    assert sorted(map(str, tags)) == ["Dress", "Skirt", "Skirt"]
    (own,) = queue.custom_tags()
    assert own.examples == 2


def test_a_tag_that_begins_with_the_letter_of_notes_is_a_tag(queue: Inventory) -> None:
    queue.add_tag("Nightwear", "anna")

    told = in_lines(queue, "nightwear", "none", "n a note")

    assert "'none' is not an answer" in told
    assert [tag for tag, _ in decided(queue).values()] == ["Nightwear"]
    notes = [one.text for one, _ in queue.decisions() if isinstance(one, Note)]
    assert notes == ["a note"]


def test_the_screen_takes_a_tag_by_name(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                assert "t Skirt" in text_of(pilot)
                await press(pilot, "t")
                assert isinstance(pilot.app.screen, TagScreen)
                await press(pilot, *"ski")
                await asyncio.sleep(0.3)
                await press(pilot, "enter")
                await press(pilot, "t", "escape", "8")

    asyncio.run(run())
    tags = [tag for tag, _ in decided(queue).values()]
    assert sorted(map(str, tags)) == ["Bag", "Skirt"]


def test_a_group_takes_a_tag_by_name(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                wait_for(lambda: len(begun.alike()) == 2)
                await press(pilot, "a")
                assert isinstance(pilot.app.screen, ContactSheet)
                await press(pilot, "t", *"ski")
                await asyncio.sleep(0.3)
                await press(pilot, "enter")

    asyncio.run(run())
    assert [tag for tag, _ in decided(queue).values()] == ["Skirt"] * 3


def test_a_tag_added_on_the_command_line_is_taken_everywhere(
    tagger: Tagger, tmp_path: Path, queue: Inventory
) -> None:
    told = tagger("tags", "add", " Shorts ", "--reviewer", "ben")
    again = tagger("tags", "add", "Shorts", "--reviewer", "ben")
    refused = tagger.fails("tags", "add", "skirt", "--reviewer", "ben")
    in_lines(queue, "Shorts", "q")
    exported = tagger("export", "--tag", "shorts", "--columns", "tag,decided_by")
    sheet = tmp_path / "sheet.csv"
    tagger("export", "-o", sheet)
    edit(sheet, lambda row: row["decided_by"] == "machine", "Skirt")
    tagger("import", sheet, "--reviewer", "ben")
    listed = tagger("tags", "list", "--json").stdout.splitlines()
    removed = tagger("tags", "remove", "Shorts")

    assert (told.stdout, again.stdout) == (
        "Shorts: added\n",
        "Shorts: exists already\n",
    )
    assert "differs only in upper and lower" in refused
    assert exported.stdout.splitlines() == ["tag,decided_by", "Shorts,person"]
    found = {one["tag"]: one["examples"] for one in map(json.loads, listed)}
    assert found == {"Skirt": 2, "Shorts": 1}
    assert removed.stdout == "Shorts: removed; decisions with it stay\n"
    assert "Skirt" in tagger("tags", "list").stdout


def edit(sheet: Path, which: Callable[[dict[str, str]], bool], tag: str) -> None:
    """Give rows of a sheet another tag, as a person does in a spreadsheet."""
    with sheet.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in filter(which, rows):
        row["tag"] = tag
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_tag_of_an_undone_answer_can_be_added_again(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo("a.png")
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    (item,) = inventory.items()
    inventory.add_tag("Hat", "anna")
    kind = DecisionKind.CORRECT
    made = inventory.decide(item.digest or "", kind, tag="Hat", reviewer="anna")
    with inventory.reviewing("anna", Selection()) as opened:
        opened.undo([made])
    inventory.remove_tag("Hat")

    assert "Hat" not in inventory.known_tags()
    assert inventory.add_tag("Hat", "anna")
    assert [custom.tag for custom in inventory.custom_tags()] == ["Hat"]
