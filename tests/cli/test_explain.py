"""`tagger explain`: the story of a path, or why there is none."""

import re
from pathlib import Path

import pytest
from PIL import Image
from support.inventories import raw
from support.program import Tagger


def test_explain_tells_the_story_of_a_path(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)

    told = tagger("explain", "pictures/tiny.png").stdout

    assert str(pictures / "tiny.png") in told
    assert re.search(
        r"20\d\d-\d\d-\d\d [\d:]+  a scan found it; the machine tagged", told
    )
    assert "22x22 PNG" in told


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("elsewhere/a.png", "is not in a scanned folder"),
        ("pictures/new.png", "was not scanned yet"),
        ("pictures/gone.png", "does not exist"),
        ("pictures/sub", "is a folder"),
    ],
)
def test_explain_says_why_a_path_is_unknown(
    tagger: Tagger, pictures: Path, name: str, says: str
) -> None:
    tagger("scan", pictures)
    (pictures / "new.png").touch()
    (pictures / "sub").mkdir()

    assert says in tagger.fails("explain", tagger.folder / name)


def test_explain_notes_a_name_with_the_wrong_ending(tagger: Tagger, shop: Path) -> None:
    Image.new("RGB", (60, 80), "navy").save(shop / "item.jpg", "WEBP")
    Image.new("RGB", (60, 80), "navy").save(shop / "right.webp")
    tagger("scan", shop)

    told = tagger("explain", shop / "item.jpg").stdout

    assert "the name says JPEG, the content is WEBP" in told
    assert "the name says" not in tagger("explain", shop / "right.webp").stdout


def test_a_folder_of_macos_is_found_by_the_name_that_a_person_types(
    tagger: Tagger, pictures: Path
) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    stored = pictures / decomposed / f"{decomposed}.png"
    stored.parent.mkdir()
    (pictures / "tiny.png").rename(stored)
    typed = pictures / composed / f"{composed}.png"

    assert tagger("scan", pictures / composed).returncode == 0
    assert str(stored) in tagger("explain", typed).stdout
    rows = tagger("export", "--root", pictures / composed, "--columns", "path").stdout
    assert f"{decomposed}.png" in rows
    stored.unlink()
    assert str(stored) in tagger("explain", typed).stdout
    assert tagger("roots", "forget", pictures / composed, "--yes").returncode == 0


def test_the_history_is_told_in_sentences(tagger: Tagger, pictures: Path) -> None:
    tagger.environment |= {"TAGGER_REVIEWER": "anna", "COLUMNS": "400"}
    tagger("scan", pictures)
    review, path = ("review", "--plain"), pictures / "lossy.webp"
    tagger(*review, "--all", "--order", "path", answers="x\nu\nq\n")
    tagger(*review, "--redo", path, answers="8\n")
    tagger(*review, "--redo", path, answers="n odd\nq\n")
    path.rename(pictures / "new.webp")
    tagger("scan", pictures)

    told = tagger("explain", pictures / "new.webp").stdout

    dated = re.findall(r"^20\d\d-\S+ \S+  (.*?) *$", told, re.MULTILINE)
    found, *rest = dated
    said = r"a scan found it; the machine (tagged it|said:) .*, \d\.\d\d.*"
    assert re.fullmatch(said, found)
    assert rest == [
        "anna said that it is not a catalogue item",
        "the answer of anna was undone",
        "anna corrected it to Bag",
        "anna noted: odd",
        f"it moved here from {pictures}/lossy.webp",
    ]


def test_times_are_those_of_the_place(program: Tagger, pictures: Path) -> None:
    program("scan", pictures)
    with raw(program.db) as connection, connection:
        connection.execute(
            "UPDATE image SET first_seen = '2026-01-01T23:30:00.000000Z'"
        )

    assert (
        "2026-01-02 05:00:00"
        in program("explain", pictures / "tiny.png", TZ="Asia/Kolkata").stdout
    )
