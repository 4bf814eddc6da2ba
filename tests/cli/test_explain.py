"""`tagger explain`: the story of a path, or why there is none."""

from pathlib import Path

import pytest
from PIL import Image
from support.program import Tagger


def test_explain_tells_the_story_of_a_path(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)

    told = tagger("explain", "pictures/tiny.png").stdout

    assert str(pictures / "tiny.png") in told
    assert "first seen" in told
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
