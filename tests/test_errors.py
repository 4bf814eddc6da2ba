"""Tests of the tree of exceptions that `tagger.errors` draws."""

import inspect
import re
import shlex
import sys
import tomllib

import pytest
from support import TOP

from tagger import errors


def test_the_drawn_tree_of_exceptions_is_complete() -> None:
    assert errors.__doc__
    drawn: dict[str, str] = {}
    path: list[str] = []
    for indent, name in re.findall(r"(?m)^    ( *(?:\+ )?)([A-Z]\w+)", errors.__doc__):
        path[len(indent) // 4 :] = [name]
        drawn[name] = path[-2] if len(path) > 1 else ""
    classes = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if one.__module__ == errors.__name__
    ]
    bases = {one.__name__: one.__base__ for one in classes}
    assert drawn == {
        name: base.__name__ if base in classes else "" for name, base in bases.items()
    }


def test_the_packages_of_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]

    assert {
        extra: tuple(re.split("[<>=~! ]", need)[0] for need in needs)
        for extra, needs in project["optional-dependencies"].items()
        if needs
    } == errors.EXTRAS


@pytest.mark.parametrize("extra", sorted(errors.EXTRAS))
def test_a_missing_extra_is_installed_by_the_command_in_its_message(extra: str) -> None:
    message = str(errors.MissingExtraError("it", errors.EXTRAS[extra][0], extra))
    words = shlex.split(message.partition("not installed: ")[2])

    assert words == [sys.executable, "-m", "pip", "install", *errors.EXTRAS[extra]]


def test_a_command_quotes_an_interpreter_in_a_folder_with_blanks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/my venv/bin/python")

    command = errors.installing(["openpyxl"])

    assert shlex.split(command)[0] == "/my venv/bin/python"


def test_no_text_of_the_program_installs_another_project_of_the_same_name() -> None:
    wrong = re.compile(r"pip install [^\n`]*['\" ]tagger[\['\"`]")
    texts = [*(TOP / "tagger").rglob("*.py"), *(TOP / "docs").glob("*.md")]

    assert not [
        path
        for path in [*texts, TOP / "README.md"]
        if wrong.search(path.read_text(encoding="utf-8"))
    ]
