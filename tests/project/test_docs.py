"""The README, the changelog and the package say the same."""

import json
import re
import tomllib

import pytest
import typer
from support import TOP

import tagger
from tagger.bundles.bundle import CARD_FILE, models_folder
from tagger.cli import app
from tagger.exchange.products import Product
from tagger.inventory.columns import COLUMNS, PRODUCT_COLUMNS
from tagger.inventory.records import Item

README = (TOP / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
COMMANDS = (TOP / "docs" / "commands.md").read_text(encoding="utf-8")


def commands() -> dict[str, typer.core.TyperCommand]:
    found: dict[str, typer.core.TyperCommand] = {}

    def collect(name: str, command: object) -> None:
        for word, child in getattr(command, "commands", {}).items():
            if child.hidden:
                continue
            found[f"{name} {word}"] = child
            collect(f"{name} {word}", child)

    collect("tagger", typer.main.get_command(app))
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_and_stands_in_the_docs(name: str) -> None:
    command = commands()[name]

    assert command.help
    assert f"`{name}`" in COMMANDS
    if not hasattr(command, "commands"):
        assert f"Example: {name} " in " ".join(command.help.split())
        assert all(getattr(param, "help", "x") for param in command.params)


def test_the_layers_in_the_docs_are_those_that_lint_imports_checks() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    (first, *_) = project["tool"]["importlinter"]["contracts"]
    block = re.search(r"## Layers\n.*?```\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert block
    shown = [re.split(r"\s{2,}", line)[0] for line in block[1].splitlines()]

    assert [layer for layer in shown if layer] == first["layers"]


def test_the_modules_that_the_docs_name_are_there() -> None:
    block = re.search(r"## Where to look\n(.*?)\n## ", ARCHITECTURE, re.DOTALL)
    assert block
    named = re.findall(r"`([\w/]+(?:\.py|/))`", block[1])

    assert len(named) >= 6
    assert [name for name in named if not (TOP / "tagger" / name).exists()] == []


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


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    changelog = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)

    assert tagger.__version__ == versions[0]


def test_the_package_takes_its_version_from_the_program() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "tagger/version.py"


def test_the_models_table_has_the_figures_of_the_cards() -> None:
    told = (models_folder() / "README.md").read_text(encoding="utf-8")
    cards = list(models_folder().glob(f"*/{CARD_FILE}"))

    assert cards
    for card in cards:
        fields = json.loads(card.read_text())
        assert f"`{fields['name']}`" in told
        metrics = fields["metrics"]
        (accuracy,) = (metrics[name] for name in metrics if "test_accuracy" in name)
        assert f"{accuracy:.4f}" in told
        assert f"{fields['policy']['threshold']:.2f}" in told
        assert f"{fields['training']['parameters']:,}" in told
