"""Killed at any moment, crowded, out of room: nothing is lost, nothing is wrong.

The real program, killed for real. `TAGGER_TEST_KILLS=100` kills it a hundred times.
"""

import json
import os
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support import SAMPLES
from support.inventories import raw
from support.program import Tagger

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind

KILLS = int(os.environ.get("TAGGER_TEST_KILLS", "6"))


def put(folder: Path, name: str, salt: int) -> None:
    """Put a picture of its own bytes somewhere."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((SAMPLES / "skateboard.jpg").read_bytes() + salt.to_bytes(4))


@pytest.fixture
def changed_shop(program: Tagger) -> Path:
    """A shop that was scanned, decided about, and then changed in every way."""
    shop = program.folder / "shop"
    for number in range(40):
        put(shop, f"old/{number}.jpg", number)
    put(shop, "broken.jpg", 1000)
    assert program("scan", shop).returncode == 0
    with Inventory(program.db) as inventory:
        for item in list(inventory.items())[:5]:
            assert item.digest
            inventory.decide(
                item.digest, DecisionKind.CORRECT, tag="Bag", reviewer="someone"
            )
    for number in range(5):
        (shop / f"old/{number}.jpg").unlink()
        put(shop, f"old/{number + 5}.jpg", 2000 + number)
        (shop / f"old/{number + 10}.jpg").rename(shop / f"old/moved{number}.jpg")
        (shop / f"notes{number}.txt").touch()
    (shop / "broken.jpg").write_bytes(b"no picture any more")
    for number in range(80):
        put(shop, f"new/{number}.jpg", 3000 + number // 2)
    return shop


def everything(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """What an inventory holds, less times and the order in which it was written."""
    with raw(db) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        queries = {
            "items": "SELECT root, path, tag, confidence, flagged, reason, decided_by,"
            " state, digest, model, machine_tag, reviewer FROM inventory",
            "files": "SELECT path, size, mtime_ns, width, height, format FROM image",
            "events": "SELECT path, kind, detail FROM event"
            " JOIN image ON image.id = event.image_id",
            "decisions": "SELECT digest, kind, tag, reviewer FROM decision",
            "predictions": "SELECT digest, tag, probabilities FROM prediction",
        }
        return {
            name: sorted(connection.execute(query), key=repr)
            for name, query in queries.items()
        }


def test_a_scan_killed_at_any_moment_ends_as_an_undisturbed_one(
    program: Tagger, changed_shop: Path
) -> None:
    before = program.folder / "before.db"
    program.db.rename(before)
    scan = ("scan", changed_shop, "--batch-size", 8, "--max-missing", "100%")
    shutil.copy(before, program.db)
    assert program(*scan).returncode == 3
    undisturbed = everything(program.db)
    first, last = written(before), written(program.db)
    assert first < last
    chance = random.Random(20261122)  # noqa: S311
    ended_before, moments = 0, set()
    for number in range(KILLS):
        for left in program.folder.glob("inventory.db*"):
            left.unlink()
        shutil.copy(before, program.db)
        process = subprocess.Popen(
            program.command(*scan), env=program.environment, stdout=subprocess.DEVNULL
        )
        # However fast the machine is: some way through what there is to write.
        wanted = chance.uniform(first - 1, last)
        while written(program.db) < wanted and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        ended_before += process.wait() >= 0
        assert everything(program.db)["decisions"] == undisturbed["decisions"]
        moments.add(written(program.db))
        with raw(program.db) as connection:
            newest = "SELECT exit_code FROM run ORDER BY id DESC LIMIT 1"
            (ended,) = connection.execute(newest).fetchone()

        # Bad files are reported once: by the first scan that came to its end.
        assert program(*scan).returncode == (0 if ended == 3 else 3)

        assert everything(program.db) == undisturbed
        print(  # noqa: T201  the figures of a long run
            f"{number + 1} kills, {ended_before} after the end,",
            f"at {len(moments)} different stages of {last - first}",
            flush=True,
        )
    assert ended_before < KILLS


def written(db: Path) -> int:
    """Count what a scan has put into an inventory."""
    with raw(db) as connection:
        query = "SELECT (SELECT count(*) FROM image) + (SELECT count(*) FROM event)"
        return int(connection.execute(query).fetchone()[0])


def test_a_scan_that_runs_out_of_room_is_mended_by_the_next(
    program: Tagger, changed_shop: Path
) -> None:
    before = program.folder / "before.db"
    program.db.rename(before)
    scan = ("scan", changed_shop, "--batch-size", 8, "--max-missing", "100%")
    shutil.copy(before, program.db)
    program(*scan)
    undisturbed = everything(program.db)
    for left in program.folder.glob("inventory.db*"):
        left.unlink()
    shutil.copy(before, program.db)

    # No file may grow over this size: the log of what is written soon does.
    full = program(*scan, prefix=("prlimit", "--fsize=150000"))

    assert full.returncode == 1
    assert full.stderr.count("\n") == 1
    assert "full" in full.stderr
    everything(program.db)
    assert program(*scan).returncode == 3
    assert everything(program.db) == undisturbed


def test_readers_and_reviewers_work_while_a_scan_runs(
    program: Tagger, changed_shop: Path
) -> None:
    """Four readers, two reviewers and a scan: none is told that the other is there."""
    for number in range(200):
        put(changed_shop, f"more/{number}.jpg", 9000 + number)
    scanning = subprocess.Popen(
        program.command("scan", changed_shop, "--batch-size", 4, "--json"),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    failures: list[BaseException] = []
    reads, decided = [0] * 4, [0] * 2

    def at_work(work: object, *arguments: int) -> threading.Thread:
        def go() -> None:
            try:
                while scanning.poll() is None:
                    work(*arguments)  # type: ignore[operator]
            except BaseException as error:  # noqa: BLE001  told by the main thread
                failures.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        return thread

    def read(number: int) -> None:
        with Inventory(program.db, create=False) as inventory:
            assert len(list(inventory.items())) >= 41
            inventory.status()
        reads[number] += 1

    def review(number: int) -> None:
        with Inventory(program.db, create=False) as inventory:
            digest = f"{number}{decided[number]}".zfill(64)
            inventory.decide(
                digest, DecisionKind.ACCEPT, tag="Bag", reviewer=f"reviewer {number}"
            )
        decided[number] += 1
        time.sleep(0.05)

    threads = [at_work(read, n) for n in range(4)] + [
        at_work(review, n) for n in (0, 1)
    ]
    for thread in threads:
        thread.join(timeout=300)
    output, errors = scanning.communicate()

    assert failures == []
    assert (scanning.returncode, errors) == (3, "")
    assert json.loads(output)["new"] >= 280
    assert min(reads) > 0
    with raw(program.db) as connection:
        rows = connection.execute(
            "SELECT reviewer, count(*) FROM decision WHERE reviewer LIKE 'reviewer %'"
            " GROUP BY reviewer ORDER BY reviewer"
        ).fetchall()
    assert rows == [(f"reviewer {n}", decided[n]) for n in (0, 1)]
    print(  # noqa: T201  the figures
        f"\n{sum(reads)} readings and {sum(decided)} decisions during one scan"
    )
