"""What a shell is offered after TAB."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import SAMPLES
from support.program import Tagger

pytestmark = pytest.mark.usefixtures("stock")


def completed(tagger: Tagger, shell: str, line: str, **env: str) -> str:
    """Return what a shell is offered at the end of a line."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    done = subprocess.run(
        [Path(sys.executable).with_name("tagger")],
        cwd=tagger.folder,
        env=tagger.environment
        | asked
        | {"_TAGGER_COMPLETE": f"complete_{shell}"}
        | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_offered_tags(program: Tagger, shell: str) -> None:
    offered = completed(program, shell, "tagger export --tag S")

    assert "Sneaker" in offered
    assert "Bag" not in offered


def test_a_shell_is_offered_columns_roots_runs_and_moments(program: Tagger) -> None:
    assert "path,tag" in completed(program, "bash", "tagger export --columns path,ta")
    assert "pictures" in completed(program, "bash", "tagger export --root /")
    assert "last-run" in completed(program, "bash", "tagger export --since l")
    assert completed(program, "bash", "tagger runs show ") == "1\n"


def test_a_folder_of_macos_is_offered_to_a_composed_beginning(
    program: Tagger,
) -> None:
    folder = program.folder / "cafe\u0301"
    folder.mkdir()
    shutil.copy(SAMPLES / "tiny.png", folder)
    assert program("scan", folder).returncode == 0

    typed = f"{program.folder}/caf\u00e9"

    offered = completed(program, "bash", f"tagger export --root {typed}")

    assert offered.strip() == typed
    assert "tiny.png" in program("export", "--root", typed).stdout


def test_completion_without_an_inventory_offers_what_it_can(program: Tagger) -> None:
    for env in ({"TAGGER_DB": "/absent/x.db"}, {"TAGGER_CONFIG": "/absent"}):
        assert "Bag" in completed(program, "bash", "tagger export --tag B", **env)
