"""Whether scans still do their work."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from support import FakeClassifier, Photo, Scan, many
from support.inventories import raw
from support.program import Tagger

from tagger.inventory import Inventory
from tagger.scan.run import exit_code


def test_the_switch_is_thrown_when_no_scan_succeeded_of_late(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    assert tagger("status", "--max-age", "26h").returncode == 0

    def age(ended: str) -> str:
        with raw(tagger.place) as connection, connection:
            connection.execute("UPDATE run SET ended_at = ?", (ended,))
        done = tagger("status", "--max-age", "26h", "--json")
        assert done.returncode == 1
        assert "last_run" in json.loads(done.stdout)
        return done.stderr

    assert "no scan has succeeded since 2026-01-0" in age("2026-01-02T03:04:05.0Z")
    assert "dated in the future" in age("2999-01-02T03:04:05.0Z")
    assert tagger("status").returncode == 0


def test_the_switch_is_thrown_when_scans_are_killed_or_fail(
    inventory: Inventory, classifier: FakeClassifier
) -> None:
    assert "none was started" in inventory.overdue(timedelta(hours=26))
    with (
        pytest.raises(ZeroDivisionError),
        inventory.recording(classifier.identity, options={}),
    ):
        1 / 0  # noqa: B018
    assert "ended with status 1" in inventory.overdue(timedelta(hours=26))
    killed = inventory.recording(classifier.identity, options={})
    killed.__enter__()
    assert "was killed or is still running" in inventory.overdue(timedelta(hours=26))


def test_the_switch_is_thrown_when_a_disk_stays_away(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("disk/a.png")
    photo("here/b.png", shade=90)
    run(shop / "disk", shop / "here")
    assert inventory.overdue(timedelta(hours=26)) == ""
    with raw(inventory.place) as connection, connection:
        connection.execute("UPDATE root SET scanned_at = '2026-01-01T00:00:00.0Z'")
    (shop / "disk" / "a.png").unlink()
    run(shop / "disk", shop / "here")

    assert f"{shop}/disk has not been seen whole" in inventory.overdue(
        timedelta(hours=26)
    )


def test_the_switch_is_thrown_when_a_part_of_a_root_stays_away(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    def overdue() -> str:
        return inventory.overdue(timedelta(hours=26))

    def two_days_later() -> None:
        with raw(inventory.place) as connection, connection:
            long_ago = "2026-01-01T00:00:00.0Z"
            connection.execute("UPDATE root SET scanned_at = ?", (long_ago,))
            connection.execute("UPDATE run SET started_at = ?", (long_ago,))

    disk = shop / "disk \udcff"  # any name that a folder may have
    photo("b.png", shade=90)
    many(photo)
    disk.mkdir()
    photo("a.png").rename(disk / "a.png")
    run(disk)
    run()  # from now on the disk is a folder in a root
    two_days_later()
    run(disk)
    assert overdue() == ""  # nobody scans the rest any more, which is no fault

    unplugged = disk.rename(shop.parent / "unplugged")
    assert exit_code(run(disk)) == 3
    assert overdue() == ""  # it was there a moment ago
    two_days_later()
    run(disk)
    assert "disk \\xff has not been seen whole since 2026-01-01" in overdue()

    unplugged.rename(disk)
    run(disk)
    assert overdue() == ""
    two_days_later()
    unplugged = disk.rename(shop.parent / "unplugged")
    run(disk)
    assert "not been seen whole since" in overdue()
    run(max_missing=1.0)  # who scans all of it, and believes it, has seen this, too
    run(disk)
    assert overdue() == ""
