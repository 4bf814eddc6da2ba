"""What a person sees, on the sample images with the bundled network.

The golden texts are compared; the SVG pictures beside them are those of docs/ and are
rewritten, with the texts, by `pytest tests/cli/test_views.py --update-golden`.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from support import GOLDEN, SAMPLES, FakeClassifier, scan

from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.cli.views import scan_views
from tagger.imaging.prepare import prepare, upright
from tagger.inventory import Inventory
from tagger.inventory.records import RunRecord
from tagger.policy.decide import predict
from tagger.records import PreparedImage, UnreadableImage
from tagger.scan.records import DIFFERENT, RunSummary

SCREENS = GOLDEN / "screens"
NIGHT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Compare = Callable[[str, RenderableType], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Compare:
    monkeypatch.setattr(scan_views, "_moment", lambda when: f"{when:%Y-%m-%d %H:%M:%S}")

    def compare(name: str, shown: RenderableType) -> None:
        console = Console(
            record=True,
            width=112 if name == "predict" else 100,
            file=io.StringIO(),
            color_system="truecolor",
            force_terminal=True,
        )
        console.print(shown)
        text = console.export_text(clear=False)
        text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        target = SCREENS / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            SCREENS.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            console.save_svg(
                str(target.with_suffix(".svg")), title=f"tagger {name}", unique_id=name
            )
        assert text == target.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="module")
def classifier() -> BundleClassifier:
    return BundleClassifier(find_bundle(DEFAULT_BUNDLE))


@pytest.fixture
def scanned(
    inventory: Inventory, classifier: BundleClassifier
) -> tuple[Inventory, RunSummary]:
    policy = find_bundle(DEFAULT_BUNDLE).card.policy
    return inventory, scan([SAMPLES], inventory, classifier, policy)


def test_the_summary_of_a_scan(
    golden: Compare, scanned: tuple[Inventory, RunSummary]
) -> None:
    _, summary = scanned
    named = tuple(
        (path.replace(str(SAMPLES), "/shop"), reason)
        for path, reason in summary.newly_unreadable_images
    )
    shown = replace(summary, seconds=0.6, newly_unreadable_images=named)
    golden("scan", scan_views.run_summary(shown))


def test_the_status(golden: Compare, scanned: tuple[Inventory, RunSummary]) -> None:
    inventory, _ = scanned
    status = inventory.status()
    assert status.last_run is not None
    counts = {**status.last_run.counts, "seconds": 0.6}
    run = replace(
        status.last_run, started_at=NIGHT, ended_at=NIGHT, host="shop", counts=counts
    )
    fixed = replace(
        status,
        database=Path("/var/lib/shop/inventory.db"),
        roots={"/shop": sum(status.roots.values())},
        last_run=run,
    )
    golden("status", scan_views.inventory_status(fixed))


def test_the_story_of_a_path(
    golden: Compare, scanned: tuple[Inventory, RunSummary]
) -> None:
    inventory, _ = scanned
    history = inventory.history(SAMPLES / "camera.jpg")
    assert history is not None
    golden(
        "explain",
        scan_views.history_view(
            replace(
                history,
                item=replace(history.item, root="/shop"),
                events=tuple(replace(event, at=NIGHT) for event in history.events),
            )
        ),
    )


def test_a_prediction(golden: Compare, classifier: BundleClassifier) -> None:
    path = SAMPLES / "sneaker-side-view.jpg"
    image = prepare(path)
    assert isinstance(image, PreparedImage)
    (said,) = predict(
        classifier.classify(image.pixels[None]), classifier.identity.labels
    )
    by_label = dict(zip(classifier.identity.labels, said.probabilities, strict=True))
    picture = upright(path, side=448)
    golden(
        "predict",
        scan_views.drawn_prediction(path.name, picture, image, by_label, width=112),
    )


def shown(renderable: RenderableType) -> str:
    console = Console(width=100, record=True, quiet=False, file=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_many_unreadable_pictures_are_counted_not_listed() -> None:
    images = tuple((f"/shop/{n}.jpg", "[red]no\npicture") for n in range(25))

    text = shown(scan_views.run_summary(RunSummary(1, newly_unreadable_images=images)))

    assert "/shop/19.jpg" in text
    assert "/shop/20.jpg" not in text
    assert "and 5 more" in text
    assert "[red]no\\npicture" in text


def test_an_unreadable_picture_says_why() -> None:
    assert "unreadable: why" in shown(
        scan_views.unreadable_view("a.jpg", UnreadableImage("why"))
    )


def test_an_inventory_before_its_first_scan(inventory: Inventory) -> None:
    assert "No scan yet" in shown(scan_views.inventory_status(inventory.status()))


def test_a_run_without_an_end_is_told(inventory: Inventory) -> None:
    with inventory.recording(FakeClassifier().identity, options={}):
        status = inventory.status()

    assert "was killed; the next scan continues from there" in shown(
        scan_views.inventory_status(status)
    )


def test_a_narrow_terminal_gets_its_pictures_one_below_the_other() -> None:
    path = SAMPLES / "lossy.webp"
    image = prepare(path)
    assert isinstance(image, PreparedImage)

    def lines(width: int) -> int:
        picture = upright(path, side=448)
        view = scan_views.drawn_prediction(
            "x", picture, image, {"Bag": 1.0}, width=width
        )
        return shown(view).count("\n")

    assert lines(width=60) > 2 * lines(width=140) - 4


def test_the_numbers_of_a_shift_are_for_those_who_ask(
    scanned: tuple[Inventory, RunSummary],
) -> None:
    _, summary = scanned
    far = replace(
        summary, shift=2.04, tightened=DIFFERENT, threshold=0.99, base_threshold=0.96
    )

    plain, verbose = (
        text_of(scan_views.run_summary(far, verbose=asked)) for asked in (False, True)
    )

    assert "2.0" not in plain
    assert "0.99" not in plain
    assert "shift): 2.0, limit 1.1" in verbose
    assert "0.99 instead of 0.96" in verbose


def test_a_run_shows_the_numbers_that_its_scan_kept() -> None:
    kept = {"new": 1, "shift": 2.04, "threshold": 0.99, "base_threshold": 0.96}
    of_old = {"new": 1, "shift": 2.04}
    run = RunRecord(7, NIGHT, NIGHT, 0, "shop", {}, kept)

    assert "0.99 instead of 0.96" in text_of(scan_views.run_again(run))
    before = text_of(scan_views.run_again(replace(run, counts=of_old)))
    assert "shift): 2.0, limit 1.1" in before
    assert "instead" not in before


def text_of(shown: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(shown)
    return console.export_text()
