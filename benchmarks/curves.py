"""Draw learning curves that `benchmarks.adaptation` wrote, each named by its file.

    python -m benchmarks.curves CURVE.csv ... [-o curves.png]

Lines: the share of a shop's items that is right. Broken lines: the share accepted at
the threshold from which on 97 % of what is accepted is right.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.evaluation.charts import LIGHT, Theme, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 7.5, 4.5
_DRAWN: Mapping[str, str] = {"accuracy": "-", "coverage97": "--"}


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
    """Draw curves as a PNG. MissingExtraError where Matplotlib is not installed."""
    read = {file.stem: _lines(file) for file in files}

    def drawing(axes: "Axes", theme: Theme) -> None:
        axes.grid(color=theme.faint, linewidth=0.6)
        for number, (name, lines) in enumerate(read.items()):
            answers = [int(line["answers"]) for line in lines]
            for column, style in _DRAWN.items():
                axes.plot(
                    answers,
                    [float(line[column]) for line in lines],
                    linestyle=style,
                    color=f"C{number}",
                    marker="o",
                    label=name if column == "accuracy" else None,
                )
        axes.set(ylim=(0, 1), xlabel="answers", ylabel="share of the items")
        axes.set_title(
            "line: right; broken: accepted with 97 % right", color=theme.ink, size=10
        )
        axes.legend(loc="best", frameon=False, labelcolor=theme.ink)

    output.write_bytes(draw(drawing, LIGHT, _WIDTH, _HEIGHT))


def _lines(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
