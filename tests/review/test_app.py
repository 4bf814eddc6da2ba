"""The review on the whole screen."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import FakeClassifier, Photo, photo_with_other_bytes, scan, wait_for
from support.reviews import (
    EVERY_FLAGGED,
    decided,
    on_screen,
    order_of,
    press,
    settle,
    sit,
    soon,
    text_of,
)
from textual import events
from textual.pilot import Pilot

from tagger.cli.review import _remove_unused
from tagger.errors import ReviewError
from tagger.inventory import Inventory, sqlite_file
from tagger.inventory.product_key import compile_pattern
from tagger.inventory.records import DecisionKind, Selection
from tagger.records import FASHION_LABELS, Policy
from tagger.review import rendering
from tagger.review.app import ReviewApp, ReviewScreen
from tagger.review.screens import ContactSheet, EndScreen, TagScreen
from tagger.review.session import Offer, ReviewSession, review_session


def test_one_key_a_picture(queue: Inventory) -> None:
    names = order_of(queue)
    tags = {item.path: item.tag for item in queue.items()}

    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                assert names[0] in text_of(pilot)
                await press(pilot, "enter")
                assert names[1] in text_of(pilot)
                await press(pilot, "8", "x", "s")
                await press(pilot, "u", "s", "enter", "5")
                assert isinstance(pilot.app.screen, EndScreen)
                assert "5 decided" in text_of(pilot)
                await press(pilot, "u", "6", "q")
                assert pilot.app.return_value == 0

    asyncio.run(run())
    assert decided(queue) == {
        names[0]: (tags[names[0]], "accept"),
        names[1]: ("Bag", "correct"),
        names[2]: (None, "not-a-catalogue-item"),
        names[3]: ("Shirt", "correct"),
        names[4]: (tags[names[4]], "accept"),
    }


def test_a_decision_is_in_the_database_before_the_next_picture_shows(
    queue: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = order_of(queue)
    seen: list[tuple[str, int]] = []
    real = ReviewScreen._show  # noqa: SLF001

    def show(self: ReviewScreen) -> None:
        real(self)
        if self._session.current is not None:
            name = self._session.current.path.name
            with closing(sqlite3.connect(queue.path)) as other:
                count = other.execute("SELECT count(*) FROM decision").fetchone()[0]
            seen.append((name, count))

    monkeypatch.setattr(ReviewScreen, "_show", show)

    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "8")

    asyncio.run(run())
    assert {count for name, count in seen if name == first} == {0}
    assert {count for name, count in seen if name == second} == {1}


def test_keys_typed_before_the_picture_was_seen_decide_nothing(
    queue: Inventory,
) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            app = ReviewApp(begun, unseen=60)
            async with app.run_test(size=(110, 36)) as pilot:
                await settle(pilot)
                await press(pilot, "enter", "8", "x", "s")
                assert begun.position[0] == 1

    asyncio.run(run())
    assert decided(queue) == {}


def test_a_busy_inventory_is_waited_for_and_the_decision_kept(
    queue: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)

    async def run() -> None:
        with Inventory(queue.path) as impatient, sit(impatient) as begun:
            async with on_screen(begun) as pilot:
                wait_for(lambda: len(begun._lookahead.ready()) == 4)  # noqa: SLF001
                with closing(sqlite3.connect(queue.path)) as scan:
                    scan.execute("BEGIN IMMEDIATE")
                    await pilot.press("8")
                    await asyncio.sleep(1.0)
                    await pilot.pause()
                    assert "waiting for another program" in text_of(pilot)
                    assert decided(queue) == {}
                    await pilot.press("q")  # not before the answer is saved
                    scan.rollback()
                await settle(pilot)
                assert pilot.app.return_value is None

    asyncio.run(run())
    assert [tag for tag, _ in decided(queue).values()] == ["Bag"]


def test_the_screens_laid_over_the_review(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "question_mark")
                assert "Keys" in text_of(pilot)
                await press(pilot, "escape", "v")
                assert "What the network saw" in text_of(pilot)
                await press(pilot, "escape", "n", *"hat", "enter")
                assert "anna noted: hat" in text_of(pilot)
                await press(pilot, "slash", *"4.png")
                await asyncio.sleep(0.3)
                await press(pilot, "down", "up", "enter")
                assert begun.current is not None
                assert begun.current.path.name == "4.png"

    asyncio.run(run())


def test_the_contact_sheet(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                wait_for(begun._groups.finished)  # noqa: SLF001
                await asyncio.sleep(1.1)
                assert "like 3.png" in text_of(pilot)
                await press(pilot, "a")
                assert isinstance(pilot.app.screen, ContactSheet)
                assert "5 similar pictures" in text_of(pilot)
                await press(pilot, "right", "space", "escape")
                assert decided(queue) == {}
                await press(pilot, "a", "right", "down", "up", "space", "8")
                assert len(decided(queue)) == 4
                await press(pilot, "u")

    asyncio.run(run())
    assert decided(queue) == {}


def test_a_contact_sheet_says_why_a_key_answers_nothing(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                wait_for(begun._groups.finished)  # noqa: SLF001
                await asyncio.sleep(1.1)
                await press(pilot, "a", "space")
                for _ in range(4):
                    await press(pilot, "right", "space")
                await press(pilot, "8")
                assert "select a picture" in text_of(pilot)
                pilot.app.screen._offer = None  # type: ignore[attr-defined]  # noqa: SLF001
                await press(pilot, "enter")
                assert "press a tag's key" in text_of(pilot)

    asyncio.run(run())
    assert decided(queue) == {}


@pytest.fixture
def twins(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """An inventory of 16 files that look the same and wait."""
    photo_with_other_bytes(16, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    return inventory


def test_a_group_is_answered_after_all_its_pages_were_seen(twins: Inventory) -> None:
    async def run() -> None:
        with sit(twins) as begun:
            async with on_screen(begun, (80, 24)) as pilot:  # three pictures a page
                wait_for(lambda: len(begun.alike()) == 15)
                await press(pilot, "a")
                assert "3 of 16 seen" in await soon(pilot, "3 of 16 seen")
                await press(pilot, "enter", "8", "x")
                assert "not answered yet" in text_of(pilot)
                for number in range(2, 6):
                    await press(pilot, "pagedown")
                    await soon(pilot, f"{3 * number} of 16 seen")
                    await press(pilot, "8")
                assert decided(twins) == {}
                await press(pilot, *["right"] * 3)  # turns the page, too
                await soon(pilot, "16 of 16 seen")
                await press(pilot, "8")

    asyncio.run(run())
    assert [tag for tag, _ in decided(twins).values()] == ["Bag"] * 16


def test_pages_that_were_turned_too_fast_were_not_seen(twins: Inventory) -> None:
    async def run() -> None:
        with sit(twins) as begun:
            async with on_screen(begun, (80, 24)) as pilot:
                wait_for(lambda: len(begun.alike()) == 15)
                await press(pilot, "a")
                pilot.app.screen._unseen = 60.0  # type: ignore[attr-defined]  # noqa: SLF001
                await press(pilot, *["pagedown"] * 6, "8", "enter")
                assert isinstance(pilot.app.screen, ContactSheet)
                assert "not answered yet" in text_of(pilot)

    asyncio.run(run())
    assert decided(twins) == {}


def test_a_group_of_one_product_says_so(twins: Inventory, shop: Path) -> None:
    patterns = {str(shop): compile_pattern(r"(?P<item>1)?\d\.png")}

    async def run() -> None:
        with sit(twins, patterns=patterns) as begun:
            async with on_screen(begun) as pilot:
                wait_for(begun._groups.finished)  # noqa: SLF001
                while begun.current and begun.current.path.name != "10.png":
                    await press(pilot, "s")
                await press(pilot, "a")
                told = text_of(pilot)
                assert "16 pictures: 6 of one product, 10 similar" in told

    asyncio.run(run())


async def type_ahead(pilot: Pilot[int], *keys: str) -> None:
    """Send keys in one piece, as a paste or a slow line does; then wait."""
    for key in keys:
        character = key if len(key) == 1 else None
        pilot.app.post_message(events.Key(key, character))
    await settle(pilot)
    await asyncio.sleep(0.3)
    await settle(pilot)


@pytest.mark.parametrize("late", [False, True])
def test_a_tag_typed_ahead_is_the_tag_that_is_given(
    queue: Inventory,
    late: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = order_of(queue)
    if late:  # the box is laid out while the letters wait
        real = TagScreen.find

        def slow(self: TagScreen, part: str) -> object:
            time.sleep(0.1)
            return real(self, part)

        monkeypatch.setattr(TagScreen, "find", slow)

    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await type_ahead(pilot, *"tcoat", "enter")
                await type_ahead(pilot, *"tkimono", "down", "enter")
                await asyncio.sleep(0.5)
                await settle(pilot)

    asyncio.run(run())
    assert decided(queue) == {
        names[0]: ("Coat", "correct"),
        names[1]: ("Kimono", "correct"),
    }


def test_an_answer_typed_before_a_box_is_given_first(queue: Inventory) -> None:
    names = order_of(queue)

    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await type_ahead(pilot, *"8tcoat", "enter")

    asyncio.run(run())
    given = {name: tag for name, (tag, _) in decided(queue).items()}
    assert given.get(names[0]) == "Bag"
    assert given.get(names[1], "Coat") == "Coat"


def test_a_note_and_a_path_typed_ahead_arrive_whole(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await type_ahead(pilot, *"nhat", "enter")
                assert "anna noted: hat" in text_of(pilot)
                await type_ahead(pilot, "slash", *"4.png", "enter")
                assert begun.current is not None
                assert begun.current.path.name == "4.png"

    asyncio.run(run())
    assert decided(queue) == {}


def test_enter_in_an_empty_box_gives_nothing(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "t")
                await soon(pilot, "Pullover")
                await press(pilot, "enter")
                assert isinstance(pilot.app.screen, TagScreen)
                assert decided(queue) == {}
                await press(pilot, "down", "down", "enter")

    asyncio.run(run())
    assert [tag for tag, _ in decided(queue).values()] == ["Trouser"]


@pytest.mark.parametrize("error", ["export -o tags.csv", "kimnoo", "x" * 31, "?!ab"])
def test_a_typing_error_becomes_no_tag(queue: Inventory, error: str) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "t", *error, "enter")
                await asyncio.sleep(0.3)
                assert isinstance(pilot.app.screen, TagScreen)

    asyncio.run(run())
    assert queue.custom_tags() == ()
    assert decided(queue) == {}


def test_a_word_that_is_no_tag_yet_is_added_and_given(queue: Inventory) -> None:
    names = order_of(queue)

    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "t", *"kimono")
                assert "↓" in await soon(pilot, "Kimono is not a tag yet")
                await press(pilot, "down", "enter")
                await press(pilot, "t", *"other")
                await soon(pilot, "Other is not a tag yet")
                await press(pilot, "down", "enter")
                assert "NOT SAVED" in text_of(pilot)
                await press(pilot, "t", *"KIMONO")
                await asyncio.sleep(0.3)
                assert "not a tag yet" not in text_of(pilot)
                await press(pilot, "enter")

    asyncio.run(run())
    assert [tag.tag for tag in queue.custom_tags()] == ["Kimono"]
    assert decided(queue) == {
        names[0]: ("Kimono", "correct"),
        names[1]: ("Kimono", "correct"),
    }


def test_a_misspelt_tag_finds_the_tag_first() -> None:
    screen = TagScreen(["Shirt", "Bag"])

    kinds = TagScreen(["Shirt", "Bag"], ["skirt"])

    assert [tag for _, tag in kinds.find("skirt")] == ["Skirt", "Shirt"]
    assert [tag for _, tag in screen.find("shrit")] == ["Shirt", "Shrit"]
    assert [tag for _, tag in screen.find("shirt")] == ["Shirt"]
    assert [tag for _, tag in screen.find("")] == ["Shirt", "Bag"]
    assert [tag for _, tag in screen.find("jeans/5-pocket's & co")][-1:] == [
        "Jeans/5-pocket's & co"
    ]
    assert screen.find("tags.csv") == []
    assert screen.find("8") == []  # a key that was pressed by mistake


def test_a_conflict_on_the_screen(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                for key in ("enter", "r"):
                    assert begun.current is not None
                    digest = begun.current.item.digest
                    queue.decide(
                        digest, DecisionKind.CORRECT, tag="Coat", reviewer="ben"
                    )
                    await press(pilot, "8")
                    assert "ben said Coat" in text_of(pilot)
                    await press(pilot, key)

    asyncio.run(run())
    tags = sorted(tag or "" for tag, _ in decided(queue).values())
    assert tags == ["Bag", "Coat"]


@pytest.mark.parametrize("size", [(72, 20), (80, 24), (200, 60)])
def test_every_size_of_terminal_shows_what_matters(
    queue: Inventory, size: tuple[int, int]
) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun, size) as pilot:
                wait_for(lambda: len(begun.alike()) == 4)
                await asyncio.sleep(1.1)
                text = text_of(pilot)
                assert "0 T-shirt/top" in text
                assert "9 Ankle boot" in text
                assert "leave" in text
                assert "anna" in text
                await pilot.resize_terminal(100, 30)
                await press(pilot, "v", "escape", "question_mark", "escape")

    asyncio.run(run())


def test_the_mouse_does_what_keys_do(queue: Inventory) -> None:
    async def run() -> None:
        with sit(queue) as begun:
            async with on_screen(begun) as pilot:
                await pilot.click("#tags", offset=(5, 8))
                await settle(pilot)

    asyncio.run(run())
    assert [tag for tag, _ in decided(queue).values()] == ["Bag"]


def test_a_screen_that_fails_is_told(
    queue: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReviewApp, "run", lambda _: None)  # as Textual, after a fault

    with (
        pytest.raises(ReviewError, match="'tagger review --plain'"),
        queue.reviewing("anna", Selection()) as reviewing,
        review_session(reviewing) as begun,
    ):
        ReviewApp.hold(begun)


@given(st.integers(20, 140), st.integers(0, 9), st.integers(10, 11), st.booleans())
def test_the_footer_keeps_the_keys_that_matter_most(
    width: int,
    alike: int,
    tags: int,
    product: bool,  # noqa: FBT001
) -> None:
    session = SimpleNamespace(
        tags=[str(n) for n in range(tags)],
        offer=lambda _: Offer("T-shirt/top"),
        of_product=lambda: alike + 1 if product else 0,
    )
    one = SimpleNamespace(trouble="")

    footer = rendering.keys(session, one, alike, width)  # type: ignore[arg-type]

    shown = footer.plain.split("  ")
    if width >= 78:
        assert {"0-9 tags", "s skip", "q leave"} <= set(shown)
        what = "of product" if product else "similar"
        assert bool(alike) == (f"a {alike + 1} {what}" in shown)
    if width >= 60:
        assert footer.cell_len <= width
    assert len(shown) == len(set(shown))


def test_a_second_decision_offers_the_first(queue: Inventory) -> None:
    """Enter confirms what the person said, not what the network says."""

    async def run(path: Path) -> str:
        with queue.reviewing("anna", EVERY_FLAGGED) as opened:
            again = opened.at(path)
            with review_session(opened, redo=again) as begun:
                async with on_screen(begun) as pilot:
                    shown = text_of(pilot)
                    await press(pilot, "enter")
        return shown

    (first, second) = list(queue.items())[:2]
    digests = [item.digest for item in (first, second)]
    assert all(digests)
    queue.decide(digests[0], DecisionKind.CORRECT, tag="Bag", reviewer="anna")  # type: ignore[arg-type]
    queue.decide(digests[1], DecisionKind.NOT_CATALOGUE, tag=None, reviewer="anna")  # type: ignore[arg-type]
    before = decided(queue)

    shown = [asyncio.run(run(Path(item.root, item.path))) for item in (first, second)]

    assert re.search("▶ 8 Bag", shown[0])
    assert re.search("Enter +Bag", shown[0])
    assert "▶ x" in shown[1]
    assert decided(queue) == before


LABELS = (*FASHION_LABELS, "other", "other/skirt")


class Skirts(FakeClassifier):
    """Finds a skirt on every picture; a dress comes next."""

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = np.full((len(batch), len(LABELS)), 0.01, np.float32)
        rows[:, LABELS.index("other/skirt")] = 0.62
        rows[:, LABELS.index("Dress")] = 0.27
        return rows


@pytest.fixture
def skirts(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """An inventory of three pictures of skirts, for which the shop has no tag."""
    for number, shade in enumerate((40, 90, 140)):
        photo(f"{number}.png", shade)
    scan([shop], inventory, Skirts("skirts", LABELS), Policy(1.0))
    return inventory


@contextmanager
def sit_and_forget(inventory: Inventory) -> Iterator[ReviewSession]:
    """Review as the command does: a tag that nothing uses can be removed."""
    with (
        inventory.reviewing("anna", EVERY_FLAGGED) as opened,
        review_session(
            opened, remove_unused=partial(_remove_unused, inventory)
        ) as begun,
    ):
        yield begun


def test_undo_takes_an_added_tag_back_with_its_last_use(skirts: Inventory) -> None:
    async def run() -> None:
        with sit_and_forget(skirts) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "k", "u")
                assert "the tag Skirt is removed again" in text_of(pilot)
                assert skirts.custom_tags() == ()
                assert "k add the tag Skirt" in text_of(pilot)
                await press(pilot, "k")
                assert "t Skirt" in text_of(pilot)
                await press(pilot, "enter", "u")
                assert "removed" not in text_of(pilot)
                await press(pilot, "u")
                assert "the tag Skirt is removed again" in text_of(pilot)
                await press(pilot, "t", *"long top", "down", "enter", "u")
                assert "the tag Long top is removed again" in text_of(pilot)

    asyncio.run(run())
    assert skirts.custom_tags() == ()
    assert skirts.kinds_in_shop()[0].tag is None
    assert decided(skirts) == {}


def test_undo_keeps_a_tag_that_others_use(skirts: Inventory) -> None:
    skirts.add_tag("Long top", "ben")

    async def run() -> None:
        with sit_and_forget(skirts) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "t", *"long", "enter", "u")
                await press(pilot, "k")
                *_, last = [item.digest for item in skirts.items() if item.digest]
                skirts.decide(last, DecisionKind.CORRECT, tag="Skirt", reviewer="ben")
                await press(pilot, "u")
                assert "undone" in text_of(pilot)
                assert "removed" not in text_of(pilot)

    asyncio.run(run())
    assert {tag.tag for tag in skirts.custom_tags()} == {"Long top", "Skirt"}


def test_the_reason_names_the_tag_that_the_kind_has_by_now(skirts: Inventory) -> None:
    async def run() -> None:
        with sit(skirts) as begun:
            async with on_screen(begun) as pilot:
                assert "which there is" in text_of(pilot)
                await press(pilot, "k")
                for again in ("read before the tag", "read after it"):
                    shown = text_of(pilot)
                    assert "which there is" not in shown, again
                    assert "a skirt: your tag" in shown, again
                    (number,) = re.findall(r"▶ t Skirt +(0\.6\d)", shown)
                    assert shown.count(number) == 2, again  # in the reason, too
                    await press(pilot, "n", *"new", "enter")

    asyncio.run(run())


def test_the_tag_of_the_kind_counts_as_right(skirts: Inventory) -> None:
    async def run() -> None:
        with sit(skirts) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "k", "enter", "8")
                assert "right on 2 of 3" in text_of(pilot)
                found = begun.summary()
                assert found.confusions == {("no tag: skirt", "Bag"): 1}

    asyncio.run(run())


@pytest.mark.parametrize("key", ["enter", "ctrl+c"])
def test_the_box_at_the_end_is_left(queue: Inventory, key: str) -> None:
    async def run() -> int | None:
        with sit(queue, limit=1) as begun:
            async with on_screen(begun) as pilot:
                await press(pilot, "8")
                assert isinstance(pilot.app.screen, EndScreen)
                await press(pilot, key)
                return pilot.app.return_value

    assert asyncio.run(run()) == (0 if key == "enter" else 130)


def test_the_box_at_the_end_stands_alone_until_it_is_left(queue: Inventory) -> None:
    first, *_ = order_of(queue)

    async def run() -> None:
        with sit(queue, limit=1) as begun:
            async with on_screen(begun, (80, 24)) as pilot:
                await press(pilot, "8")
                await asyncio.sleep(1.2)  # the news are refreshed every second
                shown = text_of(pilot)
                assert "▀" not in shown
                for nothing in (first, "9 Ankle", "skip", "help", "go to"):
                    assert nothing not in shown
                assert "u undo" in shown
                await press(pilot, "u")
                shown = text_of(pilot)
                assert "▀" in shown
                assert "9 Ankle boot" in shown
                assert "s skip" in shown

    asyncio.run(run())


@pytest.mark.parametrize("width", [72, 80, 100, 112])
def test_the_keys_of_the_contact_sheet_are_never_broken(
    twins: Inventory, width: int
) -> None:
    async def run() -> None:
        with sit(twins) as begun:
            async with on_screen(begun, (width, 24)) as pilot:
                wait_for(lambda: len(begun.alike()) == 15)
                await press(pilot, "a")
                shown = await soon(pilot, "not a catalogue item")
                for key in (*(f"{n} {t}" for n, t in enumerate(FASHION_LABELS)),):
                    assert key in shown
                assert "t other tag" in shown
                assert "Esc back" in shown

    asyncio.run(run())
