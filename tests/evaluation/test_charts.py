"""The charts of an evaluation: their specifications, and what is to be seen of them.

The golden specifications were looked at as pictures, light and dark. After a change,
`pytest tests/evaluation/test_charts.py --update-golden` rewrites them, and draws them
into pytest's temporary folder to be looked at again.
"""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import GOLDEN

from tagger.charts import DARK, LIGHT, PNG_SCALE, Specification, Theme, png, svg
from tagger.evaluation.charts import (
    confusion_matrix,
    coverage_chart,
    learning_chart,
    reliability_diagram,
    scatter,
)
from tagger.evaluation.measures import Bin, Curve
from tagger.evaluation.predictions import Confusion
from tagger.labels import OTHER
from tagger.records import AMBIGUOUS

TABLE = Confusion(
    ("Hat", "Scarf", OTHER), ("Hat", "Scarf"), ((1200, 0), (3, 21), (2, 5))
)
BINS = [Bin(0.0, 0.5, 0, None, None), Bin(0.5, 1.0, 1234, 0.75, 0.5)]
CURVE = Curve(np.array([0.9, 0.5]), np.array([0.25, 1.0]), np.array([1.0, 0.75]))
EPOCHS = [
    {"loss": 1 / n, "accuracy": 0.5, "val_loss": abs(n - 2.25), "val_accuracy": 0.25}
    for n in (1, 2, 4)
]
POINTS = np.array([[0.0, 1.0], [2.0, 0.5], [1.0, 3.0]])
LABELS = np.array(["Hat", OTHER, "Scarf"])

CHARTS: dict[str, Specification] = {
    "confusion": confusion_matrix(TABLE),
    "reliability": reliability_diagram(BINS),
    "coverage": coverage_chart(CURVE, (0.5, 0.875)),
    "loss": learning_chart(EPOCHS, "loss"),
    "scatter": scatter(POINTS, LABELS, across="component 1", along="component 2"),
    "neighbours": scatter(POINTS, LABELS),
}
SIZES = {"scatter": (600, 450), "neighbours": (600, 450)}


@pytest.mark.parametrize("name", CHARTS)
def test_the_charts_are_those_that_were_looked_at(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    specification = json.loads(json.dumps(CHARTS[name]))
    target = GOLDEN / "charts" / f"{name}.json"
    if request.config.getoption("--update-golden"):
        target.parent.mkdir(exist_ok=True)
        text = json.dumps(specification, indent=1, ensure_ascii=False)
        target.write_text(f"{text}\n", encoding="utf-8")
        for theme, colours in (("light", LIGHT), ("dark", DARK)):
            content = png(svg(specification, name), colours)
            (tmp_path / f"{name}-{theme}.png").write_bytes(content)

    assert specification == json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(CHARTS.keys() - {"confusion"}))
def test_a_picture_has_the_size_of_its_chart(name: str) -> None:
    width, height = SIZES.get(name, (465, 315))

    with Image.open(BytesIO(png(svg(CHARTS[name], name)))) as picture:
        assert picture.size == (width * PNG_SCALE, height * PNG_SCALE)


def test_every_text_is_drawn() -> None:
    wanted = {
        "confusion": ["true label", "predicted", "Hat", "Scarf", OTHER, "1,200"],
        "reliability": ["ideal", "at the mean confidence", "1,234", "confidence"],
        "coverage": ["target 0.97", "all thresholds", "the policy", "coverage"],
        "loss": ["training", "held back", "kept: epoch 2", "epoch"],
        "scatter": ["component 1", "component 2", "Hat", "Scarf", OTHER],
        "neighbours": ["Hat", "Scarf", OTHER],
    }
    for name, texts in wanted.items():
        drawn = svg(CHARTS[name], name)
        assert [text for text in texts if f">{text}</text>" not in drawn] == []
    assert ">0</text>" not in svg(CHARTS["confusion"], "")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_stronger_cell_is_a_larger_share_of_its_row(theme: Theme) -> None:
    table = Confusion(("a", "b"), ("a", "b"), ((9, 1), (1, 1)))
    content = png(svg(confusion_matrix(table), ""), theme)

    with Image.open(BytesIO(content)) as picture:
        seen = np.asarray(picture.convert("RGB"), np.int64)
    machine, ground = (
        np.array(list(bytes.fromhex(colour.lstrip("#").rjust(6, "f"))))
        for colour in (theme["machine"], theme["ground"])
    )
    areas = []
    for share in (0.9, 0.5, 0.1):
        colour = ground + (machine - ground) * 0.6 * share
        areas.append(float((np.abs(seen - colour).max(axis=2) < 2).mean()))
    assert all(area > 0.03 for area in areas)
    assert areas[1] == pytest.approx(2 * areas[0], rel=0.1)


def test_charts_of_little_are_drawn_too() -> None:
    nothing = Curve(*(np.zeros(0) for _ in range(3)))
    no_items = Curve(np.array([0.5]), np.array([np.nan]), np.array([0.0]))

    for chart in (
        coverage_chart(nothing, None),
        coverage_chart(no_items, None),
        reliability_diagram(BINS[:1]),
        learning_chart(EPOCHS[:1], "accuracy"),
        confusion_matrix(Confusion(("a",), ("a",), ((0,),))),
        scatter(POINTS[:1], LABELS[:1]),
    ):
        assert svg(chart, "little").endswith("</svg>")
    assert "the policy" not in svg(coverage_chart(CURVE, None), "")


def test_a_long_curve_stays_a_small_drawing() -> None:
    steps = np.linspace(0, 1, 20_000)

    chart = coverage_chart(Curve(steps[::-1], steps, 1 - steps / 2), None)

    assert len(chart["data"]["values"]) <= 400
    assert chart["data"]["values"][-1] == {"coverage": 1.0, "precision": 0.5}


def test_labels_are_told_apart_by_colour_or_shape() -> None:
    labels = np.array([OTHER, *(f"tag {n}" for n in range(40)), AMBIGUOUS])

    chart = scatter(np.zeros((42, 2)), labels)

    colours, shapes = (
        chart["encoding"][channel]["scale"]["range"] for channel in ("color", "shape")
    )
    assert len(set(zip(colours, shapes, strict=True))) == 42
    assert set(shapes[1:11]) == {"circle"}
    assert [shapes[0], shapes[-1]] == ["cross", "cross"]
    below = [value["label"] for value in chart["data"]["values"][:2]]
    assert below == [OTHER, AMBIGUOUS]
