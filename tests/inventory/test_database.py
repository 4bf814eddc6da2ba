from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from support import GOLDEN, FakeClassifier
from support.inventories import (
    ROOT,
    BlankPlace,
    digest_of,
    integrity_error,
    raw,
    record_names,
    tagged,
)

from tagger.inventory import Inventory
from tagger.inventory.records import DecidedBy, DecisionKind, Item
from tagger.inventory.tables import WAITING
from tagger.records import (
    NOT_CATALOGUE,
    ImageFile,
    Policy,
    SkippedFile,
    State,
    is_without_tag,
)

SCHEMAS = GOLDEN / "schemas"


def test_a_failure_of_ours_is_not_blamed_on_the_database(
    inventory: Inventory,
) -> None:
    with pytest.raises(UnicodeEncodeError):
        inventory.decide("\ud800", DecisionKind.ACCEPT, tag="Bag", reviewer="x")


def test_states_and_confidences_are_held_to_their_range(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    columns = "(digest, kind, tag, reviewer, decided_at)"
    decision = f"INSERT INTO decision {columns} VALUES"
    columns = "id, digest, model_id, preparing, tag, confidence, runner_up, margin"
    prediction = f"INSERT INTO prediction ({columns}, probabilities) VALUES"
    with raw(inventory.place) as connection:
        for change in (
            "UPDATE image SET state = 'lost'",
            "UPDATE image SET state = 'tagged'",
            "UPDATE image SET root_id = 99",
            f"{prediction} (9, 'd', 1, 'p', 't', 1.5, 'r', 0, '')",
            f"{decision} ('d', 'accept', NULL, 'r', '')",
            f"{decision} ('d', 'guess', 'Bag', 'r', '')",
        ):
            if isinstance(inventory.place, Path):  # a server always checks them
                connection.execute("PRAGMA foreign_keys = ON")
            with pytest.raises(integrity_error(inventory.place)), connection:
                connection.execute(change)


def test_the_newest_decision_that_is_not_undone_is_in_force(
    inventory: Inventory,
) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    inventory.decide("d" * 64, DecisionKind.CORRECT, tag="Bag", reviewer="one")
    inventory.decide("d" * 64, DecisionKind.CORRECT, tag="Coat", reviewer="two")
    (item,) = inventory.items()
    assert (item.tag, item.reviewer) == ("Coat", "two")

    with raw(inventory.place) as connection, connection:
        connection.execute(
            "UPDATE decision SET undone_at = '2026-01-01T00:00:00.000000Z' "
            "WHERE reviewer = 'two'"
        )

    (item,) = inventory.items()
    assert (item.tag, item.reviewer) == ("Bag", "one")
    history = inventory.history(Path("/shop/a.jpg"))
    assert history is not None
    assert "undone" in [event.what for event in history.events]


def test_a_scratch_copy_changes_nothing(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])

    with Inventory.scratch_copy(inventory.place) as copy:
        record_names(copy, Path("/shop"), ["b.jpg"])
        assert len(list(copy.items())) == 2

    assert [item.path for item in inventory.items()] == ["a.jpg"]


