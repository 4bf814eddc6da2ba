"""Standard streams that are closed, full, or that nobody reads any more."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Photo
from support.program import Tagger


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_log_on_a_full_disk_ends_no_scan(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo
) -> None:
    photo()
    onto = ("sh", "-c", 'exec "$@" > /dev/full', "sh")

    done = program("scan", shop, prefix=onto)

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the scan is done, but the result could not be")
    assert "No space left" in line
    assert len(tagger.rows()) == 1


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


@pytest.mark.measured
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


def test_a_reader_that_stops_early_ends_a_command_without_a_message(
    tagger: Tagger, pictures: Path, shell: Shell
) -> None:
    tagger("scan", pictures)

    for words in ("status", "export", "export --format jsonl", "export --format xlsx"):
        done = shell(f"{{}} {words} | true")
        assert (done.returncode, done.stderr) == (1, "")
    done = shell("{} scan pictures --json | true")
    assert done.returncode == 1
    assert "the scan is done, but the result could not be" in done.stderr
