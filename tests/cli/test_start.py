"""The first words: `tagger` alone, help, and paths without quotes."""

import re
import shutil
from pathlib import Path

import pytest
import typer
from support.program import Tagger, in_a_terminal

from tagger.cli import app, quoting

pytestmark = pytest.mark.measured

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NAMES = [name for name, command in COMMANDS.items() if not command.hidden]


def shown(program: Tagger, *arguments: object) -> str:
    """Return what a terminal shows, without colours."""
    text = in_a_terminal(program.command(*arguments), program)
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_without_an_inventory_it_says_how_to_begin(program: Tagger) -> None:
    told = shown(program)

    assert len(told.splitlines()) <= 10
    for word in ("tagger scan", "tagger review", "tagger export", "--help", program.db):
        assert str(word) in told
    assert not program.db.exists()


@pytest.mark.usefixtures("stock")
def test_with_an_inventory_it_shows_its_state_and_the_next_step(
    program: Tagger,
) -> None:
    state, step = shown(program).splitlines()

    assert re.search(r"\d tagged, [1-9]\d* waiting for review", state)
    assert "tagger review" in step
    program("review", "--plain", answers="\n" * 9)
    assert "tagger export" in shown(program).splitlines()[1]


@pytest.mark.usefixtures("stock")
def test_it_finds_an_inventory_in_the_working_folder(
    program: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(program.folder)
    program.environment |= {"TAGGER_DB": str(program.folder / "other.db")}

    state, step = shown(program).splitlines()

    assert state.startswith("inventory.db: ")
    assert "'tagger review --db inventory.db'" in step


def test_the_settings_name_the_inventory(
    program: Tagger, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del program.environment["TAGGER_DB"]
    monkeypatch.chdir(program.folder)
    (program.folder / "tagger.toml").write_text('db = "my.db"')
    program("scan", pictures)

    assert shown(program).startswith(f"{program.folder}/my.db: ")


def test_a_script_without_a_command_gets_the_help(tagger: Tagger) -> None:
    done = tagger()

    assert done.returncode == 2
    assert re.search(r"Usage: .*Every day", done.stdout, re.DOTALL)


@pytest.mark.parametrize("words", [[], *([name] for name in NAMES), ["roots", "move"]])
def test_help_can_be_asked_for_in_three_ways(tagger: Tagger, words: list[str]) -> None:
    asked = [tagger("help", *words), tagger(*words, "-h"), tagger(*words, "--help")]

    assert {done.returncode for done in asked} == {0}
    assert len({done.stdout for done in asked}) == 1


def test_help_suggests_the_command_that_was_meant(tagger: Tagger) -> None:
    assert "'scan'" in tagger.fails("help", "scna", status=2)


def test_every_command_stands_in_a_group_of_the_help() -> None:
    groups = {COMMANDS[name].rich_help_panel for name in NAMES}

    assert groups == {"Every day", "In and out", "Learning", "Administration"}


def test_a_path_without_quotes_is_recognised(program: Tagger, pictures: Path) -> None:
    shutil.move(pictures, program.folder / "My new photos")
    words = str(program.folder / "My new photos").split(" ")

    first = program.fails("scan", *words)
    assert f'"{program.folder}/My new photos"' in first
    assert not program.db.exists()
    program("scan", " ".join(words))
    assert program.fails("scan", *words) == first
    assert f'"{program.folder}/My new photos"' in program("explain", *words).stderr


@pytest.mark.parametrize("words", [["a", "b"], ["here", "c"], ["--x", "c"], []])
def test_other_words_lack_no_quotes(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("here", "here c", "--x c"):
        Path(name).touch()

    assert quoting.advice(words) == ""
