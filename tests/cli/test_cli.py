"""The real program, in a process of its own, as cron and people meet it."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import SAMPLES, expected_by_file
from support.inventories import count_images, raw
from support.program import Tagger, in_a_terminal, without_dac_override

import tagger.__main__ as program
from tagger import cli
from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle, models_folder, write_card
from tagger.inventory import Inventory
from tagger.records import FASHION_LABELS, Adaptation, Outcome

PROMISED = (
    "root,path,tag,confidence,flagged,reason,decided_by,runner_up,margin,state,"
    "digest,model,updated_at"
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("tiny.png", "palette.png", "lossy.webp"):
        shutil.copy(SAMPLES / name, folder)
    return folder


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
            assert row["tag"] in FASHION_LABELS
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


def test_nothing_heavy_is_loaded_before_it_is_needed(
    tagger: Tagger, pictures: Path
) -> None:
    tagger("scan", pictures)
    heavy = (
        *("tensorflow", "keras", "ai_edge_litert", "cv2", "numpy", "alembic"),
        *("textual", "textual_image", "imagehash", "filelock", "sqlalchemy.orm"),
    )

    def loaded(*arguments: object) -> set[str]:
        program = (
            "import sys\nfrom tagger.__main__ import main\n"
            f"sys.argv = {['tagger', *map(str, arguments)]!r}\n"
            "try:\n    main()\nfinally:\n"
            "    print('LOADED', *sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=tagger.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(done.stdout.splitlines()[-1].split())

    assert not loaded("--help") & {*heavy, "sqlalchemy", "PIL"}
    assert not loaded("export", "-o", tagger.folder / "x.csv") & {*heavy}
    assert not loaded("status") & {*heavy}
    # Nothing to classify: the digests of the network are read, the network is not.
    network = {"tensorflow", "keras", "ai_edge_litert"}
    assert not loaded("scan", pictures) & {*network, "alembic", "sqlalchemy.orm"}


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


def test_the_status_tells_what_is_there(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)

    told = json.loads(tagger("status", "--json").stdout)
    shown = tagger("status").stdout

    assert told["states"] == {"tagged": 3}
    assert told["roots"] == {str(pictures): 3}
    assert told["last_run"]["exit_code"] == 0
    assert "Last scan: run 1" in shown


def test_an_export_is_put_in_place_whole(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)
    target = tagger.folder / "out.csv"
    target.write_text("old")

    done = tagger("export", "-o", target)

    assert (done.returncode, done.stdout) == (0, "")
    content = target.read_bytes()
    assert content.decode().replace("\r\n", "\n") == tagger("export").stdout
    assert content.count(b"\r\n") == 4
    assert [p.name for p in tagger.folder.iterdir() if ".csv" in p.name] == ["out.csv"]


def test_an_export_that_cannot_be_written_says_so(
    tagger: Tagger, pictures: Path
) -> None:
    tagger("scan", pictures)

    message = tagger.fails("export", "-o", tagger.folder / "absent" / "out.csv")

    assert "cannot write" in message


def test_predict_shows_the_ten_probabilities(tagger: Tagger) -> None:
    shown = tagger("predict", SAMPLES / "tiny.png")
    told = tagger("predict", "--json", SAMPLES / "tiny.png", SAMPLES / "empty.jpg")

    assert shown.returncode == 0
    assert all(label in shown.stdout for label in FASHION_LABELS)
    first, second = map(json.loads, told.stdout.splitlines())
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "does not exist" in tagger.fails("predict", "absent.jpg")
    assert "is a folder" in tagger.fails("predict", SAMPLES)
    assert first["confidence"] == max(first["probabilities"].values())
    assert second["state"] == "unreadable"
    assert told.returncode == 3
    assert not tagger.db.exists()


def test_predict_asks_the_network_that_learnt_here(tagger: Tagger) -> None:
    own = tagger.folder / "inventory.db.models" / "shops-1"
    shutil.copytree(find_bundle(DEFAULT_BUNDLE).folder, own)
    card = replace(find_bundle(DEFAULT_BUNDLE).card, name="shops-1")
    write_card(own, card)
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    row = Adaptation(
        0, moment, Outcome.PROMOTED, "shops-1", True, card.digest, "", 60, 60, {}, ""
    )
    with Inventory(tagger.db) as inventory:
        inventory.record_adaptation(row)

    def network(*options: object, db: Path = tagger.db) -> str:
        asked = ("predict", SAMPLES / "tiny.png", "--json", *options)
        told = tagger(*asked, TAGGER_DB=str(db))
        return str(json.loads(told.stdout)["network"])

    assert network() == "shops-1"
    assert network("--model", "three-block") == "three-block"
    assert network(db=tagger.folder / "to-be-made.db") == DEFAULT_BUNDLE
    absent = tagger.folder / "absent.db"
    assert "no inventory" in tagger.fails(
        "predict", SAMPLES / "tiny.png", "--db", absent
    )
    shown = tagger("predict", SAMPLES / "tiny.png").stdout
    assert shown.endswith("Network shops-1, adapted to this shop's decisions\n")
    shutil.rmtree(own)
    assert "restore" in tagger.fails("predict", SAMPLES / "tiny.png")


def test_predict_draws_the_picture_where_there_is_a_terminal(program: Tagger) -> None:
    shown = in_a_terminal(program.command("predict", SAMPLES / "tiny.png"), program)

    assert "▀" in shown
    assert "█" in shown


def test_explain_tells_the_story_of_a_path(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)

    told = tagger("explain", "pictures/tiny.png").stdout

    assert str(pictures / "tiny.png") in told
    assert "first seen" in told
    assert "22x22 PNG" in told


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("elsewhere/a.png", "is not in a scanned folder"),
        ("pictures/new.png", "was not scanned yet"),
        ("pictures/gone.png", "does not exist"),
        ("pictures/sub", "is a folder"),
    ],
)
def test_explain_says_why_a_path_is_unknown(
    tagger: Tagger, pictures: Path, name: str, says: str
) -> None:
    tagger("scan", pictures)
    (pictures / "new.png").touch()
    (pictures / "sub").mkdir()

    assert says in tagger.fails("explain", tagger.folder / name)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("scan", "x", "--threshold", "1.5"), "--threshold.* 1"),
        (("scan", "x", "--threshold", "-0.1"), "--threshold.* 0"),
        (("scan", "x", "--batch-size", "0"), "--batch-size.* 1"),
        (("scan", "x", "--what"), "--what"),
        (("scan",), "(?i)folders"),
        (("scan", ""), "empty"),
        (("scan", "x", "--max-missing", "120%"), "max-missing.*\\s.*20%"),
        (("scan", "x", "--settle", "soon"), "settle.*\\s.*90s"),
        (("model", "train", "x", "-o", "y", "--epochs", "0"), "--epochs.* 1"),
    ],
)
def test_a_usage_error_names_the_bound(
    tagger: Tagger, arguments: tuple[str, ...], names: str
) -> None:
    assert re.search(names, tagger.fails(*arguments, status=2))


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

    assert "permissions" in message
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


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_stopped_scan_keeps_what_it_finished(
    program: Tagger, number: signal.Signals, status: int
) -> None:
    shop = program.folder / "shop"
    shop.mkdir()
    data = (SAMPLES / "skateboard.jpg").read_bytes()
    for item in range(600):
        (shop / f"{item}.jpg").write_bytes(data + item.to_bytes(4))
    process = subprocess.Popen(
        program.command("scan", shop, "--batch-size", 8),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while count_images(program.db) == 0:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == status
    assert errors == "interrupted: finished work is saved\n"
    assert output.count("\n") == 1  # that it began
    kept = count_images(program.db)
    assert 0 < kept < 600
    with raw(program.db) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (code,) = connection.execute("SELECT exit_code FROM run").fetchone()
    assert code == status

    killed = subprocess.Popen(
        program.command("scan", shop),
        env=program.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while count_images(program.db) < kept + 50:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert program("scan", shop).returncode == 0
    undisturbed = program.folder / "undisturbed.db"
    program("scan", shop, "--db", undisturbed)
    assert without_times(program.db) == without_times(undisturbed)


def test_a_traceback_is_shown_only_when_asked_for(program: Tagger) -> None:
    plain = program.fails("scan", "absent")
    told = program("--debug", "scan", "absent")

    assert "Traceback" not in plain
    assert told.returncode == 1
    assert "Traceback" in told.stderr
    assert told.stderr.endswith(plain)


def test_a_fault_of_ours_is_one_line_too(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise RuntimeError("\x1b[31m")

    monkeypatch.setattr(cli, "app", fault)
    monkeypatch.setattr(program, "stop_at_once", lambda: None)

    with pytest.raises(SystemExit) as stopped:
        program.main()

    assert stopped.value.code == 1
    told = capfd.readouterr().err
    assert told.startswith("error: internal error: RuntimeError: \\x1b[31m")
    assert told.count("\n") == 1


Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(program: Tagger) -> Shell:
    """Run a line of the shell, in which {} is `tagger`."""

    def run(line: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line.format(" ".join(program.command()))],  # noqa: S607
            cwd=program.folder,
            env=program.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_closed_streams_are_no_faults(
    tagger: Tagger, pictures: Path, shell: Shell
) -> None:
    tagger("scan", pictures)

    assert shell("{} status <&-").returncode == 0
    assert shell("{} status >&-").returncode == 0
    assert shell("{} status <&- >&- 2>&-").returncode == 0
    assert shell("{} scan absent 2>&-").returncode == 1
    assert shell("{} statsu 2>&-").returncode == 2
    assert shell("{} review --plain --reviewer x <&-").stderr == ""
    asked = shell("{} review --reviewer x <&-")
    assert (asked.returncode, "not a terminal" in asked.stderr) == (0, True)
    taken_in = shell("{} decisions import - <&-")
    assert (taken_in.returncode, taken_in.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_full_disks_behind_streams_are_named(
    tagger: Tagger, pictures: Path, shell: Shell
) -> None:
    tagger("scan", pictures)
    full = "No space left on device"

    for words in ("status", "export", "export --format json", "export --format xlsx"):
        done = shell(f"{{}} {words} > /dev/full")
        assert done.returncode == 1
        assert done.stderr == f"error: standard output: {full}\n"
        assert shell(f"PYTHONUNBUFFERED=1 {{}} {words} > /dev/full").returncode == 1
    for words, what in (
        ("scan pictures --json", "the scan is done"),
        ("scan pictures --log-format json", "the scan is done"),
        ("backup copy.db", "the backup copy.db is written"),
        ("restore copy.db", f"{tagger.db} is restored"),
        ("roots forget pictures --yes", f"{pictures} is forgotten"),
    ):
        done = shell(f"{{}} {words} > /dev/full")
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {what}, but the result could not be")
        assert full in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_standard_error_that_is_full_changes_no_status(
    tagger: Tagger, pictures: Path, shell: Shell
) -> None:
    tagger("scan", pictures)
    (pictures / "empty.png").touch()

    for words, status in (
        ("statsu", 2),
        ("scan", 2),
        ("scan absent", 1),
        ("--debug status --db absent/x.db", 1),
        ("scan pictures --json --max-missing 0", 3),
    ):
        done = shell(f"{{}} {words} 2> /dev/full")
        assert (done.returncode, done.stderr) == (status, ""), words


def test_whoever_has_read_enough_hears_no_more(
    tagger: Tagger, pictures: Path, shell: Shell
) -> None:
    tagger("scan", pictures)

    for words in ("status", "export", "export --format jsonl", "export --format xlsx"):
        done = shell(f"{{}} {words} | true")
        assert (done.returncode, done.stderr) == (1, "")
    done = shell("{} scan pictures --json | true")
    assert done.returncode == 1
    assert "the scan is done, but the result could not be" in done.stderr


def test_a_signal_during_the_start_is_answered_like_any_other(program: Tagger) -> None:
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        text = f"import os; os.kill(os.getpid(), {int(number)})"
        (program.folder / "typer.py").write_text(text)
        done = program("status", PYTHONPATH=str(program.folder))

        assert done.returncode == status
        assert done.stderr == "interrupted: finished work is saved\n"


def test_the_version_is_told(tagger: Tagger) -> None:
    from tagger import __version__

    assert tagger("--version").stdout == f"tagger {__version__}\n"


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


def without_times(db: Path) -> list[tuple[object, ...]]:
    with raw(db) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        columns = "path, tag, confidence, flagged, reason, state, digest, model"
        query = f"SELECT {columns} FROM inventory ORDER BY path"  # noqa: S608
        return list(connection.execute(query))


def parsed(program: Tagger) -> list[dict[str, str]]:
    target = program.folder / "parsed.csv"
    program("export", "--raw", "-o", target)
    with target.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
