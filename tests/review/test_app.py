"""The review as a person, or a script, meets it: in lines and on the whole screen."""

import asyncio
import fcntl
import io
import os
import pty
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import termios
import time
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from rich.console import Console
from support import FakeClassifier, Photo, scan, wait_for
from support.reviews import (
    decided,
    in_lines,
    on_screen,
    press,
    settle,
    sit,
    text_of,
)

from tagger.errors import ReviewError
from tagger.inventory import Inventory, database
from tagger.inventory.product_key import compile_pattern, product_key
from tagger.inventory.records import (
    Answer,
    Decision,
    DecisionKind,
    Note,
    Order,
    Selection,
)
from tagger.labels import OTHER
from tagger.policy.intervals import wilson
from tagger.records import Adaptation, Outcome, Policy
from tagger.review.app import ReviewApp, ReviewScreen
from tagger.review.end_summary import end_summary
from tagger.review.groups import Groups, fingerprint
from tagger.review.line_mode import LineReview
from tagger.review.prefetch import look_at
from tagger.review.screens import ContactSheet, EndScreen
from tagger.review.session import review_session
from tagger.review.stats import SessionStats, remaining

if TYPE_CHECKING:
    from collections.abc import Callable

SHADES = (40, 90, 140, 190, 220)
"""Of the pictures 0.png to 4.png, whose tags differ; the first is the least sure."""


@pytest.fixture
def queue(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """An inventory of five pictures that wait."""
    for number, shade in enumerate(SHADES):
        photo(f"{number}.png", shade)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    return inventory


def photo_with_other_bytes(count: int, photo: Photo, shop: Path) -> None:
    """Write one picture so many times into a shop, each time with other bytes."""
    first = photo("0.png", 90).read_bytes()
    for number in range(1, count):
        (shop / f"{number}.png").write_bytes(first + number.to_bytes(4))


def order_of(inventory: Inventory) -> list[str]:
    with inventory.reviewing("nobody", Selection()) as opened:
        return [Path(item.path).name for item in opened.take(99, without=())]


def test_an_answer_a_line(queue: Inventory) -> None:
    names = order_of(queue)
    tags = {item.path: item.tag for item in queue.items()}

    told = in_lines(queue, "", "8", "x", "s", "q")

    assert decided(queue) == {
        names[0]: (tags[names[0]], "accept"),
        names[1]: ("Bag", "correct"),
        names[2]: (None, "not-a-catalogue-item"),
    }
    assert re.search(r"^1( of 5)?$", told, re.MULTILINE)
    assert names[0] in told
    assert order_of(queue) == names[3:]


def test_the_end_of_input_leaves_and_keeps_what_was_answered(queue: Inventory) -> None:
    in_lines(queue, "8")

    assert len(decided(queue)) == 1


def test_what_was_skipped_comes_back_at_the_end(queue: Inventory) -> None:
    names = order_of(queue)

    told = in_lines(queue, "s", "", "", "", "", "8")

    assert decided(queue)[names[0]] == ("Bag", "correct")
    assert len(decided(queue)) == 5
    assert order_of(queue) == []
    shown = re.findall(r"^/.*/(\d\.png)$", told, re.MULTILINE)
    assert shown == [*names, names[0]]


def test_undo_goes_back_to_the_first_answer_and_over_skips(queue: Inventory) -> None:
    names = order_of(queue)

    told = in_lines(queue, "", "s", "x", "u", "u", "u", "u", "8", "q")

    assert decided(queue) == {names[0]: ("Bag", "correct")}
    assert "nothing to undo" in told
    history = [d for d, _ in queue.decisions() if isinstance(d, Decision)]
    assert len(history) == 3
    assert sum(d.undone_at is None for d in history) == 1


def test_every_decision_keeps_what_the_network_saw(queue: Inventory) -> None:
    in_lines(queue, "", "8", "x", "a", "", "q")

    kept = [d.answer.prepared for d, _ in queue.decisions() if isinstance(d, Decision)]
    assert len(kept) >= 4
    assert all(prepared and len(prepared) == 28 * 28 * 3 for prepared in kept)


def test_a_note_is_kept_though_the_picture_is_skipped(queue: Inventory) -> None:
    told = in_lines(queue, "n ask the boss", "n", "and the label", "s", "q")

    notes = [r.text for r, _ in queue.decisions() if isinstance(r, Note)]
    assert notes == ["ask the boss", "and the label"]
    assert "note by anna: ask the boss" in told


def test_going_to_a_path(queue: Inventory) -> None:
    in_lines(queue, "/ 4.p", "8", "/ png", "1", "/ none", "q")

    assert decided(queue) == {"4.png": ("Bag", "correct")}


def test_what_is_no_answer_decides_nothing(queue: Inventory) -> None:
    told = in_lines(queue, "10", "yes", "88", "\x1b[31m", "?", "q")

    assert decided(queue) == {}
    assert told.count("is not an answer") == 4
    assert "\\x1b[31m" in told
    assert "\x1b" not in told


def test_a_limit_ends_the_sitting(queue: Inventory) -> None:
    in_lines(queue, *[""] * 9, limit=2)

    assert len(decided(queue)) == 2


def test_a_group_counts_towards_the_limit_and_is_one_moment(queue: Inventory) -> None:
    with sit(queue, limit=4) as begun:
        first = begun.advance()
        assert first is not None
        others = [look_at(item) for item in begun.find(".png", 9)][:3]
        group = [first, *(o for o in others if o.item.digest != first.item.digest)]
        begun.answer_all("Bag", group[:3])
        assert begun.current is not None
        assert begun.summary().per_minute == 0.0
        begun.answer("Bag")
        assert begun.current is None
        assert begun.summary().decided == 4
        begun.undo()
        begun.undo()
        assert begun.summary().per_minute == 0.0
        assert begun.summary().decided == 0


def test_what_is_left_is_counted_at_the_end(queue: Inventory) -> None:
    with sit(queue) as begun:
        begun.advance()
        wait_for(lambda: begun.waiting == 5)
        (digest, *_) = [item.digest for item in queue.items() if item.digest][4:]
        queue.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="ben")

    assert begun.waiting == 4


