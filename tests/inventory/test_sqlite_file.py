import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from support import GOLDEN, TOP
from support.inventories import raw, record_names
from support.program import Tagger

from tagger.errors import InventoryError
from tagger.inventory import Inventory, database, sqlite_file
from tagger.inventory.database import REVISIONS
from tagger.inventory.records import DecidedBy
from tagger.inventory.tables import METADATA
from tagger.records import (
    State,
)

pytestmark = pytest.mark.sqlite_only("it is about the file")

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
    sqlite_file.upgrade(made)
    if request.config.getoption("--update-golden"):
        with raw(made) as connection:
            found = connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            ).fetchall()
        script = "".join(f"{sql};\n\n" for (sql,) in found)
        sqlite_file.SCHEMA.write_text(script, encoding="utf-8")
    sqlite_file.create(created)
    sqlite_file.create(created)  # as another process might, a moment later

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
    monkeypatch.setattr(sqlite_file, "REVISIONS", (*REVISIONS, "9999"))
    monkeypatch.setattr(sqlite_file, "upgrade", lambda _path: None)

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
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0)
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


def test_a_scratch_copy_of_nothing_makes_nothing(tmp_path: Path) -> None:
    with Inventory.scratch_copy(tmp_path / "inventory.db") as copy:
        assert list(copy.items()) == []

    assert list(tmp_path.iterdir()) == []


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
    sqlite_file._keep_copy(path, "0000")  # noqa: SLF001

    assert kept.read_text() == "from before"
    assert {p.name for p in tmp_path.iterdir()} == {path.name, kept.name}
