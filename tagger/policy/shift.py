"""How far a shop's pictures are from those that a network was trained on.

Pure functions of arrays. What is compared is what the network makes of pictures just
before its softmax: the logarithms of its probabilities, which are a linear image of its
last features. How sure it is tells nothing of that: on a shop that it has never seen it
can be surer than on one it knows (models/README.md has the figures).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.errors import ModelError
from tagger.records import LEAST_PICTURES

FAR: Final = 99.0
"""The largest shift, and that of what cannot be compared."""

_LEAST_OF_LABEL: Final = 5
_LEAST_OF_CENTRE: Final = 20

_SHRINKAGE: Final = 0.1
"""Part of the spread that is taken to be the same in all directions."""

_TINY: Final = 1e-6

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceStatistics:
    """What a network makes of the sets it knows.

    `centres` has by set and label the mean of the centred logarithms, (labels,), of the
    pictures that it gives that label; `precision` is the inverse of their covariance
    around those means, (labels, labels).
    """

    labels: tuple[str, ...]
    centres: Mapping[str, Mapping[str, NDArray[np.float64]]]
    precision: NDArray[np.float64]


def reference_statistics(
    sets: Mapping[str, Rows], labels: Sequence[str]
) -> ReferenceStatistics:
    """Summarise the probabilities, (n, labels), that a network gives to known sets."""
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
    round_ = np.eye(size) * max(np.trace(covariance) / size, _TINY)
    spread = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * round_
    return ReferenceStatistics(tuple(labels), centres, np.linalg.inv(spread))


def shift_of(rows: Rows, known: ReferenceStatistics) -> float | None:
    """Return how far pictures are from the nearest known set, label by label.

    In units of the spread within a label: the root of the mean square over the pictures
    of the Mahalanobis distance of their label's centre to that of the set, less what
    chance makes of so few. So a scan of shoes alone is compared with shoes. `FAR` where
    no set has most of the labels; None for fewer than `LEAST_PICTURES`.
    """
    if len(rows) < LEAST_PICTURES:
        return None
    found = _by_label(rows, known.labels, _LEAST_OF_LABEL)
    shifts = [
        _shift(found, centres, known.precision) for centres in known.centres.values()
    ]
    return min(shifts, default=FAR)


def packed(known: ReferenceStatistics) -> bytes:
    """Return what a network knows as JSON, in four digits."""
    value = {
        "labels": list(known.labels),
        "centres": {
            name: {label: _rounded(centre) for label, centre in centres.items()}
            for name, centres in known.centres.items()
        },
        "precision": [_rounded(row) for row in known.precision],
    }
    return json.dumps(value).encode() + b"\n"


def read_reference(path: Path) -> ReferenceStatistics:
    """Read what a network knows. Raises ModelError where the file is not that."""
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        labels = tuple(map(str, told["labels"]))
        centres = {
            str(name): {
                str(label): _numbers(centre, (len(labels),))
                for label, centre in of_set.items()
            }
            for name, of_set in told["centres"].items()
        }
        precision = _numbers(told["precision"], (len(labels), len(labels)))
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} does not say what a network knows: {error}"
        ) from error
    return ReferenceStatistics(labels, centres, precision)


def _shift(
    found: Mapping[str, NDArray[np.float64]],
    centres: Mapping[str, NDArray[np.float64]],
    precision: NDArray[np.float64],
) -> float:
    total, compared = 0.0, 0
    for label, places in found.items():
        if label in centres:
            away = places.mean(axis=0) - centres[label]
            chance = len(away) / len(places)
            total += len(places) * max(0.0, float(away @ precision @ away) - chance)
            compared += len(places)
    if 2 * compared < sum(map(len, found.values())) or not compared:
        return FAR
    return min(FAR, float(np.sqrt(total / compared)))


def _by_label(
    rows: Rows, labels: Sequence[str], least: int
) -> dict[str, NDArray[np.float64]]:
    """Part the centred logarithms by the most probable label; leave out rare ones."""
    logs = np.log(np.maximum(rows.astype(np.float64), _TINY))
    logs -= logs.mean(axis=1, keepdims=True)
    first = rows.argmax(axis=1)
    parts = {label: logs[first == number] for number, label in enumerate(labels)}
    return {label: part for label, part in parts.items() if len(part) >= least}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _numbers(values: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
    found = np.array(values, np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"expected numbers of the shape {shape}")
    return found
