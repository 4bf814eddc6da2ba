"""Model how long a scan of many pictures takes on many workers, and what it costs.

Pure functions of unit costs; `benchmarks.chain` measures these. A scan lists all
objects, then reads, classifies and records them. The second part is a pipeline: its
stages work at the same time, and the slowest one sets the pace. Only the workers are
divided among N; the listing, the storage and the driver are shared (Amdahl's law).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PAGE: Final = 1000
"""Objects in one answer of an object store's listing: the most that S3 gives."""

HOUR: Final = 3600.0
GIGABYTE: Final = 1e9

WORKERS: Final = "workers"
STORAGE: Final = "storage"
DRIVER: Final = "driver"


@dataclass(frozen=True, slots=True)
class Costs:
    """Unit costs, in seconds and bytes; all are positive.

    `prepare` and `classify` are processor seconds a picture, `read` its bytes, `write`
    the driver's seconds to record an item, `row` the database's bytes for it. `page` is
    the time of a listing's page of 1,000 objects, `compare` the driver's seconds to
    compare a listed object with its known item. `bandwidth` is what the storage gives
    to all workers together, in bytes a second.
    """

    prepare: float
    classify: float
    read: float
    write: float
    row: float
    page: float
    compare: float
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in dollars: of 1,000 requests by kind, and of a worker's hour."""

    list_requests: float
    get_requests: float
    worker_hour: float


def listing(costs: Costs, pictures: float) -> float:
    """Return the seconds to list all pictures, page after page."""
    return pictures / PAGE * costs.page


def stages(costs: Costs, pictures: float, workers: float) -> Mapping[str, float]:
    """Return the seconds that each stage of the pipeline needs for its own work."""
    return {
        WORKERS: pictures * (costs.prepare + costs.classify) / workers,
        STORAGE: pictures * costs.read / costs.bandwidth,
        DRIVER: pictures * costs.write,
    }


def duration(costs: Costs, pictures: float, workers: float) -> float:
    """Return the seconds of a first scan: the listing, then the slowest stage."""
    slowest = max(stages(costs, pictures, workers).values())
    return listing(costs, pictures) + slowest


def bottleneck(costs: Costs, workers: float) -> str:
    """Return the stage that sets the pace; the workers where several do."""
    needed = stages(costs, 1, workers)
    return max(needed, key=lambda stage: needed[stage])


def limits(costs: Costs) -> Mapping[str, float]:
    """Return the number of workers from which on each shared stage is the slower one.

    More workers than the least of them help nothing.
    """
    by_one = stages(costs, 1, 1)
    return {stage: by_one[WORKERS] / by_one[stage] for stage in (STORAGE, DRIVER)}


def nightly(costs: Costs, pictures: float) -> float:
    """Return the seconds of a scan that finds all pictures unchanged; it reads none."""
    return listing(costs, pictures) + pictures * costs.compare


def price_of_first(
    costs: Costs, prices: Prices, pictures: float, workers: float
) -> float:
    """Return the dollars of a first scan: its requests, and the workers' hours."""
    hours = duration(costs, pictures, workers) / HOUR
    requests = pictures / 1000 * (prices.get_requests + prices.list_requests / PAGE)
    return requests + workers * hours * prices.worker_hour


def price_of_nightly(prices: Prices, pictures: float) -> float:
    """Return the dollars for the requests of a scan that finds nothing new."""
    return pictures / PAGE / 1000 * prices.list_requests
