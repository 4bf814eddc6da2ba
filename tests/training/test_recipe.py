import re
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import fields
from PIL import Image
from support import TOP, write_idx

from tagger.errors import DataError
from tagger.labels import kinds_of, tags_of
from tagger.policy.table import PolicyTable
from tagger.records import FASHION_LABELS
from tagger.training.mixture import LABELS
from tagger.training.recipe import Recipe, Source, Stage, gather, read_recipe

README = TOP / "models" / "README.md"

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
    assert told[0] == "arrays: 30 pictures, 10 held back"
    assert told[2] == "shop: 4 pictures, 4 held back"


def with_skirts(recipe: Path, more: str) -> Path:
    """Add two ambiguous pictures to the recipe's shop, and a line to its domain."""
    table = recipe.parent / "shop" / "labels.csv"
    header, *rows = table.read_text().splitlines()
    rows[:2] = [
        "0.png,ambiguous,g0,long_skirt,Kurz",
        "1.png,ambiguous,g0,unclear,Kurz",
    ]
    rows[2:] = [f"{row},,Lang" for row in rows[2:]]
    table.write_text("\n".join([f"{header},kind,set", *rows]))
    recipe.write_text(
        RECIPE.replace("textures = true", more).replace(
            "held-back = 0.5", "held-back = 0"
        )
    )
    return recipe


def test_a_kind_without_a_tag_becomes_a_label_of_the_network(recipe: Path) -> None:
    read = read_recipe(with_skirts(recipe, 'kinds = { long_skirt = "skirt" }'))
    shop = gather(read).domains["shop"]

    assert read.labels == (*LABELS, "other/skirt")
    assert [read.labels[label] for label in shop.labels].count("other/skirt") == 1
    assert len(shop) == 7  # what stays ambiguous is left out
    assert shop.sets is not None
    assert shop.sets.tolist() == ["Kurz", *["Lang"] * 6]


def test_a_listed_picture_is_left_out(recipe: Path) -> None:
    with_skirts(recipe, 'left-out = "noise.txt"')
    (recipe.parent / "noise.txt").write_text("# wrong labels\n3.png  # a bag\n")

    assert len(gather(read_recipe(recipe)).domains["shop"]) == 5


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ('kinds = { hat = "hat" }', "hat"),
        ('left-out = "noise.txt"', "absent.png"),
        ('left-out = "nowhere.txt"', "nowhere.txt"),
    ],
)
def test_what_the_photographs_do_not_have_is_named(
    recipe: Path, more: str, named: str
) -> None:
    with_skirts(recipe, more)
    (recipe.parent / "noise.txt").write_text("absent.png\n")

    with pytest.raises(DataError, match=named):
        gather(read_recipe(recipe))


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
        (('["shirt"]', '"shirt"'), "domain things: without: .*list, not a text"),
        (('["shirt"]', "[1]"), r"domain things: without\[0\]: must be a text"),
        (
            ("at-most = 2", "held-back = 0.5"),
            "held-back would have no effect on things",
        ),
        (("at-most = 2", "at-most = -2"), "at-most: must be .*at least 0"),
        (("held-back = 0.5", "rehearsal = -1"), "rehearsal: must be .*at least 0"),
        (("held-back = 0.5", "at-most = 3"), "at-most would have no effect on photogr"),
        (("held-back = 0.25", "textures = true"), "textures would have no effect on"),
        (
            ('= "arrays"\n\n[domains.shop', '= "arrays"\nrehearsal = 1\n[domains.shop'),
            "domain people: rehearsal would have no effect on figures",
        ),
        (("arrays = 0.7", "arrays = nan"), "stage 1: mixture .*above 0"),
        (("arrays = 0.7", "arrays = inf"), "stage 1: mixture .*must be"),
        (("rate = 2e-3", "rate = inf"), "stage 1: rate: must be a number of at most"),
        (
            ("[[stages]]", "[policy]\nthreshold = nan\n[[stages]]"),
            "policy: threshold: must",
        ),
        (("batch-size = 16", "seed = -1"), "seed: must be .*at least 0"),
        (
            ("batch-size = 16", "seed = 5_000_000_000"),
            "seed: must be .*at most 4294967295",
        ),
        (
            ('things = "things"\nat-most = 2', 'photographs = "shop"'),
            "domain things: without would have no effect",
        ),
        (
            (
                "[domains.things]",
                '[domains.more]\nphotographs = "shop"\n[domains.things]',
            ),
            "domains shop and more share pictures",
        ),
        (
            ('things = "things"', 'things = "."'),
            "domains (arrays|shop) and things share",
        ),
        (("residual", "lenet"), "architecture must be residual"),
        (("residual", "three-block"), "architecture must be residual"),
        (
            ("pictures = 160", 'pictures = "160"'),
            "stage 1: pictures: .*number, not a text",
        ),
        (
            ("rate = 2e-3", 'rate = "2e-3"'),
            "stage 1: rate: must be a number, not a text",
        ),
        (("arrays = 0.7, ", 'arrays = "x", '), "mixture .*number, not a text"),
        (("arrays = 0.7, ", "arrays = 0, "), "mixture .*must be a number above 0"),
        (
            ("held-back = 0.5", 'held-back = "a"'),
            "domain shop: held-back: .*number, not a text",
        ),
        (
            ("[[stages]]", "[policy]\nthreshold = 97\n[[stages]]"),
            "threshold: .*at most 1",
        ),
        (("[[stages]]", "[policy]\nthreshold = 'x'\n[[stages]]"), "threshold: must"),
        (
            ("[[stages]]", "[policy]\nthreshold = 1\ntags = {Hat = 1}\n[[stages]]"),
            "policy names Hat, which is not a tag",
        ),
        (("architecture", "arch"), "architecture is missing|arch is an unknown key"),
        (("arrays = 0.7", "cats = 0.7"), "a stage mixes cats, which is not a domain"),
        (('photographs = "shop"', ""), "domain shop needs exactly one of"),
        (('figures = "arrays"', 'figures = "shop"'), "no domain shop before it"),
        (("held-back = 0.5", "held-back = 1.5"), "held-back: must be a number below 1"),
        (("pictures = 160", "pictures = 1"), "needs pictures for at least one batch"),
        (("textures", "textrues"), "domain shop: textrues is an unknown key"),
        (("batch-size = 16", "name = 'x'"), "name is an unknown key"),
        (("batch-size = 16", "half-precision = 1"), "half-precision: must be true or"),
        (("batch-size = 16", "temperature = 0"), "temperature: must be .*above 0"),
        (("[domains.arrays]", "[domains]\na = 1\n[x]"), "domains .*must be a table"),
        (("[[stages]]", "[stages"), "is not a TOML file"),
        (("rate = 2e-3", ""), "stage 1: rate is missing"),
    ],
)
def test_what_is_no_recipe_is_refused_by_its_key(
    recipe: Path, change: tuple[str, str], message: str
) -> None:
    recipe.write_text(RECIPE.replace(*change, 1))

    with pytest.raises(DataError, match=message):
        read_recipe(recipe)


