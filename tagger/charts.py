"""Draw charts as SVG in the colours of a page, and as PNG in a light or dark theme.

Vega-Lite draws them, by the Vega project's vl-convert: one wheel for every system,
without a browser or Node. Its SVG keeps CSS variables as colours and text as text, and
weighs 5 to 35 KB. Altair would add five packages to write the same few lines of
specification.
"""

import io
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Specification = Mapping[str, Any]
"""A chart in Vega-Lite; its colours are CSS variables of a theme: `var(--ink)`."""

Theme = Mapping[str, str]
"""Colours by the names of the CSS variables of the pages, without the hyphens."""

LIGHT: Final[Theme] = MappingProxyType(
    {
        "ground": "#fff",
        "card": "#f6f7f9",
        "ink": "#1c2430",
        "soft": "#566070",
        "line": "#d7dce3",
        "link": "#0b57b0",
        "machine": "#3f74b5",
        "contrast": "#d9730d",
        "person": "#2f8f6b",
        "waiting": "#e0a22b",
        "trouble": "#c8473b",
    }
)
DARK: Final[Theme] = MappingProxyType(
    {
        "ground": "#14181e",
        "card": "#1d232b",
        "ink": "#e6e9ee",
        "soft": "#a4adba",
        "line": "#3a434f",
        "link": "#8ab8f5",
        "machine": "#6ea3e0",
        "contrast": "#f5a35c",
        "person": "#55b98f",
        "waiting": "#e8b54a",
        "trouble": "#ea7468",
    }
)
"""`machine` and `contrast` differ in lightness too, for colour-blind readers."""

TEN_COLOURS: Final = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
"""Petroff 2021, "Accessible color sequences" (arXiv:2107.02270), ten colours.

The least distance of two of them, in Oklab times 100, is 6.1 for protanopes, 8.4 for
deuteranopes and 7.3 for tritanopes (simulated by Machado et al. 2009). Tableau 10 has
1.6, 0.7 and 5.2; Paul Tol's muted colours with orange have 3.7, 4.5 and 6.7.
"""

PNG_SCALE: Final = 2
"""Pixels of a PNG for each pixel of the chart."""

_CONFIG: Final[Mapping[str, Any]] = {
    "aria": False,  # the page has a title and a table for each chart
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 110,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "columns": 3,
        "labelFontSize": 12,
        "symbolType": "square",
        "columnPadding": 16,
    },
    "title": {"color": "var(--ink)", "fontSize": 12, "fontWeight": "normal"},
}

_ROLES = re.compile(r' (?:role|aria-roledescription|aria-hidden)="[^"]*"')
"""Vega gives each mark a role; a screen reader would read marks without a name."""

_VARIABLE = re.compile(r'(?<==")var\(--(\w+)\)(?="[^<>]*>)')
"""An attribute that is a CSS variable; the end of a tag comes before the next one.

The same characters in a text are followed by a tag: Vega escapes `<` and `>` there.
"""


def svg(specification: Specification, title: str) -> str:
    """Draw a chart as one image with an accessible name, scaled to its width.

    The colours are those of the page that embeds it (see `css`).
    """
    import vl_convert  # noqa: PLC0415  starts an engine of 100 MB

    drawn = vl_convert.vegalite_to_svg(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "config": dict(_CONFIG),
            "padding": 8,
            **specification,
        },
        allowed_base_urls=[],
    )
    return _named(drawn, title)


def png(drawn: str, theme: Theme = LIGHT) -> bytes:
    """Return a chart, as `svg` returns it, as PNG in the colours of a theme.

    It has `PNG_SCALE` pixels for each pixel of the chart.
    """
    import vl_convert  # noqa: PLC0415  starts an engine of 100 MB
    from PIL import Image  # noqa: PLC0415

    head, marks = drawn.split(">", 1)
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    ground = '<rect width="100%" height="100%" fill="var(--ground)"/>'
    coloured = _VARIABLE.sub(
        lambda variable: theme[variable[1]], f"{head}>{ground}{marks}"
    )
    content = vl_convert.svg_to_png(coloured, scale=PNG_SCALE)
    stream = io.BytesIO()
    # Pillow packs it to a third, and needs no transparency.
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(stream, "PNG")
    return stream.getvalue()


def css(theme: Theme) -> str:
    """Return the colours of a theme as CSS variables, for the style of a page."""
    return " ".join(f"--{name}: {colour};" for name, colour in theme.items())


def _named(drawn: str, title: str) -> str:
    from markupsafe import escape  # noqa: PLC0415  comes with Jinja2

    width, height = re.findall(r'(?:width|height)="([\d.]+)"', drawn)[:2]
    head = (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">'
    )
    return head + _ROLES.sub("", drawn[drawn.index(">") + 1 :])
