"""The README, the changelog and the package say the same."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer

import tagger
from tagger.bundle import CARD_FILE, models_folder
from tagger.cli import app
from tagger.columns import COLUMNS, PRODUCT_COLUMNS
from tagger.products import Product
from tagger.records import Item

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")


def commands() -> dict[str, typer.core.TyperCommand]:
    found: dict[str, typer.core.TyperCommand] = {}

    def collect(name: str, command: object) -> None:
        for word, child in getattr(command, "commands", {}).items():
            found[f"{name} {word}"] = child
            collect(f"{name} {word}", child)

    collect("tagger", typer.main.get_command(app))
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = commands()[name]

    assert command.help
    assert f"`{name}`" in README
    if not hasattr(command, "commands"):
        assert f"Example: {name} " in " ".join(command.help.split())
        assert all(getattr(param, "help", "x") for param in command.params)


def test_the_tree_in_the_readme_is_that_of_the_package() -> None:
    block = re.search(r"<!-- tree -->\n```\n(.*?)```", README, re.DOTALL)
    assert block
    shown: set[str] = set()
    parents: list[str] = []
    for line in block[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        parents[depth:] = [name]
        if not name.endswith("/"):
            shown.add("".join(parents))

    files = {
        str(path.relative_to(TOP))
        for path in (TOP / "tagger").rglob("*")
        if path.is_file() and path.suffix in {"", ".html", ".py", ".sql", ".typed"}
    } | {"tagger/py.typed"}
    assert shown == {name for name in files if "__pycache__" not in name}


def test_every_exported_column_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    items, products = Item.__slots__, Product.__slots__

    assert tuple(explained) == items + products
    assert tuple(column.name for column in COLUMNS) == items
    assert tuple(column.name for column in PRODUCT_COLUMNS) == products


def test_the_pictures_of_the_readme_are_there() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)

    assert len(pictures) >= 4
    assert all((TOP / picture).is_file() for picture in pictures)


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    changelog = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)

    assert tagger.__version__ == project["version"] == versions[0]


def test_the_models_table_has_the_figures_of_the_cards() -> None:
    told = (models_folder() / "README.md").read_text(encoding="utf-8")
    for card in models_folder().glob(f"*/{CARD_FILE}"):
        fields = json.loads(card.read_text())
        assert f"`{fields['name']}`" in told
        metrics = fields["metrics"]
        (accuracy,) = (metrics[name] for name in metrics if "test_accuracy" in name)
        assert f"{accuracy:.4f}" in told
        assert f"{fields['policy']['threshold']:.2f}" in told
        assert f"{fields['training']['parameters']:,}" in told
