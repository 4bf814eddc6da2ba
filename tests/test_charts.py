"""The themes, and drawing by them: in the page's colours, and as a picture."""

import re
from html import escape
from io import BytesIO
from itertools import combinations
from typing import Any

import markupsafe
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import TOP

from tagger.charts import DARK, LIGHT, PNG_SCALE, TEN_COLOURS, Theme, css, png, svg

NAMED = '="var(--hat)" <b>&'
"""A tag that looks like an attribute of SVG, and like an element."""

PAGES = ("report/page.html", "evaluation/templates/evaluation.html")

BARS: dict[str, Any] = {
    "width": 200,
    "height": 100,
    "autosize": {"type": "fit", "contains": "padding"},
    "data": {"values": [{"tag": NAMED, "items": 3}, {"tag": "Scarf", "items": 2}]},
    "mark": {"type": "bar", "fill": "var(--machine)"},
    "encoding": {
        "y": {"field": "tag", "type": "nominal"},
        "x": {"field": "items", "type": "quantitative"},
    },
}


def pixels(content: bytes) -> NDArray[np.int64]:
    with Image.open(BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), np.int64)


def rgb(colour: str) -> NDArray[np.int64]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    return np.array(list(bytes.fromhex(digits)))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_picture_has_the_colours_of_the_theme_and_the_size_of_the_chart(
    theme: Theme,
) -> None:
    picture = pixels(png(svg(BARS, "bars"), theme))

    assert picture.shape == (100 * PNG_SCALE, 200 * PNG_SCALE, 3)
    assert (picture[0, 0] == rgb(theme["ground"])).all()
    shown = (picture == rgb(theme["machine"])).all(axis=2).mean()
    assert 0.05 < shown < 0.6


def test_a_text_that_looks_like_a_colour_or_markup_stays_a_text() -> None:
    drawn = svg(BARS, NAMED)

    assert f'aria-label="{markupsafe.escape(NAMED)}"' in drawn
    assert f">{escape(NAMED, quote=False)}</text>" in drawn
    assert "<b>" not in drawn
    assert "hat" not in LIGHT
    assert pixels(png(drawn)).shape == (200, 400, 3)


def test_the_themes_name_the_same_colours_and_the_pages_use_no_others() -> None:
    assert list(LIGHT) == list(DARK)
    assert css(LIGHT).startswith("--ground: #fff; --card: ")
    for page in PAGES:
        text = (TOP / "tagger" / page).read_text(encoding="utf-8")
        used = set(re.findall(r"var\(--(\w+)[,)]", text))
        own = set(re.findall(r"[\s\"]--(\w+):", text))
        assert len(used & set(LIGHT)) >= 5
        assert used - own <= set(LIGHT)
        assert not own & set(LIGHT)


def test_drawing_asks_no_network() -> None:
    nobody = "http://127.0.0.1:9/values.json"  # where allowed, it is silently left out

    with pytest.raises(ValueError, match="not allowed"):
        svg(BARS | {"data": {"url": nobody}}, "bars")


def linear(colour: NDArray[Any]) -> NDArray[Any]:
    share = colour / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


# Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15:1291), severity 1.
BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip

# Ottosson 2020, Oklab: linear RGB to cones, and their cube roots to Lab.
CONES = [[0.4122214708, 0.5363325363, 0.0514459929],
         [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
LAB = [[0.2104542553, 0.7936177850, -0.0040720468],
       [1.9779984951, -2.4285922050, 0.4505937099],
       [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


@pytest.mark.parametrize("kind", BLIND)
def test_colour_blind_readers_tell_the_ten_colours_apart(kind: str) -> None:
    seen = [np.clip(np.array(BLIND[kind]) @ linear(rgb(c)), 0, 1) for c in TEN_COLOURS]
    lab = [np.array(LAB) @ np.cbrt(np.array(CONES) @ colour) for colour in seen]

    assert len(set(TEN_COLOURS)) == 10
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) > 0.06


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_numbers_of_the_darkest_cell_can_be_read(theme: Theme) -> None:
    from tagger.evaluation.charts import FULL_SHADE

    ground, ink, machine = (rgb(theme[name]) for name in ("ground", "ink", "machine"))
    cell = ground + (machine - ground) * FULL_SHADE
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(colour) @ weights) for colour in (cell, ink))

    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, 1.4.3
