from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import write_idx

from tagger.domains import LABELS
from tagger.errors import DataError
from tagger.recipes import gather, read_recipe

RECIPE = """
architecture = "residual"
batch-size = 16

[domains.arrays]
arrays = "arrays"
held-back = 0.25

[domains.people]
figures = "arrays"

[domains.shop]
photographs = "shop"
held-back = 0.5
textures = true

[domains.things]
things = "things"
at-most = 2
without = ["shirt"]

[[stages]]
pictures = 160
rate = 2e-3
mixture = { arrays = 0.7, people = 0.3 }

[[stages]]
pictures = 80
rate = 1e-3
mixture = { arrays = 0.5, shop = 0.4, things = 0.1 }
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    chance = np.random.default_rng(1)
    (tmp_path / "arrays").mkdir()
    write_idx(
        tmp_path / "arrays" / "train-images-idx3-ubyte.gz",
        chance.integers(0, 256, (40, 28, 28)).astype(np.uint8),
    )
    labels = (np.arange(40) % 10).astype(np.uint8)
    write_idx(tmp_path / "arrays" / "train-labels-idx1-ubyte.gz", labels)
    (tmp_path / "shop").mkdir()
    rows = ["file,label,group"]
    for number in range(8):
        picture = Image.new("RGB", (50, 60), "white")
        picture.paste((90, 20 * number, 30), (10, 10, 20 + 2 * number, 50))
        picture.save(tmp_path / "shop" / f"{number}.png")
        rows.append(f"{number}.png,{('Coat', 'Bag')[number % 2]},g{number // 2}")
    (tmp_path / "shop" / "labels.csv").write_text("\n".join(rows))
    (tmp_path / "things").mkdir()
    for name in ("apple", "pear", "red-Shirt", "tree"):
        Image.new("RGB", (40, 40), "green").save(tmp_path / "things" / f"{name}.png")
    (tmp_path / "things" / "broken.png").write_bytes(b"no picture")
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_read_and_its_domains_gathered(recipe: Path) -> None:
    told: list[str] = []
    read = read_recipe(recipe)
    materials = gather(read, told.append)

    assert (read.name, read.pictures, read.batch_size) == ("mine", 240, 16)
    counts = {name: len(domain) for name, domain in materials.domains.items()}
    assert counts["arrays"] == 30
    assert counts["people"] > 0
    assert counts["shop"] == 4
    assert counts["things"] <= 2
    assert materials.held_back["arrays"].images.shape == (10, 28, 28, 3)
    assert materials.held_back["shop"].images.shape == (4, 28, 28, 3)
    assert materials.textures.shape == (4, 96, 96)
    assert set(materials.domains["things"].labels) == {LABELS.index("other")}
    assert told[0] == "arrays: 30 pictures"


def test_nothing_of_a_held_back_group_is_trained_on(recipe: Path) -> None:
    materials = gather(read_recipe(recipe))
    groups = {Path(name).stem for name in materials.held_back["shop"].names}

    assert {int(stem) // 2 for stem in groups} == {int(stem) // 2 for stem in groups}
    assert len({int(stem) // 2 for stem in groups}) == 2
    labels = np.sort(materials.held_back["shop"].labels).tolist()
    assert labels == ["Bag", "Bag", "Coat", "Coat"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("residual", "lenet"), "architecture must be residual"),
        (("residual", "three-block"), "architecture must be residual"),
        (("pictures = 160", 'pictures = "160"'), "pictures must not be '160'"),
        (("rate = 2e-3", 'rate = "2e-3"'), "a stage: rate must not be '2e-3'"),
        (("arrays = 0.7, ", 'arrays = "x", '), "mixture must not be"),
        (("arrays = 0.7, ", "arrays = 0, "), "gives domains positive shares"),
        (("held-back = 0.5", 'held-back = "a"'), "domain shop: held-back must not be"),
        (("[[stages]]", "[policy]\nthreshold = 97\n[[stages]]"), "between 0 and 1"),
        (("[[stages]]", "[policy]\nthreshold = 'x'\n[[stages]]"), "threshold must not"),
        (
            ("[[stages]]", "[policy]\nthreshold = 1\ntags = {Hat = 1}\n[[stages]]"),
            "policy names Hat, which is no tag",
        ),
        (("architecture", "arch"), "architecture|arch"),
        (("arrays = 0.7", "cats = 0.7"), "a stage mixes cats, which is no domain"),
        (('photographs = "shop"', ""), "domain shop needs exactly one of"),
        (('figures = "arrays"', 'figures = "shop"'), "no shop before it"),
        (("held-back = 0.5", "held-back = 1.5"), "held-back must be in 0..1"),
        (("pictures = 160", "pictures = 1"), "needs pictures for a batch"),
        (("textures", "textrues"), "textrues"),
        (("[[stages]]", "[stages"), "is no TOML file"),
        (("rate = 2e-3", ""), "rate"),
    ],
)
def test_what_is_no_recipe_is_refused_by_its_key(
    recipe: Path, change: tuple[str, str], message: str
) -> None:
    recipe.write_text(RECIPE.replace(*change, 1))

    with pytest.raises(DataError, match=message):
        read_recipe(recipe)


def test_an_absent_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*absent.toml: No such file"):
        read_recipe(tmp_path / "absent.toml")


def test_a_folder_of_things_without_pictures_is_told(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace('things = "things"', 'things = "nowhere"'))

    with pytest.raises(DataError, match="nowhere: no pictures"):
        gather(read_recipe(recipe))