def test_the_status_counts_what_is_there(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg", "b.jpg"])

    status = inventory.status()

    assert status.roots == {"/shop": 2}
    assert status.states == {State.UNREADABLE: 2}
    assert status.flagged == status.decided_by_person == 0
    assert status.last_run is not None
    assert status.last_run.exit_code == 3


def test_a_story_is_found_under_the_innermost_root(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["sub/a.jpg"])
    record_names(inventory, Path("/shop/sub"), ["a.jpg", "b.jpg"])

    history = inventory.history(Path("/shop/sub/a.jpg"))

    assert history is not None
    assert history.item.root == "/shop/sub"
    assert history.same_bytes == ("/shop/sub/b.jpg",)
    assert inventory.history(Path("/shop/none.jpg")) is None
    assert inventory.history(Path("/elsewhere/a.jpg")) is None


def test_a_policy_is_kept_and_not_repeated(inventory: Inventory) -> None:
    from tagger.policy.decide import decide

    for threshold in (0.5, 0.5, 0.7):
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.enforce(Policy(threshold), decide)

    with raw(inventory.place) as connection:
        rows = connection.execute("SELECT threshold FROM policy ORDER BY id").fetchall()
    assert rows == [(0.5,), (0.7,)]


def test_skipped_paths_change_their_state_and_say_why(inventory: Inventory) -> None:
    root = Path("/shop")
    record_names(inventory, root, ["a.jpg"])
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        known = recording.known(root)
        left_out = SkippedFile("a.jpg", State.IGNORED, "excluded by a*")
        recording.skip(root, [left_out], known)

    (item,) = inventory.items()
    assert (item.state, item.reason) == (State.IGNORED, "excluded by a*")
    history = inventory.history(Path("/shop/a.jpg"))
    assert history is not None
    assert history.events[-1].what == "ignored"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from([None, "tagged", "missing", "unreadable", "weighed"]),
            st.sampled_from([1, 2]),
            st.booleans(),
            st.sampled_from([None, 1, 2]),
        ),
        max_size=20,
    )
)
def test_whatever_befalls_images_they_are_counted(
    blank_place: BlankPlace,
    changes: list[tuple[int, str | None, int, bool, int | None]],
) -> None:
    place = blank_place()
    with raw(place) as connection:
        connection.executescript(
            "INSERT INTO root (id, path) VALUES (1, '/a'), (2, '/b');"
            "INSERT INTO model (id, name, digest, labels) VALUES (1, 'm', 'd', '[]');"
            "INSERT INTO prediction VALUES"
            " (1, '1', 1, 'p', 'Bag', .4, 'x', .1, '', NULL, NULL, false, .2, ''),"
            " (2, '2', 1, 'p', 'Coat', .4, 'x', .1, '', NULL, NULL, false, .6,"
            " 'skirt');"
        )
        for number, state, root, flagged, said in changes:
            if state is None:
                connection.execute("DELETE FROM image WHERE id = ?", (number,))
                continue
            if state == "weighed":  # by a shop's own mix of tags
                tag = "Bag" if flagged else "Dress"
                connection.execute(
                    "UPDATE prediction SET tag = ?, other = ?, kind = ? WHERE id = ?",
                    (tag, number / 10, ("", "skirt")[said == 1], root),
                )
                continue
            predicted = 1 if said is None and state == "tagged" else said
            connection.execute(
                "INSERT INTO image (id, root_id, path, state, flagged, prediction_id,"
                " digest, reason, flag_reason, first_seen, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, '', '', '', '', '')"
                " ON CONFLICT (id) DO UPDATE SET root_id = excluded.root_id,"
                " state = excluded.state, flagged = excluded.flagged,"
                " prediction_id = excluded.prediction_id",
                (number, root, f"{number}", state, flagged, predicted),
            )
        counted = connection.execute("SELECT * FROM counted ORDER BY 1, 2, 3, 4")
        anew = connection.execute(
            "SELECT root_id, state, CASE WHEN other <= confidence THEN tag"
            " WHEN kind = 'skirt' THEN 'no tag: skirt'"
            " WHEN kind = '' THEN 'not a catalogue item' ELSE '' END,"
            " flagged, count(*) FROM image"
            " LEFT JOIN prediction ON prediction.id = prediction_id"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )

        assert counted.fetchall() == anew.fetchall()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/a", "/b"]),
            st.sampled_from(["tagged", "tagged", "missing", "unreadable"]),
            st.booleans(),
            st.sampled_from([None, "Bag", "Coat", NOT_CATALOGUE, "no tag: skirt"]),
            st.sampled_from(["", "accept", "not-a-catalogue-item", "undone"]),
        ),
        max_size=12,
    )
)
def test_counts_are_those_of_the_view(
    blank_place: BlankPlace,
    rows: list[tuple[str, str, bool, str | None, str]],
) -> None:
    place = blank_place()
    moment = "2026-01-02T03:04:05.000006Z"
    with raw(place) as connection:
        connection.execute(
            "INSERT INTO model (id, name, digest, labels) VALUES (1, 'm', 'd', '[]')"
        )
        connection.executemany(
            "INSERT INTO root (id, path) VALUES (?, ?)", [(1, "/a"), (2, "/b")]
        )
        for n, (root, state, flagged, tag, said) in enumerate(rows, 1):
            predicted = n if tag or state == "tagged" else None
            if predicted:
                connection.execute(
                    "INSERT INTO prediction VALUES (?, ?, 1, 'p', ?, .4, 'x', .1, '',"
                    " NULL, NULL, false, ?, ?)",
                    (n, str(n), *_predicted(tag or "Dress")),
                )
            connection.execute(
                "INSERT INTO image VALUES (?, ?, ?, ?, 1, 1, ?, '', ?, '', ?, 1, 1,"
                " '', ?, ?, ?)",
                (n, ord(root[1]) - 96, f"{n}", str(n), state, flagged, predicted)
                + (moment,) * 3,
            )
            if said:
                kind = "accept" if said == "undone" else said
                connection.execute(
                    "INSERT INTO decision (digest, kind, tag, reviewer, decided_at,"
                    " undone_at) VALUES (?, ?, ?, 'anna', ?, ?)",
                    (
                        str(n),
                        kind,
                        "Shirt" if kind == "accept" else None,
                        moment,
                        moment if said == "undone" else None,
                    ),
                )
        connection.commit()

    with Inventory(place) as inventory:
        items, status = list(inventory.items()), inventory.status()

    tagged = [item for item in items if item.state is State.TAGGED]
    people = [item for item in items if item.decided_by is DecidedBy.PERSON]
    waiting = [item for item in items if item.flagged]
    assert status.roots == Counter(item.root for item in items)
    assert status.states == Counter(item.state for item in items)
    assert status.tags == Counter(map(_in_force, tagged))
    assert status.flagged == len(waiting)
    assert status.decided_by_person == len(people)
    split = status.by_tag.items()
    assert {tag: n.waiting for tag, n in split if n.waiting} == Counter(
        map(_in_force, waiting)
    )
    assert {tag: n.decided for tag, n in split if n.decided} == Counter(
        _in_force(item) for item in people if item.state is State.TAGGED
    )
    assert {tag: n.total for tag, n in split} == status.tags


def _predicted(answer: str) -> tuple[str, float, str]:
    """Return tag, probability of no tag and kind of a prediction with that answer."""
    if not is_without_tag(answer):
        return answer, 0.3, "skirt"
    return "Dress", 0.6, "skirt" if "skirt" in answer else ""


def _in_force(item: Item) -> str:
    """Return the answer in force about a tagged item."""
    by_person = item.decided_by is DecidedBy.PERSON
    return item.tag or (NOT_CATALOGUE if by_person else item.machine_tag or "")


def test_damage_that_triggers_should_have_prevented_is_found(
    inventory: Inventory,
) -> None:
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        outcomes = [(ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.3)) for n in range(3)]
        recording.record(ROOT, outcomes, {}, {})
    assert inventory.check(0, seed=1).damage == ()

    with inventory._database.writing() as connection:  # noqa: SLF001
        connection.exec_driver_sql("UPDATE counted SET number = 2")
        connection.execute(delete(WAITING).where(WAITING.c.digest == digest_of(1)))

    assert len(inventory.check(0, seed=1).damage) == 2
