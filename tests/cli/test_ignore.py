"""`tagger ignore`, and the nights before and after."""

import json
from pathlib import Path

from support import Photo
from support.inventories import raw
from support.program import Tagger, in_a_terminal, refused


def test_a_known_bad_file_lets_a_night_go_on(
    program: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    (shop / "bad.jpg").write_bytes(b"no picture")
    first = program("scan", shop, "--quiet")
    second = program("scan", shop)
    quiet = program("scan", shop, "--quiet")

    assert first.returncode == 3
    assert "bad.jpg: not a picture" in first.stdout
    assert "tagger ignore" in first.stdout
    assert second.returncode == 0
    assert "bad.jpg" not in second.stdout
    assert "unreadable as before: 1 file" in second.stdout
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_all_ways_to_look_at_it_agree(tagger: Tagger, shop: Path, photo: Photo) -> None:
    photo()
    bad = shop / "bad.jpg"
    bad.write_bytes(b"no picture")
    first = json.loads(tagger("scan", shop, "--json").stdout)
    lines = tagger("scan", shop, "--log-format", "json").stdout.splitlines()
    second = json.loads(lines[-1])

    assert (first["unreadable"], first["newly_unreadable"]) == (1, 1)
    assert (second["unreadable"], second["newly_unreadable"]) == (1, 0)
    assert first["newly_unreadable_images"] == first["unreadable_images"]
    assert (second["newly_unreadable_images"], second["exit_code"]) == ([], 0)
    assert "known" in [json.loads(line)["event"] for line in lines]
    for number, run in enumerate((first, second), start=1):
        kept = json.loads(tagger("runs", "show", number, "--json").stdout)
        assert kept["exit_code"] == run["exit_code"]
        assert kept["counts"]["newly_unreadable"] == run["newly_unreadable"]
    status = json.loads(tagger("status", "--json").stdout)
    assert status["states"]["unreadable"] == 1

    done = tagger("ignore", bad)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--undo" in done.stdout
    states = json.loads(tagger("status", "--json").stdout)["states"]
    assert (states.get("unreadable", 0), states["ignored"]) == (0, 1)
    assert "not a picture" in tagger.rows()["bad.jpg"]["reason"]
    assert tagger("export", "--state", "unreadable").stdout.count("\n") == 1
    assert tagger("ignore", bad, "--undo").returncode == 0
    assert tagger.rows()["bad.jpg"]["state"] == "unreadable"


def test_in_a_terminal_a_scan_ends_with_the_next_step(
    tagger: Tagger, shop: Path
) -> None:
    (shop / "bad.jpg").write_bytes(b"no picture")
    first, second = (
        in_a_terminal(tagger.command("scan", shop), tagger).splitlines()[-1]
        for _ in range(2)
    )

    assert "tagger ignore" in first
    assert "tagger export --state unreadable" in second


def test_a_run_of_an_older_tagger_is_shown_as_it_was(
    tagger: Tagger, shop: Path
) -> None:
    (shop / "bad.jpg").write_bytes(b"no picture")
    tagger("scan", shop)
    with raw(tagger.db) as connection:
        connection.execute(
            "UPDATE run SET counts = json_remove(counts, '$.newly_unreadable')"
        )
        connection.commit()

    assert "1 newly unreadable" in tagger("runs", "show").stdout


def test_what_cannot_be_ignored_is_one_line(
    tagger: Tagger, pictures: Path, stock: None
) -> None:
    del stock
    good = next(pictures.iterdir())
    assert "not in the inventory" in refused(tagger, "ignore", "nowhere.jpg", status=1)
    tagger("scan", pictures)
    assert "tagger scan --exclude" in refused(tagger, "ignore", good, status=1)
