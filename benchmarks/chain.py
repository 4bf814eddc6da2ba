"""Measure the unit costs of a chain's scan, and draw what ten million pictures cost.

    python -m benchmarks.chain                      # measure, and write chain.json
    python -m benchmarks.chain --db URL             # add a database server to the run
    python -m benchmarks.chain --draw               # draw the chart again
    poe docs                                        # write docs/chain-costs.md again

What is measured: the real preprocessing and network on made pictures, the real walk of
a tree, a real scan in which nothing has changed, and the recorder of a real scan with
simulated items. All other figures are assumptions; `ASSUMED` lists them. The database
of `--db` must be empty.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import corpus
from benchmarks.costs import (
    GIGABYTE,
    HOUR,
    Costs,
    Prices,
    bottleneck,
    duration,
    limits,
    listing,
    nightly,
    price_of_first,
    price_of_nightly,
    stages,
)
from benchmarks.timing import run as run_command
from tagger.bundles.bundle import default_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.charts import png, svg
from tagger.imaging.formats import ENDINGS
from tagger.imaging.prepare import prepare
from tagger.inventory import Inventory
from tagger.records import Runtime
from tagger.scan.records import ScanOptions
from tagger.scan.walk import Rules, walk
from tagger.system.database_url import DatabaseUrl, Place

RUN: Final = Path(__file__).parent / "chain.json"
CHART: Final = Path(__file__).parents[1] / "docs" / "pictures" / "chain.png"

PICTURES: Final = 10_000_000
SHOPS: Final = 40
WORKERS: Final = (1, 4, 16, 64, 256)

ASSUMED: Final[Mapping[str, float]] = {
    "page_seconds": 0.1,
    "bandwidth": 1.25e9,
    "list_requests": 0.005,
    "get_requests": 0.0004,
    "worker_hour": 0.04,
}
"""A page of a listing in 0.1 s. A storage that gives 10 Gbit/s to all workers. Dollars
for 1,000 requests of an object store, and for an hour of one processor."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. The smallest only shows that all of it runs."""

    pictures: int
    tree: int
    rows: tuple[int, ...]
    written: int
    step: int


SIZES: Final = {
    "smallest": Sizes(pictures=3, tree=20, rows=(100, 200), written=200, step=100),
    "full": Sizes(
        pictures=200,
        tree=50_000,
        rows=(10_000, 100_000),
        written=200_000,
        step=50_000,
    ),
}


def main() -> None:
    """Measure as the command line says, and write the run and its chart."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--db", help="URL of a new database: only measure recording")
    parser.add_argument("--draw", action="store_true", help="only draw the chart again")
    parser.add_argument("--top", type=Path, help="where the corpus is made, and kept")
    parser.add_argument("-o", "--output", type=Path, default=RUN)
    parser.add_argument("--chart", type=Path, default=CHART)
    wanted = parser.parse_args()
    if wanted.db:
        _add_server(wanted.output, DatabaseUrl(wanted.db), SIZES[wanted.size])
    elif not wanted.draw:
        with tempfile.TemporaryDirectory() as scratch:
            top = wanted.top or Path(scratch)
            top.mkdir(parents=True, exist_ok=True)
            run = measure(top.resolve(), SIZES[wanted.size])
        wanted.output.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    run = json.loads(wanted.output.read_text(encoding="utf-8"))
    wanted.chart.write_bytes(chart(run))


def _add_server(file: Path, url: DatabaseUrl, sizes: Sizes) -> None:
    """Measure the recorder on a server, and add that to the run in a file."""
    run = json.loads(file.read_text(encoding="utf-8"))
    run["measured"]["server"] = _written(url, sizes)
    file.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def measure(top: Path, sizes: Sizes) -> dict[str, Any]:
    """Measure all unit costs; return the run, which JSON can hold."""
    measured = {
        "small": _reading(corpus.pictures(top, "1.3", sizes.pictures)),
        "large": _reading(corpus.pictures(top, "12", max(1, sizes.pictures // 5))),
        "classify": _classifying(max(1, sizes.pictures // 10)),
        **_again(top, sizes.tree),
        "rows": _rows(top, sizes.rows),
        "written": _written(top / "chain-written.db", sizes),
    }
    return {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "measured": measured,
        "assumed": dict(ASSUMED),
    }


def _reading(folder: Path) -> dict[str, float]:
    """Measure the preprocessing of a folder's pictures, and their bytes."""
    paths = sorted(folder.iterdir())
    prepare(paths[0])  # loads the decoders
    began = time.process_time()
    for path in paths:
        prepare(path)
    return {
        "pictures": len(paths),
        "prepare": (time.process_time() - began) / len(paths),
        "bytes": sum(path.stat().st_size for path in paths) / len(paths),
    }


def _classifying(batches: int) -> float:
    """Measure the network's processor seconds a picture, in batches of a scan."""
    classifier = BundleClassifier(default_bundle(), Runtime.LITERT)
    size = ScanOptions().batch_size
    batch = np.random.default_rng(0).integers(0, 256, (size, 28, 28, 3), np.uint8)
    classifier.classify(batch)
    began = time.process_time()
    for _ in range(batches):
        classifier.classify(batch)
    return (time.process_time() - began) / (batches * size)


