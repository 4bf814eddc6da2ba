"""Where a user's own things lie, and users who have no home."""

import os
import shutil
from pathlib import Path

import pytest
from support.program import Tagger


def test_the_default_inventory_is_one_a_user(program: Tagger, pictures: Path) -> None:
    home = program.folder / "home"
    home.mkdir()
    for name in [n for n in program.environment if n.startswith(("TAGGER", "XDG"))]:
        del program.environment[name]

    assert program("scan", pictures, HOME=str(home)).returncode == 0

    assert len(list(home.rglob("inventory.db"))) == 1


def test_a_user_without_a_home_is_no_fault(program: Tagger, pictures: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("nobody here can be a user that the system does not know")
    nobody = (
        *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    )
    kept = {"PATH", "PYTHONPATH", "COLUMNS", "TAGGER_SETTLE"}
    program.environment = {n: v for n, v in program.environment.items() if n in kept}
    named = ("--db", program.db)

    assert program("scan", pictures, *named, prefix=nobody).returncode == 0
    for words in (
        ("status", *named),
        ("predict", pictures / "tiny.png"),
        ("predict", pictures / "tiny.png", "--model", "shops"),
        ("model", "list"),
        ("model", "list", *named),
        ("model", "show"),
        ("model", "show", "shops"),
    ):
        done = program(*words, prefix=nobody)
        assert (done.returncode, done.stderr) == (0, ""), words
    homeless = "error: cannot determine your home folder: set HOME"
    for verb in ("scan pictures", "status", "roots list"):
        told = program.fails(*verb.split(), prefix=nobody)
        assert told == f"{homeless}, or name the inventory with --db\n"
    assert program.fails("model", "use", "shops", prefix=nobody) == f"{homeless}\n"
