"""What a scan says while it runs: in lines, as objects, or nothing."""

import json
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support import SAMPLES, Photo, many
from support.program import Tagger, in_a_terminal


def test_a_good_night_says_when_it_began_and_ended(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)

    done = tagger("scan", shop)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    dated = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d "
    for line, text in zip(
        lines,
        [
            "scan of ",
            "found 3 new",
            "in these folders: 3 tagged, [0-3] waiting for review, 0 unreadable",
            r"done in \d+\.\d s, exit status 0",
        ],
        strict=True,
    ):
        assert re.match(dated + text, line), line


def test_a_quiet_scan_speaks_only_of_trouble(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    good = tagger("scan", shop, "--quiet")
    as_object = tagger("scan", shop, "--quiet", "--json")
    shown = in_a_terminal(tagger.command("scan", shop, "--quiet"), tagger)
    objects = tagger("scan", shop, "--quiet", "--log-format", "json")
    (shop / "bad.jpg").write_bytes(b"no picture")
    bad = tagger("scan", shop, "--quiet")

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (as_object.stdout, objects.stdout, shown) == ("", "", "")
    assert bad.returncode == 3
    assert "bad.jpg: not a picture" in bad.stdout
    assert "exit status 3" in bad.stdout


def test_the_last_object_holds_the_counts_and_the_exit_status(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    (shop / "bad.jpg").write_bytes(b"no picture")

    done = tagger("scan", shop, "--log-format", "json")
    failed = tagger("scan", "absent", "--log-format", "json")
    plainly = tagger("scan", "absent", "--json")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == failed.stderr == ""
    assert [one["event"] for one in told] == ["began", "unreadable", "done"]
    assert {"time", "level", "message"} <= set(told[0])
    last = told[-1]
    assert (last["new"], last["unreadable"], last["exit_code"]) == (4, 1, 3)
    last = json.loads(failed.stdout.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", 1)
    assert json.loads(plainly.stdout)["exit_code"] == 1
    assert plainly.stderr.startswith("error: ")


NOISY = """
import sys
if sys.argv[1:2] == ["scan"]:
    import logging, os, warnings
    from tagger.scan import run
    real = run.scan
    def scan(*arguments, **options):
        warnings.warn("an old function\\nis used")
        logging.getLogger("library").warning("a logged line")
        os.write(2, b"a line of C, \\xff\\n\\nand one without an end")
        return real(*arguments, **options)
    run.scan = scan
"""
"""Libraries that warn in all their ways; nothing else of the scan is false."""

RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


def _strict(line: str) -> dict[str, Any]:
    """Parse a line as the strictest parsers do: no NaN, no lone surrogates."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON: {line}")

    parsed: dict[str, Any] = json.loads(line, parse_constant=refuse)
    json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def test_every_line_of_a_json_log_is_an_object(
    program: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    many(photo, 6)
    disk = tmp_path / "disk \udcff"
    shutil.copytree(shop, disk)
    first = program("scan", shop, disk, "--log-format", "json")
    whole = (SAMPLES / "skateboard.jpg").read_bytes()
    (shop / "damaged.jpg").write_bytes(whole[:-2000] + bytes(1998) + whole[-2:])
    (shop / "bad \udce9.jpg").write_bytes(b"no picture")
    (shop / "new\nline.png").touch()
    (shop / "0.png").unlink()
    shutil.rmtree(disk)
    (tmp_path / "sitecustomize.py").write_text(NOISY)

    second = program(
        *("scan", shop, disk, "--log-format", "json"),
        PYTHONPATH=str(tmp_path),
        PYTHONIOENCODING="ascii",
        TAGGER_SCAN_TRESHOLD="0.5",
    )

    assert (first.returncode, second.returncode) == (0, 3)
    assert first.stderr == second.stderr == ""
    told = [_strict(line) for line in (first.stdout + second.stdout).splitlines()]
    for one in told:
        assert re.fullmatch(RFC_3339, one["time"])
        assert datetime.fromisoformat(one["time"]).tzinfo
        assert one["level"] in {"info", "warning", "error"}
        assert one["event"]
        assert one["message"]
    faults = {Path(one["path"]).name: one for one in told if "path" in one}
    assert set(faults) == {"bad \\xe9.jpg", "new\nline.png", "disk \\xff"}
    for one in faults.values():
        assert one["level"] == "warning"
        assert one["reason"]
        assert one["reason"] in one["message"]
    by_libraries = [one["message"] for one in told if one["event"] == "library"]
    assert by_libraries == [
        "UserWarning: an old function\nis used",
        "a logged line",
        "a line of C, \\xff",
        "and one without an end",
    ]
    assert any("did you mean" in one["message"] for one in told)
    last = told[-1]
    assert last["event"] == "done"
    numbers = ("new", "missing", "unreadable", "newly_unreadable", "exit_code")
    assert [last[name] for name in numbers] == [3, 1, 2, 2, 3]
    assert isinstance(last["seconds"], float)


def test_a_json_log_names_every_unreadable_picture(tagger: Tagger, shop: Path) -> None:
    for number in range(30):
        (shop / f"{number}.jpg").write_bytes(b"no picture")

    done = tagger("scan", shop, "--log-format", "json")

    told = [_strict(line) for line in done.stdout.splitlines()]
    assert len({one["path"] for one in told if one["event"] == "unreadable"}) == 30


def test_without_a_temporary_folder_a_json_log_is_written(
    tagger: Tagger, shop: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(photo, 2)
    monkeypatch.setattr(tempfile, "tempdir", str(shop / "absent"))

    done = tagger("scan", shop, "--log-format", "json")

    assert (done.returncode, done.stderr) == (0, "")
    assert _strict(done.stdout.splitlines()[-1])["new"] == 2


def test_an_error_in_a_json_log_is_its_last_object(
    program: Tagger, shop: Path, tmp_path: Path
) -> None:
    failing = NOISY.replace("return real(*arguments, **options)", "raise OSError('x')")
    (tmp_path / "sitecustomize.py").write_text(failing)

    done = program(
        "scan", shop, "--log-format", "json", "--quiet", PYTHONPATH=str(tmp_path)
    )
    told = [_strict(line) for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (1, "")
    assert "a logged line" in [one["message"] for one in told]
    assert (told[-1]["level"], told[-1]["event"], told[-1]["exit_code"]) == (
        "error",
        "failed",
        1,
    )


def test_a_warning_of_settings_is_not_lost_beside_a_wrong_option(
    program: Tagger,
) -> None:
    done = program("scan", "--nonsense", TAGGER_SCAN_TRESHOLD="0.5")

    assert done.returncode == 2
    assert "TAGGER_SCAN_THRESHOLD" in done.stderr
