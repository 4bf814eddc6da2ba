"""The benchmarks run; how fast is for `python -m benchmarks` to say, not for a test."""

import argparse
import csv
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TOP
from support.postgres import Server

from tagger.adaptation.adapt import Start
from tagger.datasets.records import LabelledImages
from tagger.records import FASHION_LABELS, Policy


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "parts",
    [
        ("scanning", "large", "again", "rows"),
        pytest.param(("start_up", "one_image", "peers"), marks=pytest.mark.model),
    ],
)
def test_every_part_runs_at_its_smallest(parts: tuple[str, ...]) -> None:
    done = run("--size", "smallest", "--repeats", "1", *parts)

    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) >= 2 + len(parts)


def test_the_review_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.review", "--items", "300", "--keys", "2"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "key to next picture, median of 2" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("workers", "rows"),
    [
        ([], ["| local"]),
        pytest.param(["1"], ["| local", "| ray, 1 workers"], marks=pytest.mark.model),
    ],
)
def test_the_engines_are_measured(workers: list[str], rows: list[str]) -> None:
    sizes = ["--pictures", "3", "--repeats", "1", "--workers", *workers]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engines", *sizes],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    shown = [line.split(" | ")[0] for line in done.stdout.splitlines()]
    assert [row for row in shown if row.startswith(("| local", "| ray"))] == rows
    assert ("memory of the scan and its gateway" in done.stdout) == bool(workers)


@pytest.mark.model
def test_written_metadata_are_measured() -> None:
    sizes = ["--sidecars", "20", "--files", "4", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.metadata", *sizes],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines()]
    assert {"| sidecars", "| again", "| files", "| remove", "| sort"} <= {*rows}


def test_scans_of_a_store_are_measured() -> None:
    sizes = ["--pictures", "2", "--others", "3", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.storage", *sizes],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, again = done.stdout.splitlines()[2:]
    assert "| 2 GET, 3 LIST |" in first
    assert "| 2 LIST |" in again


def test_a_part_that_is_none_is_named() -> None:
    done = run("everything")

    assert done.returncode == 2
    assert "everything" in done.stderr


def test_a_curve_tells_what_is_certified_by_the_audits_so_far() -> None:
    """Of 400 pictures that it is sure of, every fourth of the last 80 is wrong."""
    adaptation = pytest.importorskip("benchmarks.adaptation", reason="no checkout")
    said = np.arange(400) % 4
    rows = np.full((400, len(FASHION_LABELS)), 0.001, np.float32)
    rows[np.arange(400), said] = 0.991
    truth = said + np.where(np.arange(400) < 320, 0, said == 3)
    names = np.arange(400).astype(str)
    shop = LabelledImages(
        "bars",
        np.zeros((400, 28, 28, 3), np.uint8),
        np.array(FASHION_LABELS)[truth],
        names,
        names,
    )
    start = Start(None, FASHION_LABELS, Policy(0.9))
    lines = adaptation.Lines(shop, start, argparse.Namespace(certify=0, seed=1))
    force = adaptation.Active(start.policy, rows, {}, 1.0)
    none = np.empty(0, np.int64)

    before = lines(force, none)
    after = lines(replace(force, audited=tuple(range(200))), np.arange(200))
    more = replace(lines, wanted=argparse.Namespace(certify=160, seed=1))
    asked = more(replace(force, audited=tuple(range(200))), np.arange(200))

    assert (before["audited"], before["certified"]) == (0, 0)
    assert before["accuracy"] == before["precision"] == "0.950"
    assert (after["audited"], after["certified"]) == (200, 10)
    assert (after["certified_coverage"], after["certified_precision"]) == (
        "1.000",
        "0.900",
    )
    assert (asked["audited"], asked["certified"]) == (360, 0)


@pytest.mark.postgres
def test_both_databases_are_measured_in_one_run(server: Server) -> None:
    url = server.blank()
    few = ["--items", "200", "--batch", "100", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.postgres", url.secret, *few],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    server.drop(url)

    assert done.returncode == 0, done.stderr
    assert "PostgreSQL / SQLite: " in done.stdout
    assert "3 reviewers beside 2 scans" in done.stdout


def test_curves_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "a shop.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["answers", "accuracy", "coverage97"])
        writer.writerows([[0, 0.7, 0.1], [200, 0.8, 0.4]])

    curves = pytest.importorskip("benchmarks.curves", reason="no checkout")
    curves.write(tmp_path / "curves.png", [file])

    drawn = Image.open(io.BytesIO((tmp_path / "curves.png").read_bytes()))
    assert drawn.size == (1124, 676)
