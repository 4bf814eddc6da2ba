"""`tagger runs`: what the scans did."""

import json
from pathlib import Path

import pytest
from support.program import Tagger, refused

from tagger.inventory import Inventory

pytestmark = pytest.mark.usefixtures("stock")


def test_runs_are_listed_and_shown_again(tagger: Tagger, stocked: Path) -> None:
    tagger("scan", stocked / "pictures", "--exclude", "*.bmp")

    listed = tagger("runs")
    shown = tagger("runs", "show")
    told = json.loads(tagger("runs", "show", 1, "--json").stdout)

    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["run", "2", "1"]
    assert [
        json.loads(line)["id"] for line in tagger("runs", "--json").stdout.splitlines()
    ] == [2, 1]
    assert "Run 2" in shown.stdout
    options = {" ".join(line.split()) for line in shown.stdout.splitlines()}
    assert {"exclude *.bmp", "include none", "retry-errors no", "settle 0"} <= options
    assert str(stocked / "pictures") in shown.stdout
    assert (told["id"], told["counts"]["new"]) == (1, 4)
    assert "there is no run 7" in refused(tagger, "runs", "show", 7)


def test_runs_of_an_empty_inventory(tagger: Tagger) -> None:
    empty = tagger.folder / "empty.db"
    Inventory(empty).__exit__()

    assert tagger("runs", "--db", empty).stdout == "No scan yet\n"
    assert "no runs yet" in refused(tagger, "runs", "show", "--db", empty)
