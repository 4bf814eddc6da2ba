"""Run commands in turns, and tell how long each took and how much memory it held."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock and of all processors, and MB at the peak.

    Memory is that of the process and its children; what they share counts once.
    """

    seconds: float
    cpu: float
    megabytes: float


def run(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end; RuntimeError where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  commands of ours
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | dict(environment),
    )
    peak = 0.0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, _megabytes(process.pid))
        time.sleep(_EVERY)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode not in {0, 3}:
        raise RuntimeError(f"{' '.join(command)}: {process.returncode}\n{said}")
    return Cost(seconds, ended[2].ru_utime + ended[2].ru_stime, peak)


def in_turns(
    contestants: Mapping[str, Callable[[], Cost]], repeats: int
) -> dict[str, Cost]:
    """Run each, then each again; return the medians.

    What slows the machine down for a while slows all of them down.
    """
    runs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, contestant in contestants.items():
            runs[name].append(contestant())
    return {
        name: Cost(
            statistics.median(cost.seconds for cost in costs),
            statistics.median(cost.cpu for cost in costs),
            max(cost.megabytes for cost in costs),
        )
        for name, costs in runs.items()
    }


def _megabytes(pid: int) -> float:
    """Add up the proportional set sizes of a process and its descendants (Linux)."""
    total = 0.0
    waiting = [str(pid)]
    while waiting:
        one = waiting.pop()
        with suppress(OSError, ValueError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += (task / "children").read_text().split()
    return total
