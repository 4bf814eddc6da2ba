"""The documentation site, as a browser shows it on a screen and on a phone.

The README's picture is drawn anew from the golden screen of the review by
`pytest tests/project/test_site.py --update-golden`.
"""

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image
from support import GOLDEN, TOP

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

README_PICTURE = TOP / "docs" / "pictures" / "review.png"
READ_MOST = ("README", "docs/first-day", "docs/troubleshooting")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="no Sphinx: install the group docs")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-qW",
            "--keep-going",
            "-c",
            "docs",
            ".",
            target,
        ],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_no_page_scrolls_sideways_on_a_phone(site: Path, browser: "Browser") -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    pages = sorted({*site.rglob("*.html")} - {site / "index.html"})  # leads elsewhere
    widths = {}
    for path in pages:
        page.goto(path.as_uri())
        widths[path.name] = page.evaluate("document.documentElement.scrollWidth")
    page.close()

    assert len(pages) > 20
    assert {name: width for name, width in widths.items() if width > 390} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    site: Path, browser: "Browser", scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(color_scheme=scheme)
    grave = []
    for name in READ_MOST:
        page.goto((site / f"{name}.html").as_uri())
        grave += [
            (name, one["id"], [node["html"] for node in one["nodes"]][:3])
            for one in axe.Axe().run(page).response["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
    page.close()

    assert grave == []


def test_the_picture_of_the_readme_is_the_review(
    browser: "Browser", tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    screen = (GOLDEN / "screens" / "review.svg").as_uri()
    around = tmp_path / "around.html"
    around.write_text(f"<body style='margin:0'><img src='{screen}' width=900>")
    page = browser.new_page(viewport={"width": 900, "height": 698})
    page.goto(around.as_uri())
    drawn = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()

    if request.config.getoption("--update-golden"):
        drawn.quantize(128, dither=Image.Dither.NONE).save(
            README_PICTURE, optimize=True
        )
    with Image.open(README_PICTURE) as kept:
        pair = [picture.convert("L").resize((90, 70)) for picture in (drawn, kept)]
    difference = np.subtract(*(np.asarray(one, np.float32) for one in pair))

    assert np.abs(difference).mean() < 4  # fonts differ, and so do their edges
