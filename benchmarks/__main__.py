"""Measure tagger beside its peers: `python -m benchmarks`. See benchmarks/README.md."""

import argparse
import itertools
import math
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import corpus
from benchmarks.timing import Cost, in_turns, run
from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle

_IMPORTS: Final = "import typer, sqlalchemy, rich"
_FEW: Final = 1000
"""Files of the small tree, beside which the large one is measured."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    `warm` says whether all is run once before, with byte code of its own. If not, the
    figures mean nothing; the run shows that every part works.
    """

    pictures: int
    articles: int
    large: int
    tree: int
    rows: int
    warm: bool = True


SIZES: Final = {
    "smallest": Sizes(pictures=6, articles=2, large=1, tree=20, rows=100, warm=False),
    "small": Sizes(pictures=300, articles=40, large=20, tree=10_000, rows=100_000),
    "full": Sizes(
        pictures=2000, articles=2000, large=200, tree=100_000, rows=1_000_000
    ),
}


class Bench:
    """Where things lie, and how commands are run."""

    def __init__(self, top: Path, sizes: Sizes, repeats: int) -> None:
        self.top, self.sizes, self.repeats = top, sizes, repeats
        self._fresh = itertools.count()
        self._environment = {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if sizes.warm:
            # Everybody's byte code is compiled, as an installation by pip has it.
            self._environment |= {
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(top / "pycache"),
            }

    def command(self, *words: object) -> Callable[[], Cost]:
        """Return what runs a command."""
        return lambda: run([str(word) for word in words], self._environment)

    def python(self, *words: object) -> Callable[[], Cost]:
        """Return what runs Python."""
        return self.command(sys.executable, *words)

    def tagger(self, *words: object) -> Callable[[], Cost]:
        """Return what runs tagger."""
        return self.python("-m", "tagger", *words)

    def scan(self, folder: Path) -> Callable[[], Cost]:
        """Return what scans a folder into a new inventory each time."""

        def scan_anew() -> Cost:
            with tempfile.TemporaryDirectory(dir=self.top) as place:
                database = Path(place) / "inventory.db"
                return self.tagger("scan", folder, "--db", database)()

        return scan_anew

    def peer(self, name: str, folder: Path) -> Callable[[], Cost]:
        """Return what runs one of `benchmarks.peers`."""
        return self.python("-m", "benchmarks.peers", name, folder)

    def turns(self, **contestants: Callable[[], Cost]) -> dict[str, Cost]:
        """Run in turns, after each has run once and warmed the disk's cache."""
        if self.sizes.warm:
            for contestant in contestants.values():
                contestant()
        return in_turns(contestants, self.repeats)


Rows = Iterator[tuple[str, str]]


def start_up(bench: Bench) -> Rows:
    """How soon commands that classify nothing are there."""
    database = corpus.inventory(bench.top, 100)
    found = bench.turns(
        imports=bench.python("-c", _IMPORTS),
        help=bench.tagger("--help"),
        status=bench.tagger("status", "--db", database),
        export=bench.tagger("export", "--db", database),
        limit=bench.python("-m", "benchmarks.limits", "start"),
    )
    names = {name: f"`tagger {name}`" for name in ("help", "status", "export")}
    for name, said in (names | {"limit": "the libraries alone"}).items():
        yield f"{said} / `{_IMPORTS}`", _ratio(found[name], found["imports"])


def one_image(bench: Bench) -> Rows:
    """How soon one new picture is in the inventory."""
    found = bench.turns(
        tagger=bench.scan(corpus.pictures(bench.top, "1.3", 1)),
        limit=bench.python("-m", "benchmarks.limits", "load", _network()),
        tensorflow=bench.python("-c", "import tensorflow"),
    )
    names = {"tagger": "scan of one new image", "limit": "its libraries alone"}
    for name, said in names.items():
        yield (
            f"{said} / `import tensorflow`",
            _ratio(found[name], found["tensorflow"]),
        )


def _network() -> Path:
    return find_bundle(DEFAULT_BUNDLE).litert_file


def scanning(bench: Bench) -> Rows:
    """How fast pictures of 1.3 megapixels are read, beside the limit."""
    number = bench.sizes.pictures
    folder = corpus.pictures(bench.top, "1.3", number)
    one = corpus.pictures(bench.top, "1.3", 1)
    found = bench.turns(
        tagger=bench.scan(folder),
        start=bench.scan(one),
        decoding=bench.peer("decoding", folder),
        decoding_start=bench.peer("decoding", one),
    )
    ours = _less(found["tagger"], found["start"])
    limit = _less(found["decoding"], found["decoding_start"])
    yield (
        f"only decoding / scan, {number} of 1.3 MP, after start-up",
        f"{_ratio(limit, ours)}; {number / ours.seconds:.0f} images/s",
    )


def peers(bench: Bench) -> Rows:
    """How much faster a scan is than what people write first."""
    number = bench.sizes.articles
    folder = corpus.pictures(bench.top, "1.3", number)
    found = bench.turns(
        tagger=bench.scan(folder),
        articles=bench.peer("articles", folder),
        dataset=bench.peer("dataset", folder),
    )
    for name, said in (("articles", "the articles' way"), ("dataset", "Keras's way")):
        yield (
            f"{said} / scan, {number} of 1.3 MP, whole process",
            _ratio(found[name], found["tagger"]),
        )


def large(bench: Bench) -> Rows:
    """How fast pictures of 12 megapixels are read."""
    number = bench.sizes.large
    folder = corpus.pictures(bench.top, "12", number)
    found = bench.turns(tagger=bench.scan(folder), pillow=bench.peer("pillow", folder))
    yield (
        f"Pillow in full / scan, {number} of 12 MP, whole process",
        _ratio(found["pillow"], found["tagger"]),
    )


def again(bench: Bench) -> Rows:
    """How long a scan takes when nothing has changed; how much memory a first takes."""
    number = bench.sizes.tree
    database = bench.top / f"tree-{number}.db"
    database.unlink(missing_ok=True)
    folder = corpus.tree(bench.top, number)
    few = bench.scan(corpus.tree(bench.top, min(_FEW, number)))()
    first = bench.tagger("scan", folder, "--db", database)()
    yield (
        f"memory, {number:,} images / {min(_FEW, number):,}",
        f"{first.megabytes / few.megabytes:.2f} ({first.megabytes:.0f} MB together)",
    )
    if number > _FEW:
        exponent = math.log(first.seconds / few.seconds) / math.log(number / _FEW)
        yield f"exponent of scan time, {_FEW:,} to {number:,}", f"{exponent:.2f}"
    found = bench.turns(
        tagger=bench.tagger("scan", folder, "--db", database),
        find=bench.command("find", folder, "-printf", r"%p %s %T@\n"),
        imports=bench.python("-c", _IMPORTS),
        limit=bench.python("-m", "benchmarks.limits", "walk", folder, database),
    )
    yardstick = _more(found["find"], found["imports"])
    names = {
        "tagger": f"re-scan of {number:,} unchanged",
        "limit": "the same files and rows, merely looked at from Python",
    }
    for name, said in names.items():
        yield f"{said} / find + imports", _ratio(found[name], yardstick)


def rows(bench: Bench) -> Rows:
    """How long status and export take with many items."""
    number = bench.sizes.rows
    database = corpus.inventory(bench.top, number)
    contestants = {
        "status": bench.tagger("status", "--db", database),
        "export": bench.tagger("export", "--db", database),
    }
    if shutil.which("sqlite3"):
        query = "SELECT * FROM inventory ORDER BY root, path"
        contestants["sqlite3"] = bench.command("sqlite3", "-csv", database, query)
    found = bench.turns(**contestants)
    yield f"`tagger status`, {number:,} items", _told(found["status"])
    yield f"`tagger export`, {number:,} items", _told(found["export"])
    if "sqlite3" in found:
        yield "export / sqlite3 -csv", _ratio(found["export"], found["sqlite3"])


SUITE: Final = (start_up, one_image, scanning, large, again, rows, peers)


def main() -> None:
    """Run what the command line names, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [part.__name__ for part in SUITE]
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(names))
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--top", type=Path, help="where the corpus is made, and kept")
    told = parser.parse_args()
    if unknown := set(told.parts) - set(names):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as scratch:
        top = told.top or Path(scratch)
        top.mkdir(parents=True, exist_ok=True)
        bench = Bench(top.resolve(), SIZES[told.size], told.repeats)
        print(_machine())
        print("\n| measured | result | load |\n| --- | --- | --- |")
        for part in SUITE:
            if not told.parts or part.__name__ in told.parts:
                for name, result in part(bench):
                    load = os.getloadavg()[0]
                    print(f"| {name} | {result} | {load:.1f} |", flush=True)


def _machine() -> str:
    packages = ("numpy", "opencv-python-headless", "pillow", "sqlalchemy", "tensorflow")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    return f"{cores}; Python {platform.python_version()}, {versions}"


def _ratio(one: Cost, other: Cost) -> str:
    return (
        f"{one.seconds / other.seconds:.2f} ({one.seconds:.2f} s / "
        f"{other.seconds:.2f} s); processor time {one.cpu / other.cpu:.2f}"
    )


def _told(cost: Cost) -> str:
    return f"{cost.seconds:.2f} s, processor {cost.cpu:.2f} s, {cost.megabytes:.0f} MB"


def _less(whole: Cost, start: Cost) -> Cost:
    seconds = max(whole.seconds - start.seconds, 1e-3)
    return Cost(seconds, max(whole.cpu - start.cpu, 1e-3), whole.megabytes)


def _more(one: Cost, other: Cost) -> Cost:
    return Cost(one.seconds + other.seconds, one.cpu + other.cpu, one.megabytes)


if __name__ == "__main__":
    main()