def test_a_picture_that_is_gone_or_changed_can_only_be_skipped(
    queue: Inventory, shop: Path, photo: Photo
) -> None:
    first, second, *_ = order_of(queue)
    (shop / first).unlink()
    photo(second, 17)

    told = in_lines(queue, "", "s", "8", "s", "8", "q")

    assert "deleted or moved" in told
    assert "the file has changed" in told
    assert len(decided(queue)) == 1
    assert not {first, second} & decided(queue).keys()


@pytest.mark.parametrize("after", ["u", "n half an upload"])
def test_a_picture_that_a_scan_finds_unreadable_meanwhile_can_only_be_skipped(
    queue: Inventory, shop: Path, after: str
) -> None:
    first, *_ = order_of(queue)
    with sit(queue) as begun:
        begun.advance()
        begun.answer("Bag")
        if after == "u":
            (shop / first).write_bytes(b"half an upload")
            scan([shop], queue, FakeClassifier(), Policy(1.0))
            assert begun.undo()
        else:
            assert begun.current is not None
            path = shop / begun.current.item.path
            path.write_bytes(b"half an upload")
            scan([shop], queue, FakeClassifier(), Policy(1.0))
            begun.write_note(after)

        assert begun.current is not None
        assert begun.current.trouble == "the file has changed since the scan"
        begun.skip()
        assert begun.current is not None
        assert not begun.current.trouble


