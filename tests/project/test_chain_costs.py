"""The model of what a chain's pictures cost: its laws, and the run behind the page."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import TOP

from benchmarks import chain
from benchmarks.costs import (
    DRIVER,
    STORAGE,
    WORKERS,
    Costs,
    Prices,
    bottleneck,
    duration,
    limits,
    listing,
    nightly,
    price_of_first,
    price_of_nightly,
    stages,
)

seconds = st.floats(1e-7, 10)
costs = st.builds(
    Costs,
    prepare=seconds,
    classify=seconds,
    read=st.floats(1, 1e9),
    write=seconds,
    row=st.floats(1, 1e5),
    page=seconds,
    compare=seconds,
    bandwidth=st.floats(1e3, 1e12),
)
pictures = st.floats(1, 1e9)
workers = st.floats(1, 1e5)
more = st.floats(1, 1e3)


@given(costs, pictures, workers, more)
def test_more_workers_are_never_slower(
    unit: Costs, number: float, some: float, times: float
) -> None:
    fast = duration(unit, number, some * times)

    assert fast <= duration(unit, number, some)


@given(costs, pictures, more)
def test_the_hours_fall_until_the_limit_and_then_stay(
    unit: Costs, number: float, times: float
) -> None:
    limit = min(limits(unit).values())
    at_limit = duration(unit, number, limit)

    assert duration(unit, number, limit * times) == pytest.approx(at_limit)
    before = stages(unit, number, limit / times)[WORKERS]
    assert duration(unit, number, limit / times) == pytest.approx(
        listing(unit, number) + before
    )
    if times > 1.01:
        assert bottleneck(unit, limit / times) == WORKERS
        assert bottleneck(unit, limit * times) in {STORAGE, DRIVER}


@given(costs, pictures, workers, more)
def test_time_and_price_are_proportional_to_the_pictures(
    unit: Costs, number: float, some: float, times: float
) -> None:
    prices = Prices(0.005, 0.0004, 0.04)

    once, often = (
        (
            duration(unit, count, some),
            nightly(unit, count),
            price_of_first(unit, prices, count, some),
            price_of_nightly(prices, count),
        )
        for count in (number, number * times)
    )
    assert often == pytest.approx(tuple(times * value for value in once))


@given(
    costs, pictures, workers, st.sampled_from(["prepare", "classify", "write"]), more
)
def test_nothing_gets_faster_because_a_part_gets_slower(
    unit: Costs, number: float, some: float, part: str, times: float
) -> None:
    slower = replace(unit, **{part: getattr(unit, part) * times})

    assert duration(slower, number, some) >= duration(unit, number, some)


def test_an_example_by_hand() -> None:
    unit = Costs(
        prepare=0.003, classify=0.001, read=2e5, write=2e-4, row=600, page=0.1,
        compare=1e-5, bandwidth=1e9,
    )  # fmt: skip

    assert duration(unit, 1e6, 1) == pytest.approx(100 + 4000)
    assert duration(unit, 1e6, 1000) == pytest.approx(100 + 200)
    assert limits(unit) == pytest.approx({STORAGE: 20, DRIVER: 20})
    assert nightly(unit, 1e6) == pytest.approx(100 + 10)


def test_the_page_has_the_numbers_of_the_run() -> None:
    run = json.loads(chain.RUN.read_text(encoding="utf-8"))
    page = (TOP / "docs" / "chain-costs.md").read_text(encoding="utf-8")

    for part in (chain.in_short(run), chain.hours_table(run), chain.unit_table(run)):
        assert part in page
    for recorder in ("written", "server"):
        assert run["measured"][recorder][-1]["rows"] >= 200_000
    assert set(run["measured"]["rows"]) == {"10000", "100000"}
    assert run["assumed"].keys() == chain.ASSUMED.keys()


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")
def test_all_of_it_is_measured_at_its_smallest(tmp_path: Path) -> None:
    run, chart = tmp_path / "run.json", tmp_path / "chart.png"
    command = [sys.executable, "-m", "benchmarks.chain", "--size", "smallest"]
    done = subprocess.run(
        [*command, "-o", run, "--chart", chart],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert chain.costs(json.loads(run.read_text())).prepare > 0
    assert chart.read_bytes().startswith(b"\x89PNG")
