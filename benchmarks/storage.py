"""Measure scans of object storage beside those of a disk.

    python -m benchmarks.storage

The store is moto's S3 server on the loopback, in the process of this program. It is
written in Python and shares the cores with the scan. So the ratios are upper bounds of
what tagger adds, and say nothing about a real store, whose answers take tens of
milliseconds but none of our processor time. Rows:

- `first` scans N pictures of 1.3 megapixels and M other files from the store, and the
  same from the disk.
- `again` scans them again, with nothing changed.

`requests` counts what the store was asked.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import corpus
from benchmarks.timing import Cost, run

if TYPE_CHECKING:
    from support.stores import Bucket


def main() -> None:
    """Run what the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--others", type=int, default=9_500)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    sys.path.insert(0, "tests")
    from support.stores import Store  # noqa: PLC0415  it takes seconds

    bucket = Store().bucket("shop")
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        folder = corpus.pictures(top, "1.3", told.pictures)
        for number in range(told.others):
            other = folder / f"texts/{number % 100}/{number}.txt"
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(b"x")
        bucket.put_folder(folder, "photos")
        time.sleep(2)  # until the files have settled
        print("| round | measured | disk | store | store / disk | requests | load |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for number in range(told.repeats):
            for what in ("first", "again"):
                _report(top, folder, bucket, f"{number + 1} | {what}")


def _report(top: Path, folder: Path, bucket: "Bucket", name: str) -> None:
    database = top / f"round-{name[0]}"
    bucket.requests.clear()
    disk = _scan(folder, database.with_suffix(".disk"), {})
    store = _scan(
        f"{bucket.url}/photos",
        database.with_suffix(".store"),
        bucket.store.environment,
    )
    asked = ", ".join(f"{n:,} {kind}" for kind, n in sorted(bucket.requests.items()))
    ratio = f"{store.seconds / disk.seconds:.2f}; processor {store.cpu / disk.cpu:.2f}"
    cells = (name, _told(disk), _told(store), ratio, asked, f"{os.getloadavg()[0]:.1f}")
    print(f"| {' | '.join(cells)} |", flush=True)


def _scan(folder: object, database: Path, environment: dict[str, str]) -> Cost:
    words = [sys.executable, "-m", "tagger", "scan", str(folder), "--db", str(database)]
    return run(words, environment)


def _told(cost: Cost) -> str:
    return f"{cost.seconds:.2f} s, processor {cost.cpu:.2f} s, {cost.megabytes:.0f} MB"


if __name__ == "__main__":
    main()
