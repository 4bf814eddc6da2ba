"""Unreadable files: each is reported once, and a person may ignore it."""

import hashlib
import os
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import AT_ONCE, CAREFUL, SAMPLES, FakeClassifier, Photo, Scan, scan
from support.inventories import new_inventory

from tagger.errors import InventoryError
from tagger.inventory import Inventory
from tagger.records import State
from tagger.scan.records import RunSummary
from tagger.scan.run import exit_code


@pytest.fixture
def run(run: Scan) -> Scan:
    """A test has few pictures: the loss of one is a large share."""
    return partial(run, max_missing=1.0)


@pytest.fixture
def bad(shop: Path) -> Path:
    path = shop / "bad.jpg"
    path.write_bytes(b"no picture")
    return path


class Failing(FakeClassifier):
    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        del batch
        raise RuntimeError


def reported(summary: RunSummary) -> list[str]:
    named = [Path(path).name for path, _ in summary.newly_unreadable_images]
    assert len(named) == summary.newly_unreadable
    assert exit_code(summary) == (3 if named else 0)
    return named


def state(inventory: Inventory, path: Path) -> tuple[State, str]:
    story = inventory.history(path)
    assert story
    return story.item.state, story.item.reason


def test_a_bad_file_is_reported_once(run: Scan, bad: Path) -> None:
    assert bad.exists()
    nights = [run(), run(), run(retry_errors=True)]

    assert [reported(night) for night in nights] == [["bad.jpg"], [], []]
    assert [night.unreadable for night in nights] == [1, 1, 1]
    assert [len(night.unreadable_images) for night in nights] == [1, 1, 1]


def test_other_bytes_are_a_new_fault_and_a_touch_is_none(run: Scan, bad: Path) -> None:
    run()
    os.utime(bad, (1, 1))
    touched = run()
    bad.write_bytes(b"still no picture")

    assert (reported(touched), reported(run())) == ([], ["bad.jpg"])


def test_a_fault_that_a_failed_scan_found_is_reported_by_the_next(
    run: Scan, bad: Path, photo: Photo, inventory: Inventory
) -> None:
    photo("z.png")
    with pytest.raises(RuntimeError):
        run(classifier=Failing(), batch_size=1)
    assert state(inventory, bad)[0] is State.UNREADABLE

    assert [reported(run()), reported(run())] == [["bad.jpg"], []]


def test_a_scan_of_one_folder_leaves_the_faults_of_others_to_their_scan(
    run: Scan, bad: Path, tmp_path: Path, photo: Photo
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "worse.jpg").write_bytes(b"")
    photo()

    assert reported(run(bad.parent)) == ["bad.jpg"]
    assert reported(run(other)) == ["worse.jpg"]
    assert reported(run(bad.parent, other)) == []


def test_an_ignored_file_is_no_fault_until_its_bytes_change(
    run: Scan, bad: Path, inventory: Inventory
) -> None:
    run()
    why = state(inventory, bad)[1]
    inventory.ignore_faults([bad], "ana")
    ignored = run()
    os.utime(bad, (1, 1))
    retried = run(retry_errors=True)
    excluded = run(exclude=("bad*",))
    back = run()

    for night in (ignored, retried, excluded, back):
        assert (reported(night), night.unreadable) == ([], 0)
    assert (ignored.unchanged, retried.unchanged, excluded.ignored) == (1, 1, 1)
    now, reason = state(inventory, bad)
    assert now is State.IGNORED
    assert reason.endswith(why)

    bad.write_bytes(b"other bytes")
    changed = run()
    assert (reported(changed), changed.changed) == (["bad.jpg"], 1)
    inventory.ignore_faults([bad], "ana")
    bad.write_bytes((SAMPLES / "tiny.png").read_bytes())
    bad.rename(bad.with_suffix(".png"))
    mended = run()
    assert (mended.tagged, mended.unreadable) == (1, 0)


def test_an_ignored_file_may_move(run: Scan, bad: Path, inventory: Inventory) -> None:
    run()
    inventory.ignore_faults([bad], "ana")
    moved = bad.rename(bad.with_name("moved.jpg"))
    summary = run()

    assert (reported(summary), summary.moved) == ([], 1)
    assert state(inventory, moved)[0] is State.IGNORED
    assert reported(run()) == []


