"""An inventory on a PostgreSQL server beside one in a SQLite file, in one run.

    createdb bench
    python -m benchmarks.postgres postgresql:///bench [--items 1000000]

Records simulated pictures, a third of them flagged, in turns: a batch into the file,
the same batch into the database. Then it asks both for the status, and for the next
picture of a review as a session does, which writes a lease each time. At last, three
reviewers take and decide pictures while two scans of other folders record, all in
processes of their own: the time to take a picture shows whether they wait for scans.
The database must be empty; drop it afterwards.
"""

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import Answer, DecisionKind, Order, Selection
from tagger.records import (
    FASHION_LABELS,
    PREPARING,
    ImageFile,
    ModelIdentity,
    Prediction,
    PreparedImage,
    Verdict,
)
from tagger.system.database_url import DatabaseUrl, Place, place

_NETWORK: Final = ModelIdentity("bench", "e" * 64, FASHION_LABELS, PREPARING)
_PIXELS: Final = np.zeros((28, 28, 3), np.uint8)
_TAKEN: Final = 50
"""Pictures that a review takes to measure it."""

_REVIEWERS, _SCANS = 3, 2


def outcomes(first: int, number: int) -> list[tuple[ImageFile, Tagged]]:
    """Return simulated pictures: no two alike, a third of them flagged."""
    return [(_file(n), _tagged(n)) for n in range(first, first + number)]


def _file(number: int) -> ImageFile:
    return ImageFile(f"{number // 1000}/{number}.jpg", 100_000 + number, number)


def _tagged(number: int) -> Tagged:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    confidence = 0.3 + 0.7 * (number * 7919 % 10_000) / 10_000
    rest = (1 - confidence) / 9
    tag = FASHION_LABELS[number % 10]
    said = Prediction(
        tag,
        confidence,
        FASHION_LABELS[(number + 1) % 10],
        max(0.0, confidence - rest),
        (confidence, *[rest] * 9),
    )
    flagged = number % 3 == 0
    verdict = Verdict(flagged, "unsure" if flagged else "")
    return Tagged(PreparedImage(digest, _PIXELS, 900, 1200, "JPEG"), said, verdict)


def record(places: dict[str, Place], items: int, batch: int) -> dict[str, float]:
    """Record the same pictures in each place, in turns; return the seconds of each."""
    seconds = dict.fromkeys(places, 0.0)
    with ExitStack() as stack:
        recordings = {}
        for name, where in places.items():
            inventory = stack.enter_context(Inventory(where))
            recordings[name] = stack.enter_context(
                inventory.recording(_NETWORK, options={})
            )
        for first in range(0, items, batch):
            pictures = outcomes(first, min(batch, items - first))
            for name, recording in recordings.items():
                begun = time.perf_counter()
                recording.record(Path("/bench"), pictures, {}, {})
                seconds[name] += time.perf_counter() - begun
        for name, recording in recordings.items():
            begun = time.perf_counter()
            recording.finish([Path("/bench")], exit_code=0, counts={})
            seconds[name] += time.perf_counter() - begun
    return seconds


def timed(do: Callable[[], object]) -> float:
    """Return the milliseconds that something takes."""
    begun = time.perf_counter()
    do()
    return (time.perf_counter() - begun) * 1000


def status_and_next(where: Place) -> tuple[float, list[float]]:
    """Return the milliseconds of a status, and of each next picture of a review."""
    with Inventory(where) as inventory:
        status = statistics.median(timed(inventory.status) for _ in range(5))
        selection = Selection(order=Order.CONFIDENCE)
        with inventory.reviewing("bench", selection) as opened:
            taken = [timed(lambda: opened.take(1, without=())) for _ in range(_TAKEN)]
    return status, taken


def scan_for(where: Place, root: str, seconds: float) -> None:
    """Record batches of 64 under a root for some seconds; print their number."""
    end, first = time.monotonic() + seconds, hash(root) % 10**9
    done = 0
    with (
        Inventory(where) as inventory,
        inventory.recording(_NETWORK, options={}) as recording,
    ):
        while time.monotonic() < end:
            recording.record(Path(root), outcomes(first + done, 64), {}, {})
            done += 64
    print(done)


def review_for(where: Place, name: str, seconds: float) -> None:
    """Take and decide pictures for some seconds; print the times to take one."""
    end = time.monotonic() + seconds
    with (
        Inventory(where) as inventory,
        inventory.reviewing(name, Selection(order=Order.CONFIDENCE)) as opened,
    ):
        while time.monotonic() < end:
            begun = time.perf_counter()
            items = opened.take(1, without=())
            print((time.perf_counter() - begun) * 1000)
            for item in items:
                answer = Answer(item.digest, DecisionKind.CORRECT, "Bag")
                opened.decide([answer], {item.digest: None})


def together(where: DatabaseUrl, seconds: float) -> Iterator[str]:
    """Yield a line about reviewers who work while scans record."""

    def begin(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.postgres", where.secret, *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603

    wait = ["--seconds", str(seconds)]
    scans = [begin("--scan", f"/other/{n}", *wait) for n in range(_SCANS)]
    reviews = [begin("--review", f"person{n}", *wait) for n in range(_REVIEWERS)]
    recorded = sum(int(scan.communicate()[0]) for scan in scans)
    taken = sorted(
        float(line) for review in reviews for line in review.communicate()[0].split()
    )
    yield (
        f"{_REVIEWERS} reviewers beside {_SCANS} scans: {len(taken)} pictures taken, "
        f"median {statistics.median(taken):.0f} ms, 99 % below "
        f"{taken[len(taken) * 99 // 100 - 1]:.0f} ms; {recorded:,} pictures recorded "
        f"in {seconds:.0f} s"
    )


def compare(where: DatabaseUrl, items: int, batch: int, seconds: float) -> None:
    """Print what both inventories take."""
    with tempfile.TemporaryDirectory() as folder:
        places: dict[str, Place] = {
            "SQLite": Path(folder) / "inventory.db",
            "PostgreSQL": where,
        }
        took = record(places, items, batch)
        for name, at in places.items():
            status, taken = status_and_next(at)
            print(
                f"{name}: {items:,} pictures recorded in {took[name]:.1f} s, "
                f"{took[name] / items * 1e6:.0f} us each; status {status:.0f} ms; next "
                f"picture {statistics.median(taken):.1f} ms, at most {max(taken):.1f}"
            )
    print(f"PostgreSQL / SQLite: {took['PostgreSQL'] / took['SQLite']:.2f}")
    for line in together(where, seconds):
        print(line)


def main() -> None:
    """Parse the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", type=place)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--scan", help=argparse.SUPPRESS)
    parser.add_argument("--review", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scan:
        scan_for(options.url, options.scan, options.seconds)
    elif options.review:
        review_for(options.url, options.review, options.seconds)
    else:
        compare(options.url, options.items, options.batch, options.seconds)


if __name__ == "__main__":
    main()
