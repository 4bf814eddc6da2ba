"""Tags that leave: sidecars, keywords in files, and a sorted tree, beside exiftool.

    python -m benchmarks.metadata [--sidecars 10000] [--files 1000] [--repeats 3]

`sidecars` makes a sidecar for each picture, and waits until the disk has it; `again`
finds that all are right, beside `scan`, which finds that nothing has changed.
`few` is a tenth of the pictures, for the memory. `files` writes XMP and IPTC keywords
into JPEGs of 64 kB, beside exiftool in one batch and pyexiv2 (GPL, if installed in the
interpreter of --pyexiv2), and takes them out again for the next round. Exiftool and
pyexiv2 neither wait for the disk nor know an inventory.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.timing import Cost, in_turns, run

SAMPLES: Final = Path(__file__).parents[1] / "sample_images"

_PHOTOGRAPH: Final = "dark-ground-sneakers-white.jpg"
"""A photograph with a tag: one without a tag gets no keyword."""

_PYEXIV2: Final = """
import pyexiv2, sys
for path in sys.argv[1:]:
    with pyexiv2.Image(path) as image:
        image.modify_xmp({"Xmp.dc.subject": ["Bag"]})
        image.modify_iptc({"Iptc.Application2.Keywords": ["Bag"]})
"""


def pictures(folder: Path, sample: str, count: int) -> list[str]:
    """Copy a sample so many times, each with other bytes; return the paths."""
    folder.mkdir()
    data, ending = (SAMPLES / sample).read_bytes(), Path(sample).suffix
    paths = [folder / f"{number:06}{ending}" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(data + number.to_bytes(4))
    return [str(path) for path in paths]


def tagger(top: Path, *words: object) -> Callable[[], Cost]:
    """Return what runs a command on the inventory of a folder."""
    environment = {"TAGGER_DB": f"{top}.db", "TAGGER_SETTLE": "0"}
    command = [sys.executable, "-m", "tagger", *map(str, words)]
    return lambda: run(command, environment)


def sidecars(top: Path, count: int, repeats: int) -> dict[str, Cost]:
    """Measure sidecars for so many small pictures, and a tree of links to them."""
    few, many = top / "few", top / "many"
    for folder, number in ((few, count // 10), (many, count)):
        pictures(folder, "tiny.png", number)
        tagger(folder, "scan", folder)()

    def afresh(folder: Path) -> Cost:
        for path in folder.glob("*.xmp"):
            path.unlink()
        return tagger(folder, "write-tags", "--undecided")()

    def sorted_afresh() -> Cost:
        shutil.rmtree(top / "tree", ignore_errors=True)
        return tagger(many, "sort", top / "tree", "--undecided")()

    return in_turns(
        {
            "few": lambda: afresh(few),
            "sidecars": lambda: afresh(many),
            "again": tagger(many, "write-tags", "--undecided"),
            "sort": sorted_afresh,
            "sort again": tagger(many, "sort", top / "tree", "--undecided"),
            "scan": tagger(many, "scan", many),
        },
        repeats,
    )


def files(top: Path, count: int, repeats: int, pyexiv2: str) -> dict[str, Cost]:
    """Measure keywords in so many JPEGs."""
    ours = top / "ours"
    pictures(ours, _PHOTOGRAPH, count)
    tagger(ours, "scan", ours)()
    into = ("write-tags", "--into-files", "--undecided")
    peers = top / "peers"

    def fresh(*command: str) -> Cost:
        shutil.rmtree(peers, ignore_errors=True)
        paths = pictures(peers, _PHOTOGRAPH, count)
        os.sync()  # what was copied is not written out at the peer's expense
        return run([*command, *paths], {})

    keywords = ("-XMP-dc:Subject+=Bag", "-IPTC:Keywords+=Bag")

    def written() -> Cost:
        cost = tagger(ours, *into)()
        if not all(b"tagger:Tag" in path.read_bytes() for path in ours.iterdir()):
            raise RuntimeError("not all pictures got their tag")
        return cost

    contestants = {
        "files": written,
        "files again": tagger(ours, *into),
        "files scan": tagger(ours, "scan", ours),
        "remove": tagger(ours, *into, "--remove"),
    }
    if shutil.which("exiftool"):
        batch = ("exiftool", "-q", "-overwrite_original", *keywords)
        contestants["exiftool"] = lambda: fresh(*batch)
    if pyexiv2:
        contestants["pyexiv2"] = lambda: fresh(pyexiv2, "-c", _PYEXIV2)
    return in_turns(contestants, repeats)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sidecars", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pyexiv2", default="", help="a Python that has it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = sidecars(Path(folder), asked.sidecars, asked.repeats)
        costs |= files(Path(folder), asked.files, asked.repeats, asked.pyexiv2)
    print("| what | s | CPU s | MB |\n| --- | --- | --- | --- |")
    for name, cost in costs.items():
        print(
            f"| {name} | {cost.seconds:.2f} | {cost.cpu:.2f} | {cost.megabytes:.0f} |"
        )


if __name__ == "__main__":
    main()
