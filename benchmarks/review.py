"""From a key to the next picture, with a million items in the inventory.

    python -m benchmarks.review [--items 1000000] [--keys 60]

Drives the real full screen (Textual without a terminal, half blocks, 120x40) on a real
inventory: the time runs from the key to the moment when the next picture has been
drawn. In between, the decision is written and synced to the disk. The peer asks the
same inventory for the next picture as one would without a queue: the least confident
row of the view `inventory` that is flagged, decoded when it is its turn.
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tagger.imaging.prepare import prepare, upright
from tagger.inventory import Inventory
from tagger.inventory.records import Selection
from tagger.records import FASHION_LABELS, PREPARING, PreparedImage
from tagger.review.app import ReviewApp, ReviewScreen
from tagger.review.session import review_session

FLAGGED_SHARE = 0.3
"""About what the bundled network flags of a shop's photographs."""

PICTURES = 200
SIDE = (900, 1200)


def build(folder: Path, items: int) -> Path:
    """Make an inventory of so many items; the least confident have pictures."""
    path = folder / "inventory.db"
    Inventory(path).__exit__()
    digests = {number: picture(folder, number) for number in range(PICTURES)}
    connection = sqlite3.connect(path)
    connection.executescript(
        f"""
        INSERT INTO root (id, path) VALUES (1, '{folder}');
        INSERT INTO model (id, name, digest, labels)
        VALUES (1, 'bench', '{"e" * 64}', '{labels()}');
        """
    )
    with connection:
        connection.executemany(
            "INSERT INTO prediction (id, digest, model_id, preparing, tag, confidence, "
            "runner_up, margin, probabilities) "
            f"VALUES (?, ?, 1, '{PREPARING}', 'Shirt', ?, 'Dress', ?, ?)",
            predictions(digests, items),
        )
        connection.executemany(
            "INSERT INTO image VALUES (?, 1, ?, ?, 1, 1, 'tagged', '', ?, 'unsure', ?, "
            "900, 1200, 'JPEG', '2026-01-01T00:00:00.000000Z', NULL, "
            "'2026-01-01T00:00:00.000000Z')",
            images(digests, items),
        )
    connection.close()
    return path


def labels() -> str:
    """Return the labels as the inventory keeps them."""
    return "[" + ", ".join(f'"{label}"' for label in FASHION_LABELS) + "]"


def picture(folder: Path, number: int) -> str:
    """Write a photograph of blurred noise; return its digest."""
    pixels = np.random.default_rng(number).integers(0, 255, (40, 30, 3), np.uint8)
    path = folder / f"{number}.jpg"
    Image.fromarray(pixels).resize(SIDE).save(path, quality=90)
    prepared = prepare(path)
    if not isinstance(prepared, PreparedImage):
        raise TypeError(prepared)
    return prepared.digest


def predictions(digests: dict[int, str], items: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the predictions, the least confident first."""
    probabilities = np.full(10, 0.1, "<f4").tobytes()
    for n in range(items):
        confidence = n / items
        digest = digests.get(n, f"{n:064x}")
        yield n + 1, digest, confidence, confidence / 2, probabilities


def images(digests: dict[int, str], items: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the images."""
    for n in range(items):
        digest = digests.get(n, f"{n:064x}")
        yield n + 1, f"{n}.jpg", digest, n < FLAGGED_SHARE * items, n + 1


async def keys_to_pictures(
    path: Path, keys: int
) -> tuple[float, list[float], list[float]]:
    """Return the seconds to the first picture, and from each key to the next.

    The last are those that our process computed in between, all threads together: on
    a machine that others use too they say what a free one would do.
    """
    begun = time.perf_counter()
    with (
        Inventory(path, create=False) as inventory,
        inventory.reviewing("bench", Selection()) as reviewing,
        review_session(reviewing) as opened,
    ):
        app = ReviewApp(opened, unseen=0)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await review_screen(app)
            await painted(screen, None)
            first = time.perf_counter() - begun
            await asyncio.sleep(3)  # a person looks at the first picture
            taken, computed = [], []
            for _ in range(keys):
                shown = opened.current
                start, before = time.perf_counter(), time.process_time()
                app.simulate_key("8")
                await painted(screen, shown)
                taken.append(time.perf_counter() - start)
                computed.append(time.process_time() - before)
                await asyncio.sleep(0.5)  # ... and at every other: two a second
            del pilot
    return first, taken, computed


async def review_screen(app: ReviewApp) -> ReviewScreen:
    """Wait for the review's screen."""
    while not isinstance(app.screen, ReviewScreen):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    return app.screen


async def painted(screen: ReviewScreen, former: object) -> None:
    """Wait until another item than `former` has been drawn."""
    while screen.painted is None or screen.painted is former:  # noqa: ASYNC110
        await asyncio.sleep(0.0005)


def without_a_queue(path: Path, keys: int) -> list[float]:
    """Return the seconds that the peer takes for the next picture."""
    taken = []
    connection = sqlite3.connect(path)
    for _ in range(keys):
        start = time.perf_counter()
        root, name, digest = connection.execute(
            "SELECT root, path, digest FROM inventory WHERE flagged "
            "ORDER BY confidence LIMIT 1"
        ).fetchone()
        prepare(Path(root, name))
        upright(Path(root, name), side=800)
        with connection:
            connection.execute(
                "INSERT INTO decision (digest, kind, tag, reviewer, decided_at) "
                "VALUES (?, 'correct', 'Bag', 'peer', '2026-01-02T00:00:00.000000Z')",
                (digest,),
            )
        taken.append(time.perf_counter() - start)
    connection.close()
    return taken


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=60)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tagger-bench-") as folder:
        path = build(Path(folder), wanted.items)
        first, taken, computed = asyncio.run(keys_to_pictures(path, wanted.keys))
        peer = without_a_queue(path, 5)
    ours, theirs = statistics.median(taken), statistics.median(peer)
    high = sorted(taken)[int(len(taken) * 0.95)]
    print(f"{wanted.items:,} items; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"first picture after {first:.2f} s")
    print(f"key to next picture, median of {len(taken)}: {1000 * ours:.0f} ms")
    print(f"  95th percentile {1000 * high:.0f} ms, worst {1000 * max(taken):.0f} ms")
    print(f"  computed here: median {1000 * statistics.median(computed):.0f} ms")
    print(f"without a queue: {1000 * theirs:.0f} ms, {theirs / ours:.1f} times ours")


if __name__ == "__main__":
    main()
