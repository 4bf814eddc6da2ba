"""Draw the charts of the report as SVG: items by tag, confidences, shares by run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tagger.charts import TEN_COLOURS, svg

_WIDTH: Final = 400
"""Pixels of a chart."""

_MOST_RUNS = 30
"""The newest runs that are drawn."""

STANDINGS: Final = {
    "accepted": "var(--machine)",
    "decided": "var(--person)",
    "waiting": "var(--waiting)",
}
"""Colours by the standing of a tag, in the order of the stacked bars."""

_LINES: Final = {
    "mean confidence": "var(--machine)",
    "waiting": "var(--waiting)",
    "unreadable": "var(--trouble)",
}
"""Colours of the lines that are drawn over the runs."""

_REST: Final = "other tags"


def _by_name(
    counts: Mapping[str, int], names: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """Yield the count of each name; tags without a name are counted as `_REST`."""
    rest = sum(count for tag, count in counts.items() if tag not in names)
    for name in names:
        yield name, counts.get(name, 0) + (rest if name == _REST else 0)


def by_tag(rows: Sequence[tuple[str, Mapping[str, int]]], title: str) -> str:
    """Draw items by tag, stacked by standing: accepted, decided, waiting."""
    values = [
        {"tag": tag, "standing": standing, "items": number, "order": order}
        for tag, counts in rows
        for order, (standing, number) in enumerate(counts.items())
    ]
    return _drawn(
        title,
        values,
        mark={"type": "bar"},
        height={"step": 22},
        encoding={
            "y": {"field": "tag", "type": "nominal", "sort": None, "title": None},
            "x": _COUNT,
            "color": _standing_colours(["accepted", "decided", "waiting"]),
            "order": {"field": "order"},
        },
    )


def histogram(bins: Sequence[tuple[int, int]], title: str) -> str:
    """Draw the confidences of accepted and of waiting items."""
    step = 1 / len(bins)
    values = [
        {"from": at * step, "to": (at + 1) * step, "standing": name, "items": number}
        for at, pair in enumerate(bins)
        for name, number in zip(("accepted", "waiting"), pair, strict=True)
    ]
    return _drawn(
        title,
        values,
        mark={"type": "bar", "binSpacing": 1},
        height=190,
        encoding={
            "x": {
                "field": "from",
                "type": "quantitative",
                "bin": {"binned": True, "step": step},
                "axis": {
                    "format": ".1f",
                    "values": [0, 0.2, 0.4, 0.6, 0.8, 1],
                    "grid": False,
                },
                "title": "confidence",
            },
            "x2": {"field": "to"},
            "y": _COUNT,
            "color": _standing_colours(["accepted", "waiting"]),
        },
    )


def shares(rows: Sequence[tuple[int, Mapping[str, float]]], title: str) -> str:
    """Draw shares over the runs, one line for each share."""
    colours = {name: _LINES[name] for name in rows[-1][1]}
    values = [
        {"run": run, "what": what, "share": share}
        for run, named in rows[-_MOST_RUNS:]
        for what, share in named.items()
    ]
    return _drawn(
        title,
        values,
        mark={"type": "line", "point": {"size": 24}, "strokeWidth": 2},
        height=190,
        encoding={
            "x": _RUNS_AXIS,
            "y": {
                "field": "share",
                "type": "quantitative",
                "axis": {"format": "%", "tickCount": 5},
                "scale": {"domainMin": 0},
                "title": None,
            },
            "color": _colours("what", colours),
        },
    )


def mix(rows: Sequence[tuple[int, Mapping[str, int]]], title: str) -> str:
    """Draw the shares of tags in each run; with more than ten, the rarest together."""
    shown = rows[-_MOST_RUNS:]
    together = sum((Counter(counts) for _, counts in shown), Counter())
    ranked = [tag for tag, _ in together.most_common()]
    many = len(ranked) > len(TEN_COLOURS)
    tags = sorted(ranked[: len(TEN_COLOURS) - 1] if many else ranked)
    names = [*tags, _REST] if many else tags
    colours = dict(zip(names, TEN_COLOURS, strict=False))
    values = [
        {"run": run, "tag": tag, "items": items}
        for run, counts in shown
        for tag, items in _by_name(counts, names)
    ]
    return _drawn(
        title,
        values,
        mark={"type": "bar"},
        height=190,
        encoding={
            "x": _RUNS_AXIS,
            "y": {
                "field": "items",
                "type": "quantitative",
                "stack": "normalize",
                "axis": {"format": "%", "tickCount": 5},
                "title": None,
            },
            "color": _colours("tag", colours),
        },
    )


_COUNT: Final = {
    "field": "items",
    "type": "quantitative",
    "axis": {"format": "~s", "labelExpr": "datum.value % 1 ? '' : datum.label"},
    "stack": "zero",
    "title": None,
}
_RUNS_AXIS: Final = {
    "field": "run",
    "type": "ordinal",
    "axis": {"labelAngle": 0, "labelOverlap": "parity"},
    "title": "run",
}


def _standing_colours(names: Sequence[str]) -> dict[str, Any]:
    return _colours("standing", {name: STANDINGS[name] for name in names})


def _colours(field: str, colours: Mapping[str, str]) -> dict[str, Any]:
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {"field": field, "type": "nominal", "scale": scale}


def _drawn(
    title: str,
    values: Sequence[Mapping[str, object]],
    *,
    mark: Mapping[str, Any],
    height: int | Mapping[str, int],
    encoding: Mapping[str, Any],
) -> str:
    specification = {
        "width": _WIDTH,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(values)},
        "mark": dict(mark),
        "encoding": dict(encoding),
    }
    return svg(specification, title)
