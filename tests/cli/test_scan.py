"""`tagger scan`, as cron and people meet it."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from support import GOLDEN, SAMPLES, Photo, expected_by_file
from support.inventories import raw
from support.program import Tagger, in_a_terminal, without_dac_override

from tagger.bundles.bundle import DEFAULT_BUNDLE, models_folder
from tagger.records import FASHION_LABELS, is_without_tag

PROMISED = (
    "root,path,tag,confidence,flagged,reason,decided_by,runner_up,margin,state,"
    "digest,model,updated_at"
)


def test_the_samples_go_in_and_a_table_comes_out(program: Tagger) -> None:
    scanned = program("scan", SAMPLES)
    exported = program("export")

    assert scanned.returncode == 3
    assert "waiting for review" in scanned.stdout
    assert scanned.stderr == ""
    assert exported.stdout.splitlines()[0].startswith(PROMISED)
    rows = program.rows()
    for name, expected in expected_by_file().items():
        assert (rows[name]["state"] == "unreadable") == (expected == "unreadable")
    for row in rows.values():
        assert row["state"] in {"tagged", "unreadable", "ignored"}
        assert row["flagged"] in {"true", "false"}
        if row["state"] == "tagged":
            without = is_without_tag(row["machine_tag"])
            assert row["tag"] in (("",) if without else FASHION_LABELS)
            sure = row["flagged"] == "false"
            assert not sure or row["tag"] == expected_by_file()[row["path"]]
            assert 0 <= float(row["margin"]) <= float(row["confidence"]) <= 1
            assert row["decided_by"] == "machine"
            assert row["model"] == DEFAULT_BUNDLE
            assert len(row["digest"]) == 64


def test_a_second_scan_has_nothing_to_do(tagger: Tagger, pictures: Path) -> None:
    first = json.loads(tagger("scan", pictures, "--json").stdout)
    before = tagger("export").stdout
    second = json.loads(tagger("scan", pictures, "--json").stdout)

    assert (first["new"], first["classified"], first["exit_code"]) == (3, 3, 0)
    assert (second["new"], second["classified"], second["unchanged"]) == (0, 0, 3)
    assert tagger("export").stdout == before


def test_a_dry_run_says_all_and_writes_nothing(tagger: Tagger, pictures: Path) -> None:
    dry = json.loads(tagger("scan", pictures, "--dry-run", "--json").stdout)
    assert not tagger.db.exists()
    tagger("scan", pictures)
    (pictures / "tiny.png").unlink()
    before = tagger("export").stdout

    shown = tagger("scan", pictures, "--dry-run")

    assert (dry["new"], dry["tagged"]) == (3, 3)
    assert "dry run, nothing was written" in shown.stdout
    assert tagger("export").stdout == before


def test_the_threshold_decides_what_waits(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures, "--threshold", "0")
    lax = tagger.rows()
    tagger("scan", pictures, "--threshold", "1")
    strict = tagger.rows()

    assert not [row for row in lax.values() if row["reason"].startswith("unsure")]
    assert {row["flagged"] for row in strict.values()} == {"true"}
    assert all(row["reason"] for row in strict.values())


def test_patterns_choose_what_is_read(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures, "--include", "*.png", "--exclude", "pal*")

    states = {path: row["state"] for path, row in tagger.rows().items()}
    assert states == {
        "lossy.webp": "ignored",
        "palette.png": "ignored",
        "tiny.png": "tagged",
    }


def test_a_folder_that_cannot_be_scanned_is_named(
    tagger: Tagger, program: Tagger
) -> None:
    (tagger.folder / "file.jpg").touch()
    (tagger.folder / "closed").mkdir(mode=0o000)

    assert "does not exist" in tagger.fails("scan", tagger.folder / "absent")
    assert "is a file" in tagger.fails("scan", tagger.folder / "file.jpg")
    closed = program.fails(
        "scan", tagger.folder / "closed", prefix=without_dac_override()
    )
    assert "closed: Permission denied" in closed


def test_an_empty_folder_is_a_warning(tagger: Tagger) -> None:
    (tagger.folder / "empty").mkdir()

    done = tagger("scan", tagger.folder / "empty")

    assert done.returncode == 0
    assert done.stderr == (
        f"warning: no pictures in {tagger.folder}/empty: nothing was changed\n"
    )


def test_what_may_not_be_read_is_told_and_not_taken_for_missing(
    tagger: Tagger, program: Tagger, pictures: Path
) -> None:
    (pictures / "sub").mkdir()
    shutil.copy(SAMPLES / "tiny.png", pictures / "sub")
    tagger("scan", pictures)
    (pictures / "sub").chmod(0o000)
    (pictures / "tiny.png").chmod(0o000)
    os.utime(pictures / "tiny.png", ns=(7, 7))

    done = program("scan", pictures, prefix=without_dac_override())
    (pictures / "sub").chmod(0o700)
    (pictures / "tiny.png").chmod(0o600)

    rows = tagger.rows()
    assert done.returncode == 3
    assert rows["sub/tiny.png"]["state"] == "tagged"
    assert rows["sub"]["reason"] == "Permission denied"
    assert rows["tiny.png"]["reason"] == "Permission denied"
    tagger("scan", pictures)
    assert tagger.rows()["tiny.png"]["state"] == "tagged"


@pytest.mark.measured
def test_hostile_names_never_reach_the_terminal_raw(
    program: Tagger, pictures: Path
) -> None:
    names = [
        b"\x1b[31mred\x1b[0m.png",
        b"new\nline.png",
        b"[bold]mark'up\".png",
        b"not-utf8-\xff\xfe.png",
        "right\u202eto-left.png".encode(),
        b"--help.png",
        b"n" * 251 + b".png",
    ]
    root = os.fsencode(pictures)
    for name in names:
        Path(os.fsdecode(root + b"/" + name)).write_bytes(b"no picture")

    shown = [
        in_a_terminal(program.command("scan", pictures), program),
        in_a_terminal(program.command("export"), program),
        in_a_terminal(
            program.command("explain", os.fsdecode(root + b"/" + names[0])), program
        ),
        in_a_terminal(program.command("scan", os.fsdecode(root + names[0])), program),
    ]

    for text in shown:
        assert "\x1b[31mred" not in text
        assert "\u202e" not in text
        assert "\\x1b[31mred" in text
    with raw(program.db) as connection:
        connection.text_factory = bytes
        stored = {path for (path,) in connection.execute("SELECT path FROM image")}
    assert set(names) <= stored
    piped = program("export")
    assert piped.returncode == 0
    assert "not-utf8-\\xff\\xfe.png" in piped.stdout
    paths = {row["path"] for row in parsed(program)}
    assert {"new\nline.png", "[bold]mark'up\".png", "--help.png"} <= paths


def test_pipes_and_loops_do_not_hang_a_scan(program: Tagger, pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.jpg")
    (pictures / "loop").symlink_to(pictures)

    done = program("scan", pictures)

    assert done.returncode == 0
    assert program.rows()["pipe.jpg"]["state"] == "ignored"


def test_databases_that_cannot_be_used_are_named(
    tagger: Tagger, pictures: Path
) -> None:
    notes = tagger.folder / "notes.txt"
    notes.write_text("no database\n" * 100)

    for verb in (("scan", pictures), ("status",), ("export",)):
        assert "not a SQLite database" in tagger.fails(*verb, "--db", notes)
    assert notes.read_text() == "no database\n" * 100
    assert "no inventory at" in tagger.fails("status")
    tagger.fails("scan", tagger.folder / "absent")
    assert not tagger.db.exists()


def test_a_database_that_may_not_be_written_is_left_alone(
    tagger: Tagger, program: Tagger, pictures: Path
) -> None:
    closed = tagger.folder / "closed"
    closed.mkdir()
    tagger("scan", pictures, "--db", closed / "inventory.db")
    before = (closed / "inventory.db").read_bytes()
    (pictures / "tiny.png").unlink()
    (closed / "inventory.db").chmod(0o400)
    closed.chmod(0o500)

    message = program.fails(
        *("scan", pictures, "--db", closed / "inventory.db"),
        prefix=without_dac_override(),
    )
    closed.chmod(0o700)

    assert "chmod" in message
    assert (closed / "inventory.db").read_bytes() == before


def test_a_bundle_that_is_not_its_cards_is_refused(
    tagger: Tagger, pictures: Path
) -> None:
    bundle = shutil.copytree(models_folder() / DEFAULT_BUNDLE, tagger.folder / "bundle")
    with (bundle / "model.tflite").open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"\0\1\2\3")

    refused = tagger.fails("scan", pictures, "--model", bundle)
    assert "is not the file its card describes" in refused
    assert "model list" in tagger.fails("scan", pictures, "--model", "absent")
    assert not tagger.db.exists()


def parsed(program: Tagger) -> list[dict[str, str]]:
    target = program.folder / "parsed.csv"
    program("export", "--raw", "-o", target)
    with target.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_names_longer_than_any_file_system_takes_are_one_line(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    tagger("scan", shop)
    name = "n" * 300

    for words in (
        ("scan", shop / name),
        ("predict", shop / f"{name}.jpg"),
        ("explain", shop / f"{name}.jpg"),
        ("status", "--db", shop / name),
        ("scan", shop, "--db", shop / name),
        ("scan", shop, "--db", shop / name[:253]),
    ):
        done = tagger(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


def test_a_working_folder_that_is_gone_is_no_hindrance(
    program: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    inside = 'mkdir gone && cd gone && rmdir "$PWD" && exec "$@"'

    done = program("scan", shop, prefix=("sh", "-c", inside, "sh"))

    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_folder_is_reported_every_night_until_a_person_ignores_it(
    program: Tagger, photo: Photo, shop: Path
) -> None:
    photo("a.png")
    photo("closed/b.png", shade=90)
    program("scan", shop)
    closed = shop / "closed"
    closed.chmod(0)
    try:
        nights = [
            program("scan", shop, "--quiet", prefix=without_dac_override())
            for _ in range(3)
        ]
        program("ignore", closed)
        silent = program("scan", shop, "--quiet", prefix=without_dac_override())
    finally:
        closed.chmod(0o700)

    assert [night.returncode for night in nights] == [3, 3, 3]
    assert all("closed cannot be looked at" in night.stderr for night in nights)
    assert (silent.returncode, silent.stderr) == (0, "")
    assert program.rows()["closed/b.png"]["state"] == "tagged"


def test_an_upgrade_is_told_once(program: Tagger) -> None:
    with raw(program.db) as connection:
        script = (GOLDEN / "schemas" / "0013.sql").read_text(encoding="utf-8")
        connection.executescript(script)

    first, second = program("status"), program("status")

    assert first.returncode == second.returncode == 0
    assert f"{program.db}.before-0014" in first.stderr
    assert second.stderr == ""
