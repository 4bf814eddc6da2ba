"""The library: what `import tagger` offers, and the page that documents it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import SAMPLES

import tagger

DOCS = Path(__file__).resolve().parents[1] / "docs"
SHOE = SAMPLES / "sneaker-side-view.jpg"


def test_the_public_names_are_all_there() -> None:  # ruff keeps them sorted (RUF022)
    assert len(set(tagger.__all__)) == len(tagger.__all__)
    assert all(getattr(tagger, name) is not None for name in tagger.__all__)
    assert set(tagger.__all__) <= set(dir(tagger))
    with pytest.raises(AttributeError, match="no_such_name"):
        tagger.no_such_name  # noqa: B018


def test_the_public_names_are_documented() -> None:
    undocumented = [
        name
        for name in tagger.__all__
        if name != "__version__" and not (getattr(tagger, name).__doc__ or "").strip()
    ]

    assert undocumented == []


def test_importing_the_library_loads_nothing() -> None:
    program = (
        "import sys, tagger; print(sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded = set(re.findall(r"'(\w+)'", done.stdout))
    assert not loaded & {"numpy", "cv2", "sqlalchemy", "tensorflow", "PIL", "typer"}


@pytest.mark.model
def test_the_examples_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "library.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(SHOE, photos / "shoe.jpg")
    shutil.copy(SAMPLES / "camera.jpg", photos / "camera.jpg")
    monkeypatch.chdir(tmp_path)

    assert len(examples) >= 4
    for example in examples:
        exec(example, {})  # noqa: S102  our own page

    rows = (tmp_path / "tags.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3


@pytest.mark.model
def test_a_file_and_its_pixels_are_predicted_alike() -> None:
    network = tagger.load_network("three-block")
    with Image.open(SHOE) as opened:
        pixels = np.asarray(opened.convert("RGB"))

    by_file, by_pixels, gray = network.predict([SHOE, pixels, pixels[..., 0]])

    assert isinstance(by_file, tagger.Prediction)
    assert isinstance(by_pixels, tagger.Prediction)
    assert isinstance(gray, tagger.Prediction)
    assert by_file.tag == by_pixels.tag
    assert network.predict([]) == []
    with pytest.raises(tagger.RequestError, match="uint8"):
        network.predict([pixels.astype(float)])


@pytest.mark.model
def test_a_damaged_file_is_predicted_as_damaged(tmp_path: Path) -> None:
    data = SHOE.read_bytes()
    half = len(data) // 2
    (tmp_path / "hole.jpg").write_bytes(data[:half] + data[half + 400 :])

    hole, whole = tagger.load_network().predict([tmp_path / "hole.jpg", SHOE])

    assert isinstance(hole, tagger.Prediction)
    assert isinstance(whole, tagger.Prediction)
    assert (hole.damaged, whole.damaged) == (True, False)


@pytest.mark.model
def test_a_scan_from_python_is_that_of_the_command_line(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    shutil.copy(SHOE, shop)

    with tagger.Inventory(tmp_path / "inventory.db") as inventory:
        fresh = tagger.scan_folders([shop], inventory)
        read = tagger.scan_folders(
            [shop], inventory, options=tagger.ScanOptions(settle=0), threshold=1.0
        )
        (item,) = inventory.items()
        policies = inventory.policies()

    assert (fresh.unsettled, fresh.new) == (0, 1)  # it waited two seconds
    assert item.flagged
    assert policies["shops"].threshold == 1.0
    assert read.unchanged == 1


@pytest.mark.model
def test_an_export_from_python_has_products_and_changed_rows(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    shutil.copy(SHOE, shop / "7001_1.jpg")
    shutil.copy(SHOE, shop / "7001_2.jpg")
    target = tmp_path / "out.csv"

    with tagger.Inventory(tmp_path / "inventory.db") as inventory:
        tagger.scan_folders([shop], inventory, options=tagger.ScanOptions(settle=0))
        with pytest.raises(tagger.RequestError, match="item-pattern"):
            tagger.export_inventory(inventory, target, by_item=True)
        inventory.set_item_pattern([str(shop)], r"(?P<item>\d+)_")
        products = tagger.export_inventory(
            inventory, target, columns=["item", "photographs"], by_item=True
        )
        written = target.read_text(encoding="utf-8").split()
        changed = [
            tagger.export_inventory(inventory, target, mark="web") for _ in range(2)
        ]

    assert (products, written) == (1, ["item,photographs", "'7001,2"])
    assert changed == [2, 0]
