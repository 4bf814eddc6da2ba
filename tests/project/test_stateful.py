"""Whatever happens to a folder between scans, the inventory tells what lies there."""

import os
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support import AT_ONCE, SAMPLES, FakeClassifier, scan
from support.inventories import new_inventory

from tagger.inventory.records import DecidedBy, DecisionKind, Item
from tagger.records import Policy, State

names = st.sampled_from(["a.png", "b.png", "c.jpg", "sub/a.png", "sub/d.png", "t.txt"])
contents = st.integers(0, 4)
policies = st.sampled_from([Policy(0.0), Policy(0.6), Policy(1.0)])


class FolderAndInventory(RuleBasedStateMachine):
    """Change files at random, scan now and then, and compare with a fresh scan."""

    @initialize()
    def begin(self) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.shop = self.top / "shop"
        self.shop.mkdir()
        # One picture that nothing touches, for an emptied folder changes nothing.
        shutil.copy(SAMPLES / "tiny.png", self.shop / "always.png")
        self.inventory = new_inventory(self.top / "inventory.db")
        self.decided: dict[str, str] = {}
        self.seen: set[str] = set()
        self.clock = 1

    @rule(name=names, content=contents)
    def write(self, name: str, content: int) -> None:
        target = self.shop / name
        target.parent.mkdir(exist_ok=True)
        data = (SAMPLES / "tiny.png").read_bytes() if content else b"no picture"
        target.write_bytes(data + bytes([content]) * content)
        self.clock += 1  # a change that the file system's clock cannot miss
        os.utime(target, ns=(self.clock, self.clock))

    @rule(name=names)
    def remove(self, name: str) -> None:
        (self.shop / name).unlink(missing_ok=True)

    @rule(name=names, to=names)
    def move(self, name: str, to: str) -> None:
        if (self.shop / name).exists():
            (self.shop / to).parent.mkdir(exist_ok=True)
            (self.shop / name).replace(self.shop / to)

    @rule(policy=policies, exclude=st.sampled_from([(), ("sub",), ("a.png",)]))
    def scan(self, policy: Policy, exclude: tuple[str, ...]) -> None:
        options = replace(AT_ONCE, batch_size=2, exclude=exclude, max_missing=1.0)
        roots = [self.shop]
        scan(roots, self.inventory, FakeClassifier(), policy, options=options)
        with new_inventory(self.top / "fresh.db") as fresh:
            scan(roots, fresh, FakeClassifier(), policy, options=options)
            expected = {item.path: self.machine(item) for item in fresh.items()}
        for left in self.top.glob("fresh.db*"):
            left.unlink()

        items = {item.path: item for item in self.inventory.items()}

        there = {
            path: self.machine(item) for path, item in items.items() if path in expected
        }
        assert there == expected
        for path in items.keys() - expected.keys():
            assert items[path].state in {State.MISSING, State.IGNORED}
        # What was once read is never deleted; a move takes its row along.
        read = {item.digest for item in items.values() if item.digest}
        assert len(read) >= 1
        self.seen = {path for path, item in items.items() if item.digest}

    @precondition(lambda self: self.seen)
    @rule()
    def forget(self) -> None:
        decided = [one for one, _ in self.inventory.decisions()]
        forgotten = self.inventory.forget_root(self.shop)
        assert forgotten.pictures >= len(self.seen)
        assert (self.inventory.roots(), list(self.inventory.items())) == ([], [])
        assert [one for one, _ in self.inventory.decisions()] == decided
        self.seen = set()

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), tag=st.sampled_from(["Bag", "Coat"]))
    def decide(self, data: st.DataObject, tag: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.seen)))
        items = {item.path: item for item in self.inventory.items()}
        digest = items[path].digest
        assert digest
        self.inventory.decide(digest, DecisionKind.CORRECT, tag=tag, reviewer="someone")
        self.decided[digest] = tag

    def machine(self, item: Item) -> Item:
        """The item as the machine alone would have it, without its time.

        Of what is left out now, the inventory may know more than a fresh one.
        """
        if item.state is State.IGNORED:
            item = replace(item, digest=None, model=None, machine_tag=None)
            item = replace(item, confidence=None, runner_up=None, margin=None, tag=None)
            item = replace(item, no_tag=None)
        if item.digest in self.decided:
            item = replace(item, tag=item.machine_tag, flagged=False)
            if item.state is State.TAGGED:
                item = replace(item, reason="")
        never = datetime.min.replace(tzinfo=UTC)
        return replace(item, decided_by=None, reviewer=None, updated_at=never)

    @invariant()
    def decisions_stand(self) -> None:
        for item in self.inventory.items():
            if item.digest in self.decided and item.state is not State.UNREADABLE:
                assert item.tag == self.decided[item.digest]
                assert item.decided_by is DecidedBy.PERSON
                assert not item.flagged

    def teardown(self) -> None:
        if hasattr(self, "inventory"):
            self.inventory.__exit__()
            shutil.rmtree(self.top)


FolderAndInventory.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None
)
TestFolderAndInventory = FolderAndInventory.TestCase
