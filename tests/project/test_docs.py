"""The README, the pages of docs/, the changelog and the package say the same.

`poe docs-check` builds the site, which checks the links between all of these files.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from support import TOP
from support.inventories import raw
from support.transcripts import home_with_photos, run_block

import tagger
from tagger.bundles.bundle import CARD_FILE, models_folder
from tagger.cli import app
from tagger.exchange.products import Product
from tagger.inventory.columns import COLUMNS, PRODUCT_COLUMNS
from tagger.inventory.records import Item

DOCS = TOP / "docs"
README = (TOP / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
ARCHITECTURE = PAGES["architecture.md"]
COMMANDS = PAGES["commands.md"]


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
    page = PAGES["formats.md"]
    kinds = "|".join({column.kind for column in (*COLUMNS, *PRODUCT_COLUMNS)})
    explained = re.findall(rf"^\| `(\w+)` \| (?:{kinds}) \|", page, re.MULTILINE)
    items, products = Item.__slots__, Product.__slots__

    assert tuple(explained) == items + products
    assert tuple(column.name for column in COLUMNS) == items
    assert tuple(column.name for column in PRODUCT_COLUMNS) == products


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", README))

    assert README.count("\n") <= 150
    assert linked == PAGES.keys()


def test_every_picture_has_a_description() -> None:
    pictures = [
        picture
        for text in (README, *PAGES.values())
        for picture in re.findall(r"!\[(.*?)\]\(.*?\)", text)
    ]

    assert len(pictures) >= 10
    assert all(pictures)


def run_blocks(page: str) -> list[str]:
    return re.findall(
        r"^<!-- run -->\n```sh\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", [page for page in sorted(PAGES) if run_blocks(page)])
def test_the_commands_of_a_page_run_one_after_the_other(page: str) -> None:
    with home_with_photos() as home:
        for block in run_blocks(page):
            done = run_block(block, home)
            assert done.returncode == 0, block + done.stdout + done.stderr


@pytest.mark.usefixtures("stock")
def test_the_queries_for_datasette_run(tmp_path: Path) -> None:
    found = re.findall(r"sql: \|\n((?: {10}.*\n)+)", PAGES["formats.md"])
    with raw(tmp_path / "inventory.db") as connection:
        rows = [connection.execute(query).fetchall() for query in found]

    assert len(rows) == 4
    assert rows[1]  # pictures by tag


def texts_of_the_program() -> Iterator[str]:
    """Yield the texts in the code, each with … for what is filled in."""
    for path in (TOP / "tagger").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "") for part in node.values)
                yield "".join(p if isinstance(p, str) else "…" for p in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_messages_of_troubleshooting_are_those_of_the_program() -> None:
    page = PAGES["troubleshooting.md"]
    explained = [
        m.replace("\n", " ") for m in re.findall(r"\*\*`(.*?)`\**", page, re.DOTALL)
    ]
    reasons = re.findall(r"^\| (\w.*?) \|", page.partition("| --- |")[2], re.MULTILINE)
    texts = list(texts_of_the_program())

    def is_shown(message: str) -> bool:
        pattern = re.compile(".*".join(map(re.escape, message.split("…"))), re.DOTALL)
        return any(pattern.search(text) for text in texts)

    assert len(explained) >= 12
    assert len(reasons) >= 3
    assert [one for one in (*explained, *reasons) if not is_shown(one)] == []


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
