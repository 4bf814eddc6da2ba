"""The screens in docs/, drawn by the real application from the sample images.

The SVG pictures are Textual's; `pytest tests/review/test_screens.py --update-golden`
writes them anew. A person looks at them; the test holds them to what must stand there.
"""

import asyncio
import re
import shutil
import time
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from support import GOLDEN, SAMPLES, scan

from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.inventory import Inventory
from tagger.inventory.records import Selection
from tagger.records import Policy
from tagger.review.app import ReviewApp, ReviewScreen
from tagger.review.session import review_session

SCREENS = GOLDEN / "screens"
SIZE = (112, 42)
SHOWN = (
    "sneaker-grey.jpg",
    "transparent-t-shirt.png",
    "sneaker-side-view.jpg",
    "sneaker-neon-light.jpg",
    "sandals-drawing.png",
    "fashion-mnist-test-00026-shirt.png",
    "camera.jpg",
)


@pytest.fixture(autouse=True)
def _in_all_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw as a terminal with all colours does, wherever the tests run."""
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def shop_of_samples(inventory: Inventory, shop: Path) -> Inventory:
    for name in SHOWN:
        shutil.copy(SAMPLES / name, shop)
    with Image.open(SAMPLES / "sneaker-grey.jpg") as picture:
        for number, side in enumerate((500, 400, 300)):
            smaller = picture.resize((side, side * picture.height // picture.width))
            smaller.save(shop / f"sneaker-grey-{number}.jpg")
    network = BundleClassifier(find_bundle(DEFAULT_BUNDLE))
    scan([shop], inventory, network, Policy(1.0))
    return inventory


def test_the_screens_of_the_readme(  # noqa: C901  one session, told in order
    shop_of_samples: Inventory, request: pytest.FixtureRequest
) -> None:
    screens: dict[str, str] = {}

    async def run() -> None:
        with (
            shop_of_samples.reviewing("anna", Selection()) as opened,
            review_session(opened) as begun,
        ):
            app = ReviewApp(begun, unseen=0)
            async with app.run_test(size=SIZE) as pilot:

                async def settle() -> None:
                    for _ in range(200):
                        await asyncio.sleep(0.02)
                        await pilot.pause()
                        found = [
                            s for s in app.screen_stack if isinstance(s, ReviewScreen)
                        ]
                        if found and not found[0]._busy:  # noqa: SLF001
                            break
                    await asyncio.sleep(0.1)
                    await pilot.pause()

                async def press(*keys: str) -> None:
                    for key in keys:
                        await pilot.press(key)
                        await settle()

                def keep(name: str) -> None:
                    screens[name] = app.export_screenshot(title="tagger review")

                await settle()
                end = time.monotonic() + 30
                while not begun._groups.finished():  # noqa: SLF001
                    assert time.monotonic() < end
                    await asyncio.sleep(0.05)
                await press("x", "enter", "slash", *"grey.jpg")
                await asyncio.sleep(0.5)
                await press("enter")
                await asyncio.sleep(1.1)
                keep("review")
                await press("a", "right")
                keep("review-group")
                await press("7", "s", *["enter", "8"] * 3)
                for _ in range(8):
                    if begun.current is not None:
                        await press("s")
                keep("review-end")

    asyncio.run(run())
    texts = {name: text_of(svg) for name, svg in screens.items()}
    assert "sneaker-grey.jpg" in texts["review"]
    assert "4 similar pictures" in texts["review-group"]
    assert "The network was right on" in texts["review-end"]
    if request.config.getoption("--update-golden"):
        for name, svg in screens.items():
            (SCREENS / f"{name}.svg").write_text(neutral(svg), encoding="utf-8")
    for name in texts:
        assert (SCREENS / f"{name}.svg").is_file()


def text_of(svg: str) -> str:
    return "\n".join(re.findall(r">([^<]*)</text>", svg)).replace("&#160;", " ")


def neutral(svg: str) -> str:
    """Take this machine's folder and moment out of a screen."""

    def rewritten(found: re.Match[str]) -> str:
        length, between, text = found.groups()
        named = re.sub(r"/[a-z]+/pytest.*?(/shop|$)", "/srv/photos", text)
        named = re.sub(r"^\S*readme\d+/shop", " ", named)  # what was folded
        a_cell = float(length) / len(unescape(text))
        shown = f"{a_cell * len(unescape(named)):g}"
        return f'textLength="{shown}"{between}>{named}</text>'

    svg = re.sub(r'textLength="([\d.]+)"([^>]*)>([^<]+)</text>', rewritten, svg)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return re.sub(r"\d{4}-\d\d-\d\d&#160;\d\d:\d\d", "2026-01-02&#160;03:04", svg)
