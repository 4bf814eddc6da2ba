"""Signals: a batch ends, nothing more begins, what was finished is kept."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import AT_ONCE, SAMPLES, FakeClassifier, Photo, scan
from support.inventories import count_images, raw, states
from support.program import Tagger

from tagger.errors import Stopped
from tagger.inventory import Inventory
from tagger.records import ImageFile, Policy
from tagger.system.signals import Interruption


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


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_stopped_scan_keeps_what_it_finished(
    program: Tagger, number: signal.Signals, status: int
) -> None:
    shop = program.folder / "shop"
    shop.mkdir()
    data = (SAMPLES / "skateboard.jpg").read_bytes()
    for item in range(300):
        (shop / f"{item}.jpg").write_bytes(data + item.to_bytes(4))
    process = subprocess.Popen(
        program.command("scan", shop, "--batch-size", 8),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while count_images(program.db) == 0:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == status
    assert errors == "interrupted: finished work is saved\n"
    assert output.count("\n") == 1  # that it began
    kept = count_images(program.db)
    assert 0 < kept < 300
    with raw(program.db) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (code,) = connection.execute("SELECT exit_code FROM run").fetchone()
    assert code == status

    killed = subprocess.Popen(
        program.command("scan", shop),
        env=program.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while count_images(program.db) < kept + 50:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert program("scan", shop).returncode == 0
    undisturbed = program.folder / "undisturbed.db"
    program("scan", shop, "--db", undisturbed)
    assert without_times(program.db) == without_times(undisturbed)


@pytest.mark.measured
def test_a_signal_during_the_start_is_answered_like_any_other(program: Tagger) -> None:
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        text = f"import os; os.kill(os.getpid(), {int(number)})"
        (program.folder / "typer.py").write_text(text)
        done = program("status", PYTHONPATH=str(program.folder))

        assert done.returncode == status
        assert done.stderr == "interrupted: finished work is saved\n"


def without_times(db: Path) -> list[tuple[object, ...]]:
    with raw(db) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        columns = "path, tag, confidence, flagged, reason, state, digest, model"
        query = f"SELECT {columns} FROM inventory ORDER BY path"  # noqa: S608
        return list(connection.execute(query))


def test_a_wait_ends_when_a_signal_arrives() -> None:
    interruption = Interruption()
    threading.Timer(0.2, interruption.note, (signal.SIGINT, None)).start()

    begun = time.monotonic()
    interruption.sleep(60)

    assert 0.1 < time.monotonic() - begun < 30
    with pytest.raises(Stopped):
        interruption.check()