def test_a_picture_that_is_gone_is_shown_where_its_bytes_still_lie(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    shutil.copy(photo("a.png", 40), shop / "b.png")
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    (shop / "a.png").unlink()

    told = in_lines(inventory, "8")

    assert f"{shop}/b.png" in told
    assert {item.tag for item in inventory.items()} == {"Bag"}


def test_names_that_steer_terminals_are_shown_escaped(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo("\x1b[2J\u202e[red].png", 40)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    told = in_lines(inventory, "a", "q")

    assert "\\x1b[2J\\u202e[red].png" in told
    assert "\x1b" not in told


def test_a_conflict_is_shown_and_settled_by_whoever_meets_it(
    queue: Inventory,
) -> None:
    first, second, *_ = order_of(queue)
    digests = {Path(i.path).name: i.digest or "" for i in queue.items()}

    def meanwhile(name: str) -> None:
        queue.decide(digests[name], DecisionKind.CORRECT, tag="Coat", reviewer="ben")

    steps: list[tuple[str, Callable[[], None]]] = [
        ("8", lambda: meanwhile(first)),
        ("", lambda: None),
        ("8", lambda: meanwhile(second)),
        ("r", lambda: None),
        ("q", lambda: None),
    ]
    console = Console(width=200, record=True, file=io.StringIO())
    remaining_steps = iter(steps)

    def read(_: str) -> str:
        answer, before = next(remaining_steps)
        before()
        return answer

    with sit(queue) as begun:
        LineReview(begun, console, read).run()

    tags = {Path(item.path).name: item.tag for item in queue.items()}
    assert "meanwhile ben said Coat" in console.export_text()
    assert (tags[first], tags[second]) == ("Coat", "Bag")


def test_an_audit_is_blind(inventory: Inventory, shop: Path, photo: Photo) -> None:
    photo("a.png", 40)
    scan([shop], inventory, FakeClassifier(), Policy(0.0))
    (item,) = inventory.items()
    audit = inventory.draw_audit(5, "anna")
    assert audit is not None

    selection = Selection(audit_id=audit.id)
    told = in_lines(inventory, "", "8", selection=selection)

    assert f"{item.tag}?" not in told
    assert not re.search(r"\d\.\d\d", told)
    assert "'' is not an answer" in told
    (result,) = inventory.audits()
    assert (result.answered, result.right) == (1, int(item.tag == "Bag"))


def test_products_are_grouped_by_the_pattern_that_the_export_keeps(
    queue: Inventory,
) -> None:
    from tagger.cli.review import _patterns

    queue.set_item_pattern(queue.roots(), r"(?P<item>\d)\.png")

    (kept,) = _patterns(queue, None).values()
    assert product_key(kept, "4.png") == "4"
    (session,) = _patterns(queue, compile_pattern("(x)")).values()
    assert session.pattern == "(x)"


def test_groups_share_an_answer(queue: Inventory) -> None:
    patterns = dict.fromkeys(queue.roots(), compile_pattern(r"(\d)\.png"))
    with sit(queue, patterns=patterns) as begun:
        assert "yet" in begun.none_alike()
        wait_for(begun._groups.finished)  # noqa: SLF001
        assert begun.none_alike().startswith("no other picture")
        begun.advance()
        members = begun.group()

        assert len(members) == 5  # the same rectangle in five shades
        conflict = begun.answer_all("Bag", members[:-1])
        assert conflict is None
        assert begun.current is not None
        assert begun.current.item.digest == members[-1].item.digest
        assert begun.undo()
        assert decided(queue) == {}


def test_a_group_decided_without_the_current_picture_leaves_it_current(
    queue: Inventory,
) -> None:
    with sit(queue) as begun:
        wait_for(begun._groups.finished)  # noqa: SLF001
        shown = begun.advance()
        others = begun.group()[1:]
        begun.answer_all("Bag", others)

        assert begun.current is shown
        assert len(decided(queue)) == 4


def test_products_are_found_by_their_number(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    with_stripes = photo("77_2.png")
    stripes = Image.new("L", (80, 60), 255)
    stripes.paste(0, (5, 5, 30, 55))
    stripes.save(with_stripes)
    photo("77_1.png")
    photo("78_1.png", 90)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    with inventory.reviewing("anna", Selection()) as opened:
        groups = Groups(opened, {str(shop): compile_pattern(r"(?P<item>\d+)_\d+")})
        groups._key(opened.paths(99))  # noqa: SLF001
        by_path = {path: digest for digest, _, path in opened.paths(99)}
        assert groups.alike(by_path["77_1.png"]) == [by_path["77_2.png"]]
        assert groups.alike(by_path["78_1.png"]) == []


@pytest.mark.parametrize(
    ("pattern", "key"),
    [(r"(?P<item>\d+)_", "77"), (r"/(\d+)", "77"), (r"(z)", ""), (r"7(x)?", "")],
)
def test_the_key_of_a_product(pattern: str, key: str) -> None:
    assert product_key(compile_pattern(pattern), "x/77_1.jpg") == key


def test_a_photograph_made_smaller_keeps_its_fingerprint(photo: Photo) -> None:
    with Image.open(photo("a.png")) as picture:
        whole = fingerprint(picture)
        half = fingerprint(picture.resize((30, 40)))

    assert (whole ^ half).bit_count() <= 2


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


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"left": 9}, "9 left in the queue."),
        ({"left": 9, "whole": False}, "9 left to review."),
        ({"left": 0, "whole": False}, "Every picture of this selection is decided."),
        ({"left": 0}, "Nothing is left to review."),
        ({"left": None}, ""),
    ],
)
def test_the_end_tells_what_is_left_of_what_was_gone_through(
    told: dict[str, Any], said: str
) -> None:
    summary = SessionStats(0.0).summary(skipped=0, now=1.0)
    console = Console(file=io.StringIO(), width=80)

    console.print(end_summary(summary, **told))

    assert console.file.getvalue().splitlines()[2:] == [said]  # type: ignore[attr-defined]


