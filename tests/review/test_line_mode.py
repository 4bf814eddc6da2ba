"""The review in lines."""

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from support import (
    FakeClassifier,
    Photo,
    photo_with_other_bytes,
    scan,
    wait_for,
)
from support.reviews import decided, in_lines, order_of, sit

from tagger.inventory import Inventory
from tagger.inventory.product_key import compile_pattern, product_key
from tagger.inventory.records import Answer, Decision, DecisionKind, Note, Selection
from tagger.records import Policy
from tagger.review.end_summary import end_summary
from tagger.review.line_mode import LineReview
from tagger.review.prefetch import look_at
from tagger.review.stats import SessionStats

pytestmark = pytest.mark.databases

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_a_limit_ends_the_session(queue: Inventory) -> None:
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
        assert begun.summary().pace == 0.0
        begun.answer("Bag")
        assert begun.current is None
        assert begun.summary().decided == 4
        begun.undo()
        begun.undo()
        assert begun.summary().pace == 0.0
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


def test_a_conflict_is_shown_and_settled_by_the_one_who_meets_it(
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
    assert "choose a tag" in told
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


def test_a_long_group_is_answered_after_all_of_it_was_listed(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    photo_with_other_bytes(25, photo, shop)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    early = in_lines(inventory, "a", "8", "b", grouped=True)
    assert "20 of 25 seen" in early
    assert "not answered yet" in early
    assert decided(inventory) == {}

    back = in_lines(inventory, "a", "b", grouped=True)
    assert "all 25" not in back
    assert decided(inventory) == {}

    told = in_lines(inventory, "a", "", "8", grouped=True)
    assert "all 25 similar pictures" in told
    assert [tag for tag, _ in decided(inventory).values()] == ["Bag"] * 25


def test_a_word_that_is_no_tag_yet_can_be_added(queue: Inventory) -> None:
    names = order_of(queue)

    told = in_lines(queue, "skirt", "shrit", "+ other", "+ Skirt", "skirt", "+SKIRT")

    assert "+ Skirt" in told  # the offer, as it is typed
    assert "did you mean Shirt?" in told
    assert "other" in told
    assert [tag.tag for tag in queue.custom_tags()] == ["Skirt"]
    assert decided(queue) == dict.fromkeys(names[:3], ("Skirt", "correct"))


def test_a_group_of_one_product_says_so(queue: Inventory) -> None:
    patterns = dict.fromkeys(queue.roots(), compile_pattern(r"\d\.(png)"))
    told = in_lines(queue, "a", "b", patterns=patterns, grouped=True)

    assert "5 pictures of one product: a shows them" in told
    assert "all 5 pictures of one product" in told


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
    summary = SessionStats(0.0).summary(skipped=0)
    console = Console(file=io.StringIO(), width=80)

    console.print(end_summary(summary, **told))

    assert console.file.getvalue().splitlines()[2:] == [said]  # type: ignore[attr-defined]


def test_who_shares_the_machines_doubt_agrees_with_it(queue: Inventory) -> None:
    with queue.reviewing("anna", Selection()) as opened:
        (item,) = opened.take(1, without=())
    doubted = replace(item, confidence=0.1, none=0.8)
    nothing = Answer(item.digest, DecisionKind.NOT_CATALOGUE, None)
    tally = SessionStats(0.0)

    tally.add(doubted, nothing, 1.0)
    sure = replace(doubted, digest="b" * 64, none=0.0)
    tally.add(sure, nothing, 2.0)
    found = tally.summary(skipped=0)

    assert (found.decided, found.right) == (2, 1)
    assert found.confusions == {(item.tag, "not a catalogue item"): 1}
    tally.take_away(doubted)
    assert tally.right == 0
