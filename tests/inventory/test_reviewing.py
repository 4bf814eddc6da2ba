"""The review queue in the inventory: order, leases, conflicts, undo, audits."""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import sqlite
from support import FakeClassifier
from support.inventories import ROOT, BlankPlace, digest_of, raw, tagged

from tagger.errors import InventoryBusyError
from tagger.inventory import (
    LEASE_MINUTES,
    Inventory,
    Reviewing,
    StateChange,
    Tagged,
    decisions,
    reviewing,
    sqlite_file,
)
from tagger.inventory.decisions import contradicts
from tagger.inventory.queue import rows_of
from tagger.inventory.records import (
    Answer,
    Decision,
    DecisionKind,
    Note,
    Order,
    QueueItem,
    Selection,
)
from tagger.inventory.tables import IMAGE
from tagger.records import (
    FASHION_LABELS,
    ImageFile,
    State,
)

EVERYTHING = Selection(everything=True)


def record(inventory: Inventory, items: dict[str, Tagged], root: Path = ROOT) -> None:
    """Put items into the inventory without there being files."""
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        known = recording.known(root)
        outcomes = [(ImageFile(path, 1, 2), item) for path, item in items.items()]
        recording.record(root, outcomes, known, {})
        recording.finish([root], exit_code=0, counts={})


@pytest.fixture
def shelf(inventory: Inventory) -> Inventory:
    """An inventory of twelve flagged items and six that were accepted."""
    flagged = {f"{n:02}.jpg": tagged(n, 0.2 + n * 0.05) for n in range(12)}
    accepted = {f"sure-{n}.jpg": tagged(n, 0.99, flagged=False) for n in range(20, 26)}
    record(inventory, flagged | accepted)
    return inventory


def everything(opened: Reviewing, at_once: int = 5) -> list[QueueItem]:
    found: list[QueueItem] = []
    while some := opened.take(at_once, without=()):
        found += some
    return found


def accept(item: QueueItem) -> Answer:
    return Answer(item.digest, DecisionKind.ACCEPT, item.tag)


def correct(item: QueueItem, tag: str = "Bag") -> Answer:
    return Answer(item.digest, DecisionKind.CORRECT, tag)


def unseen(*items: QueueItem) -> dict[str, int | None]:
    return {item.digest: None for item in items}


@pytest.mark.parametrize("at_once", [1, 5, 100])
@pytest.mark.parametrize("selection", [Selection(), EVERYTHING])
@pytest.mark.parametrize("order", list(Order))
def test_every_order_hands_out_everything_once(
    shelf: Inventory, order: Order, selection: Selection, at_once: int
) -> None:
    key = {
        Order.CONFIDENCE: lambda item: item.confidence,
        Order.MARGIN: lambda item: item.margin,
        Order.NEWEST: lambda item: -item.image_id,
        Order.RANDOM: lambda item: item.digest,
        Order.PATH: lambda item: item.path,
    }[order]
    wanted = Selection(order=order, everything=selection.everything)

    with shelf.reviewing("anna", wanted) as opened:
        found = everything(opened, at_once)

        assert len(found) == opened.left() == (18 if wanted.everything else 12)
    assert found == sorted(found, key=key)
    assert len({item.digest for item in found}) == len(found)


@pytest.mark.parametrize("selection", [Selection(), EVERYTHING])
def test_names_that_are_no_text_are_handed_out_in_the_order_of_paths(
    inventory: Inventory, selection: Selection
) -> None:
    names = [os.fsdecode(b"caf\xe9-%d.jpg" % n) for n in range(6)]
    record(inventory, {name: tagged(n, 0.3) for n, name in enumerate(names)})
    wanted = replace(selection, order=Order.PATH)

    with inventory.reviewing("anna", wanted) as opened:
        assert [item.path for item in everything(opened, 2)] == names


def test_the_end_is_told_and_the_next_call_begins_anew(shelf: Inventory) -> None:
    with shelf.reviewing("anna", Selection()) as opened:
        first = everything(opened)

        assert everything(opened) == first


