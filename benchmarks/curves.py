"""Draw learning curves that `benchmarks.adaptation` wrote, each named by its file.

    python -m benchmarks.curves CURVE.csv ... [-o curves.png]

Lines: the share of a shop's items that is right. Broken lines: the share accepted at
the threshold from which on 97 % of what is accepted is right.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tagger.charts import TEN_COLOURS, png, svg

_DRAWN: Mapping[str, list[int]] = {"accuracy": [], "coverage97": [6, 4]}
"""Columns, and the dashes of their lines."""


def main() -> None:
    """Draw the curves of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("curves", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("curves.png"))
    wanted = parser.parse_args()
    write(wanted.output, wanted.curves)


def write(output: Path, files: Sequence[Path]) -> None:
    """Draw curves as a PNG."""
    names = [file.stem for file in files]
    colours = [TEN_COLOURS[n % len(TEN_COLOURS)] for n in range(len(names))]
    share: dict[str, Any] = {"type": "quantitative", "title": "share of the items"}
    chart = {
        "title": "line: right; broken: accepted with 97 % right",
        "width": 562,
        "height": 338,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": [point for file in files for point in _points(file)]},
        "mark": {"type": "line", "point": {"size": 50}, "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "answers",
                "type": "quantitative",
                "axis": {"labelFlush": False, "tickCount": 8},
            },
            "y": share | {"field": "share", "scale": {"domain": [0, 1]}},
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": names, "range": colours},
                "legend": {"columns": 4},
            },
            "strokeDash": {
                "field": "column",
                "type": "nominal",
                "scale": {"domain": list(_DRAWN), "range": list(_DRAWN.values())},
                "legend": None,
            },
        },
    }
    output.write_bytes(png(svg(chart, "learning curves")))


def _points(file: Path) -> Iterator[dict[str, object]]:
    for line in _lines(file):
        for column in _DRAWN:
            answers, share = int(line["answers"]), float(line[column])
            yield {
                "name": file.stem,
                "column": column,
                "answers": answers,
                "share": share,
            }


def _lines(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
