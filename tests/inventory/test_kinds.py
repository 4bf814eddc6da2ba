"""Things that none of the ten tags is for: known, flagged, and given tags by a shop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Photo, scan
from support.kinds import CARDIGAN, DRESS, LABELS, SKIRT, Knowing
from support.program import Tagger
from support.reviews import decided, in_lines, on_screen, press, sit, text_of

from tagger.certification.issue import certify_network
from tagger.errors import ReviewError
from tagger.inventory import Inventory
from tagger.inventory.recording import Sample
from tagger.inventory.records import DecisionKind, Item
from tagger.labels import kind_named, reading, tag_for
from tagger.records import Policy

Look = Callable[[], dict[str, Item]]


@pytest.fixture
def look(shop: Path, inventory: Inventory, photo: Photo) -> Look:
    for number in range(3):
        photo(f"skirt{number}.png", SKIRT + number)
    for number in range(2):
        photo(f"cardigan{number}.png", CARDIGAN + number)
    photo("dress.png", DRESS)

    def look_again() -> dict[str, Item]:
        scan([shop], inventory, Knowing(), Policy(0.7))
        return {item.path: item for item in inventory.items()}

    return look_again


def test_what_has_no_tag_waits_and_the_reason_says_what_it_is(look: Look) -> None:
    items = look()

    assert not items["dress.png"].flagged
    assert items["skirt0.png"].flagged
    assert items["skirt0.png"].tag is None
    assert items["skirt0.png"].machine_tag == "no tag: skirt"
    assert items["skirt0.png"].runner_up == "Dress"
    assert items["skirt0.png"].no_tag == pytest.approx(0.88)
    assert "a skirt" in items["skirt0.png"].reason
    assert "a cardigan" in items["cardigan0.png"].reason


def test_the_kinds_there_are_are_counted(look: Look, inventory: Inventory) -> None:
    items = look()
    digest = items["cardigan0.png"].digest
    assert digest is not None
    inventory.decide(digest, DecisionKind.ACCEPT, tag="Pullover", reviewer="anna")

    skirt, cardigan = inventory.kinds_in_shop()

    assert (skirt.kind, skirt.waiting, skirt.said) == ("skirt", 3, ())
    assert (cardigan.kind, cardigan.waiting) == ("cardigan", 1)
    assert cardigan.said == (("Pullover", 1),)


def test_a_tag_for_a_kind_is_given_without_any_learning(
    look: Look, inventory: Inventory
) -> None:
    look()

    inventory.add_tag("Skirt", "anna")
    items = look()

    assert items["skirt0.png"].tag == "Skirt"
    assert items["skirt0.png"].confidence == pytest.approx(0.8)
    assert not items["skirt0.png"].flagged
    assert items["cardigan0.png"].flagged
    assert "Skirt" in inventory.machine_tags()


def test_a_kind_is_mapped_to_a_tag_and_back(look: Look, inventory: Inventory) -> None:
    look()

    assert inventory.map_kind("Cardigans", "pullover", "anna") == "cardigan"
    items = look()
    assert items["cardigan0.png"].tag == "Pullover"
    assert items["cardigan0.png"].confidence == pytest.approx(0.9)
    assert not items["cardigan0.png"].flagged

    inventory.unmap_kind("cardigan")
    items = look()
    assert items["cardigan0.png"].flagged
    assert items["cardigan0.png"].tag is None
    assert items["cardigan0.png"].confidence == pytest.approx(0.65)


def test_a_tag_from_before_the_network_knew_the_kind_is_given_to_it(
    look: Look, inventory: Inventory
) -> None:
    inventory.add_tag("Skirt", "anna")
    assert look()["skirt0.png"].flagged

    assert not inventory.add_tag("Skirt", "anna")

    assert look()["skirt0.png"].tag == "Skirt"


def test_what_was_certified_can_be_told_before_the_next_scan(
    look: Look, inventory: Inventory
) -> None:
    look()
    inventory.add_tag("Skirt", "anna")
    look()
    inventory.unmap_kind("skirt")

    policy = Policy(0.7)
    found = certify_network(
        inventory,
        Knowing().identity,
        bundled=policy,
        uncertified=policy,
        precision=0.97,
        certainty=0.9,
    )

    assert found.certificate.policy is None


def test_a_picture_that_was_decided_twice_counts_once(
    look: Look, inventory: Inventory
) -> None:
    digest = look()["cardigan0.png"].digest
    assert digest is not None
    for tag in ("Dress", "Pullover"):
        inventory.decide(digest, DecisionKind.CORRECT, tag=tag, reviewer="anna")

    cardigan = inventory.kinds_in_shop()[1]

    assert cardigan.said == (("Pullover", 1),)


def test_no_item_is_none_of_a_kind_that_has_a_tag() -> None:
    row, digest = (0.1, 0.1, 0.1, 0.6, 0.1), "a" * 64
    sample = Sample((digest,), (row,), {digest: None}, LABELS, {})

    assert sample.column("a" * 64, sample.rows[0]) == LABELS.index("other/skirt")
    mapped = replace(sample, kind_tags={"skirt": "Skirt"})
    assert mapped.column("a" * 64, sample.rows[0]) != LABELS.index("other/skirt")


def test_a_removed_tag_leaves_its_kind_without_one(
    look: Look, inventory: Inventory
) -> None:
    look()
    inventory.add_tag("Skirt", "anna")
    look()

    inventory.remove_tag("Skirt")

    assert look()["skirt0.png"].flagged


@pytest.mark.parametrize(
    ("kind", "tag", "named"), [("hat", "Dress", "skirt"), ("skirt", "Hat", "Dress")]
)
def test_what_there_is_not_is_refused_with_what_there_is(
    look: Look, inventory: Inventory, kind: str, tag: str, named: str
) -> None:
    look()

    with pytest.raises(ReviewError, match=named):
        inventory.map_kind(kind, tag, "anna")


@given(
    st.lists(st.sampled_from(["skirt", "cardigan", "heel"]), unique=True),
    st.sampled_from(["Dress", "Skirt", "Shoe"]),
)
def test_no_probability_is_lost_by_a_tag_for_kinds(kinds: list[str], tag: str) -> None:
    labels = (*LABELS, "other/heel")
    rows = np.array([[0.3, 0.1, 0.1, 0.2, 0.2, 0.1]], np.float32)

    read = reading(labels, dict.fromkeys(kinds, tag))
    found = read.applied(rows)

    assert len(read.labels) == len(set(read.labels)) == len(labels)
    assert found.sum() == pytest.approx(1)
    if kinds:
        own = sum(rows[0, labels.index(f"other/{kind}")] for kind in kinds)
        before = rows[0, labels.index(tag)] if tag in labels else 0
        assert found[0, read.labels.index(tag)] == pytest.approx(own + before)


def test_a_kind_is_found_by_the_words_people_have_for_it() -> None:
    kinds = ["flat", "tall boot", "shorts", "zip top"]

    assert kind_named("Flat shoes", kinds) == "flat"
    assert kind_named("TALL_BOOT", kinds) == "tall boot"
    assert kind_named("Short", kinds) == "shorts"
    assert kind_named("Hat", kinds) is None
    assert tag_for("flat") == "Flat shoe"


def test_lines_offer_the_tag_and_k_gives_it(look: Look, inventory: Inventory) -> None:
    look()

    told = in_lines(inventory, "k", "q")

    assert "k adds the tag" in told
    assert len(inventory.custom_tags()) == 1
    assert [tag for tag, _ in decided(inventory).values()] == [
        inventory.custom_tags()[0].tag
    ]


def test_the_screen_offers_the_tag_and_k_gives_it(
    look: Look, inventory: Inventory
) -> None:
    look()

    async def run() -> None:
        with sit(inventory) as begun:
            async with on_screen(begun) as pilot:
                offered = begun.new_tag
                assert f"k add the tag {offered}" in text_of(pilot)
                await press(pilot, "k", "q")

    asyncio.run(run())
    assert len(decided(inventory)) == 1
    (own,) = inventory.custom_tags()
    assert own.examples == 1


def test_the_commands_list_and_map_kinds(
    tagger: Tagger, look: Look, inventory: Inventory
) -> None:
    look()
    database = inventory.place

    listed = tagger("tags", "suggest", "--db", database)
    assert "skirt" in listed.stdout
    assert "3 wait" in listed.stdout
    mapped = tagger("tags", "map", "cardigan", "Pullover", "--db", database)
    assert mapped.returncode == 0
    assert "tagged Pullover" in tagger("tags", "suggest", "--db", database).stdout
    unknown = tagger("tags", "map", "hat", "Pullover", "--db", database)
    assert unknown.returncode == 1
    assert "hat" in unknown.stderr
