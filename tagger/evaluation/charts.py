"""Specify the charts of measures in Vega-Lite.

`tagger.charts` draws them. They name their colours by the variables of its themes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.charts import TEN_COLOURS, Specification
from tagger.evaluation.measures import Bin, Curve
from tagger.evaluation.predictions import Confusion
from tagger.labels import OTHER
from tagger.records import AMBIGUOUS

TARGET: Final = 0.97
"""Accepted precision that the charts mark: the target of the bundled policy."""

_SIZE: Final = {"width": 465, "height": 315}
_SCATTER_SIZE: Final = {"width": 600, "height": 450}
_CELL_WIDTH, _CELL_HEIGHT = 42, 28
"""Pixels, of the whole chart or of a cell of the confusion matrix."""

FULL_SHADE: Final = 0.6
"""Opacity of a cell that has its whole row.

The contrast of the numbers is at least 6.6 in the light theme and 4.5 in the dark one;
WCAG 2.2 asks for 4.5.
"""

_CURVE_POINTS = 400
"""The most points of a curve: 465 pixels show no more."""

_NO_TAGS = {OTHER: "#8a909c", AMBIGUOUS: "#c3c8d1"}
"""Labels that are not tags are gray crosses, below the others."""

_SHAPES = ("circle", "square", "triangle-up", "diamond")
"""Shapes of dots: one for the first ten labels, the next one for the next ten."""

_LEGEND_ROWS = 22
"""Rows of the scatter's legend that fit beside it."""

_INK, _FIRST, _SECOND = "var(--ink)", "var(--machine)", "var(--contrast)"

_LINE: Final = {"type": "line", "strokeWidth": 2}
_DOTTED: Final = {"strokeDash": [2, 2], "strokeWidth": 1.5}
_DOT: Final = {"type": "point", "filled": True, "opacity": 1}
_SHARES: Final = {
    "scale": {"domain": [0, 1], "nice": False},
    "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "labelFlush": False},
}


