"""What a scan doubts or leaves for later: disks unplugged, uploads under way."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support import FakeClassifier, Photo, Scan, many
from support.inventories import lasting, states

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.records import ImageFile, State
from tagger.scan.run import exit_code


def test_a_known_root_that_is_gone_is_told_and_the_others_are_scanned(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("disk/a.png")
    photo("here/b.png", shade=90)
    run(shop / "disk", shop / "here")
    before = lasting(inventory)
    (shop / "disk").rename(shop / "unplugged")
    photo("here/c.png", shade=140)

    summary = run(shop / "disk", shop / "here")

    assert exit_code(summary) == 3
    assert summary.doubted == (f"{shop}/disk",)
    (warning,) = summary.warnings
    assert warning == (
        f"{shop}/disk does not exist: no picture there was marked missing. "
        "Is the disk plugged in? If the folder has moved, run "
        f"'tagger roots move {shop}/disk NEW'; if it is gone for good, run "
        f"'tagger roots forget {shop}/disk'"
    )
    assert (summary.new, summary.missing) == (1, 0)
    assert [item for item in lasting(inventory) if item.path != "c.png"] == before

    (shop / "unplugged").rename(shop / "disk")
    assert exit_code(run(shop / "disk", shop / "here")) == 0


def test_an_emptied_root_marks_nothing_missing_whatever_was_asked(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    many(photo)
    run()
    before = lasting(inventory)
    for path in shop.iterdir():
        path.unlink()

    summary = run(max_missing=1.0)

    assert exit_code(summary) == 3
    assert "where 10 were" in summary.warnings[0]
    assert summary.warnings[0].endswith(f"'tagger roots forget {shop}'")
    assert lasting(inventory) == before


def test_a_root_where_nothing_was_may_be_empty(run: Scan, shop: Path) -> None:
    summary = run()

    assert exit_code(summary) == 0
    assert summary.warnings == (f"no pictures in {shop}: nothing was changed",)


@pytest.mark.parametrize(("lost", "believed"), [(2, True), (3, False), (9, False)])
def test_more_than_a_fifth_is_not_believed_to_be_gone(
    run: Scan, photo: Photo, inventory: Inventory, lost: int, *, believed: bool
) -> None:
    paths = many(photo)
    run()
    for path in paths[:lost]:
        path.unlink()

    summary = run()

    assert exit_code(summary) == (0 if believed else 3)
    assert summary.missing == (lost if believed else 0)
    gone = [s for s in states(inventory).values() if s is State.MISSING]
    assert len(gone) == summary.missing
    if not believed:
        assert f"{lost} of 10 pictures" in summary.warnings[0]
        told = run(max_missing=1.0)
        assert (told.missing, exit_code(told)) == (lost, 0)


def test_what_was_moved_or_left_out_is_not_lost(
    run: Scan, photo: Photo, shop: Path
) -> None:
    many(photo)
    run()
    (shop / "new").mkdir()
    for number in range(5):
        (shop / f"{number}.png").rename(shop / "new" / f"{number}.png")

    moved = run()
    left_out = run(exclude=("new",))

    assert (moved.moved, exit_code(moved)) == (5, 0)
    assert (left_out.ignored, exit_code(left_out)) == (1, 0)


def test_what_is_missing_already_is_not_lost_again(run: Scan, photo: Photo) -> None:
    paths = many(photo)
    run()
    for path in paths[:5]:
        path.unlink()
    run(max_missing=1.0)
    paths[9].unlink()

    summary = run()

    assert (summary.missing, exit_code(summary)) == (1, 0)


def test_a_disk_pulled_out_during_the_scan_makes_no_picture_unreadable(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    many(photo)

    def pull(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        for number, file in enumerate(files):
            if number == 6:
                shop.rename(shop.with_name("pulled"))
            yield file

    summary = run(batch_size=2, track=pull)

    assert exit_code(summary) == 3
    assert summary.unreadable == 0
    assert "it was there when the scan began" in summary.warnings[0]
    assert set(states(inventory).values()) == {State.TAGGED}
    shop.with_name("pulled").rename(shop)
    run()
    assert len(states(inventory)) == 10


def test_a_file_that_goes_away_during_the_scan_is_left_to_the_next(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    paths = many(photo)

    def remove(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        paths[3].unlink()
        yield from files

    summary = run(track=remove)

    assert (summary.new, summary.unreadable, exit_code(summary)) == (9, 0, 0)
    assert "3.png" not in states(inventory)


def test_a_file_changed_a_moment_ago_waits_for_the_next_scan(
    run: Scan, photo: Photo, inventory: Inventory, classifier: FakeClassifier
) -> None:
    old, new = photo("old.png"), photo("new.png", shade=200)
    os.utime(old, (1, 1))

    first = run(settle=60.0)

    assert (first.new, first.unsettled, exit_code(first)) == (1, 1, 0)
    assert states(inventory) == {"old.png": State.TAGGED, "new.png": State.UNSETTLED}
    assert classifier.seen == 1
    reason = "changed less than 60 s before the scan"
    assert {i.reason for i in inventory.items() if i.path == "new.png"} == {reason}

    os.utime(new, (time.time() - 61,) * 2)
    second = run(settle=60.0)
    assert (second.new, second.unsettled, second.unchanged) == (1, 0, 1)
    assert set(states(inventory).values()) == {State.TAGGED}


def test_a_known_picture_that_is_being_replaced_keeps_its_decision(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    path = photo("a.png")
    run()
    (item,) = inventory.items()
    assert item.digest
    inventory.decide(item.digest, DecisionKind.CORRECT, tag="Bag", reviewer="someone")
    os.utime(path)

    run(settle=60.0)
    (waiting,) = inventory.items()
    run()
    (settled,) = inventory.items()

    assert (waiting.state, waiting.tag) == (State.UNSETTLED, "Bag")
    assert (settled.state, settled.tag) == (State.TAGGED, "Bag")


def test_a_file_that_grows_while_it_is_read_is_not_classified(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    path = photo("a.png")
    whole = path.read_bytes()

    def grow(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        for file in files:
            path.write_bytes(whole + b"more")
            yield file

    summary = run(track=grow)

    assert (summary.new, summary.unsettled) == (0, 1)
    (item,) = inventory.items()
    assert (item.state, item.reason) == (State.UNSETTLED, "changed while it was read")
    assert run().new == 1


def test_an_upload_that_came_to_nothing_leaves_no_trace(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("stays.png")
    path = photo("gone.png", shade=90)
    run(settle=60.0)
    path.unlink()

    summary = run()

    assert summary.missing == 0
    assert list(states(inventory)) == ["stays.png"]


def test_a_copy_that_was_not_settled_takes_the_row_of_what_it_replaces(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("stays.png", shade=90)
    path = photo("old.png")
    run()
    shutil.copy(path, shop / "new.png")
    path.unlink()
    run(settle=60.0, max_missing=1.0)

    summary = run()

    assert (summary.moved, summary.new) == (1, 0)
    history = inventory.history(shop / "new.png")
    assert history is not None
    assert [event.what for event in history.events][-1] == "moved"
    assert set(states(inventory)) == {"stays.png", "new.png"}


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumped_does_not_leave_files_waiting(
    run: Scan, photo: Photo, years: int
) -> None:
    moment = time.time() + years * 365 * 86400
    os.utime(photo("a.png"), (moment, moment))

    assert run(settle=2.0).new == 1


def test_what_was_copied_a_moment_ago_is_tagged_by_the_same_scan(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    photo("b.png", shade=90)

    summary = run(settle=0.3)

    assert (summary.new, summary.unsettled) == (2, 0)
    assert set(states(inventory).values()) == {State.TAGGED}
    assert summary.seconds >= 0.2


def test_what_still_grows_when_the_time_is_over_waits(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("done.png")
    path = photo("growing.png", shade=90)

    def grow(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        for file in files:
            path.write_bytes(path.read_bytes() + b"more")
            yield file

    os.utime(photo("old.png", shade=30), (1, 1))
    summary = run(settle=0.3, track=grow)

    assert states(inventory)["growing.png"] is State.UNSETTLED
    assert summary.unsettled == 1
    assert "scan again" in summary.not_read()["unsettled"]


def test_a_file_deleted_while_it_settles_leaves_the_others(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    os.utime(photo("old.png", shade=30), (1, 1))
    photo("new.png")
    path = photo("gone.png", shade=90)

    def delete(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        for file in files:
            path.unlink(missing_ok=True)
            yield file

    run(settle=0.3, track=delete)
    run()

    assert states(inventory) == {"new.png": State.TAGGED, "old.png": State.TAGGED}


def test_pictures_in_formats_that_are_not_read_are_counted_every_time(
    run: Scan, photo: Photo, shop: Path
) -> None:
    photo("a.png")
    for name in ("a.psd", "b.PSD", "c.svg", "notes.txt"):
        (shop / name).write_bytes(b"x")

    first, second = run(), run()

    assert first.foreign == second.foreign == {".psd": 2, ".svg": 1}
    sentence = second.not_read()["foreign"]
    assert sentence.startswith("3 pictures")
    assert sentence.index(".psd") < sentence.index(".svg")
