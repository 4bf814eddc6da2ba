"""Commands end with the next step in a terminal, and only there."""

import json
import re
from pathlib import Path

import pytest
from support.program import Tagger, in_a_terminal

pytestmark = [pytest.mark.measured, pytest.mark.usefixtures("stock")]


def shown(program: Tagger, *arguments: object) -> str:
    text = in_a_terminal(program.command(*arguments), program)
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def suggested(told: str) -> list[str]:
    """Return the suggested commands, or pages."""
    return re.findall(r"^Next: '?(tagger \w+(?: \w+)?|open \S+)", told, re.MULTILINE)


@pytest.fixture
def ways(tagger: Tagger) -> dict[str, tuple[object, ...]]:
    """Return the commands that are tried, by next step, in an order that works."""
    sheet, page = tagger.folder / "a sheet.csv", tagger.folder / "a page.html"
    copy = tagger.folder / "copy.db"
    return {
        "tagger import": ("export", "-o", sheet),
        f"open {page.as_uri()}": ("report", "-o", page),
        "tagger restore": ("backup", copy),
        "tagger status": ("restore", copy),
        "tagger review": ("tags", "add", "Scarf"),
    }


def test_in_a_terminal_there_is_one_next_step(
    program: Tagger, ways: dict[str, tuple[object, ...]]
) -> None:
    for step, command in ways.items():
        told = shown(program, *command)
        assert len(suggested(told)) == 1, told
        assert suggested(told)[0].startswith(step)
        assert told.splitlines()[-1].startswith("Next: ")


def test_in_a_pipe_there_is_none(
    tagger: Tagger, ways: dict[str, tuple[object, ...]]
) -> None:
    for command in ways.values():
        done = tagger(*command)
        assert done.returncode == 0
        assert "Next" not in done.stdout + done.stderr


def test_a_written_file_is_told_with_its_rows(program: Tagger) -> None:
    told = shown(program, "export", "-o", program.folder / "a sheet.csv")

    assert f"wrote 4 rows to {program.folder}/a sheet.csv" in told
    assert f'tagger import "{program.folder}/a sheet.csv"' in told
    assert not suggested(shown(program, "export"))


def test_a_scan_ends_with_the_most_useful_step(program: Tagger, stocked: Path) -> None:
    told = shown(program, "scan", stocked / "pictures")
    waiting = json.loads(program("status", "--json").stdout)["flagged"]

    wanted = "tagger review" if waiting else "tagger export"
    assert suggested(told) == [wanted]
    assert told.splitlines()[-1].startswith("Next: ")
    assert not suggested(shown(program, "scan", stocked / "pictures", "--dry-run"))
    assert not suggested(shown(program, "scan", stocked / "pictures", "--quiet"))