def test_a_folder_may_be_two_domains_that_hold_back_the_same(recipe: Path) -> None:
    same = '[domains.gray]\narrays = "./shop"\nheld-back = 0.5\n\n[domains.things]'
    recipe.write_text(RECIPE.replace("[domains.things]", same))

    held = gather(read_recipe(recipe)).held_back

    assert held["gray"].names.tolist() == held["shop"].names.tolist()


def test_no_folder_is_mistaken_for_a_download(recipe: Path) -> None:
    text = RECIPE.replace('arrays = "arrays"', 'arrays = "keras:fashion_mnist"', 1)
    recipe.write_text(text.replace('figures = "arrays"', 'things = "."'))

    with pytest.raises(DataError, match="domains people and shop share pictures"):
        read_recipe(recipe)


def test_photographs_may_lie_in_folders_named_by_their_tags(recipe: Path) -> None:
    shop = recipe.parent / "shop"
    (shop / "labels.csv").unlink()
    for number in range(8):
        tag = shop / ("coat", "Bag")[number % 2]
        tag.mkdir(exist_ok=True)
        (shop / f"{number}.png").rename(tag / f"{number}.png")
    (shop / "coat" / "9.psd").touch()
    told: list[str] = []

    materials = gather(read_recipe(recipe), told.append)

    assert materials.domains["shop"].pictures.shape == (4, 96, 96, 3)
    assert materials.held_back["shop"].images.shape == (4, 28, 28, 3)
    tags = {LABELS[label] for label in materials.domains["shop"].labels}
    assert tags | set(materials.held_back["shop"].labels) == {"Coat", "Bag"}
    left = "left out pictures in formats that tagger does not read: 1 (coat/9.psd)"
    assert [line for line in told if "left out" in line] == [f"{shop}: {left}"]


def test_every_domain_with_textures_gives_grounds(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("at-most = 2", "textures = true"))

    materials = gather(read_recipe(recipe))

    assert len(materials.textures) == 4 + len(materials.domains["things"])


def test_words_to_do_without_are_looked_for_in_the_folder_alone(recipe: Path) -> None:
    things = recipe.parent / "things"
    things.rename(recipe.parent / "shirts of others")
    text = RECIPE.replace('"things"', '"shirts of others"').replace(
        '"shirt"', '"SHIRT"'
    )
    recipe.write_text(text.replace("at-most = 2", ""))

    assert len(gather(read_recipe(recipe)).domains["things"]) == 3


def test_every_key_is_told_of_where_users_look() -> None:
    text = README.read_text(encoding="utf-8")
    section = text.split("## The recipe, key by key")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| \**`\[*([a-z-]+)", section, re.MULTILINE))
    kinds = (Recipe, Source, Stage, PolicyTable)
    keys = {field.encode_name for kind in kinds for field in fields(kind)}

    assert told == keys - {"name", "digest", "folder"}


def test_the_smallest_recipe_that_is_told_is_one(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.split("```toml\n")[1].split("```")[0])

    assert read_recipe(tmp_path / "mine.toml").domains.keys() == {
        "fashion-mnist",
        "mine",
    }


def test_the_bundled_networks_recipe_is_read() -> None:
    recipe = read_recipe(README.with_name("shops.toml"))

    assert recipe.pictures == 2_000_000
    assert tags_of(recipe.labels) == FASHION_LABELS
    assert {"skirt", "heel", "tall boot"} <= set(kinds_of(recipe.labels))


def test_an_absent_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*absent.toml: No such file"):
        read_recipe(tmp_path / "absent.toml")


def test_a_folder_of_things_without_pictures_is_told(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace('things = "things"', 'things = "nowhere"'))

    with pytest.raises(DataError, match="nowhere: no pictures"):
        gather(read_recipe(recipe))
