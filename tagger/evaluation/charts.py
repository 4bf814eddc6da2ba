"""Draw measures as PNG charts, in a light and in a dark theme.

Uses Matplotlib's figures without `pyplot`, which keeps a reference to every figure.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tagger.errors import MissingExtraError
from tagger.evaluation.measures import Bin, Curve
from tagger.evaluation.predictions import Confusion
from tagger.labels import OTHER
from tagger.records import AMBIGUOUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 150
_DARK_CELL = 0.55
"""Share of a row above which a cell's number takes the background colour."""

_MAP_STEPS = 256
"""Shades of the confusion map."""

_ABOVE = 0.03
"""Distance of a number from its bar, as a share of the height."""

_NO_TAGS = {OTHER: "#8a909c", AMBIGUOUS: "#c3c8d1"}
"""Labels that are not tags are gray, below the others."""

TARGET: Final = 0.97
"""Accepted precision that the charts mark: the target of the bundled policy."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a page: background, text, faint lines, and two for data.

    `first` and `second` also differ in lightness, for colour-blind readers.
    """

    ground: str
    ink: str
    faint: str
    first: str
    second: str


LIGHT: Final = Theme("#ffffff", "#1f2430", "#d9dde5", "#2563b8", "#d9730d")
DARK: Final = Theme("#171b24", "#e6e9f0", "#3a4152", "#6ea8fe", "#f5a35c")

Drawing = Callable[["Axes", Theme], None]


def draw(drawing: Drawing, theme: Theme, width: float, height: float) -> bytes:
    """Return a drawing as PNG of `width` by `height` inches, at 150 dots per inch.

    Raises MissingExtraError if Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415  an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("drawing", "matplotlib", "evaluate") from error
    stream = io.BytesIO()
    # A tag may contain "$", which is not a formula, or letters that the font lacks.
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure((width, height), facecolor=theme.ground, layout="tight")
        axes = figure.subplots()
        axes.set_facecolor(theme.ground)
        axes.tick_params(colors=theme.faint, labelcolor=theme.ink)
        for spine in axes.spines.values():
            spine.set_color(theme.faint)
        drawing(axes, theme)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(theme.ink)
        figure.savefig(stream, format="png", dpi=_DOTS_PER_INCH)
    return stream.getvalue()


def confusion_map(table: Confusion) -> Drawing:
    """Draw the confusion matrix; a cell's shade is its share of the row."""
    counts = np.array(table.counts, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def drawing(axes: "Axes", theme: Theme) -> None:
        from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

        ramp = [theme.ground, theme.first]
        shades = LinearSegmentedColormap.from_list("shares", ramp, _MAP_STEPS)
        axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(table.tags)), table.tags, rotation=45, ha="right")
        axes.set_yticks(range(len(table.labels)), table.labels)
        axes.set(xlabel="predicted", ylabel="true label")
        for (row, column), count in np.ndenumerate(counts):
            dark = shares[row, column] > _DARK_CELL
            colour = theme.ground if dark else theme.ink
            if count:
                _number(axes, f"{count:,.0f}", (column, row), colour, "center")
        if len(table.labels) > len(table.tags):
            axes.axhline(len(table.tags) - 0.5, color=theme.ink, linewidth=1)

    return drawing


def reliability_diagram(bins: Sequence[Bin]) -> Drawing:
    """Draw the share that is right by confidence; the numbers count the images."""
    filled = [b for b in bins if b.confidence is not None and b.right is not None]
    right = [b.right or 0.0 for b in filled]

    def drawing(axes: "Axes", theme: Theme) -> None:
        ideal: dict[str, Any] = {"linestyle": ":", "label": "ideal"}
        axes.plot([0, 1], [0, 1], color=theme.ink, **ideal)
        axes.bar(
            [b.low for b in filled],
            right,
            width=[(b.high - b.low) * 0.92 for b in filled],
            align="edge",
            color=theme.first,
            alpha=0.75,
            label="share that is right",
        )
        axes.plot(
            [b.confidence or 0.0 for b in filled],
            right,
            "o",
            color=theme.second,
            markersize=5,
            label="at the mean confidence",
        )
        for b, height in zip(filled, right, strict=True):
            place = ((b.low + b.high) / 2, height + _ABOVE)
            _number(axes, f"{b.images:,}", place, theme.ink)
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1.1),
            xlabel="confidence",
            ylabel="share that is right",
        )
        _legend(axes, theme, "upper left")

    return drawing