@pytest.mark.sqlite_only("it reads the plans of SQLite")
@pytest.mark.parametrize("order", list(Order))
def test_the_queue_is_read_along_an_index_and_never_sorted(
    shelf: Inventory, order: Order
) -> None:
    rows = rows_of(Selection(order=order, tag="Bag", root="/shop"))
    query = rows.ordered(rows.joined(select(IMAGE.c.id)).where(*rows.where))
    text = str(query.compile(dialect=sqlite.dialect()))

    with raw(shelf.place) as connection:
        nothing = [None] * text.count("?")
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", nothing).fetchall()

    told = [row[3] for row in plan]
    driver = "image" if order is Order.PATH else "waiting"
    assert [step.split()[1] for step in told if "SCAN" in step] == [driver]
    assert not any("TEMP B-TREE" in step for step in told)


def test_filters_narrow_the_queue(inventory: Inventory) -> None:
    record(inventory, {"a.jpg": tagged(1, 0.3)})
    between = datetime.now(UTC)
    record(inventory, {"b.jpg": tagged(2, 0.4)}, root=Path("/other"))

    def paths(selection: Selection) -> list[str]:
        with inventory.reviewing("anna", selection) as opened:
            found = everything(opened)
            assert opened.left() == len(found)
        return [item.path for item in found]

    assert paths(Selection()) == ["a.jpg", "b.jpg"]
    assert paths(Selection(root="/other")) == ["b.jpg"]
    assert paths(Selection(since=between)) == ["b.jpg"]
    assert paths(Selection(tag="T-shirt/top")) == ["a.jpg", "b.jpg"]
    assert paths(Selection(tag="Bag")) == []


def test_the_same_bytes_are_shown_once_and_share_the_decision(
    inventory: Inventory,
) -> None:
    record(inventory, {"a.jpg": tagged(1, 0.3), "b.jpg": tagged(1, 0.3)})

    with inventory.reviewing("anna", Selection()) as opened:
        (item,) = everything(opened)
        assert opened.left() == 1
        assert item.same_bytes == ("/shop/b.jpg",)
        opened.decide([correct(item)], unseen(item))
        assert opened.left() == 0

    assert {one.tag for one in inventory.items()} == {"Bag"}


def test_what_one_reviewer_has_the_other_is_not_shown(shelf: Inventory) -> None:
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        hers = anna.take(4, without=())
        his = everything(ben)

        assert len(hers) == 4
        assert not {i.digest for i in hers} & {i.digest for i in his}
        assert len(his) == 8
        anna.release([hers[0].digest])
        assert everything(ben)[0].digest == hers[0].digest