def test_an_ignored_file_that_becomes_readable_is_tagged(
    run: Scan, photo: Photo, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = photo("closed.png")

    def refuse(*_: object, **_options: object) -> object:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert reported(run()) == ["closed.png"]
        inventory.ignore_faults([closed], "ana")
        night = run()
        assert (reported(night), night.unchanged, night.new) == ([], 1, 0)
    assert run().tagged == 1


def test_undo_makes_it_unreadable_again(
    run: Scan, bad: Path, inventory: Inventory
) -> None:
    run()
    before = state(inventory, bad)
    inventory.ignore_faults([bad, bad], "ana")
    inventory.ignore_faults([bad], "bea", undo=True)

    assert state(inventory, bad) == before
    assert run().unreadable == 1
    story = inventory.history(bad)
    assert story
    told = [(event.what, event.detail) for event in story.events[-2:]]
    assert told == [("ignored", "by ana"), ("no longer ignored", "by bea")]


@pytest.mark.parametrize("undo", [False, True])
def test_what_cannot_be_ignored_is_named_and_nothing_changes(
    run: Scan, bad: Path, photo: Photo, inventory: Inventory, *, undo: bool
) -> None:
    good = photo()
    run()
    if undo:
        inventory.ignore_faults([bad], "ana")
    before = list(inventory.items())

    for other in (good, bad.with_name("unknown.jpg"), Path("/elsewhere")):
        with pytest.raises(InventoryError, match=other.name):
            inventory.ignore_faults([bad, other], "ana", undo=undo)
        assert list(inventory.items()) == before


ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("ignore"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("undo"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("scan"), st.just(""), st.just(0)),
    st.tuples(st.just("fail"), st.just(""), st.just(0)),
)


class Shop:
    """Two bad files, and a model of what the next scan has to report of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        self.folder.mkdir()
        (self.folder / "always.png").write_bytes((SAMPLES / "tiny.png").read_bytes())
        self.inventory = new_inventory(folder / "inventory.db")
        self._recorded: dict[str, str] = {}
        self._unreported: set[str] = set()
        self._clock = 0

    def write(self, name: str, content: int) -> None:
        self._clock += 1  # a change that the file system's clock cannot miss
        path = self.folder / name
        path.write_bytes(b"%d" % content)
        os.utime(path, (self._clock, self._clock))

    def ignore(self, name: str, _: int) -> None:
        if self._state(name) is State.UNREADABLE:
            self.inventory.ignore_faults([self.folder / name], "ana")
            self._unreported.discard(name)

    def undo(self, name: str, _: int) -> None:
        if self._state(name) is State.IGNORED:
            self.inventory.ignore_faults([self.folder / name], "ana", undo=True)

    def scan(self, *_: object) -> None:
        night = self._scan(FakeClassifier())
        self._note()
        assert set(reported(night)) == self._unreported
        self._unreported = set()

    def fail(self, *_: object) -> None:
        self._clock += 1
        picture = (SAMPLES / "tiny.png").read_bytes() + b"%d" % self._clock
        (self.folder / "z.png").write_bytes(picture)
        with pytest.raises(RuntimeError):
            self._scan(Failing())
        self._note()

    def _scan(self, classifier: FakeClassifier) -> RunSummary:
        options = replace(AT_ONCE, batch_size=1)
        return scan([self.folder], self.inventory, classifier, CAREFUL, options=options)

    def _state(self, name: str) -> State | None:
        story = self.inventory.history(self.folder / name)
        return story.item.state if story else None

    def _note(self) -> None:
        """Note which contents a scan recorded for the first time."""
        for path in self.folder.glob("*.jpg"):
            story = self.inventory.history(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if story and story.item.digest == digest != self._recorded.get(path.name):
                self._recorded[path.name] = digest
                self._unreported.add(path.name)


@settings(max_examples=60, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=12))
def test_every_fault_is_reported_exactly_once(
    actions: list[tuple[str, str, int]],
) -> None:
    """Whatever happens: scans that fail in the middle, edits, "ignore" and its undo."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        with shop.inventory:
            for action, letter, content in actions:
                getattr(shop, action)(f"{letter}.jpg", content)
            shop.scan()
            shop.scan()
