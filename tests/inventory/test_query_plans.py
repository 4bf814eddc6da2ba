"""How SQLite goes about what is asked of it, in its own words."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from support import FakeClassifier

from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import DecisionKind
from tagger.policy.decide import predict
from tagger.records import ImageFile, PreparedImage, Verdict

ROOT = Path("/srv/shop")
NETWORK = FakeClassifier()


@pytest.fixture(autouse=True)
def some_items(inventory: Inventory) -> None:
    pixels = np.zeros((28, 28, 3), np.uint8)
    (said,) = predict(NETWORK.classify(pixels[None]), NETWORK.identity.labels)
    outcomes = [
        (
            ImageFile(f"{number}.jpg", 1, 1),
            Tagged(
                PreparedImage(f"{number:064x}", pixels, 1, 1, "JPEG"),
                said,
                Verdict(flagged=False),
            ),
        )
        for number in range(50)
    ]
    # Of a single folder SQLite may as well read all there is, and knows that.
    folders = [ROOT, *(Path(f"/srv/books/{number}") for number in range(20))]
    with inventory.recording(NETWORK.identity, options={}) as recording:
        for folder in folders:
            recording.record(folder, outcomes, {}, {})
        recording.finish(folders, exit_code=0, counts={})


@contextmanager
def plans(inventory: Inventory) -> Iterator[dict[str, list[str]]]:
    """Collect the steps of every SELECT, by its text.

    Without those of the subquery that picks the newest of a picture's few decisions.
    """
    found: dict[str, list[str]] = {}
    engine = inventory._database._engine  # noqa: SLF001
    with closing(sqlite3.connect(inventory.path)) as beside:

        def note(*told: Any) -> None:  # noqa: ANN401
            _, _, statement, values, *_ = told
            if statement.startswith("SELECT"):
                steps = beside.execute(f"EXPLAIN QUERY PLAN {statement}", values)
                found[statement] = [row[3] for row in steps if row[1] == 0]

        event.listen(engine, "before_cursor_execute", note)
        yield found
        event.remove(engine, "before_cursor_execute", note)


def test_an_export_sorts_nothing(inventory: Inventory) -> None:
    with plans(inventory) as found:
        assert len(list(inventory.items())) == 21 * 50

    for steps in found.values():
        assert not any("TEMP B-TREE" in step for step in steps), steps
        assert not any("SCAN" in step and "root" not in step for step in steps)


def test_what_a_scan_asks_is_answered_by_indices(inventory: Inventory) -> None:
    with (
        inventory.recording(NETWORK.identity, options={}) as recording,
        plans(inventory) as found,
    ):
        assert len(recording.known(ROOT)) == 50
        assert len(recording.predictions([f"{n:064x}" for n in range(9)])) == 9
        assert recording.standing([ROOT])["tagged"] == 50

    assert len(found) == 6
    for steps in found.values():
        scans = [step for step in steps if step.startswith("SCAN")]
        small = ("root", "decision", "kind_tag")
        assert all(any(name in step for name in small) for step in scans), steps


def test_a_status_looks_only_at_what_was_decided(inventory: Inventory) -> None:
    inventory.decide(f"{3:064x}", DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    with plans(inventory) as found:
        assert inventory.status().decided_by_person == 21

    read = [s for steps in found.values() for s in steps if " image" in s]
    assert read == ["SEARCH image USING INDEX image_digest (digest=?)"]
    scanned = [s for steps in found.values() for s in steps if s.startswith("SCAN")]
    assert not any("image" in step for step in scanned)


def test_what_persons_corrected_is_found_from_their_decisions(
    inventory: Inventory,
) -> None:
    with plans(inventory) as found:
        inventory.auto_tagging_stats()

    shared = [steps for statement, steps in found.items() if "decision_id" in statement]
    assert shared
    for steps in shared:
        scanned = [step for step in steps if step.startswith("SCAN")]
        assert not any("prediction" in step or "model" in step for step in scanned)