def _again(top: Path, files: int) -> dict[str, float]:
    """Measure the walk of a tree, and a whole scan in which nothing has changed."""
    folder, database = corpus.tree(top, files), top / f"chain-tree-{files}.db"
    command = [sys.executable, "-m", "tagger", "scan", str(folder)]
    command += ["--db", str(database), "--settle", "0s"]
    run_command(command, {})
    unchanged = run_command(command, {})
    began = time.process_time()
    for _ in walk(folder, Rules(endings=ENDINGS)):
        pass
    return {
        "tree": files,
        "walk": (time.process_time() - began) / files,
        "unchanged": unchanged.cpu / files,
        "known": _bytes_known(database, folder),
    }


def _bytes_known(database: Path, folder: Path) -> float:
    """Measure the memory in which a scan holds one known item."""
    with (
        Inventory(database) as inventory,
        inventory.recording(corpus.MODEL, options={}) as recording,
    ):
        tracemalloc.start()
        known = recording.known(folder)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        recording.finish([], exit_code=0, counts={})
    return held / max(1, len(known))


def _rows(top: Path, numbers: Sequence[int]) -> dict[str, float]:
    """Measure the bytes of an item in inventories of so many."""
    sizes = {n: corpus.inventory(top, n).stat().st_size for n in numbers}
    return {str(n): size / n for n, size in sizes.items()}


def _written(place: Place, sizes: Sizes) -> list[dict[str, float]]:
    """Measure the recorder with simulated items, in parts, in batches of a scan.

    The parts show whether it gets slower as the inventory grows.
    """
    size = ScanOptions().batch_size
    parts = []
    with (
        Inventory(place) as inventory,
        inventory.recording(corpus.MODEL, options={}) as recording,
    ):
        for start in range(0, sizes.written, sizes.step):
            began, processor = time.perf_counter(), time.process_time()
            for first in range(start, start + sizes.step, size):
                numbers = range(first, min(first + size, start + sizes.step))
                rows = [corpus.row(number) for number in numbers]
                recording.record(Path("/srv/shop"), rows, {}, {})
            parts.append(
                {
                    "rows": start + sizes.step,
                    "seconds": (time.perf_counter() - began) / sizes.step,
                    "processor": (time.process_time() - processor) / sizes.step,
                }
            )
        recording.finish([Path("/srv/shop")], exit_code=0, counts={})
    return parts


def costs(run: Mapping[str, Any], pictures: str = "small") -> Costs:
    """Return the unit costs of a run, for pictures of one size: small or large."""
    measured, assumed = run["measured"], run["assumed"]
    written = measured["written"]
    return Costs(
        prepare=measured[pictures]["prepare"],
        classify=measured["classify"],
        read=measured[pictures]["bytes"],
        write=written[-1]["processor"],
        row=list(measured["rows"].values())[-1],
        page=assumed["page_seconds"],
        compare=measured["unchanged"] - measured["walk"],
        bandwidth=assumed["bandwidth"],
    )


def prices(run: Mapping[str, Any]) -> Prices:
    """Return the assumed prices of a run."""
    names = ("list_requests", "get_requests", "worker_hour")
    return Prices(*(run["assumed"][name] for name in names))


def chart(run: Mapping[str, Any]) -> bytes:
    """Draw the hours of a first scan by workers, and those of each part, as PNG."""
    names = {
        "the scan": "var(--ink)",
        "workers": "var(--machine)",
        "driver": "var(--trouble)",
        "storage": "var(--person)",
        "listing": "var(--waiting)",
    }
    hours: dict[str, Any] = {
        "field": "hours",
        "type": "quantitative",
        "title": "hours",
        "scale": {"type": "log", "nice": False},
        "axis": {"format": "~g", "values": [0.03, 0.1, 0.3, 1, 3, 10, 30, 100]},
    }
    specification = {
        "title": f"{PICTURES / 1e6:g} million pictures: hours of a first scan",
        "width": 562,
        "height": 338,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": list(_points(run))},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "workers",
                "type": "quantitative",
                "title": "processors of workers",
                "scale": {"type": "log", "base": 2},
                "axis": {"values": [2**n for n in range(9)], "labelFlush": False},
            },
            "y": hours,
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": list(names), "range": list(names.values())},
                "legend": {"columns": 5, "symbolType": "stroke"},
            },
            "strokeDash": {
                "condition": {"test": "datum.part == 'the scan'", "value": []},
                "value": [5, 4],
            },
        },
    }
    return png(svg(specification, "hours by workers"))


