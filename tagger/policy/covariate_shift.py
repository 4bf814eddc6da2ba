"""Measure how far pictures are from those that a network was trained on.

Pure functions of arrays. They compare the logarithms of a network's probabilities, a
linear image of its last features. Confidence does not show the distance: on an unknown
shop it can be higher than on a known one (models/README.md has the figures).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tagger.errors import ModelError
from tagger.records import LEAST_FOR_SHIFT
from tagger.validation import read_json

FAR: Final = 99.0
"""The largest shift; also the shift of pictures that cannot be compared."""

_LEAST_OF_LABEL: Final = 5
_LEAST_OF_CENTRE: Final = 20
"""Pictures that a label needs to be compared, and to get a centre of reference."""

_SHRINKAGE: Final = 0.1
"""Weight of the spherical part in the estimate of the covariance."""

_TINY: Final = 1e-6

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceStatistics:
    """Summary of a network's outputs for the sets of pictures that it knows.

    `centres` has, by set and predicted label, the mean of the centred logarithms,
    (labels,). `precision` is the inverse of their covariance around these means,
    (labels, labels).
    """

    labels: tuple[str, ...]
    centres: Mapping[str, Mapping[str, NDArray[np.float64]]]
    precision: NDArray[np.float64]


def reference_statistics(
    sets: Mapping[str, Rows], labels: Sequence[str]
) -> ReferenceStatistics:
    """Summarise a network's probabilities, (n, labels), for each known set."""
    centres: dict[str, dict[str, NDArray[np.float64]]] = {}
    size = len(labels)
    scatter, count = np.zeros((size, size)), 0
    for name, rows in sets.items():
        centres[name] = {}
        for label, places in _by_label(rows, labels, _LEAST_OF_CENTRE).items():
            centre = places.mean(axis=0)
            centres[name][label] = centre
            scatter += (places - centre).T @ (places - centre)
            count += len(places)
    covariance = scatter / max(1, count)
    # Shrink towards a sphere of the same mean variance, to make it invertible.
    sphere = np.eye(size) * max(np.trace(covariance) / size, _TINY)
    shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * sphere
    return ReferenceStatistics(tuple(labels), centres, np.linalg.inv(shrunk))


def shift_of(rows: Rows, known: ReferenceStatistics) -> float | None:
    """Return the distance of pictures from the nearest known set, label by label.

    The Mahalanobis distance between the centre of a label's pictures and that of the
    set, less its expectation by chance; the root of its mean square over all pictures.
    Its unit is the spread within a label. A scan of shoes alone is so compared with
    shoes. `FAR` if no set has most of the labels; None for fewer pictures than
    `LEAST_FOR_SHIFT`.
    """
    if len(rows) < LEAST_FOR_SHIFT:
        return None
    by_label = _by_label(rows, known.labels, _LEAST_OF_LABEL)
    shifts = [
        _shift(by_label, centres, known.precision) for centres in known.centres.values()
    ]
    return min(shifts, default=FAR)


def packed(known: ReferenceStatistics) -> bytes:
    """Return reference statistics as JSON, with four significant digits."""
    value = {
        "labels": list(known.labels),
        "centres": {
            name: {label: _rounded(centre) for label, centre in centres.items()}
            for name, centres in known.centres.items()
        },
        "precision": [_rounded(row) for row in known.precision],
    }
    return json.dumps(value).encode() + b"\n"


class _Packed(Struct):
    """The file of reference statistics."""

    labels: tuple[str, ...]
    centres: dict[str, dict[str, list[float]]]
    precision: list[list[float]]


def read_reference(path: Path) -> ReferenceStatistics:
    """Read reference statistics. Raises ModelError if the file is not valid."""
    try:
        packed = read_json(path.read_bytes(), _Packed)
        labels = packed.labels
        centres = {
            name: {
                label: _numbers(centre, (len(labels),))
                for label, centre in of_set.items()
            }
            for name, of_set in packed.centres.items()
        }
        precision = _numbers(packed.precision, (len(labels), len(labels)))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} does not hold the reference statistics of a network: {error}"
        ) from error
    return ReferenceStatistics(labels, centres, precision)


def _shift(
    by_label: Mapping[str, NDArray[np.float64]],
    centres: Mapping[str, NDArray[np.float64]],
    precision: NDArray[np.float64],
) -> float:
    """Return the distance of pictures from one known set; see `shift_of`."""
    total, compared = 0.0, 0
    for label, places in by_label.items():
        if label in centres:
            away = places.mean(axis=0) - centres[label]
            # The expected squared distance of the mean of so many from its own centre.
            chance = len(away) / len(places)
            total += len(places) * max(0.0, float(away @ precision @ away) - chance)
            compared += len(places)
    if 2 * compared < sum(map(len, by_label.values())) or not compared:
        return FAR
    return min(FAR, float(np.sqrt(total / compared)))


def _by_label(
    rows: Rows, labels: Sequence[str], least: int
) -> dict[str, NDArray[np.float64]]:
    """Group the centred logarithms by most probable label; leave out rare labels."""
    logs = np.log(np.maximum(rows.astype(np.float64), _TINY))
    logs -= logs.mean(axis=1, keepdims=True)
    first = rows.argmax(axis=1)
    parts = {label: logs[first == number] for number, label in enumerate(labels)}
    return {label: part for label, part in parts.items() if len(part) >= least}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _numbers(values: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
    numbers = np.array(values, np.float64)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise ValueError(f"expected finite numbers of shape {shape}")
    return numbers
