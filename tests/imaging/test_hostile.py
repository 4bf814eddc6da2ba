"""Pictures that mean harm end in one reasoned row each, in bounded time and memory."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SAMPLES, expected_by_file
from support.hostile import Hostile, hostile_files
from support.program import Tagger

from tagger.imaging.formats import FORMATS
from tagger.imaging.prepare import prepare_bytes
from tagger.records import PreparedImage, UnreadableImage

FETCHED = os.environ.get("TAGGER_TEST_HOSTILE", "")
"""A folder with others' hostile pictures, which CI fetches: see .ci/run."""

MOST_MEMORY = 2 * 1024**3
MOST_SECONDS = 300

CORPUS = {file.name: file for file in hostile_files()}
SMALL = sorted(
    name for name in expected_by_file() if (SAMPLES / name).stat().st_size < 30_000
)


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_a_hostile_picture_comes_to_its_end(name: str) -> None:
    file = CORPUS[name]

    result = prepare_bytes(file.data, ending=Path(name).suffix)

    if file.reason is None:
        assert isinstance(result, PreparedImage), result
    else:
        assert isinstance(result, UnreadableImage)
        assert result.reason
        assert file.reason in {"", result.reason}


WATCH = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        note(event, arguments[1])
    elif event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}:
        if not str(arguments[0]).startswith(sys.prefix):
            note(event, arguments[0])

def note(*what):
    with open(os.environ["WATCHED"], "a") as stream:
        print(*what, file=stream)

sys.addaudithook(watch)
"""


MEASURE = """
import os, resource, subprocess, sys

status = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(os.environ["PEAK"], "w") as stream:
    print(peak, file=stream)
sys.exit(status)
"""
"""Notes the peak memory of what it runs, in KB. From in between, for a process's peak
begins with that of the process that starts it: here, of all earlier tests."""


def scanned(
    program: Tagger, folder: Path
) -> tuple[dict[str, dict[str, str]], str, float]:
    """Scan in a process of its own, watched; return rows, complaints and megabytes.

    Neither network nor other program may be reached for, Ghostscript least of all.
    """
    (program.folder / "sitecustomize.py").write_text(WATCH)
    programs = program.folder / "programs"
    programs.mkdir()
    for name in ("gs", "djpeg"):
        (programs / name).write_text("#!/bin/sh\necho $0 >> $WATCHED\n")
        (programs / name).chmod(0o755)
    watched = program.folder / "watched.txt"
    paths = [str(program.folder), os.environ.get("PYTHONPATH", "")]
    environment = program.environment | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "WATCHED": str(watched),
        "PEAK": str(program.folder / "peak.txt"),
    }
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *program.command("scan", folder, "--json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    assert json.loads(done.stdout)["exit_code"] in {0, 3}
    assert not watched.exists(), watched.read_text()
    peak = int((program.folder / "peak.txt").read_text())
    assert peak * 1024 < MOST_MEMORY
    return program.rows(), done.stderr, peak / 1024


def test_every_hostile_picture_is_one_reasoned_row(program: Tagger) -> None:
    folder = program.folder / "hostile"
    folder.mkdir()
    for file in CORPUS.values():
        (folder / file.name).write_bytes(file.data)

    rows, complaints, _ = scanned(program, folder)

    assert complaints == ""
    assert set(rows) == set(CORPUS)
    for name, row in rows.items():
        check_row(row, CORPUS[name])
    assert not Path("/tmp/tagger-was-harmed").exists()  # noqa: S108


def check_row(row: dict[str, str], file: Hostile | None = None) -> None:
    assert row["state"] in {"tagged", "unreadable", "ignored"}
    if row["state"] != "tagged":
        assert row["reason"]
        assert row["tag"] == row["machine_tag"] == row["confidence"] == ""
    else:
        assert row["machine_tag"]
    if file is not None:
        assert (row["state"] == "tagged") == (file.reason is None), file.name


def fetched_folder() -> Path:
    if not FETCHED:
        pytest.skip("TAGGER_TEST_HOSTILE names no folder of fetched pictures")
    return Path(FETCHED)


def test_every_picture_of_gdk_pixbufs_tests_is_one_reasoned_row(
    program: Tagger,
) -> None:
    """Under its own name, and under those of two formats that it may not be."""
    found = sorted(fetched_folder().glob("**/gdk-pixbuf/test-images/**/*.*"))
    if not found:
        pytest.skip("gdk-pixbuf-tests could not be fetched")
    folder = program.folder / "hostile"
    folder.mkdir()
    names = []
    for number, path in enumerate(path for path in found if path.is_file()):
        for ending in ("", ".png", ".tiff"):
            names.append(f"{number}-{path.name}{ending}")
            shutil.copy(path, folder / names[-1])

    rows, complaints, megabytes = scanned(program, folder)

    assert complaints == ""
    assert set(rows) == set(names)
    for row in rows.values():
        check_row(row)
    states = Counter(row["state"] for row in rows.values())
    reasons = Counter(r["reason"] for r in rows.values() if r["state"] == "unreadable")
    figures = f"{len(rows)} files, at most {megabytes:.0f} MB"
    print(f"\n{figures}: {dict(states)} {dict(reasons)}")  # noqa: T201


def test_every_png_of_pypngs_suite_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sorted(fetched_folder().glob("**/pngsuite.py"))
    if not found:
        pytest.skip("pypng could not be fetched")
    specification = importlib.util.spec_from_file_location("pngsuite", found[0])
    assert specification
    assert specification.loader
    suite = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "pngsuite", suite)  # it looks itself up
    specification.loader.exec_module(suite)

    for name, data in suite.png.items():
        assert isinstance(prepare_bytes(data, ending=".png"), PreparedImage), name
    assert len(suite.png) >= 28


cuts = st.floats(0, 1)


@given(
    names=st.lists(st.sampled_from(SMALL), min_size=1, max_size=3),
    pieces=st.lists(
        st.tuples(st.integers(0, 2), cuts, cuts, st.binary(max_size=8)), max_size=4
    ),
    ending=st.sampled_from(["", *sorted(FORMATS)]),
)
def test_pieces_of_samples_put_together_never_raise(
    names: list[str], pieces: list[tuple[int, float, float, bytes]], ending: str
) -> None:
    """Pieces left out, doubled, exchanged, of several formats, with bytes between."""
    wholes = [(SAMPLES / name).read_bytes() for name in names]
    data = wholes[0][:64]
    for which, start, end, between in pieces:
        whole = wholes[which % len(wholes)]
        data += whole[int(start * len(whole)) : int(end * len(whole))] + between

    result = prepare_bytes(data, ending=ending or Path(names[0]).suffix)

    if isinstance(result, UnreadableImage):
        assert result.reason
        assert result.digest
        assert result.reason.isprintable()
    else:
        assert result.pixels.shape == (28, 28, 3)
