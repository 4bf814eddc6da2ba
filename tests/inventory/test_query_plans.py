"""How SQLite goes about what is asked of it, in its own words."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from support import FakeClassifier
from support.inventories import raw

from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import DecisionKind
from tagger.inventory.sqlite_file import SqliteFile
from tagger.policy.decide import predict
from tagger.records import ImageFile, PreparedImage, Verdict

pytestmark = pytest.mark.sqlite_only("it reads SQLite's plans")

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
    """Collect the steps of every query, by its text; there must be one."""
    found: dict[str, list[str]] = {}
    database = inventory._database  # noqa: SLF001
    assert isinstance(database, SqliteFile)
    engine = database._engine  # noqa: SLF001
    with raw(inventory.place) as beside:

        def note(*told: Any) -> None:  # noqa: ANN401
            _, _, statement, values, *_ = told
            if statement.split(maxsplit=1)[0].upper() in {"SELECT", "WITH"}:
                steps = beside.execute(f"EXPLAIN QUERY PLAN {statement}", values)
                found[statement] = list(_without_correlated(steps))

        event.listen(engine, "before_cursor_execute", note)
        yield found
        event.remove(engine, "before_cursor_execute", note)
    assert found, "no query was seen: the listener hears nothing"


def _without_correlated(steps: Iterable[tuple[int, int, int, str]]) -> Iterator[str]:
    """Yield all steps, those of common table expressions, too, but for one kind.

    That is the subquery which picks the newest of a picture's few decisions.
    """
    left_out: set[int] = set()
    for number, parent, _, step in steps:
        if parent in left_out or step.startswith("CORRELATED"):
            left_out.add(number)
        else:
            yield step


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

    assert len(found) == 5
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

    corrected = [steps for text, steps in found.items() if "machine_tag" in text]
    assert corrected
    for steps in corrected:
        assert not any("prediction" in step or "model" in step for step in steps)
