"""The report, as text and as a real browser shows it.

The pictures of it in docs/first-day.md are taken anew by
`pytest tests/report/test_page.py --update-golden`.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import GOLDEN, SAMPLES, FakeClassifier, Photo, scan
from support.inventories import raw

from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.inventory import Inventory, Tagged
from tagger.inventory.records import Answer, DecisionKind, Selection
from tagger.records import ImageFile, Policy, Prediction, PreparedImage, Verdict
from tagger.report import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCREENS = GOLDEN / "screens"
NIGHT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e\n.png"


def page_of(inventory: Inventory, pictures: int = 120) -> str:
    found = inventory.overview(pictures=pictures, lines=50)
    return render(inventory.status(), found, made_at=NIGHT)


def words(page: str) -> str:
    """Return the text that a reader of the page sees."""
    seen: list[str] = []

    class Reader(HTMLParser):
        hidden = False

        def handle_starttag(self, tag: str, _attributes: object) -> None:
            self.hidden = tag in {"style", "title"}

        def handle_endtag(self, _tag: str) -> None:
            self.hidden = False

        def handle_data(self, data: str) -> None:
            if not self.hidden:
                seen.append(data)

    Reader().feed(page)
    return " ".join(" ".join(seen).split())


def decide(inventory: Inventory, path: str, tag: str | None) -> None:
    (item,) = [one for one in inventory.items() if one.path == path]
    assert item.digest
    kind = DecisionKind.NOT_CATALOGUE if tag is None else DecisionKind.CORRECT
    if tag == item.machine_tag:
        kind = DecisionKind.ACCEPT
    inventory.decide(item.digest, kind, tag=tag, reviewer="anna")


@pytest.fixture
def stocked(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    """Return an inventory with some of everything, after three scans."""
    for number in range(8):
        photo(f"{number}.png", shade=30 * number)
    (shop / "broken.jpg").write_bytes(b"no picture")
    photo(HOSTILE, shade=70)
    scan([shop], inventory, FakeClassifier(), Policy(0.6))
    photo("0.png", shade=200)
    (shop / "1.png").unlink()
    scan([shop], inventory, FakeClassifier(), Policy(0.7))
    scan([shop], inventory, FakeClassifier(), Policy(0.68))
    said = {item.path: item.machine_tag for item in inventory.items()}
    decide(inventory, "2.png", said["2.png"])
    decide(inventory, "3.png", "Bag")
    decide(inventory, "4.png", None)
    return inventory


def test_the_report_tells_what_is_there(stocked: Inventory) -> None:
    told = words(page_of(stocked))

    assert "items 10" in told
    assert "decided by a person 3" in told
    assert "unreadable 1" in told
    assert "people agreed with the network in 1 of 3" in told
    assert "not a catalogue item" in told
    assert "Run 3 began" in told
    assert "broken.jpg" in told
    assert "this file can no longer be read" not in told


def all_accepted(inventory: Inventory, shop: Path, photo: Photo, count: int) -> None:
    """Have so many pictures scanned, of which none waits for a person."""
    for number in range(count):
        photo(f"{number}.png", shade=30 * number)
    scan([shop], inventory, FakeClassifier(), Policy(0.0))


def test_accepted_precision_is_counted_with_its_interval(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    all_accepted(inventory, shop, photo, 8)
    said = {item.path: item.machine_tag for item in inventory.items()}
    for number in range(3):
        decide(inventory, f"{number}.png", said[f"{number}.png"])
    decide(inventory, "3.png", "Bag")

    told = words(page_of(inventory))

    # Wilson, 3 of 4.
    assert "people checked 4 in reviews and found 3 right: 75.0 %" in told
    assert "(95 % interval 30.1 % to 95.4 %, Wilson)" in told


def test_a_corrected_sheet_is_no_review_and_a_shared_doubt_is_agreed(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    all_accepted(inventory, shop, photo, 4)
    digests = [item.digest for item in inventory.items() if item.digest]
    for digest in digests[:2]:
        wrong = Answer(digest, DecisionKind.CORRECT, "Bag")
        inventory.decide_all([(wrong, "")], reviewer="anna", source="fixed.csv")
    with raw(inventory.path) as connection, connection:
        connection.execute(
            "UPDATE prediction SET other = 0.99, confidence = 0 WHERE digest = ?",
            [digests[2]],
        )
        connection.execute(
            "UPDATE image SET flagged = 1 WHERE digest = ?", [digests[2]]
        )
    inventory.decide(digests[2], DecisionKind.NOT_CATALOGUE, tag=None, reviewer="anna")

    told = words(page_of(inventory))

    assert "in reviews" not in told
    assert "people agreed with the network in 1 of 3" in told


def test_what_is_taken_for_nothing_is_no_close_call(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    all_accepted(inventory, shop, photo, 3)
    with raw(inventory.path) as connection, connection:
        connection.execute("UPDATE prediction SET margin = 0.2")
        connection.execute("UPDATE image SET flagged = 1 WHERE path = '1.png'")
        connection.execute(
            "UPDATE prediction SET other = 0.51, confidence = 0.5 WHERE id = "
            "(SELECT prediction_id FROM image WHERE path = '1.png')"
        )

    found = inventory.overview(pictures=40, lines=9)

    assert [item.path for item in found.close_calls] == ["0.png", "2.png"]
    assert [item.path for item in found.flagged] == ["1.png"]


def test_an_audit_tells_how_often_what_is_accepted_is_right(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    all_accepted(inventory, shop, photo, 8)
    audit = inventory.draw_audit(8, "anna")
    assert audit is not None
    selection = Selection(audit_id=audit.id)
    with inventory.reviewing("anna", selection) as reviewing:
        for at, item in enumerate(reviewing.take(8, without=())):
            tag = item.tag if at < 6 else "Bag" if item.tag != "Bag" else "Coat"
            kind = DecisionKind.ACCEPT if at < 6 else DecisionKind.CORRECT
            reviewing.decide([Answer(item.digest, kind, tag)], {item.digest: None})

    told = words(page_of(inventory))

    # Wilson, 6 of 8.
    assert re.search(
        r"people checked 8 in the audit of \d{4}-\d\d-\d\d and found 6 right: 75.0 % "
        r"\(95 % interval 40.9 % to 92.9 %, Wilson\)",
        told,
    )
    assert "in reviews" not in told  # for nobody chose what was looked at


def test_what_the_last_run_read_is_compared_with_the_month_before(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    for number in range(40):
        photo(f"{number}.png", shade=10)
    scan([shop], inventory, FakeClassifier(), Policy(0.0))
    for number in range(40, 75):
        photo(f"{number}.png", shade=200)
    scan([shop], inventory, FakeClassifier(), Policy(0.0))
    found = inventory.overview(pictures=0, lines=1)
    told = words(page_of(inventory))

    assert [(one.run.id, one.tally["images"]) for one in found.read] == [
        (2, 35),
        (1, 40),
    ]
    assert "35 (before: 40) class mix: " in told
    assert re.search(r"class mix: .{3,30} (0.0 % 100.0|100.0 % 0.0) % moved", told)
    assert "Pictures read in each run" in told


def test_the_shift_of_the_last_run_is_told_with_its_numbers(
    stocked: Inventory,
) -> None:
    status, found = stocked.status(), stocked.overview(pictures=0, lines=1)
    assert status.last_run
    counts = {"shift": 2.04, "threshold": 0.99, "base_threshold": 0.96}
    far = replace(status.last_run, counts={**status.last_run.counts, **counts})

    told = words(render(replace(status, last_run=far), found, made_at=NIGHT))

    assert "(shift): 2.0, limit 1.1" in told
    assert "0.99 instead of 0.96" in told
    assert "(shift)" not in words(page_of(stocked))


def test_what_another_network_said_is_not_compared(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    for number in range(40):
        photo(f"{number}.png", shade=number)
    for network in ("shops", "shops-1"):
        scan([shop], inventory, FakeClassifier(network), Policy(0.6))

    assert "compared with the month before" not in words(page_of(inventory))


def test_an_inventory_with_nothing_in_it_makes_a_report(inventory: Inventory) -> None:
    told = words(page_of(inventory))

    assert "No scan yet" in told
    assert "The queue is empty" in told
    assert "precision is unknown" in told


def test_pictures_that_are_gone_are_told(stocked: Inventory, shop: Path) -> None:
    shutil.rmtree(shop)

    page = page_of(stocked)

    assert "this file can no longer be read" in page
    assert "data:image/webp" not in page


def test_names_are_never_markup(stocked: Inventory) -> None:
    page = page_of(stocked)

    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_page_asks_nothing_of_the_network(stocked: Inventory) -> None:
    page = page_of(stocked)

    assert not re.search(r"https?:|src=[\"'](?!data:)|url\(|@import|<script", page)


def test_ten_thousand_items_make_a_page_that_can_be_mailed(tmp_path: Path) -> None:
    photograph = SAMPLES / "skateboard.jpg"
    pixels = np.zeros((28, 28, 3), np.uint8)
    with Inventory(tmp_path / "inventory.db") as inventory:
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            outcomes = [
                (
                    ImageFile(f"{'folder/' * 9}{n}.jpg", 1, 2),
                    Tagged(
                        PreparedImage(f"{n:064}", pixels, 9, 9, "PNG"),
                        Prediction("Bag", n / 1e4, "Coat", n / 1e4, (0.1,) * 10),
                        Verdict(flagged=n % 2 == 0, reason="unsure: Bag, Coat"),
                    ),
                )
                for n in range(10_000)
            ]
            recording.record(tmp_path, outcomes, {}, {})
        for file, _ in outcomes[:260]:
            target = tmp_path / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(photograph)

        page = page_of(inventory)

    assert page.count("data:image/webp") == 150
    assert "5,000 in all; these are the 120 least sure" in words(page)
    assert len(page.encode()) < 5_000_000 / 4


Opened = Callable[..., "Page"]


@pytest.fixture
def opened(browser: "Browser", tmp_path: Path) -> Iterator[Opened]:
    """Open a page, and fail where the browser complains or asks the network."""
    complaints: list[str] = []
    asked: list[str] = []
    pages = []

    def open_page(html: str, **how: Any) -> "Page":  # noqa: ANN401
        target = tmp_path / "report.html"
        target.write_text(html, encoding="utf-8")
        page = browser.new_page(**how)
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(target.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
    assert all(url.startswith(("file:", "data:")) for url in asked)


@pytest.mark.browser
def test_a_browser_draws_every_chart(stocked: Inventory, opened: Opened) -> None:
    page = opened(page_of(stocked), viewport={"width": 1100, "height": 900})

    drawn = page.evaluate(
        """() => [...document.querySelectorAll("figure > svg")].map(svg => {
            const marks = [...svg.querySelectorAll(
                ".role-mark path, .role-mark line, .role-mark rect")];
            return {
                name: svg.getAttribute("aria-label"),
                width: svg.getBoundingClientRect().width,
                inked: marks.filter(mark => {
                    const box = mark.getBoundingClientRect();
                    const style = getComputedStyle(mark);
                    return box.width + box.height > 1
                        && (style.fill !== "none" || style.stroke !== "none");
                }).length,
            };
        })"""
    )

    assert [chart["name"] for chart in drawn] == [
        "Items by tag",
        "Confidence of the network",
        "Waiting and unreadable items after each run",
        "Share of each tag after each run",
        "Pictures read in each run",
    ]
    assert all(chart["width"] > 250 for chart in drawn)
    assert all(chart["inked"] > 1 for chart in drawn)


@pytest.mark.browser
def test_a_browser_shows_the_pictures_and_no_foreign_markup(
    stocked: Inventory, opened: Opened
) -> None:
    page = opened(page_of(stocked))

    widths = page.evaluate(
        "() => [...document.images].map(image => image.naturalWidth)"
    )
    assert widths
    assert all(widths)
    assert page.evaluate("() => document.querySelectorAll('[onerror]').length") == 0
    assert "<img src=x onerror=alert(1)>" in page.inner_text("main")


@pytest.mark.browser
def test_a_phone_scrolls_the_page_only_down(stocked: Inventory, opened: Opened) -> None:
    page = opened(page_of(stocked), viewport={"width": 360, "height": 740})

    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_the_keyboard_reaches_what_can_be_opened(
    stocked: Inventory, opened: Opened
) -> None:
    page = opened(page_of(stocked))

    page.keyboard.press("Tab")
    assert (
        page.evaluate("() => document.activeElement.textContent")
        == "Skip to the report"
    )
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    stocked: Inventory, opened: Opened, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(page_of(stocked), color_scheme=scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = 1)")

    found = axe.Axe().run(page).response["violations"]

    grave = [
        (one["id"], [node["html"] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert grave == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "scheme", "width", "height"),
    [
        ("report-light", "light", 1100, 1000),
        ("report-dark", "dark", 1100, 1000),
        ("report-phone", "light", 390, 844),
    ],
)
def test_the_pictures_of_the_readme(
    inventory: Inventory,
    opened: Opened,
    request: pytest.FixtureRequest,
    name: str,
    scheme: str,
    width: int,
    height: int,
) -> None:
    bundle = find_bundle(DEFAULT_BUNDLE)
    classifier = BundleClassifier(bundle)
    for threshold in (0.5, 0.95, 0.7, 0.8, bundle.card.policy.threshold):
        policy = replace(bundle.card.policy, threshold=threshold)
        scan([SAMPLES], inventory, classifier, policy)
    sure = [one for one in inventory.items() if one.tag and not one.flagged]
    for item in sure[::2]:
        decide(inventory, item.path, item.tag)
    page = page_of(inventory).replace(str(SAMPLES), "/srv/photos")
    page = page.replace(str(inventory.path), "/var/lib/shop/inventory.db")

    shown = opened(
        page, color_scheme=scheme, viewport={"width": width, "height": height}
    )

    picture = shown.screenshot()
    if request.config.getoption("--update-golden"):
        (SCREENS / f"{name}.png").write_bytes(picture)
    assert (SCREENS / f"{name}.png").read_bytes()[:4] == picture[:4] == b"\x89PNG"
