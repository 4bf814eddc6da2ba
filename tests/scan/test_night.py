"""What happens at night: two scans at once, disks unplugged, uploads under way."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import AT_ONCE, SAMPLES, UNMEASURED, FakeClassifier, Photo, scan, wait_for
from support.inventories import count_images, raw
from support.program import Tagger, begun, in_a_terminal, without_dac_override

from tagger.errors import EXIT_LOCKED, InventoryError, LockedError, Stopped
from tagger.inventory import (
    Inventory,
    database,
    network_fs,
    scan_in_progress,
    scan_lock,
)
from tagger.inventory.records import DecisionKind, Item
from tagger.records import ImageFile, Policy, State
from tagger.scan.drift import Tally, compare, describe, stability_index
from tagger.scan.records import RunSummary
from tagger.scan.run import exit_code
from tagger.system.signals import Interruption

Scan = Callable[..., RunSummary]


@pytest.fixture
def run(shop: Path, inventory: Inventory, classifier: FakeClassifier) -> Scan:
    def scan_shop(*folders: Path, **options: object) -> RunSummary:
        return scan(
            folders or (shop,),
            inventory,
            classifier,
            Policy(0.9),
            track=options.pop("track", lambda files, _: files),  # type: ignore[arg-type]
            options=replace(AT_ONCE, **options),  # type: ignore[arg-type]
        )

    return scan_shop


def states(inventory: Inventory) -> dict[str, State]:
    return {item.path: item.state for item in inventory.items()}


def lasting(inventory: Inventory) -> list[Item]:
    never = datetime.min.replace(tzinfo=UTC)
    return [replace(item, updated_at=never) for item in inventory.items()]


# One scan at a time


def test_a_second_scan_meets_a_lock_that_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"

    with scan_lock(path) as dead:
        assert dead is None
        with pytest.raises(LockedError, match=rf"pid {os.getpid()} on .*, since 20"):
            scan_lock(path).__enter__()
        holder = scan_in_progress(path)
        assert holder is not None
        assert holder.pid == os.getpid()

    assert scan_in_progress(path) is None
    with scan_lock(path) as dead:
        assert dead is None


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 9000])
def test_a_lock_file_that_says_anything_is_no_hindrance(
    tmp_path: Path, note: bytes
) -> None:
    (tmp_path / "inventory.db.lock").write_bytes(note)

    with scan_lock(tmp_path / "inventory.db") as dead:
        assert dead is None


def test_what_is_no_inventory_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes\n" * 99)

    with pytest.raises(InventoryError, match="not a SQLite database"):
        scan_lock(tmp_path / "notes.txt").__enter__()

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "closed"])
def test_a_lock_file_that_cannot_be_used_is_named(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo, kind: str
) -> None:
    lock = tagger.db.with_name("inventory.db.lock")
    photo()
    tagger("scan", shop)
    lock.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    elif kind == "link":
        lock.symlink_to("absent/lock")
    else:
        lock.touch(mode=0o000)

    limits = without_dac_override()
    message = program.fails("scan", shop, prefix=limits)

    assert str(lock) in message
    assert ("check its permissions" if kind == "closed" else "remove it") in message
    assert program("status", prefix=limits).returncode == 0


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


@pytest.fixture
def large_shop(tmp_path: Path) -> Path:
    """Pictures that a scan is busy with for some seconds."""
    folder = tmp_path / "large"
    folder.mkdir()
    data = (SAMPLES / "skateboard.jpg").read_bytes()
    for number in range(1500):
        (folder / f"{number}.jpg").write_bytes(data + number.to_bytes(4))
    return folder


def test_two_scans_at_once_are_one_scan_and_exit_status_11(
    tagger: Tagger, program: Tagger, large_shop: Path
) -> None:
    first = begun(program, large_shop)

    second = tagger.fails("scan", large_shop, status=EXIT_LOCKED)
    told = tagger("scan", large_shop, "--log-format", "json")
    shown = tagger("status")

    assert second.count("\n") == 1
    assert second.startswith(
        f"error: another scan, or 'tagger model adapt', is writing to {tagger.db} (pid"
    )
    assert str(first.pid) in second
    assert told.returncode == EXIT_LOCKED
    assert told.stderr == ""
    last = json.loads(told.stdout.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", EXIT_LOCKED)
    assert f"still running (pid {first.pid}" in shown.stdout
    first.kill()
    first.communicate()

    assert "killed" in tagger("status").stdout
    mended = tagger("scan", SAMPLES, "--exclude", "*")
    assert f"the previous scan (pid {first.pid}" in mended.stdout


def test_a_scan_waits_for_another_when_asked(
    program: Tagger, large_shop: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(SAMPLES / "tiny.png", few)
    first = begun(program, large_shop)
    second = subprocess.Popen(
        program.command("scan", few, "--wait-lock", "2m", "--json"),
        env=program.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate()

    output, _ = second.communicate(timeout=60)

    assert second.returncode == 0
    assert json.loads(output)["new"] == 1


# Signals


def test_a_signal_lets_the_batch_end_and_nothing_more_begin(
    shop: Path, photo: Photo, inventory: Inventory, classifier: FakeClassifier
) -> None:
    for shade in range(0, 200, 10):
        photo(f"{shade:03}.png", shade=shade)
    interruption = Interruption()

    def track(files: Iterable[ImageFile], _total: int) -> Iterator[ImageFile]:
        for number, file in enumerate(files):
            if number == 5:
                interruption.note(signal.SIGTERM, None)
            yield file

    with pytest.raises(Stopped) as stopped:
        scan(
            [shop],
            inventory,
            classifier,
            Policy(0.9),
            options=replace(AT_ONCE, batch_size=4),
            track=track,
            interruption=interruption,
        )

    assert stopped.value.exit_code == 143
    assert len(states(inventory)) == 6
    last = inventory.status().last_run
    assert last is not None
    assert last.exit_code == 143


def test_a_signal_is_answered_while_folders_are_listed(
    shop: Path, photo: Photo, inventory: Inventory, classifier: FakeClassifier
) -> None:
    photo()
    interruption = Interruption()
    interruption.note(signal.SIGINT, None)

    with pytest.raises(Stopped):
        scan([shop], inventory, classifier, Policy(0.9), interruption=interruption)

    assert states(inventory) == {}


# The unplugged disk


def many(photo: Photo, count: int = 10) -> list[Path]:
    return [photo(f"{n}.png", shade=20 * n) for n in range(count)]


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
        "Is the disk plugged in? If it is gone for good, "
        f"run 'tagger roots forget {shop}/disk'"
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


# Half-uploaded files


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
    story = inventory.story(shop / "new.png")
    assert story is not None
    assert [event.what for event in story.events][-1] == "moved"
    assert set(states(inventory)) == {"stays.png", "new.png"}


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumped_does_not_leave_files_waiting(
    run: Scan, photo: Photo, years: int
) -> None:
    moment = time.time() + years * 365 * 86400
    os.utime(photo("a.png"), (moment, moment))

    assert run(settle=2.0).new == 1


# Folders in folders, and links


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
    story = inventory.story(path)
    assert story is not None
    assert [event.what for event in story.events] == ["first seen", "changed"]


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
    story = inventory.story(shop / "shoes" / "a.png")
    assert story is not None
    assert "unreadable" in [event.what for event in story.events]


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


# The person who reads the mail


def test_a_good_night_says_when_it_began_and_ended(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)

    done = tagger("scan", shop)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    dated = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d "
    for line, text in zip(
        lines,
        [
            "scan of ",
            "found 3 new",
            "in these folders: 3 tagged, [0-3] waiting for review, 0 unreadable",
            r"done in \d+\.\d s, exit status 0",
        ],
        strict=True,
    ):
        assert re.match(dated + text, line), line


def test_a_quiet_scan_speaks_only_of_trouble(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    good = tagger("scan", shop, "--quiet")
    as_object = tagger("scan", shop, "--quiet", "--json")
    shown = in_a_terminal(tagger.command("scan", shop, "--quiet"), tagger)
    objects = tagger("scan", shop, "--quiet", "--log-format", "json")
    (shop / "bad.jpg").write_bytes(b"no picture")
    bad = tagger("scan", shop, "--quiet")

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (as_object.stdout, objects.stdout, shown) == ("", "", "")
    assert bad.returncode == 3
    assert "bad.jpg: not a picture" in bad.stdout
    assert "exit status 3" in bad.stdout


def test_the_last_object_holds_the_counts_and_the_exit_status(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    (shop / "bad.jpg").write_bytes(b"no picture")

    done = tagger("scan", shop, "--log-format", "json")
    failed = tagger("scan", "absent", "--log-format", "json")
    plainly = tagger("scan", "absent", "--json")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == failed.stderr == ""
    assert [one["event"] for one in told] == ["began", "unreadable", "done"]
    assert {"time", "level", "message"} <= set(told[0])
    last = told[-1]
    assert (last["new"], last["unreadable"], last["exit_code"]) == (4, 1, 3)
    last = json.loads(failed.stdout.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", 1)
    assert json.loads(plainly.stdout)["exit_code"] == 1
    assert plainly.stderr.startswith("error: ")


def test_an_inventory_on_a_network_file_system_is_a_warning(
    run: Scan, photo: Photo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import psutil
    from psutil._ntuples import sdiskpart

    photo()
    assert run().warnings == ()
    mounts = [
        sdiskpart("/dev/sda", "/", "ext4", "rw"),
        sdiskpart("server:/shop", str(tmp_path), "nfs4", "rw"),
        sdiskpart("server:/else", "/else", "cifs", "rw"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)

    (warning,) = run().warnings
    assert "network file system (nfs4)" in warning

    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    assert network_fs.network_file_system(tmp_path) == ""


def test_names_longer_than_any_file_system_takes_are_one_line(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    name = "n" * 300

    for words in (
        ("scan", shop / name),
        ("predict", shop / f"{name}.jpg"),
        ("explain", shop / f"{name}.jpg"),
        ("status", "--db", shop / name),
        ("scan", shop, "--db", shop / name),
        ("scan", shop, "--db", shop / name[:253]),
    ):
        done = tagger(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


# Whether scans still do their work


def test_the_switch_is_thrown_when_no_scan_succeeded_of_late(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    assert tagger("status", "--max-age", "26h").returncode == 0

    def age(ended: str) -> str:
        with raw(tagger.db) as connection, connection:
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
    with raw(inventory.path) as connection, connection:
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
        with raw(inventory.path) as connection, connection:
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


# Sound, and copied


def test_a_sound_inventory_is_told_to_be_sound(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    tagger("scan", shop)

    done = tagger("check")
    told = json.loads(tagger("check", "--all", "--json").stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert "3 pictures read" in done.stdout
    assert (told["damage"], told["files_read"], told["exit_code"]) == ([], 3, 0)
    assert json.loads(tagger("check", "--sample", 2, "--json").stdout)[
        "files_read"
    ] == (2)


def test_other_bytes_behind_the_same_size_and_time_are_found(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    tagger("scan", shop)
    rotten, changed = shop / "1.png", shop / "2.png"
    times = rotten.stat()
    data = bytearray(rotten.read_bytes())
    data[-20] ^= 1
    rotten.write_bytes(data)
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed.write_bytes(b"a new upload")

    done = tagger("check", "--all")

    assert done.returncode == 3
    told = " ".join(done.stdout.split())  # folded where the folder's name is long
    assert f"content changed since the scan: {rotten}" in told
    assert str(changed) not in done.stdout
    assert "touch them and scan" in told

    rotten.touch()
    changed.unlink()
    tagger("scan", shop, "--max-missing", "100%")
    again = tagger("check", "--all")

    assert again.returncode == 0
    assert "touch" not in again.stdout


def test_rows_that_name_nothing_are_damage(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 2)
    tagger("scan", shop)
    with raw(tagger.db) as connection, connection:
        connection.execute("DELETE FROM root")
        connection.execute("UPDATE image SET digest = 'x' WHERE path = '0.png'")

    done = tagger("check")

    assert done.returncode == 1
    assert "a row of image refers to a missing row of root" in done.stdout
    assert "1 predictions without a picture" in done.stdout
    assert done.stderr.endswith("is damaged: run 'tagger restore' with a backup\n")


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
    """Mount a file system of 40 kB, where that is permitted."""
    disk = tmp_path / "full"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=40k", "tagger-test", str(disk)]
    try:
        subprocess.run(mounting, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted: {error}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


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
    small = (*UNMEASURED, "prlimit", "--fsize=50000")
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


# Roots


def test_a_root_moves_with_its_decisions(
    tagger: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    many(photo, 3)
    tagger("scan", shop)
    with Inventory(tagger.db) as inventory:
        item = next(inventory.items())
        assert item.digest
        inventory.decide(item.digest, DecisionKind.CORRECT, tag="Bag", reviewer="x")
    mounted = tmp_path / "mounted"
    shop.rename(mounted)
    assert "not found" in tagger("roots", "list").stdout

    moved = tagger("roots", "move", shop, mounted)
    again = json.loads(tagger("scan", mounted, "--json").stdout)

    assert (moved.returncode, again["unchanged"], again["new"]) == (0, 3, 0)
    row = tagger.rows()[item.path]
    assert (row["root"], row["tag"]) == (str(mounted), "Bag")
    (told,) = map(json.loads, tagger("roots", "list", "--json").stdout.splitlines())
    assert (told["path"], told["items"], told["there"]) == (str(mounted), 3, True)


def test_a_root_is_not_moved_to_a_wrong_place(
    tagger: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    photo()
    (tmp_path / "empty").mkdir()
    tagger("scan", shop)
    move = ("roots", "move")

    assert "none of the 1 pictures" in tagger.fails(*move, shop, tmp_path / "empty")
    assert "is not a scanned folder" in tagger.fails(*move, tmp_path / "empty", shop)
    assert "does not exist" in tagger.fails(*move, shop, tmp_path / "absent")
    shutil.copytree(shop, tmp_path / "other")
    tagger("scan", tmp_path / "other")
    assert "is scanned already" in tagger.fails(*move, shop, tmp_path / "other")
    assert "is scanned already" in tagger.fails(*move, shop, tmp_path)


def test_a_folder_that_is_gone_for_good_is_forgotten(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo("gone/a.png")
    photo("gone/b.png", shade=90)
    photo("here/c.png", shade=140)
    tagger("scan", shop / "gone", shop / "here")
    with Inventory(tagger.db) as inventory:
        digest = next(one.digest for one in inventory.items() if one.path == "a.png")
        assert digest
        inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="x")
    away = (shop / "gone").rename(shop.parent / "away")
    with raw(tagger.db) as connection, connection:
        connection.execute("UPDATE root SET scanned_at = '2026-01-01T00:00:00.0Z'")
    warned = tagger("scan", shop / "gone", shop / "here")
    assert f"'tagger roots forget {shop}/gone'" in warned.stderr
    assert "not been seen whole" in tagger("status", "--max-age", "26h").stderr

    done = tagger("roots", "forget", shop / "gone")

    assert (done.returncode, done.stderr) == (0, "")
    assert "with 2 pictures; 1 decision about them kept" in done.stdout
    assert "remove it from your scan commands" in done.stdout
    assert tagger("status", "--max-age", "26h").returncode == 0
    assert set(tagger.rows()) == {"c.png"}
    assert f"{shop}/gone" not in tagger("roots", "list").stdout
    tagger("report", "-o", "report.html")
    assert "b.png" not in (tagger.folder / "report.html").read_text()
    assert tagger("check", "--all").returncode == 0
    assert tagger("scan", shop / "here").returncode == 0
    assert tagger("scan", shop / "gone").returncode == 1

    away.rename(shop / "gone")
    again = json.loads(tagger("scan", shop / "gone", "--json").stdout)

    assert (again["new"], again["classified"], again["drift"]) == (2, 0, [])
    assert tagger.rows()["a.png"]["tag"] == "Bag"
    assert tagger.rows()["a.png"]["decided_by"] == "person"


def test_what_is_there_is_forgotten_only_when_asked_twice(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo
) -> None:
    photo("deep/a.png")
    tagger("scan", shop)
    forget = ("roots", "forget")

    assert "is not a scanned folder" in tagger.fails(*forget, shop / "deep")
    assert f"(scanned folders: {shop})" in tagger.fails(*forget, shop / "deep", "--yes")
    assert "folder name is empty" in tagger.fails(*forget, "", status=2)
    assert "still has pictures" in tagger.fails(*forget, shop)
    with scan_lock(program.db):
        assert "another scan" in program.fails(*forget, shop, "--yes", status=11)
    asking = program.command(*forget, shop)
    shown = in_a_terminal(asking, program, b"n\n")
    assert "still has pictures" in shown
    assert "Aborted" in shown
    assert set(tagger.rows()) == {"deep/a.png"}

    shown = in_a_terminal(asking, program, b"y\n")

    assert "forgotten, with 1 picture" in shown
    assert tagger.rows() == {}
    tagger("scan", shop)
    assert tagger(*forget, shop, "--yes").returncode == 0
    assert (shop / "deep" / "a.png").exists()


def test_a_root_with_the_id_of_one_forgotten_has_no_past(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    many(photo, 3)
    run()
    shop.rename(shop.with_name("old"))
    photo("a.png")

    inventory.forget_root(shop)
    summary = run()

    with raw(inventory.path) as connection:
        assert connection.execute("SELECT id FROM root").fetchall() == [(1,)]
    assert summary.drift == ()


# Drift


def test_a_night_like_the_month_before_has_not_drifted(
    run: Scan, photo: Photo, shop: Path
) -> None:
    for day in range(3):
        for shade in range(0, 240, 4):
            photo(f"{day}/{shade}.png", shade=shade).touch()
            with (shop / str(day) / f"{shade}.png").open("ab") as stream:
                stream.write(bytes([day]))
        summary = run()

    (drift,) = summary.drift
    assert (drift.root, drift.images, drift.before) == (str(shop), 60, 120)
    assert not drift.moved
    assert summary.warnings == ()
    assert "class mix as before" in describe(drift)


def test_a_root_that_drifts_is_named_with_what_moved(
    run: Scan, photo: Photo, shop: Path
) -> None:
    for shade in range(0, 240, 4):
        photo(f"left/{shade}.png", shade=shade)
        photo(f"right/{shade}.png", shade=shade + 1)
    run(shop / "left", shop / "right")
    for number in range(60):
        photo(f"right/new{number}.png", shade=240 + number % 10)
        (shop / "right" / f"bad{number}.png").write_bytes(b"bad%d" % number)
        with photo(f"left/{number}b.png", shade=number * 4).open("ab") as stream:
            stream.write(b"x")

    summary = run(shop / "left", shop / "right")

    left, right = summary.drift
    assert not left.moved
    moved = {measure.name for measure in right.measures if measure.moved}
    assert moved == {"class mix", "mean confidence", "unreadable"}
    (warning,) = summary.warnings
    assert warning.startswith(f"drift in {shop}/right: class mix moved (")
    assert "unreadable moved (50%, was 0%)" in warning


def test_what_another_network_said_is_no_drift(
    shop: Path, photo: Photo, inventory: Inventory
) -> None:
    for shade in range(0, 240, 4):
        photo(f"{shade}.png", shade=shade)

    def night(network: FakeClassifier) -> RunSummary:
        return scan([shop], inventory, network, Policy(0.9))

    def new_pictures(start: int) -> None:
        for shade in range(start, 240, 4):
            photo(f"new/{shade}.png", shade=shade)

    shops = FakeClassifier("shops")
    learnt = FakeClassifier("shops-1", shops.identity.labels[::-1])
    prepared_anew = FakeClassifier("shops-1", learnt.identity.labels)
    prepared_anew.identity = replace(learnt.identity, preparing="views28-3")
    night(shops)

    for promoted in (learnt, prepared_anew):
        summary = night(promoted)
        assert summary.classified == 60
        assert (summary.drift, summary.warnings) == ((), ())
    new_pictures(1)
    (drift,) = night(prepared_anew).drift
    assert (drift.images, drift.before, drift.moved) == (60, 60, False)

    with raw(inventory.path) as connection, connection:  # runs of an older tagger
        connection.execute("UPDATE run SET counts = json_remove(counts, '$.said_by')")
    new_pictures(2)
    assert night(prepared_anew).drift == ()


counts = st.lists(st.integers(0, 1000), min_size=2, max_size=10)


@given(counts)
def test_the_stability_index_of_the_same_is_nothing(bins: list[int]) -> None:
    assert stability_index(bins, bins) == pytest.approx(0)


@given(st.data())
def test_the_stability_index_does_not_care_which_came_first(
    data: st.DataObject,
) -> None:
    now = data.draw(counts)
    before = data.draw(
        st.lists(st.integers(0, 1000), min_size=len(now), max_size=len(now))
    )

    assert stability_index(now, before) >= 0
    assert stability_index(now, before) == pytest.approx(stability_index(before, now))


def test_chance_seldom_drifts() -> None:
    import numpy as np

    generator = np.random.default_rng(1)
    shares = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.04, 0.03, 0.03])
    names = [str(number) for number in range(10)]

    def drawn(size: int) -> Tally:
        tags = dict(
            zip(names, generator.multinomial(size, shares).tolist(), strict=True)
        )
        said = generator.beta(5, 2, size)
        return Tally(
            images=size,
            flagged=int(generator.binomial(size, 0.4)),
            confidence=float(said.sum()),
            squares=float((said**2).sum()),
            tags=tags,
        )

    sizes = (1, 2, 5, 10, 30, 100, 1000)
    alarms = [
        compare("/shop", drawn(size), drawn(before)).moved
        for size in sizes
        for before in sizes
        for _ in range(40)
    ]
    assert sum(alarms) <= len(alarms) * 0.01


def test_what_was_never_read_has_not_drifted() -> None:
    nothing = compare("/shop", Tally(), Tally())
    assert not nothing.moved
    assert "too few to tell" in describe(nothing)
    assert Tally().mean_confidence == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_log_on_a_full_disk_ends_no_scan(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    onto = ("sh", "-c", 'exec "$@" > /dev/full', "sh")

    done = program("scan", shop, prefix=onto)

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the scan is done, but the result could not be")
    assert "No space left" in line
    assert len(tagger.rows()) == 1


def test_a_working_folder_that_is_gone_is_no_hindrance(
    program: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    inside = 'mkdir gone && cd gone && rmdir "$PWD" && exec "$@"'

    done = program("scan", shop, prefix=("sh", "-c", inside, "sh"))

    assert (done.returncode, done.stderr) == (0, "")


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
