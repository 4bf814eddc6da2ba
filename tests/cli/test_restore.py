"""`tagger restore`: a backup in the inventory's place, and what was there aside."""

from pathlib import Path

from support import Photo, Scan
from support.inventories import raw
from support.program import Tagger

from tagger.bundles.adapted import adapted_folder
from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind


def decided(tagger: Tagger) -> set[str]:
    with raw(tagger.db) as connection:
        rows = connection.execute("SELECT tag FROM decision WHERE undone_at IS NULL")
        return {tag for (tag,) in rows}


def test_a_backup_is_restored_without_what_came_after_it(
    tagger: Tagger, program: Tagger, inventory: Inventory, run: Scan, photo: Photo
) -> None:
    """Though a killed program left notes that SQLite would write into the copy."""
    photo()
    run()
    ((digest,),) = [[item.digest] for item in inventory.items()]
    assert digest
    inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    assert tagger("backup", "good.db").returncode == 0
    inventory.decide(digest, DecisionKind.CORRECT, tag="Coat", reviewer="anna")
    notes = Path(f"{tagger.db}-wal")
    kept = notes.read_bytes()
    assert "is in use" in program.fails("restore", "good.db")
    inventory.__exit__()
    notes.write_bytes(kept)

    done = program("restore", "good.db")

    assert done.returncode == 0, done.stderr
    assert decided(tagger) == {"Bag"}
    (aside,) = [p for p in tagger.folder.iterdir() if ".replaced-" in p.name]
    assert str(aside) in done.stdout
    assert tagger("check", "--db", aside).returncode == 0
    assert tagger("check").returncode == 0


def test_a_backup_is_restored_over_a_ruin_or_over_nothing(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    tagger("backup", "good.db")
    tagger.db.write_bytes(tagger.db.read_bytes()[:5000])
    assert tagger("status").returncode == 1

    assert tagger("restore", "good.db").returncode == 0
    assert tagger("check").returncode == 0
    (aside,) = [p for p in tagger.folder.iterdir() if ".replaced-" in p.name]
    assert aside.stat().st_size == 5000
    tagger.db.unlink()
    assert tagger("restore", "good.db").stdout.endswith("from good.db\n")
    assert tagger("check").returncode == 0


def test_only_a_sound_backup_is_restored(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    before = tagger.db.read_bytes()
    (tagger.folder / "notes.txt").write_text("my notes\n" * 99)
    (tagger.folder / "torn.db").write_bytes(before[:5000])

    assert "no backup at" in tagger.fails("restore", "absent.db")
    assert "not a SQLite database" in tagger.fails("restore", "notes.txt")
    assert "damaged" in tagger.fails("restore", "torn.db")
    assert "the inventory itself" in tagger.fails("restore", tagger.db)
    assert tagger.db.read_bytes() == before
    assert not [p for p in tagger.folder.iterdir() if ".replaced-" in p.name]


def test_links_to_the_inventory_and_to_the_backup_stay_links(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    disk = tagger.folder / "disk"
    disk.mkdir()
    tagger.db.rename(disk / "real.db")
    tagger.db.symlink_to(disk / "real.db")
    backup = tagger.folder / "link-to-backup.db"
    backup.symlink_to(disk / "backup.db")
    before = set(tagger.folder.iterdir())

    assert tagger("backup", backup).returncode == 0
    assert tagger("restore", backup).returncode == 0

    assert tagger.db.readlink() == disk / "real.db"
    assert backup.readlink() == disk / "backup.db"
    assert set(tagger.folder.iterdir()) == before, "all stands beside the file itself"
    assert any(".replaced-" in path.name for path in disk.iterdir())
    assert tagger("scan", shop).returncode == 0
    assert adapted_folder(tagger.db) == disk / "real.db.models"
