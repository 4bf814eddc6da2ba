"""Folders in folders, and links: one root takes another in, with its history."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import Photo, Scan
from support.inventories import states

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.records import State
from tagger.scan.run import exit_code


def test_a_folder_of_a_root_is_a_part_of_it(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/a.png")
    photo("shoes0.png", shade=60)
    photo("bags/b.png", shade=90)
    run()
    photo("shoes/c.png", shade=140)
    photo("bags/d.png", shade=200)

    part = run(shop / "shoes")

    assert (part.new, part.unchanged, part.missing) == (1, 1, 0)
    assert inventory.roots() == [str(shop)]
    assert set(states(inventory)) == {
        *("shoes/a.png", "shoes/c.png", "shoes0.png", "bags/b.png")
    }


def test_a_root_inside_another_is_taken_into_it_with_its_story(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    path = photo("shoes/a.png")
    photo("bags/b.png", shade=90)
    run(shop / "shoes")
    (item,) = inventory.items()
    assert item.digest
    inventory.decide(item.digest, DecisionKind.CORRECT, tag="Bag", reviewer="someone")
    photo("shoes/a.png", shade=10)
    run(shop / "shoes")

    whole = run()

    assert (whole.new, whole.unchanged) == (1, 1)
    assert inventory.roots() == [str(shop)]
    assert set(states(inventory)) == {"shoes/a.png", "bags/b.png"}
    history = inventory.history(path)
    assert history is not None
    assert [event.what for event in history.events] == ["first seen", "changed"]


def test_a_root_that_is_taken_in_brings_its_pattern_of_items(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/1_1.png")
    photo("bags/b.png", shade=90)
    run(shop / "shoes", shop / "bags")
    inventory.set_item_pattern([f"{shop}/shoes"], "(?P<item>[0-9]+)_")

    run()
    assert inventory.item_patterns() == {str(shop): "(?P<item>[0-9]+)_"}


def test_a_root_that_has_a_pattern_of_items_keeps_it(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/1_1.png")
    run()
    inventory.set_item_pattern([str(shop)], "(?P<item>[0-9]+)_")
    with inventory._database.writing() as connection:  # noqa: SLF001
        connection.exec_driver_sql(
            "INSERT INTO root (path, item_pattern) VALUES (?, '(?P<item>x)')",
            (str(shop / "shoes"),),
        )

    run()

    assert inventory.item_patterns() == {str(shop): "(?P<item>[0-9]+)_"}


def test_a_folder_that_was_taken_in_keeps_to_its_patterns(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/new/a.png")
    photo("shoes/old/b.png", shade=90)
    run(shop / "shoes", exclude=("old/*",))
    run(max_missing=1.0)

    assert run(shop / "shoes", exclude=("old/*",)).ignored == 1
    assert states(inventory) == {
        "shoes/new/a.png": State.TAGGED,
        "shoes/old/b.png": State.IGNORED,
    }


def test_where_both_roots_knew_a_file_one_row_goes_on(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/a.png")
    run()
    # As an inventory of before, when every root had rows of its own.
    with inventory._database.writing() as connection:  # noqa: SLF001
        connection.exec_driver_sql(
            "INSERT INTO root (id, path) VALUES (77, ?)", (str(shop / "shoes"),)
        )
        connection.exec_driver_sql(
            "INSERT INTO image (id, root_id, path, state, reason, flagged, flag_reason,"
            " first_seen, updated_at) SELECT 88, 77, 'a.png', 'unreadable', 'old',"
            " 0, '', first_seen, updated_at FROM image"
        )
        connection.exec_driver_sql(
            "INSERT INTO event VALUES (99, 88, 1, '2026-01-01T00:00:00.000000Z',"
            " 'unreadable', 'old')"
        )

    run()

    assert states(inventory) == {"shoes/a.png": State.TAGGED}
    assert inventory.roots() == [str(shop)]
    history = inventory.history(shop / "shoes" / "a.png")
    assert history is not None
    assert "unreadable" in [event.what for event in history.events]


def test_a_folder_and_one_inside_it_are_scanned_once(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/a.png")

    assert run(shop / "shoes", shop).new == 1
    assert inventory.roots() == [str(shop)]


def test_a_part_that_is_gone_is_doubted_like_a_root(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("disk/a.png")
    photo("b.png", shade=90)
    run()
    (shop / "disk" / "a.png").unlink()
    (shop / "disk").rmdir()

    doubted = run(shop / "disk")

    assert exit_code(doubted) == 3
    assert states(inventory)["disk/a.png"] is State.TAGGED
    assert doubted.warnings[0].endswith(f"scan {shop} once with --max-missing 100%")

    run(max_missing=1.0)

    assert states(inventory)["disk/a.png"] is State.MISSING


def test_links_out_of_the_root_are_followed_only_when_asked(
    run: Scan, photo: Photo, shop: Path, tmp_path: Path, inventory: Inventory
) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    photo("a.png").rename(outside / "deep" / "a.png")
    photo("b.png", shade=90).rename(outside / "b.png")
    photo("own.png", shade=140)
    (shop / "first").symlink_to(outside)
    (shop / "second").symlink_to(outside / "deep")
    (shop / "file.png").symlink_to(outside / "b.png")
    (outside / "deep" / "back").symlink_to(shop)
    (outside / "deep" / "up").symlink_to(outside)

    assert run().new == 1
    run(follow_links=True)

    tagged = {p for p, s in states(inventory).items() if s is State.TAGGED}
    assert tagged == {"own.png", "first/b.png", "first/deep/a.png", "file.png"}
    assert run(follow_links=True).missing == 0


@pytest.mark.parametrize("how", ["link", "bind mount"])
def test_a_root_scanned_under_another_name_keeps_its_rows(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory, how: str
) -> None:
    other = shop.with_name("other")
    photo("shoes/a.png")
    run()
    photo("shoes/b.png", shade=90)
    with named_also(shop, other, how):
        whole = run(other)
        part = run(other / "shoes")
        by_both = run(shop, other)
        story = inventory.history(other / "shoes" / "b.png")

    assert inventory.roots() == [str(shop)]
    assert (whole.new, whole.unchanged, whole.missing) == (1, 1, 0)
    assert (part.unchanged, by_both.unchanged) == (2, 2)
    for summary in (whole, part, by_both):
        (note,) = summary.notes
        assert str(other) in note
        assert str(shop) in note
    assert story is not None
    assert run().notes == ()


def test_a_link_to_a_folder_of_a_root_is_that_folder(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("shoes/a.png")
    run()
    link = shop.with_name("sale")
    link.symlink_to(shop / "shoes")

    assert run(link).unchanged == 1
    assert inventory.roots() == [str(shop)]


def test_two_names_in_a_first_scan_make_one_root(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo()
    link = shop.with_name("link")
    link.symlink_to(shop)

    assert run(link, shop).new == 1
    assert inventory.roots() == [str(link)]


def test_an_inventory_with_both_names_says_how_to_keep_one(
    run: Scan, photo: Photo, shop: Path
) -> None:
    photo()
    link = shop.with_name("link")
    link.mkdir()
    run(shop)
    photo("../link/a.png")
    run(link)
    shutil.rmtree(link)
    link.symlink_to(shop)

    (note,) = run(shop).notes

    assert f"tagger roots forget {link}" in note


@contextmanager
def named_also(folder: Path, other: Path, how: str) -> Iterator[None]:
    if how == "link":
        other.symlink_to(folder)
        yield
        return
    other.mkdir()
    mount = ["mount", "--bind", str(folder), str(other)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted: {error}")
    try:
        yield
    finally:
        unmount = ["umount", "--lazy", str(other)]
        subprocess.run(unmount, check=True)
