import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import (
    AT_ONCE,
    CAREFUL,
    SAMPLES,
    FakeClassifier,
    Photo,
    Scan,
    expected_by_file,
    scan,
)
from support.inventories import lasting, new_inventory

from tagger.errors import FolderError, ModelError
from tagger.inventory import Inventory
from tagger.inventory.records import DecidedBy, DecisionKind, Item
from tagger.records import Policy, State
from tagger.scan import walk
from tagger.scan.run import exit_code

pytestmark = pytest.mark.databases


@pytest.fixture
def run(run: Scan) -> Scan:
    """A test has few pictures: the loss of one is a large share."""
    return partial(run, max_missing=1.0)


def by_path(inventory: Inventory) -> dict[str, Item]:
    return {item.path: item for item in inventory.items()}


def test_every_file_comes_to_exactly_one_state(
    run: Scan, shop: Path, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    photo("deep/er/b.png")
    (shop / "broken.jpg").write_bytes(b"no picture")
    (shop / "notes.txt").write_text("no picture either")

    summary = run()

    assert {path: item.state for path, item in by_path(inventory).items()} == {
        "a.png": State.TAGGED,
        "deep/er/b.png": State.TAGGED,
        "broken.jpg": State.UNREADABLE,
        "notes.txt": State.IGNORED,
    }
    assert (summary.new, summary.ignored, summary.unreadable) == (3, 1, 1)
    assert exit_code(summary) == 3


def test_sample_images_end_as_their_table_says(run: Scan, inventory: Inventory) -> None:
    run(SAMPLES)

    items = by_path(inventory)
    for name, expected in expected_by_file().items():
        unreadable = items[name].state is State.UNREADABLE
        assert unreadable == (expected == "unreadable"), name
        assert bool(items[name].reason) == (unreadable or items[name].flagged)


def test_running_twice_changes_nothing(
    run: Scan,
    photo: Photo,
    shop: Path,
    inventory: Inventory,
    classifier: FakeClassifier,
) -> None:
    photo("a.png")
    photo("b.png", shade=200)
    (shop / "broken.jpg").write_bytes(b"no picture")
    run()
    before, seen = list(inventory.items()), classifier.seen

    again = run()

    assert list(inventory.items()) == before
    assert classifier.seen == seen
    assert (again.new, again.changed, again.unchanged) == (0, 0, 3)
    assert again.unreadable == 1


def test_an_unchanged_file_is_not_even_opened(
    run: Scan, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo()
    run()
    monkeypatch.setattr(
        "tagger.imaging.prepare.prepare", lambda path: pytest.fail(str(path))
    )

    assert run().unchanged == 1


def test_a_changed_file_is_tagged_anew(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png", shade=250)
    run()
    (before,) = inventory.items()
    photo("a.png", shade=0)

    summary = run()

    (after,) = inventory.items()
    assert summary.changed == 1
    assert after.tag != before.tag
    assert after.digest != before.digest


def test_a_file_that_was_only_touched_is_unchanged(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    path = photo("a.png")
    run()
    before = list(inventory.items())
    os.utime(path, ns=(1, 1))

    summary = run()

    assert (summary.changed, summary.unchanged) == (0, 1)
    assert list(inventory.items()) == before


def test_the_same_bytes_are_classified_once(
    run: Scan, photo: Photo, shop: Path, classifier: FakeClassifier
) -> None:
    photo("a.png")
    for copy in ("b.png", "c.png"):
        shutil.copy(shop / "a.png", shop / copy)

    first = run()
    shutil.copy(shop / "a.png", shop / "d.png")
    second = run()

    assert (first.new, first.classified) == (3, 1)
    assert (second.new, second.classified) == (1, 0)
    assert classifier.seen == 1


def test_a_moved_file_keeps_its_row_and_its_story(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("old/a.png")
    run()
    (shop / "new").mkdir()
    (shop / "old" / "a.png").rename(shop / "new" / "b.png")

    summary = run()

    assert (summary.moved, summary.new, summary.missing) == (1, 0, 0)
    assert list(by_path(inventory)) == ["new/b.png"]
    history = inventory.history(shop / "new" / "b.png")
    assert history is not None
    assert [event.what for event in history.events] == ["first seen", "moved"]
    assert history.events[1].detail == f"from {shop}/old/a.png"


def test_a_file_moved_between_two_roots_keeps_its_row(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("here/a.png")
    photo("here/stays.png", shade=90)
    photo("there/other.png", shade=120)
    run(shop / "here", shop / "there")
    (shop / "here" / "a.png").rename(shop / "there" / "a.png")

    summary = run(shop / "here", shop / "there")

    assert (summary.moved, summary.missing, summary.new) == (1, 0, 0)
    assert {(Path(i.root).name, i.path) for i in inventory.items()} == {
        ("here", "stays.png"),
        ("there", "a.png"),
        ("there", "other.png"),
    }


def test_a_vanished_file_is_missing_and_comes_back_with_its_decision(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("stays.png", shade=90)
    path = photo("a.png")
    run()
    digest = by_path(inventory)["a.png"].digest
    assert digest
    inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="someone")
    kept = path.rename(shop.parent / "kept.png")

    gone = run()
    item = by_path(inventory)["a.png"]
    assert (gone.missing, item.state, item.tag) == (1, State.MISSING, "Bag")
    assert run().missing == 0

    kept.rename(path)
    os.utime(path, ns=(9, 9))
    run()
    history = inventory.history(path)
    assert history is not None
    assert [event.what for event in history.events][-1] == "returned"
    item = by_path(inventory)["a.png"]
    assert (item.state, item.tag) == (State.TAGGED, "Bag")
    assert item.decided_by is DecidedBy.PERSON


def test_an_empty_folder_is_a_warning_and_changes_nothing(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    path = photo("a.png")
    run()
    before = list(inventory.items())
    path.unlink()

    summary = run()

    (warning,) = summary.warnings
    assert warning.startswith(f"no pictures in {shop}, where 1 were before: ")
    assert exit_code(summary) == 3
    assert list(inventory.items()) == before

    run(policy=Policy(1.0))
    assert list(inventory.items()) == before


def test_a_file_that_moved_out_of_an_emptied_root_has_moved(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("new/a.png")
    photo("done/b.png", shade=90)
    run(shop / "new", shop / "done")
    (shop / "new" / "a.png").rename(shop / "done" / "a.png")

    summary = run(shop / "new", shop / "done")

    assert (summary.moved, summary.new) == (1, 0)
    assert {(Path(i.root).name, i.path) for i in inventory.items()} == {
        ("done", "a.png"),
        ("done", "b.png"),
    }


def test_a_root_that_all_has_moved_out_of_is_a_doubt_and_no_slip_of_the_pen(
    run: Scan, photo: Photo, shop: Path
) -> None:
    photo("here/a.png")
    photo("disk/b.png", shade=90)
    run(shop / "here", shop / "disk")
    (shop / "disk" / "b.png").rename(shop / "here" / "b.png")
    (shop / "disk").rmdir()
    assert run(shop / "here", shop / "disk").moved == 1
    photo("here/c.png", shade=200)

    summary = run(shop / "here", shop / "disk")

    assert summary.new == 1
    assert summary.doubted == (str(shop / "disk"),)


def test_a_missing_folder_stops_the_scan_before_it_begins(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo()

    with pytest.raises(FolderError):
        run(shop, shop / "absent")

    assert list(inventory.items()) == []
    assert inventory.status().last_run is None


def test_a_folder_named_twice_is_scanned_once(
    run: Scan, photo: Photo, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo()
    monkeypatch.chdir(shop)

    assert run(Path(), shop, shop / ".." / shop.name).new == 1


def test_an_unreadable_file_is_tried_again_when_asked_or_when_it_changed(
    run: Scan, shop: Path, photo: Photo, inventory: Inventory
) -> None:
    bad = shop / "a.png"
    bad.write_bytes(b"no picture")
    run()
    tried = run(retry_errors=True)
    assert (tried.unchanged, tried.unreadable) == (1, 1)

    photo("a.png")
    mended = run()

    assert (mended.changed, mended.unreadable) == (1, 0)
    assert by_path(inventory)["a.png"].state is State.TAGGED


def test_a_picture_that_breaks_is_unreadable_and_not_tagged(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png").write_bytes(photo("a.png").read_bytes()[:50])
    photo("b.png")
    run()
    photo("b.png").write_bytes(b"no picture")

    run()

    items = by_path(inventory)
    assert {item.state for item in items.values()} == {State.UNREADABLE}
    assert {item.tag for item in items.values()} == {None}


def test_what_is_left_out_is_ignored_and_comes_back(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    photo("thumbs/b.png", shade=90)
    run()
    before = lasting(inventory)

    out = run(exclude=("thumbs",))
    items = by_path(inventory)
    assert out.missing == 0
    assert items["thumbs/b.png"].state is State.IGNORED
    assert items["thumbs/b.png"].reason == "excluded by thumbs"
    assert run(exclude=("thumbs",)).ignored == 1

    run()
    assert lasting(inventory) == before
    assert run(exclude=("thumbs",)).ignored == 1


def test_a_picture_that_is_replaced_while_it_is_left_out_is_read_when_it_is_back(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png", shade=90)
    photo("b.png")
    run()
    photo("b.png", shade=200)
    replaced = by_path(inventory)["b.png"]

    run(exclude=("b.png",))
    run(include=("a*",))

    assert run().changed == 1
    assert by_path(inventory)["b.png"].digest != replaced.digest


def test_a_folder_that_could_not_be_entered_for_a_night_is_read_when_it_can(
    run: Scan, photo: Photo, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's word for one file, which root here is never denied."""
    photo("a.png")
    photo("locked/b.png", shade=90)
    run()
    before = lasting(inventory)
    look = walk._look  # noqa: SLF001

    def denied(entry: os.DirEntry[str], *rest: object) -> object:
        if entry.name == "b.png":
            raise PermissionError(13, "Permission denied", entry.path)
        return look(entry, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(walk, "_look", denied)
        assert run().unreadable == 1

    assert run().unreadable == 0
    assert lasting(inventory) == before


@pytest.mark.parametrize("seconds", [13_569_465_600, -15_000_000_000])
def test_a_time_that_no_clock_tells_is_kept_as_far_as_it_goes(
    run: Scan, photo: Photo, shop: Path, seconds: int
) -> None:
    path = photo("a.png")
    (shop / "notes.txt").touch()
    for odd in (path, shop / "notes.txt"):
        os.utime(odd, (seconds, seconds))

    assert run().new == 1
    assert run().unchanged == 1


def test_a_disk_behind_a_link_that_is_unplugged_is_a_doubt(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("here.png")
    disk = shop.parent / "disk"
    disk.mkdir()
    for number in range(9):
        photo(f"{number}.png", shade=number).rename(disk / f"{number}.png")
    (shop / "2024").symlink_to(disk)
    assert run(follow_links=True).new == 10
    disk.rename(shop.parent / "unplugged")

    summary = run(follow_links=True, max_missing=0.2)

    assert exit_code(summary) == 3
    assert "9 of 10 pictures" in summary.warnings[0]
    states = {
        item.state for path, item in by_path(inventory).items() if "2024/" in path
    }
    assert states == {State.TAGGED}


def test_pictures_behind_links_that_lead_nowhere_are_missing_and_come_back(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("stays.png", shade=90)
    (disk := shop.parent / "disk").mkdir()
    photo("a.png").rename(disk / "a.png")
    (shop / "a.png").symlink_to(disk / "a.png")
    run(follow_links=True)
    before = lasting(inventory)
    disk.rename(shop.parent / "unplugged")

    doubted = run(follow_links=True, max_missing=0.2)
    assert (exit_code(doubted), lasting(inventory)) == (3, before)
    assert run(follow_links=True).missing == 1
    assert by_path(inventory)["a.png"].state is State.MISSING

    (shop.parent / "unplugged").rename(disk)
    run(follow_links=True)
    assert lasting(inventory) == before


def test_a_folder_that_gave_way_to_a_file_is_gone(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("a.png")
    photo("old/b.png", shade=90)
    run()
    shutil.rmtree(shop / "old")
    (shop / "old").touch()

    assert run().missing == 1
    assert by_path(inventory)["old/b.png"].state is State.MISSING


def test_a_folder_that_moved_and_left_a_link_has_moved(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("2025/a.png")
    photo("stays.png", shade=90)
    run()
    (shop / "arch").mkdir()
    (shop / "2025").rename(shop / "arch" / "2025")
    (shop / "2025").symlink_to("arch/2025")

    summary = run()

    assert (summary.moved, summary.new, summary.missing) == (1, 0, 0)
    (shop / "2025").unlink()
    assert run().missing == 0
    assert by_path(inventory)["arch/2025/a.png"].state is State.TAGGED


def test_what_a_link_stands_for_and_is_not_found_is_left_out(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("2025/a.png")
    photo("stays.png", shade=90)
    run()
    (shop / "2025").rename(shop.parent / "elsewhere")
    (shop / "2025").symlink_to(shop.parent / "elsewhere")

    assert (run().missing, run().missing) == (0, 0)

    item = by_path(inventory)["2025/a.png"]
    assert (item.state, item.reason) == (
        State.IGNORED,
        "a link to a folder is not followed",
    )
    history = inventory.history(shop / "2025" / "a.png")
    assert history is not None
    assert [event.what for event in history.events] == ["first seen", "ignored"]


def test_an_inbox_that_is_emptied_into_the_archive_is_seen_whole(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("inbox/a.png")
    photo("archive/b.png", shade=90)
    folders = shop / "inbox", shop / "archive"
    run(*folders)
    (shop / "inbox" / "a.png").rename(shop / "archive" / "a.png")

    nights = [run(*folders), run(*folders)]

    assert [night.moved for night in nights] == [1, 0]
    assert [(exit_code(night), night.warnings) for night in nights] == [(0, ())] * 2
    seen = {root.scanned_at for root in inventory.root_records()}
    assert len(seen) == 1


def test_a_folder_that_was_empty_and_is_gone_costs_the_others_nothing(
    run: Scan, photo: Photo, shop: Path
) -> None:
    photo("full/a.png")
    (shop / "empty").mkdir()
    run(shop / "full", shop / "empty")
    (shop / "empty").rmdir()
    photo("full/b.png", shade=90)

    summary = run(shop / "full", shop / "empty")

    assert summary.new == 1
    assert summary.doubted == (str(shop / "empty"),)


def test_a_pattern_of_items_that_is_about_a_folder_alone_is_warned_of(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("bags/A1_1.png")
    photo("bags/A1_2.png", shade=90)
    run(shop / "bags")
    pattern = r"^(?P<item>[^_/]+)_\d+"
    inventory.set_item_pattern([str(shop / "bags")], pattern)

    (warning,) = run().warnings
    assert f"{shop / 'bags'} is now part of a larger folder" in warning
    assert run().warnings == ()


def test_the_share_that_may_be_missing_is_that_share(
    run: Scan, photo: Photo, shop: Path
) -> None:
    for number in range(100):
        photo(f"{number}.png", shade=number)
    run()
    for number in range(29):
        (shop / f"{number}.png").unlink()

    assert run(max_missing=0.29).missing == 29


def test_a_picture_that_is_replaced_and_then_away_for_a_night_is_read(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("a.png", shade=90)
    path = photo("b.png")
    run()
    former = by_path(inventory)["b.png"]
    photo("b.png", shade=200)
    os.utime(path)  # a moment ago: not settled
    assert run(settle=600.0).unsettled == 1
    path.rename(shop.parent / "away.png")
    assert run(settle=0.0).missing == 1
    (shop.parent / "away.png").rename(path)

    run()

    assert by_path(inventory)["b.png"].digest != former.digest


def test_a_note_about_what_is_not_read_goes_with_it(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    photo("a.png")
    (shop / "notes.txt").touch()
    run()
    assert set(by_path(inventory)) == {"a.png", "notes.txt"}
    (shop / "notes.txt").unlink()

    assert run().missing == 0

    assert set(by_path(inventory)) == {"a.png"}


def test_a_picture_that_was_left_out_and_then_vanished_is_missing(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("stays.png", shade=90)
    path = photo("a.png")
    run()
    run(exclude=("a.png",))
    path.unlink()

    assert run(exclude=("a.png",)).missing == 1

    assert by_path(inventory)["a.png"].state is State.MISSING


def test_a_new_threshold_decides_again_without_classifying(
    run: Scan, photo: Photo, inventory: Inventory, classifier: FakeClassifier
) -> None:
    for shade in range(0, 250, 25):
        photo(f"{shade}.png", shade=shade)
    run(policy=Policy(0.0))
    assert not any(item.flagged for item in inventory.items())
    seen = classifier.seen

    strict = run(policy=Policy(1.0))

    assert strict.flagged == 10
    assert all(item.flagged and item.reason for item in inventory.items())
    assert classifier.seen == seen


def test_another_network_classifies_everything_again(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    photo("a.png")
    run()
    other = FakeClassifier("other", labels=("Skirt", "Shorts", "Hat"))

    summary = run(classifier=other)

    (item,) = inventory.items()
    assert (summary.classified, summary.unchanged) == (1, 1)
    assert (item.model, item.tag) == ("other", "Shorts")
    assert run(classifier=other).classified == 0


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("Shirt", "Hose", "Coat"), "label Hose, .* weights have Trouser"),
        (("Shirt", "Coat", "Trouser"), "label Coat, .* weights have Trouser"),
    ],
)
def test_the_same_weights_under_other_labels_are_refused(
    run: Scan, photo: Photo, inventory: Inventory, labels: tuple[str, ...], told: str
) -> None:
    photo("a.png")
    ours = FakeClassifier(labels=("Shirt", "Trouser", "Coat"))
    run(classifier=ours)
    inventory.add_tag("Cap", "anna")  # a tag of the shop's own is none of the network's
    run(classifier=ours)
    before, runs = list(inventory.items()), inventory.runs()

    with pytest.raises(ModelError, match=told):
        run(classifier=FakeClassifier(labels=labels))

    assert (list(inventory.items()), inventory.runs()) == (before, runs)


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        (DecisionKind.ACCEPT, "Shirt"),
        (DecisionKind.CORRECT, "Dress"),
        (DecisionKind.NOT_CATALOGUE, None),
    ],
)
def test_a_persons_decision_survives_everything(
    run: Scan,
    photo: Photo,
    shop: Path,
    inventory: Inventory,
    kind: DecisionKind,
    tag: str | None,
) -> None:
    path = photo("a.png")
    photo("b.png", shade=220)
    run()
    digest = by_path(inventory)["a.png"].digest
    assert digest
    inventory.decide(digest, kind, tag=tag, reviewer="someone")

    def decided(name: str = "a.png") -> tuple[str | None, object, bool]:
        item = by_path(inventory)[name]
        return item.tag, item.decided_by, item.flagged

    expected = (tag, DecidedBy.PERSON, False)
    assert decided() == expected
    run(policy=Policy(1.0))
    assert decided() == expected
    run(classifier=FakeClassifier("other"))
    assert decided() == expected
    os.utime(path, ns=(5, 5))
    run(retry_errors=True)
    assert decided() == expected
    path.rename(shop / "moved.png")
    run()
    assert decided("moved.png") == expected
    shutil.copy(shop / "moved.png", shop / "copy.png")
    run()
    assert decided("copy.png") == expected


def test_progress_counts_the_files_that_are_read(
    shop: Path, photo: Photo, inventory: Inventory, classifier: FakeClassifier
) -> None:
    photo("a.png")
    photo("b.png")
    totals = []

    def track(files: object, total: int) -> object:
        totals.append(total)
        return files

    scan([shop], inventory, classifier, CAREFUL, track=track)  # type: ignore[arg-type]
    scan([shop], inventory, classifier, CAREFUL, track=track)  # type: ignore[arg-type]

    assert totals == [2, 0]


def test_a_scan_that_fails_half_way_keeps_what_it_finished(
    run: Scan, photo: Photo, inventory: Inventory
) -> None:
    for shade in range(0, 100, 10):
        photo(f"{shade}.png", shade=shade)

    class Fails(FakeClassifier):
        def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            if self.seen:
                raise RuntimeError
            return super().classify(batch)

    with pytest.raises(RuntimeError):
        run(classifier=Fails(), batch_size=4)

    assert len(list(inventory.items())) == 4
    last = inventory.status().last_run
    assert last is not None
    assert last.exit_code == 1
    summary = run()
    assert (summary.new, summary.unchanged) == (6, 4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shades=st.lists(st.integers(0, 240), min_size=1, max_size=9), size=st.integers(1, 9)
)
def test_the_batch_size_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, shades: list[int], size: int
) -> None:
    folder = tmp_path_factory.mktemp("laws")
    shop = folder / "shop"
    shop.mkdir()
    (shop / "bad.jpg").write_bytes(b"bad")
    for number, shade in enumerate(shades):
        shutil.copy(SAMPLES / "tiny.png", shop / f"{number}.png")
        with (shop / f"{number}.png").open("ab") as stream:
            stream.write(bytes([shade]))
    ends: list[list[Item]] = []
    for batch_size in (size, 64):
        with new_inventory(folder / f"{batch_size}-{len(ends)}.db") as inventory:
            options = replace(AT_ONCE, batch_size=batch_size)
            scan([shop], inventory, FakeClassifier(), CAREFUL, options=options)
            ends.append(lasting(inventory))

    assert ends[0] == ends[1]