def coverage_chart(curve: Curve, point: tuple[float, float] | None) -> Drawing:
    """Draw accepted precision against coverage, and the point of the policy."""

    def drawing(axes: "Axes", theme: Theme) -> None:
        axes.grid(color=theme.faint, linewidth=0.6)
        target: dict[str, Any] = {"linestyle": ":", "label": f"target {TARGET:.2f}"}
        axes.axhline(TARGET, color=theme.ink, **target)
        axes.plot(
            curve.coverage,
            curve.precision,
            color=theme.first,
            linewidth=2,
            drawstyle="steps-post",
            label="all thresholds",
        )
        shown = curve.precision.tolist()
        if point is not None:
            axes.plot(*point, "o", color=theme.second, markersize=9, label="the policy")
            shown.append(point[1])
        bottom = max(0.0, min(0.9, *shown, 0.9) - 0.02)
        axes.set(xlim=(0, 1), ylim=(bottom, 1.005))
        axes.set(xlabel="coverage", ylabel="accepted precision")
        _legend(axes, theme, "lower left")

    return drawing


def learning_chart(curves: Sequence[Mapping[str, float]], measure: str) -> Drawing:
    """Draw a measure over the epochs, and the epoch whose weights were kept.

    `curves` holds for each epoch the measure on the training pictures, and as `val_…`
    that on the held-back pictures. The epoch of the lowest `val_loss` is kept.
    """
    epochs = range(1, len(curves) + 1)
    kept = 1 + min(range(len(curves)), key=lambda n: curves[n]["val_loss"])

    def drawing(axes: "Axes", theme: Theme) -> None:
        axes.grid(color=theme.faint, linewidth=0.6)
        for name, colour, label in (
            (measure, theme.first, "training"),
            (f"val_{measure}", theme.second, "held back"),
        ):
            values = [epoch[name] for epoch in curves]
            axes.plot(epochs, values, color=colour, linewidth=2, label=label)
        mark: dict[str, Any] = {"linestyle": ":", "label": f"kept: epoch {kept}"}
        axes.axvline(kept, color=theme.ink, **mark)
        axes.set(xlabel="epoch", ylabel=measure)
        _legend(axes, theme, "best")

    return drawing


def scatter(
    points: NDArray[np.float64],
    labels: NDArray[np.str_],
    *,
    across: str = "",
    along: str = "",
) -> Drawing:
    """Draw (n, 2) points, coloured by label; without `across` axes have no scale."""

    def drawing(axes: "Axes", theme: Theme) -> None:
        from matplotlib import colormaps  # noqa: PLC0415  an extra

        shades = colormaps["tab20"]
        for number, label in enumerate(dict.fromkeys(labels.tolist())):
            x, y = points[labels == label].T
            dots: dict[str, Any] = {"s": 9, "alpha": 0.75, "linewidths": 0}
            if label in _NO_TAGS:
                dots |= {"color": _NO_TAGS[label], "zorder": 0}
            else:
                dots["color"] = shades(number % shades.N)
            axes.scatter(x, y, label=label, **dots)
        axes.set(xlabel=across, ylabel=along)
        if not across:
            axes.set(xticks=[], yticks=[])
        handles, _ = axes.get_legend_handles_labels()
        axes.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            markerscale=2.5,
            labelcolor=theme.ink,
        )

    return drawing


def _number(
    axes: "Axes",
    text: str,
    place: tuple[float, float],
    colour: str,
    va: Literal["center", "bottom"] = "bottom",
) -> None:
    axes.annotate(text, place, ha="center", va=va, color=colour, size=7)


def _legend(
    axes: "Axes", theme: Theme, place: Literal["best", "upper left", "lower left"]
) -> None:
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(
        handles=handles, loc=place, frameon=False, labelcolor=theme.ink, fontsize=9
    )
