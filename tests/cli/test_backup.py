"""`tagger backup`: the inventory of one moment, whole or not at all."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Photo, Scan, many, mounted, wait_for
from support.inventories import count_images, raw
from support.program import Tagger, begun

from tagger.inventory import Inventory


def test_a_backup_is_the_inventory_of_one_moment(
    tagger: Tagger, program: Tagger, large_shop: Path
) -> None:
    scanning = begun(program, large_shop)
    wait_for(lambda: count_images(tagger.db) > 0)

    done = tagger("backup", "copies.db")
    again = tagger("backup", "copies.db")
    scanning.kill()
    scanning.communicate()

    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    left = {path.name for path in tagger.folder.iterdir() if "copies" in path.name}
    assert left == {"copies.db"}
    killed = tagger.folder / ".copies.db.4711.part-journal"
    for age, stays in ((3600, True), (2 * 86400, False)):
        killed.touch()
        os.utime(killed, (time.time() - age,) * 2)
        tagger("backup", "copies.db")
        assert killed.exists() is stays
    assert tagger("check", "--db", "copies.db").returncode == 0
    with raw(tagger.folder / "copies.db") as connection:
        assert connection.execute("SELECT count(*) FROM image").fetchone() > (0,)


def test_a_backup_replaces_nothing_but_a_backup(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    assert "no inventory at" in tagger.fails("backup", "copy.db")
    tagger("scan", shop)
    notes = tagger.folder / "notes.txt"
    notes.write_text("my notes\n" * 99)

    assert "not a SQLite database" in tagger.fails("backup", notes)
    assert "is a folder" in tagger.fails("backup", shop)
    assert "cannot write" in tagger.fails("backup", shop / "absent" / "copy.db")
    assert "the inventory itself" in tagger.fails("backup", tagger.db)
    assert notes.read_text() == "my notes\n" * 99
    assert tagger("check").returncode == 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "full", "40k") as disk:
        yield disk


def test_the_disk_that_is_full_is_named(
    tagger: Tagger, shop: Path, photo: Photo, full_disk: Path
) -> None:
    photo()
    tagger("scan", shop)
    assert tagger("backup", "copy.db").returncode == 0

    for words in (
        ("backup", full_disk / "b.db"),
        ("restore", "copy.db", "--db", full_disk / "b.db"),
    ):
        message = tagger.fails(*words)

        assert message.startswith(f"error: {full_disk}/b.db cannot grow: the disk is")
    assert not list(full_disk.glob("*.part*"))


def test_a_copy_that_cannot_be_written_is_named(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    photo()
    tagger("scan", shop)

    # No file may grow over this size; the notes beside one that is read have 32 kB.
    small = ("prlimit", "--fsize=50000")
    message = program.fails("backup", tmp_path / "copy.db", prefix=small)

    assert message.startswith(f"error: {tmp_path}/copy.db cannot be read or written")
    assert not (tmp_path / "copy.db").exists()


def test_a_damaged_inventory_is_not_copied_over_a_good_backup(
    tagger: Tagger, inventory: Inventory, run: Scan, photo: Photo
) -> None:
    many(photo)
    run()
    good = tagger.folder / "copy.db"
    tagger("backup", good)
    before = good.read_bytes()
    with raw(inventory.path) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'image_digest'"
        ).fetchone()
    with inventory.path.open("r+b") as stream:
        stream.seek(4096 * (page - 1))
        stream.write(b"\xff" * 4096)

    message = tagger.fails("backup", good)

    assert "damaged" in message
    assert good.read_bytes() == before
    assert tagger("check").returncode == 1
