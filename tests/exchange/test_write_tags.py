"""`tagger write-tags`: the tags leave, the pictures and what others wrote stay."""

import hashlib
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image
from support import CAREFUL, SAMPLES, Photo, Scan, mounted
from support.audits import answer_audit
from support.inventories import raw
from support.metadata import (
    DARKTABLE,
    LIGHTROOM,
    keywords,
    read_by_digikam,
    shown_by_exiftool,
)
from support.program import Inside, Tagger, in_a_terminal, refused, without_dac_override

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind, Selection
from tagger.records import Policy, State

KILLS = int(os.environ.get("TAGGER_TEST_KILLS", "6"))
INTO = pytest.mark.parametrize("into", [(), ("--into-files",)], ids=["sidecar", "file"])


def decide(inventory: Inventory, path: str, tag: str | None) -> None:
    (item,) = (one for one in inventory.items() if one.path == path)
    kind = DecisionKind.CORRECT if tag else DecisionKind.NOT_CATALOGUE
    inventory.decide(item.digest or "", kind, tag=tag, reviewer="anna")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """The content, time and inode of each file: whether it was touched."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.stat().st_mtime_ns,
            path.stat().st_ino,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def carrier(path: Path, into: tuple[str, ...]) -> Path:
    return path if into else path.with_name(path.name + ".xmp")


@pytest.fixture
def two(inventory: Inventory, photo: Photo, run: Scan) -> Inventory:
    """An inventory of a picture that a person decided, and one that waits."""
    photo("decided.png", 40)
    photo("waits.png", 90)
    run(policy=Policy(1.0))
    decide(inventory, "decided.png", "Bag")
    return inventory


@INTO
def test_what_a_person_decided_or_the_policy_accepted_is_written(
    tagger: Tagger, two: Inventory, shop: Path, into: tuple[str, ...]
) -> None:
    done = tagger("write-tags", *into)

    assert done.returncode == 0, done.stderr
    told = shown_by_exiftool(carrier(shop / "decided.png", into))
    assert keywords(told) == keywords(told, "XMP-lr:HierarchicalSubject") == ["Bag"]
    assert told["XMP-tagger:DecidedBy"] == "person"
    assert "XMP-tagger:Confidence" not in told  # it is that of another tag
    assert read_by_digikam(told) == ["Bag"]
    waits = carrier(shop / "waits.png", into)
    assert not waits.exists() or keywords(waits) == []

    tagger("write-tags", "--undecided", *into)
    (item,) = (one for one in two.items() if one.path == "waits.png")
    told = shown_by_exiftool(waits)
    assert keywords(told) == [item.tag]
    assert told["XMP-tagger:DecidedBy"] == "machine"
    assert float(told["XMP-tagger:Confidence"]) == pytest.approx(
        item.confidence, abs=1e-4
    )


@INTO
def test_a_tag_that_changes_is_replaced_and_one_that_goes_is_taken_out(
    tagger: Tagger, two: Inventory, shop: Path, into: tuple[str, ...]
) -> None:
    before = (shop / "decided.png").read_bytes()
    tagger("write-tags", *into)
    decide(two, "decided.png", "Dress")

    assert "1 tags written" in tagger("write-tags", *into).stdout
    assert keywords(carrier(shop / "decided.png", into)) == ["Dress"]

    decide(two, "decided.png", None)
    assert "1 taken out" in tagger("write-tags", *into).stdout
    assert (shop / "decided.png").read_bytes() == before
    assert not list(shop.glob("*.xmp"))


@INTO
def test_a_second_run_touches_nothing_and_a_dry_run_neither(
    tagger: Tagger, two: Inventory, shop: Path, into: tuple[str, ...]
) -> None:
    untouched = snapshot(shop)
    would = tagger("write-tags", "--dry-run", *into)
    assert f"{shop}/decided.png: Bag\n" in would.stdout
    assert snapshot(shop) == untouched

    tagger("write-tags", *into)
    written = snapshot(shop)
    assert written != untouched
    again = tagger("write-tags", *into)

    assert again.stdout.startswith("0 tags written")
    assert snapshot(shop) == written
    assert (
        "1 would be taken out"
        in tagger("write-tags", "--remove", "--dry-run", *into).stdout
    )
    assert snapshot(shop) == written
    assert two.count() == 2


@INTO
def test_remove_brings_every_byte_back(
    tagger: Tagger, pictures: Path, into: tuple[str, ...]
) -> None:
    for name in ("sneaker-grey.jpg", "plain.tiff", "first-frame.gif"):
        shutil.copy(SAMPLES / name, pictures)
    (pictures / "tiny.png.xmp").write_text(DARKTABLE)
    (pictures / "lossy.xmp").write_text(LIGHTROOM.replace("JPG", "WEBP"))
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    tagger("scan", pictures)
    tagger("write-tags", "--undecided", *into)

    assert tagger("write-tags", "--remove", *into).returncode == 0

    assert {path.name: path.read_bytes() for path in pictures.iterdir()} == before


@INTO
def test_the_next_scan_classifies_nothing_anew(
    tagger: Tagger,
    two: Inventory,
    run: Scan,
    into: tuple[str, ...],
) -> None:
    tagger("write-tags", "--undecided", *into)

    summary = run(policy=Policy(1.0), settle=60.0)

    assert (summary.unchanged, summary.classified, summary.changed) == (2, 0, 0)
    assert (summary.new, summary.unsettled, summary.missing) == (0, 0, 0)
    assert summary.foreign == {}
    assert summary.warnings == ()
    tags = {item.path: item.tag for item in two.items() if item.state is State.TAGGED}
    assert tags["decided.png"] == "Bag"
    assert sorted(tags) == ["decided.png", "waits.png"]
    report = two.check(None, seed=1)
    assert (report.files_differing, report.damage) == ((), ())
    assert (report.decisions_without_item, report.predictions_without_item) == (0, 0)


def test_lightrooms_and_darktables_sidecars_are_merged(
    tagger: Tagger, two: Inventory, shop: Path
) -> None:
    (shop / "decided.png.xmp").write_text(DARKTABLE)
    lightroom = shop / "decided.xmp"
    lightroom.write_text(LIGHTROOM.replace("JPG", "png"))

    tagger("write-tags")

    assert keywords(shop / "decided.png.xmp") == ["Bag"]
    assert "darktable:history" in (shop / "decided.png.xmp").read_text()
    assert keywords(lightroom) == ["spring", "red & white", "Bag"]
    assert (
        shown_by_exiftool(lightroom)["XMP-photoshop:Instructions"] == "two\nlines > one"
    )
    assert two.count() == 2


def test_a_sidecar_that_belongs_to_another_picture_is_left_alone(
    tagger: Tagger, two: Inventory, shop: Path
) -> None:
    other = shop / "decided.xmp"
    other.write_text(LIGHTROOM.replace("JPG", "CR2"))
    tagger("write-tags")
    assert other.read_text() == LIGHTROOM.replace("JPG", "CR2")
    assert keywords(shop / "decided.png.xmp") == ["Bag"]

    (shop / "decided.png.xmp").unlink()
    other.write_text(DARKTABLE)
    shutil.copy(SAMPLES / "sneaker-grey.jpg", shop / "decided.jpg")
    tagger("write-tags")
    assert other.read_text() == DARKTABLE
    assert keywords(shop / "decided.png.xmp") == ["Bag"]
    assert two.count() == 2


@INTO
@pytest.mark.usefixtures("two")
def test_what_cannot_be_written_is_named_and_the_others_are(
    tagger: Tagger,
    photo: Photo,
    run: Scan,
    shop: Path,
    into: tuple[str, ...],
) -> None:
    names = ["changed.png", "gone.png", "closed.png", "link.png", "bad.png"]
    for number, name in enumerate(names):
        photo(name, 120 + 10 * number)
    (shop / "link.png").unlink()
    (shop / "link.png").symlink_to("waits.png")
    run(policy=Policy(0.0))
    (shop / "gone.png").unlink()
    (shop / "changed.png").write_bytes(b"other content")
    closed = carrier(shop / "closed.png", into)
    if not into:
        closed.write_text(DARKTABLE)
        (shop / "bad.png.xmp").write_text("<x:xmpmeta")
    closed.chmod(0o444)

    done = tagger("write-tags", *into)

    assert done.returncode == 3
    said = dict(
        line.removeprefix(f"warning: {shop}/").split(" ", 1)
        for line in done.stderr.splitlines()
    )
    expected = {"gone.png": "scan again", "closed.png": "read-only"}
    if into:
        expected |= {
            "gone.png": "No such file",
            "changed.png": "scan again",
            "link.png": "link",
        }
    else:
        expected |= {"bad.png": "bad.png.xmp"}
    assert said.keys() == expected.keys()
    assert all(word in said[name] for name, word in expected.items())
    assert keywords(carrier(shop / "decided.png", into)) == ["Bag"]
    assert "left out" in done.stdout
    assert not list(shop.glob(".*"))


def test_a_format_without_metadata_is_named(tagger: Tagger, pictures: Path) -> None:
    shutil.copy(SAMPLES / "plain.bmp", pictures)
    tagger("scan", pictures)

    done = tagger("write-tags", "--into-files", "--undecided")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "plain.bmp is no JPEG, PNG, WebP or TIFF" in done.stderr


def test_a_folder_that_is_gone_is_named_once(
    tagger: Tagger, two: Inventory, shop: Path
) -> None:
    shop.rename(shop.with_name("unplugged"))

    for into in ((), ("--into-files",)):
        done = tagger("write-tags", *into)
        assert done.returncode == 3
        assert done.stderr == f"warning: {shop} is not there: is the disk plugged in?\n"
    assert two.count() == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tag", "Kot"), "unknown tag"),
        (("--root", "/srv"), "not a scanned folder"),
        (("--where", "x"), "cannot read the filter"),
    ],
)
@pytest.mark.usefixtures("stock")
def test_filters_choose_the_pictures(
    tagger: Tagger, arguments: tuple[str, ...], says: str
) -> None:
    assert says in refused(tagger, "write-tags", *arguments)


def test_filters_leave_the_others_alone(
    tagger: Tagger, two: Inventory, shop: Path
) -> None:
    tagger("write-tags", "--undecided", "--by-machine")

    assert [path.name for path in shop.glob("*.xmp")] == ["waits.png.xmp"]
    assert two.count() == 2


@INTO
def test_a_disk_that_fills_in_the_middle_leaves_whole_files(
    tmp_path: Path, into: tuple[str, ...]
) -> None:
    with mounted(tmp_path / "disk", "600k") as disk:
        for number in range(40):
            data = (SAMPLES / "tiny.png").read_bytes() + number.to_bytes(2)
            (disk / f"{number}.png").write_bytes(data)
        program = Inside(tmp_path)
        program("scan", disk)
        filler = disk / "filler"
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(b"x" * (room - 40_000))

        message = program.fails("write-tags", "--undecided", *into)

        assert "No space left" in message
        assert not list(disk.glob(".*"))
        for path in disk.glob("*.xmp"):
            assert path.read_bytes().endswith(b"</x:xmpmeta>\n")
        for path in disk.glob("*.png"):
            with Image.open(path) as picture:
                picture.load()
        filler.unlink()
        assert program("write-tags", "--undecided", *into).returncode == 0
        scanned = program("scan", disk)
        assert "40 unchanged" in scanned.stdout + scanned.stderr


@INTO
def test_a_file_that_may_not_grow_is_one_line(
    program: Tagger, two: Inventory, shop: Path, into: tuple[str, ...]
) -> None:
    before = (shop / "decided.png").read_bytes()
    limit = ("prlimit", "--fsize=300")

    message = program.fails("write-tags", *into, prefix=limit)

    assert message.count("\n") == 1
    assert (shop / "decided.png").read_bytes() == before
    assert sorted(path.name for path in shop.iterdir()) == ["decided.png", "waits.png"]
    assert two.count() == 2


def test_a_folder_without_permission_is_named(
    program: Tagger, two: Inventory, shop: Path
) -> None:
    shop.chmod(0o555)
    try:
        done = program("write-tags", prefix=without_dac_override())
    finally:
        shop.chmod(0o755)

    assert done.returncode == 3
    assert "decided.png" in done.stderr
    assert "Permission denied" in done.stderr
    assert two.count() == 2


def test_copies_of_one_content_share_what_is_known(
    tagger: Tagger, inventory: Inventory, photo: Photo, run: Scan, shop: Path
) -> None:
    first = photo("a.png")
    shutil.copy(first, shop / "b.png")
    shutil.copy(first, shop / "c.png")
    (shop / "c.png").chmod(0o444)
    run(policy=CAREFUL)
    decide(inventory, "a.png", "Bag")

    assert tagger("write-tags", "--into-files").returncode == 3

    assert {item.tag for item in inventory.items()} == {"Bag"}
    assert len({item.digest for item in inventory.items()}) == 2
    (shop / "c.png").chmod(0o644)
    assert tagger("write-tags", "--into-files").returncode == 0
    assert {item.tag for item in inventory.items()} == {"Bag"}
    with raw(inventory.path) as connection:
        for table in ("decision", "prediction"):
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert rows == 1
    assert run(policy=CAREFUL).classified == 0


def test_an_audit_keeps_its_sample_and_its_answers(
    tagger: Tagger, inventory: Inventory, photo: Photo, run: Scan
) -> None:
    for number in range(6):
        photo(f"{number}.png", 30 * number + 20)
    run(policy=Policy(0.0))
    audit = inventory.draw_audit(4, "anna")
    answer_audit(inventory, audit, most=2)
    before = inventory.audits()

    assert tagger("write-tags", "--into-files").returncode == 0

    assert before[0].answered == 2
    assert inventory.audits() == before
    with raw(inventory.path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        held = "SELECT digest FROM image"
        lost = f"SELECT count(*) FROM sampled WHERE digest NOT IN ({held})"  # noqa: S608
        assert connection.execute(lost).fetchone() == (0,)


def test_a_picture_in_a_review_is_left_alone_until_that_has_ended(
    tagger: Tagger, two: Inventory, shop: Path
) -> None:
    everything = Selection(everything=True)
    before = (shop / "waits.png").read_bytes()
    with two.reviewing("berta", everything) as reviewing:
        assert [item.path for item in reviewing.take(5, without=())] == ["waits.png"]

        done = tagger("write-tags", "--into-files", "--undecided")

        assert done.returncode == 3
        assert "waits.png is shown in a review" in done.stderr
        assert (shop / "waits.png").read_bytes() == before
        assert not list(shop.glob(".*"))
    assert tagger("write-tags", "--into-files", "--undecided").returncode == 0


def test_the_last_line_in_a_terminal_is_the_next_step(
    tagger: Tagger, two: Inventory
) -> None:
    shown = in_a_terminal(tagger.command("write-tags", "--dry-run"), tagger)

    assert shown.splitlines()[-1].startswith("\x1b[2mNext: 'tagger write-tags'")
    assert two.count() == 2


def test_a_kill_leaves_every_picture_whole(program: Tagger) -> None:
    """Killed for real, at random moments, while pictures are written."""
    shop = program.folder / "shop"
    shop.mkdir()
    names = ["sneaker-grey.jpg", "tiny.png", "lossy.webp", "progressive.jpg"]
    for number in range(120):
        sample = SAMPLES / names[number % len(names)]
        data = sample.read_bytes()
        if sample.suffix != ".webp":
            data += number.to_bytes(4)
        (shop / f"{number}{sample.suffix}").write_bytes(data)
    assert program("scan", shop).returncode == 0
    with Inventory(program.db) as inventory:
        tags = {item.path: item.tag for item in inventory.items()}
        for item in list(inventory.items())[:10]:
            decide(inventory, item.path, "Bag")
            tags[item.path] = "Bag"
        tags = {item.path: item.tag for item in inventory.items()}
    old = {path.name: path.read_bytes() for path in shop.iterdir()}
    seen = {name: pixels(shop / name) for name in old}
    chance, stages = random.Random(20261128), set()  # noqa: S311
    began = time.monotonic()
    assert program("write-tags", "--into-files", "--undecided").returncode == 0
    longest = (time.monotonic() - began) / 2  # the other half is the start

    for number in range(KILLS):
        words = ["write-tags", "--into-files", "--undecided"]
        words += ["--remove"] * (number % 2 == 0)
        before = {name: digest(shop / name) for name in old}
        process = subprocess.Popen(
            program.command(*words), env=program.environment, stdout=subprocess.DEVNULL
        )
        untouched = shop.stat().st_mtime_ns
        while process.poll() is None and shop.stat().st_mtime_ns == untouched:
            time.sleep(0.001)  # until the first draft
        time.sleep(chance.uniform(0, longest))
        process.kill()
        process.wait()
        drafts = len(list(shop.glob(".*")))
        stages.add((drafts, changed_since(shop, before)))

        assert {name: pixels(shop / name) for name in old} == seen
        again = program("scan", shop)
        assert again.returncode == 0, again.stderr
        with Inventory(program.db) as inventory:
            present = [item for item in inventory.items() if item.digest]
            assert {item.path: item.tag for item in present} == tags
            report = inventory.check(None, seed=1)
            assert (report.damage, report.files_differing) == ((), ())

    assert program("write-tags", "--into-files", "--remove").returncode == 0
    assert {path.name: path.read_bytes() for path in shop.iterdir()} == old
    print(f"{KILLS} kills at {len(stages)} stages of {len(old)}")  # noqa: T201


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed_since(shop: Path, before: dict[str, str]) -> int:
    return sum(digest(shop / name) != known for name, known in before.items())


def pixels(path: Path) -> str:
    with Image.open(path) as picture:
        return hashlib.sha256(picture.convert("RGBA").tobytes()).hexdigest()
