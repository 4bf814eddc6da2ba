"""The benchmarks run; how fast is for `python -m benchmarks` to say, not for a test."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]


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


def test_a_part_that_is_none_is_named() -> None:
    done = run("everything")

    assert done.returncode == 2
    assert "everything" in done.stderr