def test_who_shares_the_machines_doubt_agrees_with_it(queue: Inventory) -> None:
    with queue.reviewing("anna", Selection()) as opened:
        (item,) = opened.take(1, without=())
    doubted = replace(item, confidence=0.1, probabilities={OTHER: 0.8, item.tag: 0.1})
    nothing = Answer(item.digest, DecisionKind.NOT_CATALOGUE, None)
    tally = SessionStats(0.0)

    tally.add(doubted, nothing, 1.0)
    tally.add(replace(doubted, probabilities={item.tag: 0.1}), nothing, 2.0)
    found = tally.summary(skipped=0, now=3.0)

    assert (found.decided, found.right) == (2, 1)
    assert found.confusions == {(item.tag, "not a catalogue item"): 1}
    tally.take_away(doubted, nothing)
    assert tally.right == 0


def test_the_time_left_in_words() -> None:
    assert remaining(100, 0) == remaining(0, 10) == ""
    assert remaining(5, 10) == "under a minute left"
    assert remaining(300, 10) == "30 min left"
    assert remaining(6000, 10) == "10 h left"


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
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)

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


class Program:
    """Runs `tagger` in a process of its own."""

    def __init__(self, inventory: Inventory) -> None:
        self.environment = os.environ | {
            "TAGGER_DB": str(inventory.path),
            "TAGGER_REVIEWER": "anna",
            "COLUMNS": "100",
        }

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "tagger", *map(str, arguments)]

    def __call__(
        self, *arguments: object, answers: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def killed_at(self, line: str, answers: str) -> None:
        """Review in lines, answers given, and die when a line with this text comes."""
        process = subprocess.Popen(
            self.command("review", "--plain"),
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(answers)
        process.stdin.flush()
        while line not in process.stdout.readline():
            pass
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def in_terminal(
        self,
        command: list[str],
        until: bytes = b"Ankle boot",
        **more: Any,  # noqa: ANN401  what Popen takes
    ) -> "tuple[subprocess.Popen[bytes], int]":
        """Run a command in a terminal of 90 by 30 until its first item is shown.

        Returns the process and our end of its terminal.
        """
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(ours, (30, 90))
        process = subprocess.Popen(
            command,
            env=self.environment | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            **more,
        )
        os.close(theirs)
        seen = b""
        while until not in seen:
            assert select.select([ours], [], [], 60)[0], "nothing is drawn"
            seen += os.read(ours, 65536)
        return process, ours


@pytest.fixture
def program(queue: Inventory) -> Program:
    return Program(queue)


def test_a_script_answers_line_by_line(program: Program, queue: Inventory) -> None:
    done = program("review", "--plain", answers="\n8\nx\ns\nq\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(decided(queue)) == 3
    assert "3 decided" in done.stdout


def test_what_is_no_terminal_is_asked_in_lines_and_told_why(
    program: Program, queue: Inventory
) -> None:
    done = program("review", "--limit", 1, "--order", "path", answers="8\n")

    assert done.returncode == 0
    assert (
        done.stderr == "this is not a terminal: asking line by line, as with --plain\n"
    )
    assert decided(queue) == {"0.png": ("Bag", "correct")}


def test_an_earlier_decision_is_taken_up_again(
    program: Program, queue: Inventory, shop: Path
) -> None:
    program("review", "--plain", "--limit", 1, "--order", "path", answers="8\n")
    path = shop / "0.png"
    done = program("review", "--plain", "--redo", path, answers="2\n8\n")

    assert done.returncode == 0
    assert "anna said Bag" in done.stdout
    assert decided(queue)["0.png"] == ("Pullover", "correct")
    assert {i.tag for i in queue.items() if i.path == "0.png"} == {"Pullover"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--redo", "/none.png"), 1, "tagger explain"),
        (("--root", "/none"), 1, "is not a scanned folder"),
        (("--tag", "Hat"), 1, "choose one of T-shirt/top"),
        (("--item-pattern", "("), 2, "--item-pattern"),
        (("--item-pattern", "[0-9]+"), 2, "no group"),
        (("--reviewer", " "), 2, "--reviewer"),
        (("--audit", "5"), 1, "no accepted pictures"),
    ],
)
def test_what_cannot_be_reviewed_is_told_in_one_line(
    program: Program, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = program("review", "--plain", *arguments)

    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_decisions_move_to_another_machine(
    program: Program, queue: Inventory, tmp_path: Path
) -> None:
    program("review", "--plain", answers="8\nn torn\nx\nu\n4\nq\n")
    file, other = tmp_path / "decisions.jsonl", tmp_path / "other.db"

    written = program("decisions", "export", file)
    first = program("decisions", "import", file, "--db", other)
    second = program("decisions", "import", file, "--db", other)

    assert written.returncode == first.returncode == second.returncode == 0
    assert "3 new decisions" in first.stdout
    assert "0 new decisions, 3 known already" in second.stdout
    with Inventory(other) as there:
        mine = [
            (d.answer if isinstance(d, Decision) else d) for d, _ in queue.decisions()
        ]
        theirs = [
            (d.answer if isinstance(d, Decision) else d) for d, _ in there.decisions()
        ]
    assert mine == theirs


def test_a_killed_sitting_has_lost_nothing_and_its_lease_runs_out(
    program: Program, queue: Inventory
) -> None:
    program.killed_at("2 of", "8\n")

    assert [tag for tag, _ in decided(queue).values()] == ["Bag"]
    with closing(sqlite3.connect(queue.path)) as raw:
        held = raw.execute("SELECT count(*) FROM lease").fetchone()[0]
        assert held > 0
        assert len(order_of(queue)) == 4 - held
        raw.execute("UPDATE lease SET until = '2001-01-01T00:00:00.000000Z'")
        raw.commit()
    assert len(order_of(queue)) == 4


def test_of_two_hundred_decisions_a_kill_in_the_middle_costs_none(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo_with_other_bytes(200, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    program = Program(inventory)
    program.killed_at("101 of", "8\n" * 200)

    saved = len(decided(inventory))
    assert 100 <= saved < 200
    with closing(sqlite3.connect(inventory.path)) as raw:
        raw.execute("UPDATE lease SET until = '2001-01-01T00:00:00.000000Z'")
        raw.commit()
    done = program("review", "--plain", answers="8\n" * (200 - saved))
    assert f"{200 - saved} decided" in done.stdout
    assert [tag for tag, _ in decided(inventory).values()] == ["Bag"] * 200


def test_much_comes_by_lot_and_says_so_until_a_network_has_learnt_the_shop(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo_with_other_bytes(60, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))
    program = Program(inventory)

    def told(*options: object) -> bool:
        done = program("review", "--plain", "--limit", 1, *options, answers="8\n")
        assert "1 decided" in done.stdout
        return "tagger model adapt" in done.stdout

    assert not told("--order", "confidence")
    with inventory.reviewing("anna", Selection(order=Order.RANDOM)) as reviewing:
        (next_one,) = reviewing.take(1, without=())
    assert told()
    *_, (last, _) = inventory.decisions()
    assert isinstance(last, Decision)
    assert last.answer.digest == next_one.digest
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    inventory.record_adaptation(
        Adaptation(0, moment, Outcome.PROMOTED, "s-1", True, "", "", 60, 60, {}, "")
    )
    assert not told()


@pytest.mark.parametrize("waiting", [49, 50])
def test_where_little_waits_the_least_sure_comes_first(
    inventory: Inventory, shop: Path, photo: Photo, waiting: int
) -> None:
    photo_with_other_bytes(waiting, photo, shop)
    for path in list(shop.iterdir()):
        shutil.copy(path, shop / f"copy of {path.name}")
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    found = inventory.best_order(Selection())
    assert found is (Order.RANDOM if waiting == 50 else Order.CONFIDENCE)
    assert inventory.best_order(Selection(tag="Bag")) is Order.CONFIDENCE


def test_the_screen_is_drawn_while_decoders_are_silenced(program: Program) -> None:
    """A decoder at work for ever: standard error goes nowhere from the beginning."""
    silenced = (
        "import sys; from tagger.__main__ import main;"
        "from tagger.system import native_stderr; native_stderr._suppression.begin();"
        "sys.argv = ['tagger', 'review', '--order', 'path']; main()"
    )
    process, ours = program.in_terminal([sys.executable, "-c", silenced])
    os.write(ours, b"q")
    with suppress(OSError):  # it has left
        while os.read(ours, 65536):
            pass
    os.close(ours)

    assert process.wait(timeout=60) == 0


def test_a_line_that_drops_costs_no_decision(
    program: Program, queue: Inventory
) -> None:
    process, ours = program.in_terminal(
        program.command("review", "--order", "path"),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    time.sleep(1)
    os.write(ours, b"8")  # and nobody reads what is drawn: the line stalls
    wait_for(lambda: len(decided(queue)) == 1)

    os.close(ours)  # as when the line is gone: the kernel sends SIGHUP

    assert process.wait(timeout=60) == 129
    assert decided(queue) == {"0.png": ("Bag", "correct")}


@pytest.mark.parametrize("no", ["1", ""])
def test_who_wants_no_colour_is_asked_in_lines(
    program: Program, queue: Inventory, no: str
) -> None:
    program.environment["NO_COLOR"] = no
    command = program.command("review", "--order", "path")
    process, ours = program.in_terminal(command, until=b"Enter, 0-9")

    os.write(ours, b"8\nq\n")

    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert decided(queue) == {"0.png": ("Bag", "correct")}


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


def test_in_a_real_terminal(program: Program, queue: Inventory) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("no tmux")
    socket = ["-L", f"tagger-test-{os.getpid()}"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tmux, *socket, "-f", "/dev/null", *arguments],
            env=program.environment | {"TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def shows(text: str) -> bool:
        return text in run("capture-pane", "-p")

    command = " ".join(program.command("review", "--order", "path"))
    run("new-session", "-d", "-x", "90", "-y", "30", f"{command}; echo left $?; cat")
    try:
        wait_for(lambda: shows("0.png") and shows("Ankle boot"))
        time.sleep(1)
        run("send-keys", "8")
        wait_for(lambda: shows("✓ 0.png: Bag") and shows("shop/1.png"))
        assert shows("▀▀▀▀▀▀")
        time.sleep(0.5)
        run("send-keys", "u")
        wait_for(lambda: shows("shop/0.png"))
        time.sleep(0.5)
        run("send-keys", "Enter")
        wait_for(lambda: shows("shop/1.png"))
        run("send-keys", "C-c")
        wait_for(lambda: shows("left 130"))
        assert shows("1 decided")
    finally:
        run("kill-server")
    assert len(decided(queue)) == 1
    with closing(sqlite3.connect(queue.path)) as raw:
        assert raw.execute("SELECT count(*) FROM lease").fetchone() == (0,)
