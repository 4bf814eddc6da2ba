"""`tagger inventory merge`: the inventory of another shop, or its decisions."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from support import GOLDEN
from support.inventories import new_inventory, raw, record_names
from support.program import Tagger, refused

from tagger.inventory import Inventory, scan_lock
from tagger.inventory.records import DecisionKind

OLD = GOLDEN / "schemas" / "0012.sql"


@pytest.fixture
def paris(tmp_path: Path, stocked: Path) -> Path:
    """The inventory of a shop with four pictures."""
    path = tmp_path / "paris.db"
    shutil.copy(stocked / "inventory.db", path)
    return path


def merge(tagger: Tagger, file: Path, shop: str = "paris") -> str:
    done = tagger("inventory", "merge", file, "--shop", shop)
    assert done.returncode == 0, done.stderr
    return done.stdout


def decide(path: Path, name: str, tag: str, reviewer: str) -> None:
    with Inventory(path) as inventory:
        (item,) = [item for item in inventory.items() if item.path == name]
        kind = DecisionKind.CORRECT
        inventory.decide(item.digest or "", kind, tag=tag, reviewer=reviewer)


def state(path: Path) -> list[str]:
    """All that a database holds; nothing for one that is not there."""
    if not path.exists():
        return []
    with raw(path) as connection:
        return list(connection.iterdump())


def test_a_shop_is_merged_and_shown_by_its_name(
    tagger: Tagger, paris: Path, stocked: Path
) -> None:
    before = paris.read_bytes()
    root = f"paris:{stocked / 'pictures'}"

    told = merge(tagger, paris)

    assert paris.read_bytes() == before
    assert "4 new" in told
    assert {row["root"] for row in tagger.rows().values()} == {root}
    listed = tagger("roots", "list", COLUMNS="300").stdout
    assert root in listed
    assert "merged, as of" in listed
    assert "not found" not in listed
    status = tagger("status", COLUMNS="300").stdout
    assert root in status
    assert "is not found" not in status
    (line,) = tagger("roots", "list", "--json").stdout.splitlines()
    assert json.loads(line)["shop"] == "paris"


def test_a_repeated_merge_says_that_nothing_is_new(tagger: Tagger, paris: Path) -> None:
    merge(tagger, paris)
    before = state(tagger.db)

    told = merge(tagger, paris)

    assert "0 new, 0 changed, 0 gone" in told
    assert state(tagger.db) == before


def test_decisions_that_differ_are_shown_with_both_answers(
    tagger: Tagger, paris: Path
) -> None:
    merge(tagger, paris)
    decide(tagger.db, "tiny.png", "Coat", "anna")
    decide(paris, "tiny.png", "Bag", "ben")

    done = tagger("inventory", "merge", paris, "--shop", "paris", "--json")

    told = json.loads(done.stdout)
    (conflict,) = told["conflicts"]
    assert (conflict["in_force"]["tag"], conflict["other"]["tag"]) == ("Bag", "Coat")
    assert (told["decisions"], told["known"]) == (1, 0)
    assert tagger.rows()["tiny.png"]["tag"] == "Bag"
    again = merge(tagger, paris)
    assert "0 new decisions, 1 known" in again


def test_a_file_of_decisions_is_merged_as_by_decisions_import(
    tagger: Tagger, paris: Path
) -> None:
    decide(paris, "tiny.png", "Bag", "ben")
    tagger("decisions", "export", "paris.jsonl", "--db", paris)
    merge(tagger, paris)
    with Inventory(tagger.db) as inventory:
        before = list(inventory.decisions())

    done = tagger("inventory", "merge", "paris.jsonl")
    imported = tagger("decisions", "import", "paris.jsonl")

    assert done.returncode == 0, done.stderr
    assert done.stdout == imported.stdout
    with Inventory(tagger.db) as inventory:
        assert list(inventory.decisions()) == before


def test_an_inventory_of_an_older_version_is_merged_and_left_as_it_is(
    tagger: Tagger, tmp_path: Path
) -> None:
    old = tmp_path / "old.db"
    with raw(old) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    before = old.read_bytes()

    done = tagger("inventory", "merge", old, "--shop", "paris")

    assert done.returncode == 0
    assert done.stderr == ""
    assert tagger.rows()["a.jpg"]["tag"] == "Dress"
    assert old.read_bytes() == before
    assert list(tmp_path.glob("old.db*")) == [old]


def _newer(path: Path) -> None:
    with raw(path) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    path.write_bytes(content)


def _of_another_program(path: Path) -> None:
    path.unlink()
    with raw(path) as connection, connection:
        connection.execute("CREATE TABLE theirs (id)")


@pytest.mark.parametrize(
    ("ruin", "named"),
    [
        (Path.unlink, "No such file"),
        (_newer, "newer tagger"),
        (_damaged, "damaged"),
        (_of_another_program, "another program's database: name another file\n"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"tag,path\n" * 9), "not a SQLite database"),
        (lambda path: path.write_bytes(b"{1\n"), "line 1"),
        (lambda path: (path.unlink(), path.mkdir()), "not a file"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_cannot_be_merged_changes_nothing(
    tagger: Tagger, paris: Path, ruin: object, named: str, *, there: bool
) -> None:
    if there:
        merge(tagger, paris)
    before = state(tagger.db)
    ruin(paris)  # type: ignore[operator]

    told = refused(tagger, "inventory", "merge", paris, "--shop", "paris", status=1)

    assert named in told
    assert paris.name in told
    assert there is tagger.db.exists() or "line 1" in told
    assert not there or state(tagger.db) == before


def test_the_inventory_itself_is_refused(tagger: Tagger, paris: Path) -> None:
    merge(tagger, paris)
    link = tagger.folder / "link.db"
    link.symlink_to(tagger.db)

    for name in (tagger.db, link):
        told = refused(tagger, "inventory", "merge", name, "--shop", "rome", status=1)
        assert "the inventory itself" in told


@pytest.mark.parametrize("shop", ["", "p", "a b", "a/b", "a:b", "ä-shop", "-x"])
def test_a_name_that_cannot_be_one_of_a_shop_is_wrong_usage(
    tagger: Tagger, paris: Path, shop: str
) -> None:
    assert "--shop" in refused(tagger, "inventory", "merge", paris, f"--shop={shop}")


def test_a_shop_with_a_database_on_a_server_is_told_what_to_send(
    tagger: Tagger,
) -> None:
    url = "postgresql://anna:swordfish@db.example.org/paris"

    message = refused(tagger, "inventory", "merge", url, "--shop", "paris")

    assert "postgresql://anna@db.example.org/paris" in message
    assert "tagger decisions export" in message
    assert "swordfish" not in message


def test_the_shop_must_be_named(tagger: Tagger, paris: Path) -> None:
    told = refused(tagger, "inventory", "merge", paris)

    assert "--shop NAME" in told
    assert not tagger.db.exists()


def test_a_scan_in_progress_is_not_disturbed(tagger: Tagger, paris: Path) -> None:
    with scan_lock(tagger.db):
        told = refused(
            tagger, "inventory", "merge", paris, "--shop", "paris", status=11
        )

    assert "another scan" in told


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the system")
def test_a_full_disk_changes_nothing(program: Tagger, tmp_path: Path) -> None:
    large = tmp_path / "large.db"
    with new_inventory(large) as inventory:
        record_names(inventory, Path("/shop"), [f"{n}.jpg" for n in range(9000)])
    new_inventory(program.db).__exit__()
    with raw(program.db) as reader:
        # A reader keeps the log from being written back, so that it goes on growing.
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM root").fetchall()
        with Inventory(program.db) as inventory:
            record_names(inventory, Path("/h"), [f"{n}.jpg" for n in range(9000)])
            _full_disk(program, large)


def _full_disk(program: Tagger, large: Path) -> None:
    before = state(program.db)
    # Enough for the temporary copy, but not for the log of both.
    limit = large.stat().st_size // 1024 + 100
    tight = ("sh", "-c", f'ulimit -f {limit * 2}; exec "$@"', "sh")

    told = program.fails("inventory", "merge", large, "--shop", "paris", prefix=tight)

    assert "disk is full" in told
    assert state(program.db) == before


def test_a_merged_folder_is_no_folder_of_a_scan(
    tagger: Tagger, paris: Path, stocked: Path
) -> None:
    merge(tagger, paris)
    root = f"paris:{stocked / 'pictures'}"

    told = tagger("scan", root)
    scanned = tagger("scan", stocked / "pictures")

    moved = refused(tagger, "roots", "move", root, stocked, status=1)

    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "folder of the shop paris" in told.stderr
    assert "folder of the shop paris" in moved
    assert "s3://" in tagger("scan", "s3:/bucket/photos").stderr  # no shop, but a slip
    assert scanned.returncode == 0
    with raw(tagger.db) as connection:
        rows = connection.execute(
            "SELECT root, state, count(*) FROM inventory GROUP BY 1, 2"
        ).fetchall()
    here = str(stocked / "pictures")
    assert rows == [(here, "tagged", 4), (root, "tagged", 4)]


def test_the_commands_take_the_name_of_a_merged_folder(
    tagger: Tagger, paris: Path, stocked: Path
) -> None:
    merge(tagger, paris)
    root = f"paris:{stocked / 'pictures'}"

    explained = tagger("explain", f"{root}/tiny.png")
    exported = tagger("export", "--raw", "--root", root)
    checked = tagger("check")
    forgotten = tagger("roots", "forget", root)

    assert explained.returncode == 0, explained.stderr
    assert exported.stdout.count("\n") == 5
    assert (checked.returncode, "0 pictures read" in checked.stdout) == (0, True)
    assert forgotten.returncode == 0, forgotten.stderr
    assert tagger("roots", "list").stdout.strip() == "No scan yet"


def test_a_review_says_where_the_picture_is_and_goes_on(
    tagger: Tagger, paris: Path, stocked: Path
) -> None:
    with raw(paris) as connection, connection:
        connection.execute("UPDATE image SET flagged = 1")
    merge(tagger, paris)
    root = f"paris:{stocked / 'pictures'}"

    plain = tagger("review", "--plain", answers="s\nq\n")
    done = tagger("review", "--plain", "--root", root, answers="s\nq\n")
    status = tagger("status").stdout

    assert (plain.returncode, "skipped" in plain.stdout) == (0, False)
    assert "waiting for review, 0 of them here" in status
    assert done.returncode == 0, done.stderr
    assert "in the shop paris, not on this computer" in done.stdout
    assert "1 skipped" in done.stdout


def test_pictures_of_other_shops_are_neither_sorted_nor_written_to(
    tagger: Tagger, paris: Path
) -> None:
    merge(tagger, paris)

    done = [
        tagger("sort", "tree", "--by", "{tag}/{path}"),
        tagger("write-tags"),
        tagger("report", "-o", "page.html"),
    ]

    assert [one.returncode for one in done] == [0, 0, 0], done
    assert all("disk" not in one.stderr for one in done)


def test_an_inventory_in_a_folder_without_write_permission_is_merged(
    program: Tagger, paris: Path, tmp_path: Path
) -> None:
    """As on a disk that is mounted read-only."""
    sent = tmp_path / "sent"
    sent.mkdir()
    shutil.copy(paris, sent)
    sent.chmod(0o555)
    if os.access(sent, os.W_OK):
        pytest.skip("the super-user may write everywhere")

    done = program("inventory", "merge", sent / "paris.db", "--shop", "paris")

    sent.chmod(0o755)
    assert done.returncode == 0, done.stderr
