import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from support import GOLDEN, TOP, FakeClassifier
from support.inventories import new_inventory, raw, record_names
from support.program import Tagger

from tagger.errors import InventoryError
from tagger.inventory import Inventory, database
from tagger.inventory.database import REVISIONS
from tagger.inventory.records import DecidedBy, DecisionKind, Item
from tagger.inventory.tables import METADATA
from tagger.records import (
    NOT_CATALOGUE,
    Policy,
    SkippedFile,
    State,
    is_without_tag,
)

SCHEMAS = GOLDEN / "schemas"


def test_the_tables_are_what_the_revisions_make(inventory: Inventory) -> None:
    engine = create_engine(f"sqlite:///{inventory.path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        difference = compare_metadata(context, METADATA)
    engine.dispose()

    assert difference == []


def test_a_new_inventory_is_what_the_revisions_make(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made, created = tmp_path / "made.db", tmp_path / "created.db"
    database.upgrade(made)
    if request.config.getoption("--update-golden"):
        with raw(made) as connection:
            found = connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            ).fetchall()
        script = "".join(f"{sql};\n\n" for (sql,) in found)
        database.SCHEMA.write_text(script, encoding="utf-8")
    database.create(created)
    database.create(created)  # as another process might, a moment later

    def all_of(path: Path) -> list[object]:
        with raw(path) as connection:
            pragmas = ("application_id", "journal_mode", "user_version", "page_size")
            settings = [
                connection.execute(f"PRAGMA {name}").fetchone() for name in pragmas
            ]
            schema = connection.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
            ).fetchall()
            return [*settings, *schema, *connection.iterdump()]

    assert sorted(map(str, all_of(created))) == sorted(map(str, all_of(made)))


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    folder = Path(database.__file__).parent / "migrations"
    script = ScriptDirectory(str(folder))
    files = [revision.revision for revision in script.walk_revisions()]

    assert list(REVISIONS) == files[::-1]
    assert sorted(p.stem for p in SCHEMAS.glob("*.sql")) == sorted(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_inventory_of_every_revision_is_brought_to_today(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "old.db"
    with raw(path) as connection:
        script = (SCHEMAS / f"{revision}.sql").read_text(encoding="utf-8")
        connection.executescript(script)

    with Inventory(path) as inventory:
        items = {item.path: item for item in inventory.items()}

    assert items["a.jpg"].tag == "Dress"
    assert items["a.jpg"].decided_by is DecidedBy.PERSON
    assert items["b.jpg"].tag == "Shirt"
    assert items["b.jpg"].flagged
    assert items["c.jpg"].state is State.MISSING
    copies = list(tmp_path.glob("old.db.before-*"))
    assert bool(copies) == (revision != REVISIONS[-1])


def test_what_an_older_version_could_not_read_is_read_once_more(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.db"
    with raw(path) as connection:
        script = (SCHEMAS / "0012.sql").read_text(encoding="utf-8")
        connection.executescript(script)
        connection.execute(
            "UPDATE image SET state = 'unreadable', size = 3, mtime_ns = 4 "
            "WHERE path = 'b.jpg'"
        )
        connection.commit()
        times = "SELECT path, mtime_ns FROM image WHERE digest IS NOT NULL"
        before = dict(connection.execute(times).fetchall())

    Inventory(path).__exit__()

    with raw(path) as connection:
        after = dict(connection.execute(times).fetchall())
    assert before["b.jpg"] == 4
    assert after == before | {"b.jpg": None}  # it counts as changed


def test_an_older_inventory_is_copied_before_it_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inventory.db"
    with Inventory(path) as inventory:
        record_names(inventory, Path("/shop"), ["a.jpg"])
    # As if a newer tagger, with one more revision, opened this file.
    monkeypatch.setattr(database, "REVISIONS", (*REVISIONS, "9999"))
    monkeypatch.setattr(database, "upgrade", lambda _path: None)

    Inventory(path).__exit__()

    with raw(tmp_path / "inventory.db.before-9999") as copy:
        assert copy.execute("SELECT path FROM inventory").fetchall() == [("a.jpg",)]


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    Inventory(path).__exit__()
    with raw(path) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()

    with pytest.raises(InventoryError, match=r"newer tagger.*upgrade"):
        Inventory(path)

    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are longer than a header\n" * 9)

    with pytest.raises(InventoryError, match="not a SQLite database"):
        Inventory(path)

    assert path.read_text().startswith("my notes")


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with raw(path) as connection, connection:
        connection.execute("CREATE TABLE photos (id)")
    before = path.read_bytes()

    with pytest.raises(InventoryError, match="another program's"):
        Inventory(path)

    assert path.read_bytes() == before


def test_a_folder_or_a_pipe_is_no_database(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InventoryError, match="is a folder"):
        Inventory(tmp_path)
    with pytest.raises(InventoryError, match="is not a regular file"):
        Inventory(tmp_path / "pipe", create=False)


@pytest.mark.parametrize(
    "name", ["a?mode=ro", ":memory:", "file:x?mode=memory", "a#b", "a%20b", "sp ace"]
)
def test_the_inventory_is_the_file_of_exactly_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("not to be touched")
    with Inventory(Path(name)) as inventory:
        record_names(inventory, Path("/shop"), ["a.jpg"])
    with Inventory.scratch_copy(Path(name)) as copy:
        assert len(list(copy.items())) == 1

    with Inventory(Path(name), create=False) as inventory:
        assert len(list(inventory.items())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a", name}
    assert (tmp_path / "a").read_text() == "not to be touched"


@pytest.mark.parametrize(
    "harm", ["DELETE FROM alembic_version", "DROP TABLE event", "DROP VIEW inventory"]
)
def test_an_inventory_with_a_part_torn_out_says_so(
    inventory: Inventory, harm: str
) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    with raw(inventory.path) as connection, connection:
        connection.execute(harm)

    with pytest.raises(InventoryError, match=r"damaged.*restore it from a backup"):
        Inventory(inventory.path).history(Path("/shop/a.jpg"))


def test_a_blank_file_is_no_inventory_to_read_and_one_to_fill(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    path.touch()

    with pytest.raises(InventoryError, match="no inventory at"):
        Inventory(path, create=False)

    with Inventory(path) as inventory:
        assert list(inventory.items()) == []


def test_a_scratch_copy_of_a_newer_inventory_names_the_inventory(
    inventory: Inventory,
) -> None:
    with raw(inventory.path) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with (
        pytest.raises(InventoryError, match=re.escape(f"{inventory.path} was written")),
        Inventory.scratch_copy(inventory.path),
    ):
        pytest.fail("opened")


def test_a_failure_of_ours_is_not_blamed_on_the_database(
    inventory: Inventory,
) -> None:
    with pytest.raises(UnicodeEncodeError):
        inventory.decide("\ud800", DecisionKind.ACCEPT, tag="Bag", reviewer="x")


def test_a_damaged_database_says_so(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), [f"{n}.jpg" for n in range(2000)])
    with raw(inventory.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with inventory.path.open("r+b") as stream:
        stream.seek(4096 * 8)
        stream.write(b"\xff" * 4096 * 40)

    with pytest.raises(InventoryError, match="damaged"):
        list(inventory.items())


def test_the_folder_of_a_new_inventory_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "inventory.db"

    Inventory(path).__exit__()

    assert path.is_file()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InventoryError, match="cannot make"):
        Inventory(tmp_path / "file" / "inventory.db")


def test_an_absent_inventory_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="tagger scan"):
        Inventory(tmp_path / "inventory.db", create=False)

    assert list(tmp_path.iterdir()) == []


def test_a_locked_inventory_says_so(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with raw(inventory.path) as other, Inventory(inventory.path) as impatient:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(InventoryError, match="in use by another program"):
            record_names(impatient, Path("/shop"), ["a.jpg"])


def test_reading_goes_on_while_another_writes(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    with raw(inventory.path) as other:
        other.execute("BEGIN IMMEDIATE")

        assert len(list(inventory.items())) == 1


def test_a_disk_that_is_full_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"
    with Inventory(path) as inventory:
        record_names(inventory, Path("/shop"), ["kept.jpg"])
    program = f"""
import resource
from pathlib import Path
from support.inventories import Inventory, record_names
limit = Path({str(path)!r}).stat().st_size + 40_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
with Inventory(Path({str(path)!r})) as inventory:
    record_names(inventory, Path("/shop"), [f"{{n}}.jpg" for n in range(9000)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(TOP / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "InventoryError" in done.stderr
    assert "full" in done.stderr.splitlines()[-1]
    with Inventory(path) as inventory:
        assert [item.path for item in inventory.items()] == ["kept.jpg"]
    with raw(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_every_file_name_survives_byte_for_byte(
    template: Path, tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("names") / "inventory.db"
    shutil.copy(template, path)
    with Inventory(path) as inventory:
        record_names(inventory, Path("/shop"), [os.fsdecode(name) for name in names])

        found = [os.fsencode(item.path) for item in inventory.items()]
        known = [item for item in inventory.items() if item.state is State.UNREADABLE]

    assert found == sorted(names)
    assert len(known) == len(names)
    with raw(path) as connection:
        connection.text_factory = bytes
        rows = connection.execute("SELECT path, typeof(path) FROM inventory")
        assert sorted(rows) == [(name, b"text") for name in sorted(names)]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "inventory.db"
    Inventory(path).__exit__()
    return path


def test_states_and_confidences_are_held_to_their_range(inventory: Inventory) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    columns = "(digest, kind, tag, reviewer, decided_at)"
    decision = f"INSERT INTO decision {columns} VALUES"
    columns = "id, digest, model_id, preparing, tag, confidence, runner_up, margin"
    prediction = f"INSERT INTO prediction ({columns}, probabilities) VALUES"
    with raw(inventory.path) as connection:
        for change in (
            "UPDATE image SET state = 'lost'",
            "UPDATE image SET state = 'tagged'",
            "UPDATE image SET root_id = 99",
            f"{prediction} (9, 'd', 1, 'p', 't', 1.5, 'r', 0, x'')",
            f"{decision} ('d', 'accept', NULL, 'r', '')",
            f"{decision} ('d', 'guess', 'Bag', 'r', '')",
        ):
            connection.execute("PRAGMA foreign_keys = ON")
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(change)


def test_the_newest_decision_that_is_not_undone_is_in_force(
    inventory: Inventory,
) -> None:
    record_names(inventory, Path("/shop"), ["a.jpg"])
    inventory.decide("d" * 64, DecisionKind.CORRECT, tag="Bag", reviewer="one")
    inventory.decide("d" * 64, DecisionKind.CORRECT, tag="Coat", reviewer="two")
    (item,) = inventory.items()
    assert (item.tag, item.reviewer) == ("Coat", "two")

    with raw(inventory.path) as connection, connection:
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

    with Inventory.scratch_copy(inventory.path) as copy:
        record_names(copy, Path("/shop"), ["b.jpg"])
        assert len(list(copy.items())) == 2

    assert [item.path for item in inventory.items()] == ["a.jpg"]


def test_a_scratch_copy_of_nothing_makes_nothing(tmp_path: Path) -> None:
    with Inventory.scratch_copy(tmp_path / "inventory.db") as copy:
        assert list(copy.items()) == []

    assert list(tmp_path.iterdir()) == []


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

    with raw(inventory.path) as connection:
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
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, str | None, int, bool, int | None]],
) -> None:
    path = tmp_path_factory.mktemp("counted") / "inventory.db"
    new_inventory(path).__exit__()
    with raw(path) as connection:
        connection.executescript(
            "INSERT INTO root (id, path) VALUES (1, '/a'), (2, '/b');"
            "INSERT INTO model (id, name, digest, labels) VALUES (1, 'm', 'd', '[]');"
            "INSERT INTO prediction VALUES"
            " (1, '1', 1, 'p', 'Bag', .4, 'x', .1, '', NULL, NULL, 0, .2, ''),"
            " (2, '2', 1, 'p', 'Coat', .4, 'x', .1, '', NULL, NULL, 0, .6, 'skirt');"
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
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, bool, str | None, str]],
) -> None:
    path = tmp_path_factory.mktemp("counted") / "inventory.db"
    new_inventory(path).__exit__()
    moment = "2026-01-02T03:04:05.000006Z"
    with raw(path) as connection:
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
                    " NULL, NULL, 0, ?, ?)",
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

    with Inventory(path) as inventory:
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


def test_a_dry_run_without_a_place_for_its_copy_says_so(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)

    with (
        pytest.raises(InventoryError, match="name one in TMPDIR"),
        Inventory.scratch_copy(tagger.db),
    ):
        pass


def test_the_copy_before_an_upgrade_is_never_one_from_after_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "inventory.db"
    Inventory(path).__exit__()
    kept = tmp_path / f"inventory.db.before-{database.REVISIONS[-1]}"
    kept.write_text("from before")

    # Another process has upgraded the file since this one read its revision.
    database._keep_copy(path, "0000")  # noqa: SLF001

    assert kept.read_text() == "from before"
    assert {p.name for p in tmp_path.iterdir()} == {path.name, kept.name}