def _points(run: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    unit = costs(run)
    for number in [2 ** (n / 4) for n in range(33)]:
        needed = {
            "the scan": duration(unit, PICTURES, number),
            "listing": listing(unit, PICTURES),
            **stages(unit, PICTURES, number),
        }
        for part, seconds in needed.items():
            yield {"workers": number, "part": part, "hours": seconds / HOUR}


def unit_table(run: Mapping[str, Any]) -> str:
    """Return the unit costs as a table in Markdown, each with its origin."""
    measured, assumed = run["measured"], run["assumed"]
    small, large, unit = measured["small"], measured["large"], costs(run)
    written, rows = measured["written"], measured["rows"]
    table = [
        (
            "prepare a picture of 1.3 megapixels (12 megapixels)",
            f"{small['prepare'] * 1e3:.1f} ms ({large['prepare'] * 1e3:.1f} ms)",
            "measured, processor time",
        ),
        (
            "read it",
            f"{small['bytes'] / 1e3:.0f} kB ({large['bytes'] / 1e3:.0f} kB)",
            "measured",
        ),
        ("classify it", f"{unit.classify * 1e3:.2f} ms", "measured, processor time"),
        (
            "record it in the driver",
            f"{unit.write * 1e3:.2f} ms: {1 / unit.write:,.0f} items a second",
            (
                f"measured, processor time, the last of {written[-1]['rows']:,} items; "
                f"the first {written[0]['rows']:,} took "
                f"{written[0]['processor'] * 1e3:.2f} ms each"
            ),
        ),
        (
            "keep it in the database",
            f"{unit.row:.0f} bytes",
            "measured: "
            + ", ".join(f"{size:.0f} at {int(n):,} items" for n, size in rows.items()),
        ),
        (
            "compare an unchanged one",
            f"{unit.compare * 1e6:.0f} µs, {measured['known']:.0f} bytes of memory",
            (
                f"measured, processor time, {measured['tree']:,} local files and the "
                "start of the program; to list each took "
                f"{measured['walk'] * 1e6:.0f} µs more"
            ),
        ),
        ("list 1,000 objects", f"{unit.page:g} s", "assumed, an object store"),
        (
            "read from the storage, all workers together",
            f"{unit.bandwidth / GIGABYTE:.2f} GB a second",
            "assumed: 10 Gbit/s",
        ),
        (
            "1,000 requests: list, get",
            f"${assumed['list_requests']:g}, ${assumed['get_requests']:g}",
            "assumed: your store's prices may differ",
        ),
        ("an hour of one processor", f"${assumed['worker_hour']:g}", "assumed"),
    ]
    return _table(("to", "costs", "from"), table)


def hours_table(run: Mapping[str, Any]) -> str:
    """Return the hours and the price of a first scan by workers, in Markdown."""
    price = prices(run)
    lines = []
    for number in WORKERS:
        cells = [f"{number:,}"]
        for unit in (costs(run), costs(run, "large")):
            hours = duration(unit, PICTURES, number) / HOUR
            cells.append(f"{hours:.1f} h, by the {bottleneck(unit, number)}")
        cells.append(f"${price_of_first(costs(run), price, PICTURES, number):.0f}")
        lines.append(tuple(cells))
    heading = ("processors", "1.3 megapixels", "12 megapixels", "price, 1.3 megapixels")
    return _table(heading, lines)


def in_short(run: Mapping[str, Any]) -> str:
    """Return what follows from the run, as a list in Markdown."""
    unit, price = costs(run), prices(run)
    night, list_all = nightly(unit, PICTURES), listing(unit, PICTURES)
    memory = PICTURES * run["measured"]["known"] / GIGABYTE
    clock = replace(unit, write=run["measured"]["written"][-1]["seconds"])
    return f"""\
- Pictures of 1.3 megapixels: {_most_workers(unit)}
- Pictures of 12 megapixels: {_most_workers(costs(run, "large"))}
- More processors than the smaller number help nothing.
- That is by processor time. By the clock, on the busy machine of this run, the driver took
  {clock.write * 1e3:.2f} ms an item. Such a driver keeps up with {limits(clock)["driver"]:.0f} processors.
{_of_server(run)}- The database takes {PICTURES * unit.row / GIGABYTE:.1f} GB.
- A night in which nothing changed takes {night / 60:.0f} minutes: {list_all / 60:.0f} to list, the rest to
  compare. No picture is read. The requests cost ${price_of_nightly(price, PICTURES):.2f}.
- One scan of all pictures holds the known items in {memory:.1f} GB of memory. Of {SHOPS} scans,
  one a shop, each holds {memory / SHOPS * 1000:.0f} MB."""  # noqa: E501  as the page has it


def _of_server(run: Mapping[str, Any]) -> str:
    """Return a line about the server that was measured, if one was."""
    if "server" not in run["measured"]:
        return ""
    last = run["measured"]["server"][-1]
    most = limits(replace(costs(run), write=last["seconds"]))["driver"]
    by_clock, own = last["seconds"] * 1e3, last["processor"] * 1e3
    return f"""\
- Into PostgreSQL on the same machine, the driver took {by_clock:.2f} ms an item by the
  clock; {own:.2f} ms was its own processor time. It keeps up with
  {most:.0f} processors.
"""


def _most_workers(unit: Costs) -> str:
    most = limits(unit)
    return (
        f"the driver keeps up with {most['driver']:.0f} processors, the storage with "
        f"{most['storage']:.0f}."
    )


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
