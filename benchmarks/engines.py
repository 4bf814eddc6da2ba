"""Measure the engines of a scan beside each other: `python -m benchmarks.engines`.

Scans pictures of 1.3 megapixels with the engine `local`, and with `ray` on clusters of
1, 2 and 4 workers on this machine, in turns. What the scan of one picture takes is
start-up; what more the scan of all takes is the work. A cluster runs before its scan is
measured, as where one is at hand.

On a busy machine more processes get a larger share of it, which favours Ray. There, the
processor time is the better measure: of the scan, its workers and the cluster.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, Final

import psutil

from benchmarks import corpus
from benchmarks.timing import Cost, run

_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds until the first picture is recorded, and pictures a second after it.

    `cpu` are the milliseconds of all processors for each picture after it. `megabytes`
    is the peak of the scan and its gateway, without the cluster.
    """

    start: float
    rate: float
    cpu: float
    megabytes: float


def main() -> None:
    """Measure what the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines", description=__doc__
    )
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--top", type=Path, help="where pictures are kept")
    parser.add_argument("--nodes", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.nodes:
        _serve(asked.nodes)
        return
    with tempfile.TemporaryDirectory() as scratch:
        top = (asked.top or Path(scratch)).resolve()
        top.mkdir(parents=True, exist_ok=True)
        _compare(top, asked.pictures, asked.workers, asked.repeats)


def _compare(top: Path, number: int, workers: Sequence[int], repeats: int) -> None:
    rounds: dict[int, list[Speed]] = {count: [] for count in (0, *workers)}
    for _ in range(repeats):
        for count, speeds in rounds.items():
            with _cluster(count) as cluster:
                speeds.append(_speed(top, number, cluster))
    local, *others = (_median(speeds) for speeds in rounds.values())
    print("| engine | images/s after start-up | processor time | start-up | load |")
    print("| --- | --- | --- | --- | --- |")
    load = f"{os.getloadavg()[0]:.1f}"
    print(
        f"| local | {local.rate:.0f} | {local.cpu:.2f} ms | {local.start:.2f} s "
        f"| {load} |"
    )
    for count, one in zip(workers, others, strict=True):
        print(
            f"| ray, {count} workers | {one.rate:.0f}, {one.rate / local.rate:.2f} of "
            f"local | {one.cpu:.2f} ms, {one.cpu / local.cpu:.2f} of local "
            f"| {one.start:.2f} s, {one.start / local.start:.1f} of local "
            f"| {load} |"
        )
    for count in workers[-1:]:
        with _cluster(count) as cluster:
            few, many = (_scan(top, n, cluster).megabytes for n in (number, 4 * number))
        print(
            f"\nmemory of the scan and its gateway, ray, {count} workers: {few:.0f} MB "
            f"with {number:,} pictures, {many:.0f} MB with {4 * number:,}, "
            f"ratio {many / few:.2f}"
        )


def _median(speeds: Sequence[Speed]) -> Speed:
    return Speed(
        statistics.median(speed.start for speed in speeds),
        statistics.median(speed.rate for speed in speeds),
        statistics.median(speed.cpu for speed in speeds),
        max(speed.megabytes for speed in speeds),
    )


def _speed(top: Path, number: int, cluster: "_Cluster") -> Speed:
    one, all_ = _scan(top, 1, cluster), _scan(top, number, cluster)
    work = max(all_.seconds - one.seconds, 1e-3)
    cpu = 1000 * (all_.cpu - one.cpu) / (number - 1)
    return Speed(one.seconds, (number - 1) / work, cpu, all_.megabytes)


def _scan(top: Path, number: int, cluster: "_Cluster") -> Cost:
    """Scan so many pictures into a new inventory."""
    folder = corpus.pictures(top, "1.3", number)
    before = cluster.cpu()
    with tempfile.TemporaryDirectory(dir=top) as place:
        database = str(Path(place) / "inventory.db")
        command = [sys.executable, "-m", "tagger", "scan", str(folder)]
        command += ["--settle", "0", "--db", database, *cluster.options]
        cost = run(command, {})
    return replace(cost, cpu=cost.cpu + cluster.cpu() - before)


class _Cluster:
    """A cluster of so many workers; none at all with the engine `local`.

    A thread keeps the processor time of each of its processes: Ray does not add that of
    ended ones to their parents.
    """

    def __init__(
        self, options: tuple[str, ...] = (), process: psutil.Process | None = None
    ) -> None:
        self.options = options
        self._process = process
        self._seconds: dict[int, float] = {}
        if process:
            Thread(target=self._look, args=(process,), daemon=True).start()

    def cpu(self) -> float:
        """Return the seconds of all its processes, also of those that have ended."""
        if self._process:
            time.sleep(2 * _EVERY)
        return sum(self._seconds.copy().values())

    def _look(self, process: psutil.Process) -> None:
        while process.is_running():
            with suppress(psutil.Error):
                for one in process.children(recursive=True):
                    with suppress(psutil.Error):
                        self._seconds[one.pid] = sum(one.cpu_times()[:2])
            time.sleep(_EVERY)


@contextmanager
def _cluster(workers: int) -> Iterator[_Cluster]:
    """Run a cluster in a process of its own; end it afterwards."""
    if not workers:
        yield _Cluster()
        return
    process = subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "benchmarks.engines", "--nodes", str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = process.stdout or ()
    try:
        address = next(line.split()[1] for line in lines if line.startswith("at "))
        options = ("--engine", "ray", "--ray-address", address)
        yield _Cluster(options, psutil.Process(process.pid))
    finally:
        process.communicate()


def _serve(workers: int) -> None:
    """Be a cluster until standard input ends."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    settings = {"num_cpus": workers, "object_store_memory": 100 * 2**20}
    cluster: Any = Cluster(
        initialize_head=True, head_node_args=settings | {"include_dashboard": False}
    )
    print("at", cluster.address, flush=True)
    with suppress(KeyboardInterrupt):
        sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