def test_a_lease_runs_out_and_a_sign_of_life_renews_it(
    shelf: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = datetime.now(UTC) + timedelta(minutes=LEASE_MINUTES, seconds=1)
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        everything(anna)
        assert everything(ben) == []
        monkeypatch.setattr(reviewing, "shared_now", lambda _: late)
        anna.renew()
        assert everything(ben) == []
        monkeypatch.setattr(
            reviewing, "shared_now", lambda _: late + (late - datetime.now(UTC))
        )

        assert len(everything(ben)) == 12


def test_a_lease_does_not_outlive_a_clock_that_is_set_back(
    shelf: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        monkeypatch.setattr(reviewing, "shared_now", lambda _: now + timedelta(days=1))
        hers = anna.take(12, without=())
        assert len(hers) == 12
        assert everything(ben) == []
        monkeypatch.setattr(reviewing, "shared_now", lambda _: now)
        assert len(ben.find(hers[0].path, 1)) == 1
        anna.renew()
        assert everything(ben) == []

        monkeypatch.setattr(reviewing, "shared_now", lambda _: now - timedelta(days=1))
        assert len(ben.take_these(item.digest for item in hers)) == 12
        assert everything(anna) == []


def test_a_lease_holds_for_a_session_whose_clock_is_behind(
    shelf: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = datetime.now(UTC) - timedelta(seconds=30)
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        hers = {item.digest for item in anna.take(3, without=())}
        monkeypatch.setattr(reviewing, "now", lambda: behind)

        assert not hers & {item.digest for item in everything(ben)}


def test_leases_are_given_back_at_the_end_of_a_session(shelf: Inventory) -> None:
    with shelf.reviewing("anna", Selection()) as anna:
        everything(anna)

    with shelf.reviewing("ben", Selection()) as ben:
        assert len(everything(ben)) == 12


def test_reviewers_at_once_share_the_queue_without_overlap(shelf: Inventory) -> None:
    decided: list[str] = []

    def work(name: str) -> None:
        with shelf.reviewing(name, Selection()) as opened:
            while items := opened.take(1, without=()):
                recorded = opened.decide([accept(items[0])], unseen(items[0]))
                assert recorded.conflicts == ()
                decided.extend(item.digest for item in items)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(decided) == len(set(decided)) == 12


def test_the_later_of_two_decisions_that_differ_is_withheld_and_shown(
    shelf: Inventory,
) -> None:
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        (item,) = anna.take(1, without=())
        ben.decide([correct(item, "Coat")], unseen(item))
        recorded = anna.decide([correct(item, "Bag")], unseen(item))

        assert recorded.ids == ()
        (other,) = recorded.conflicts
        assert (other.reviewer, other.answer.tag) == ("ben", "Coat")
        agreed = anna.decide([correct(item, "Coat")], unseen(item))
        assert len(agreed.ids) == 1
        insisted = anna.decide(
            [correct(item, "Bag")], unseen(item), even_if_in_conflict=True
        )
        assert len(insisted.ids) == 1
    (row,) = [one for one in shelf.items() if one.digest == item.digest]
    assert (row.tag, row.reviewer) == ("Bag", "anna")


def test_a_decision_that_was_shown_is_no_conflict(shelf: Inventory) -> None:
    with shelf.reviewing("anna", Selection()) as anna:
        (item,) = anna.take(1, without=())
        (first,) = anna.decide([correct(item, "Coat")], unseen(item)).ids
        again = anna.at(Path("/shop", item.path))
        assert again is not None
        assert again.in_force is not None
        assert again.in_force.id == first

        recorded = anna.decide([accept(item)], {item.digest: first})

    assert recorded.conflicts == ()


def test_undo_brings_back_what_was_before(shelf: Inventory) -> None:
    with shelf.reviewing("anna", Selection()) as anna:
        (item,) = anna.take(1, without=())
        first = anna.decide([correct(item, "Coat")], unseen(item)).ids
        second = anna.decide([correct(item, "Bag")], {item.digest: first[0]}).ids

        def tag() -> str | None:
            return next(o.tag for o in shelf.items() if o.digest == item.digest)

        def changed() -> datetime:
            return next(o.updated_at for o in shelf.items() if o.digest == item.digest)

        assert tag() == "Bag"
        decided = changed()
        anna.undo(second)
        assert tag() == "Coat"
        assert changed() > decided  # or nobody who asks for what changed would see it
        assert anna.left() == 11
        anna.undo(first)
        assert tag() == item.tag
        assert anna.left() == 12


def test_a_clock_that_was_set_back_changes_nothing(
    shelf: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = digest_of(0)
    shelf.decide(digest, DecisionKind.CORRECT, tag="Coat", reviewer="anna")
    past = datetime(2001, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(decisions, "now", lambda: past)

    shelf.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")

    assert next(o.tag for o in shelf.items() if o.digest == digest) == "Bag"


def test_a_decision_keeps_what_the_machine_had_said_and_where_it_was_given(
    shelf: Inventory,
) -> None:
    shelf.decide(
        digest_of(0),
        DecisionKind.CORRECT,
        tag="Bag",
        reviewer="anna",
        source="prices.csv",
        note="see the label",
    )

    (decision, note), paths = zip(*shelf.decisions(), strict=True)
    assert isinstance(decision, Decision)
    assert isinstance(note, Note)
    assert (decision.machine_tag, decision.source) == ("T-shirt/top", "prices.csv")
    assert note.text == "see the label"
    assert paths == (["/shop/00.jpg"], ["/shop/00.jpg"])
    history = shelf.history(Path("/shop/00.jpg"))
    assert history is not None
    told = {event.what: event for event in history.events if event.by == "anna"}
    assert (told["correct"].detail, told["correct"].source) == ("Bag", "prices.csv")
    assert told["note"].detail == "see the label"


def test_answers_given_together_are_recorded_together_or_not_at_all(
    shelf: Inventory,
) -> None:
    good = Answer(digest_of(0), DecisionKind.CORRECT, "Bag")
    bad = Answer(digest_of(1), DecisionKind.CORRECT, None)

    with pytest.raises(Exception, match="tag_fits_kind"):
        shelf.decide_all([(good, ""), (bad, "")], reviewer="anna", source="x.csv")

    assert list(shelf.decisions()) == []


def test_paths_are_found_by_a_part_of_them(shelf: Inventory) -> None:
    with (
        shelf.reviewing("anna", Selection()) as anna,
        shelf.reviewing("ben", Selection()) as ben,
    ):
        assert [item.path for item in anna.find("1.jp", 9)] == ["01.jpg", "11.jpg"]
        assert [item.path for item in anna.find("%", 9)] == []
        anna.take(2, without=())
        assert [item.path for item in ben.find("1.jp", 9)] == ["11.jpg"]
        assert ben.at(Path("/shop/sure-20.jpg")) is not None
        assert ben.at(Path("/shop/none.jpg")) is None
        assert ben.at(Path("/none/00.jpg")) is None


def test_an_audit_is_drawn_once_and_answered_to_its_end(shelf: Inventory) -> None:
    drawn = shelf.draw_audit(4, "anna")
    assert drawn is not None
    assert (drawn.accepted, drawn.sampled, drawn.answered) == (6, 4, 0)
    again = shelf.draw_audit(2, "anna")
    assert again == drawn

    with shelf.reviewing("anna", Selection(audit_id=drawn.id)) as opened:
        assert opened.left() == 4
        items = everything(opened)
        assert all(item.path.startswith("sure") for item in items)
        ids = opened.decide([accept(item) for item in items[:3]], unseen(*items)).ids
        opened.decide([correct(items[3])], unseen(*items))
        assert everything(opened) == []
        result = opened.audit()
        assert result is not None
        assert (result.answered, result.right) == (4, 3)
        opened.undo(ids[:1])
        assert opened.left() == 1
        opened.decide([correct(items[0])], unseen(items[0]))
    assert [(a.answered, a.right) for a in shelf.audits()] == [(4, 2)]
    sources = {d.source for d, _ in shelf.decisions() if isinstance(d, Decision)}
    assert sources == {"audit"}

    second = shelf.draw_audit(9, "anna")
    assert second is not None
    # The four are drawn again, and their answers with them.
    assert (second.id, second.sampled, second.answered) == (drawn.id + 1, 6, 4)


def test_there_is_nothing_to_audit_where_nothing_is_accepted(
    inventory: Inventory,
) -> None:
    record(inventory, {"a.jpg": tagged(1, 0.3)})

    assert inventory.draw_audit(5, "anna") is None


@pytest.mark.sqlite_only("on a server, leases do not wait for writers")
def test_the_inventory_being_busy_is_an_error_of_its_own(
    shelf: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0)
    with (
        raw(shelf.place) as other,
        Inventory(shelf.path) as impatient,
        impatient.reviewing("anna", Selection()) as opened,
    ):
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(InventoryBusyError):
            opened.take(1, without=())


actions = st.lists(
    st.tuples(
        st.sampled_from(["record", "accept", "decide", "undo", "lose", "find"]),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(actions)
def test_what_waits_is_what_is_flagged_and_undecided_after_any_writes(
    blank_place: BlankPlace, steps: list[tuple[str, int]]
) -> None:
    place = blank_place()
    numbers = count()
    with Inventory(place) as inventory:
        for what, n in steps:
            name = f"{n}.jpg"
            if what in {"record", "accept"}:
                # Two names may have the same bytes, one name other bytes than before.
                bytes_of = (n + next(numbers) % 2) % 4
                flagged = what == "record"
                record(inventory, {name: tagged(bytes_of, 0.5, flagged=flagged)})
            elif what == "decide":
                inventory.decide(
                    digest_of(n % 4), DecisionKind.CORRECT, tag="Bag", reviewer="anna"
                )
            elif what == "undo":
                with inventory.reviewing("anna", Selection()) as opened:
                    opened.undo([n])
            else:
                state = State.MISSING if what == "lose" else State.TAGGED
                with inventory.recording(
                    FakeClassifier().identity, options={}
                ) as recording:
                    known = recording.known(ROOT)
                    if name in known:
                        change = StateChange(known[name], state, "", "changed")
                        recording.change_states([change])

    with raw(place) as connection:
        waits: list[object] = connection.execute(
            "SELECT path, waiting.digest, prediction.confidence = waiting.confidence "
            "FROM waiting JOIN image ON image.id = image_id "
            "JOIN prediction ON prediction.id = prediction_id ORDER BY path"
        ).fetchall()
        in_view: list[object] = connection.execute(
            "SELECT path, digest, true FROM inventory WHERE flagged ORDER BY path"
        ).fetchall()
    assert waits == in_view


times = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  Hypothesis adds the zone
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
decided = st.builds(
    lambda n, tag, who, at, undone: Decision(
        0,
        Answer(
            digest_of(n),
            DecisionKind.NOT_CATALOGUE if tag is None else DecisionKind.CORRECT,
            tag,
        ),
        who,
        at,
        "review",
        None,
        at if undone else None,
    ),
    st.integers(0, 2),
    st.sampled_from([None, *FASHION_LABELS[:3]]),
    st.sampled_from(["anna", "ben"]),
    times,
    st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.lists(decided, max_size=8, unique_by=lambda d: (d.answer.digest, d.decided_at)),
    st.randoms(use_true_random=False),
)
def test_merging_decisions_does_not_depend_on_order_or_repetition(
    blank_place: BlankPlace,
    records: list[Decision],
    chance: "object",
) -> None:
    shuffled = list(records)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    in_force = []
    for name, order in (("a", records), ("b", [*shuffled, *shuffled[:3]])):
        with Inventory(blank_place(name)) as inventory:
            record(inventory, {f"{n}.jpg": tagged(n, 0.5) for n in range(3)})
            merged = inventory.merge_decisions(order)
            assert merged.added == len(records)
            assert inventory.merge_decisions(order).added == 0
            in_force.append(
                [(i.path, i.tag, i.flagged, i.reviewer) for i in inventory.items()]
            )

    assert in_force[0] == in_force[1]


def test_two_people_who_differ_are_told_of_when_their_decisions_meet(
    shelf: Inventory,
) -> None:
    digest = digest_of(0)
    shelf.decide(digest, DecisionKind.CORRECT, tag="Coat", reviewer="anna")
    early = datetime(2020, 1, 1, tzinfo=UTC)
    theirs = Decision(
        0, Answer(digest, DecisionKind.CORRECT, "Bag"), "ben", early, "review", None
    )

    merged = shelf.merge_decisions([theirs, Note(digest, "torn", "ben", early)])
    repeated = shelf.merge_decisions([theirs, Note(digest, "torn", "ben", early)])

    ((newer, older),) = merged.conflicts
    assert (newer.reviewer, older.reviewer) == ("anna", "ben")
    assert (merged.added, merged.notes) == (1, 1)
    assert (repeated.added, repeated.known, repeated.notes) == (0, 1, 0)
    assert next(o.tag for o in shelf.items() if o.digest == digest) == "Coat"


def test_what_was_taken_back_there_is_taken_back_here(shelf: Inventory) -> None:
    shelf.decide(digest_of(0), DecisionKind.CORRECT, tag="Coat", reviewer="anna")
    ((mine, _),) = shelf.decisions()
    assert isinstance(mine, Decision)
    undone = Decision(
        0, mine.answer, "anna", mine.decided_at, "review", None, datetime.now(UTC)
    )

    assert shelf.merge_decisions([undone]).taken_back == 1

    with shelf.reviewing("anna", Selection()) as opened:
        assert opened.left() == 12


@pytest.mark.parametrize(
    ("answers", "contradict"),
    [
        ([("anna", "Bag", False)], False),
        ([("anna", "Bag", False), ("ben", "Bag", False)], False),
        ([("anna", "Bag", False), ("ben", None, False)], True),
        ([("anna", "Bag", False), ("anna", "Coat", False)], False),  # a correction
        ([("anna", "Bag", False), ("anna", "Coat", True)], True),  # blind
        ([("anna", None, False), ("anna", None, True)], False),
        (
            [("anna", "Bag", False), ("anna", "Coat", False), ("ben", "Coat", False)],
            False,
        ),
    ],
)
def test_answers_contradict_each_other_in_one_sense(
    answers: list[tuple[str, str | None, bool]],
    contradict: bool,  # noqa: FBT001
) -> None:
    assert contradicts(answers) is contradict


def test_a_picture_is_found_by_its_name_however_it_is_typed(
    inventory: Inventory,
) -> None:
    record(inventory, {"e\u0301te\u0301.jpg": tagged(1, 0.2)})

    with inventory.reviewing("anna", Selection()) as anna:
        for typed in ("\u00e9t\u00e9", "e\u0301te\u0301"):
            assert [item.path for item in anna.find(typed, 5)] == [
                "e\u0301te\u0301.jpg"
            ]