def confusion_matrix(table: Confusion) -> Specification:
    """Return the confusion matrix; a cell's shade is its share of the row."""
    counts = np.array(table.counts, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = [
        {
            "label": table.labels[row],
            "tag": table.tags[column],
            "share": round(float(shares[row, column]), 4),
            "count": f"{count:,.0f}" if count else "",
        }
        for (row, column), count in np.ndenumerate(counts)
    ]
    shade = {"domain": [0, 1], "range": [0, FULL_SHADE]}
    across = _band("tag", "predicted", table.tags, labelAngle=-45)
    down = _band("label", "true label", table.labels)
    shaded = {"field": "share", "type": "quantitative", "scale": shade}
    return {
        "width": {"step": _CELL_WIDTH},
        "height": {"step": _CELL_HEIGHT},
        "view": {"stroke": "var(--line)"},
        "data": {"values": cells},
        "layer": [
            _layer(
                {"type": "rect", "fill": _FIRST},
                x=across,
                y=down,
                fillOpacity=shaded | {"legend": None},
            ),
            _layer(
                {"type": "text", "color": _INK, "fontSize": 11},
                x=across,
                y=down,
                text={"field": "count"},
            ),
            *_line_above(table.labels[len(table.tags) :], down),
        ],
    }


def _band(
    field: str, title: str, names: Sequence[str], **axis: object
) -> dict[str, Any]:
    """Return an axis with a band for each name, in their order."""
    return {
        "field": field,
        "type": "nominal",
        "title": title,
        "sort": list(names),
        "scale": {"padding": 0},
        "axis": {"domain": False, "ticks": False, "labelLimit": 180, **axis},
    }


def _line_above(
    labels: Sequence[str], down: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield a line above the first of the labels that are not tags."""
    for label in labels[:1]:
        rule = {"type": "rule", "color": _INK}
        yield _layer(rule, [{"label": label}], y={**down, "bandPosition": 0})


def reliability_diagram(bins: Sequence[Bin]) -> Specification:
    """Return the share that is right by confidence; the numbers count the images."""
    values = [
        {
            "low": b.low,
            "high": b.high,
            "middle": (b.low + b.high) / 2,
            "confidence": b.confidence,
            "right": b.right,
            "images": f"{b.images:,}",
        }
        for b in bins
        if b.confidence is not None and b.right is not None
    ]
    low = _axis("low", "confidence", **_SHARES)
    right = _axis("right", "share that is right", **_SHARES)
    right["scale"] = {"domain": [0, 1.1], "nice": False}
    for axis in (low, right):
        axis["axis"] = {**_SHARES["axis"], "grid": False}
    return _chart(
        _layer(
            {"type": "rect", "opacity": 0.75, "xOffset": 0.5, "x2Offset": -0.5},
            x=low,
            x2={"field": "high"},
            y=right,
            y2={"datum": 0},
            color=_key("share that is right", _FIRST, "square"),
        ),
        _layer(
            _DOTTED | {"type": "line"},
            [{"low": 0, "right": 0}, {"low": 1, "right": 1}],
            x=low,
            y=right,
            color=_dotted_key("ideal"),
        ),
        _layer(
            _DOT | {"size": 30},
            x=low | {"field": "confidence"},
            y=right,
            color=_key("at the mean confidence", _SECOND, "circle"),
        ),
        _layer(
            {"type": "text", "dy": -9, "color": _INK, "fontSize": 10},
            x=low | {"field": "middle"},
            y=right,
            text={"field": "images"},
        ),
        values=values,
    )


def coverage_chart(curve: Curve, point: tuple[float, float] | None) -> Specification:
    """Return accepted precision against coverage, and the point of the policy."""
    thin = curve.thinned(_CURVE_POINTS)
    shown = list(zip(thin.coverage.tolist(), thin.precision.tolist(), strict=True))
    marked = [] if point is None else [point]
    lowest = min([0.9, *curve.precision, *(precision for _, precision in marked)])
    bottom = max(0.0, float(lowest) - 0.02)
    x = _axis("coverage", "coverage", **_SHARES)
    y = _axis("precision", "accepted precision")
    y["scale"] = {"domain": [bottom, 1.005], "nice": False}
    policy = _layer(
        _DOT | {"size": 90},
        _points(marked),
        x=x,
        y=y,
        color=_key("the policy", _SECOND, "circle"),
    )
    return _chart(
        _layer(
            _DOTTED | {"type": "rule"},
            [{"precision": TARGET}],
            y=y,
            color=_dotted_key(f"target {TARGET:.2f}"),
        ),
        _layer(
            _LINE | {"interpolate": "step-after"},
            x=x,
            y=y,
            color=_key("all thresholds", _FIRST, "stroke"),
        ),
        *([policy] if marked else []),
        values=_points(shown),
    )


def _points(places: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"coverage": x, "precision": y} for x, y in places]


def learning_chart(
    curves: Sequence[Mapping[str, float]], measure: str
) -> Specification:
    """Return a measure over the epochs, and the epoch whose weights were kept.

    `curves` holds for each epoch the measure on the training pictures, and as `val_…`
    that on the held-back pictures. The epoch of the lowest `val_loss` is kept.
    """
    kept = 1 + min(range(len(curves)), key=lambda n: curves[n]["val_loss"])
    held_back = f"val_{measure}"
    values = [
        {"epoch": number, measure: epoch[measure], held_back: epoch[held_back]}
        for number, epoch in enumerate(curves, start=1)
    ]
    x = _axis("epoch", "epoch", axis={"format": "d", "tickMinStep": 1})
    x["scale"] = {"domain": [1, max(len(curves), 2)], "nice": False}
    y = _axis(measure, measure, scale={"zero": False})
    lines = [
        _layer(
            _LINE | {"point": len(curves) == 1},
            x=x,
            y=y | {"field": field},
            color=_key(name, colour, "stroke"),
        )
        for name, field, colour in (
            ("training", measure, _FIRST),
            ("held back", held_back, _SECOND),
        )
    ]
    end = _layer(
        _DOTTED | {"type": "rule"},
        [{"epoch": kept}],
        x=x,
        color=_dotted_key(f"kept: epoch {kept}"),
    )
    return _chart(*lines, end, values=values)


def scatter(
    points: NDArray[np.float64],
    labels: NDArray[np.str_],
    *,
    across: str = "",
    along: str = "",
) -> Specification:
    """Return (n, 2) points, coloured by label; without `across` axes have no scale."""
    names = list(dict.fromkeys(labels.tolist()))
    dots = [
        {"x": x, "y": y, "label": label}
        for (x, y), label in zip(points.tolist(), labels.tolist(), strict=True)
    ]
    dots.sort(key=lambda dot: dot["label"] not in _NO_TAGS)  # later ones lie above
    looks = _looks(names)
    legend = {"orient": "right", "direction": "vertical", "symbolOpacity": 1}
    legend |= {"columns": -(-len(names) // _LEGEND_ROWS), "symbolSize": 60}
    key = {"field": "label", "type": "nominal", "legend": legend}
    scale = {"zero": False, "nice": False, "padding": 12}
    axis = {"axis": {"grid": False} if across else None, "scale": scale}
    return _SCATTER_SIZE | {
        "autosize": {"type": "fit", "contains": "padding"},
        "view": {"stroke": "var(--line)"},
        "data": {"values": dots},
        "mark": {"type": "point", "filled": True, "size": 11, "opacity": 0.75},
        "encoding": {
            "x": _axis("x", across, **axis),
            "y": _axis("y", along, **axis),
            "color": key | {"scale": _ordinal(looks, 0)},
            "shape": key | {"scale": _ordinal(looks, 1)},
        },
    }


def _looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the colour and the shape of the dots of each label."""
    tags = [name for name in names if name not in _NO_TAGS]
    looks = {name: (colour, "cross") for name, colour in _NO_TAGS.items()}
    for number, name in enumerate(tags):
        round_, place = divmod(number, len(TEN_COLOURS))
        looks[name] = (TEN_COLOURS[place], _SHAPES[round_ % len(_SHAPES)])
    return {name: looks[name] for name in names}


def _ordinal(looks: Mapping[str, tuple[str, str]], part: int) -> dict[str, Any]:
    return {"domain": list(looks), "range": [look[part] for look in looks.values()]}


def _chart(
    *layers: Mapping[str, Any], values: Sequence[Mapping[str, Any]]
) -> Specification:
    """Return layers over one another, each with its own entry in the legend."""
    apart = {"color": "independent"}
    return _SIZE | {
        "autosize": {"type": "fit", "contains": "padding"},
        "view": {"stroke": "var(--line)"},
        "data": {"values": list(values)},
        "layer": list(layers),
        "resolve": {"scale": apart, "legend": apart},
    }


def _layer(
    mark: Mapping[str, Any],
    values: Sequence[Mapping[str, Any]] | None = None,
    **encoding: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a layer of marks; without `values` it shows those of the chart."""
    data = {} if values is None else {"data": {"values": list(values)}}
    return {"mark": dict(mark), "encoding": encoding} | data


def _axis(field: str, title: str, **settings: object) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title or None, **settings}


def _key(name: str, colour: str, symbol: str, **legend: object) -> dict[str, Any]:
    """Return the colour of a layer, and its entry in the legend."""
    return {
        "datum": name,
        "scale": {"range": [colour]},
        "legend": {"symbolType": symbol, **legend},
    }


def _dotted_key(name: str) -> dict[str, Any]:
    return _key(name, _INK, "stroke", symbolDash=_DOTTED["strokeDash"])
