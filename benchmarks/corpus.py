"""Make what is measured: pictures, trees of files, inventories; the same each time.

Pictures are the sample photographs at another size, with the noise of a camera, so that
their JPEG streams are as dense as those of real ones. What is there already is kept.
"""

import hashlib
import itertools
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from tagger.inventory import Inventory, Tagged
from tagger.records import (
    FASHION_LABELS,
    PREPARING,
    ImageFile,
    ModelIdentity,
    Prediction,
    PreparedImage,
    Verdict,
)

SAMPLES: Final = Path(__file__).resolve().parents[1] / "sample_images"
SIZES: Final = {"0.05": (192, 256), "1.3": (1000, 1333), "12": (3000, 4000)}
"""Width and height of the pictures, by their megapixels."""

_DIFFERENT = 50
"""Pictures that are drawn; the others have their pixels under other bytes."""

_NOISE = 2.5
"""Standard deviation of the noise in levels: a phone's in daylight."""

_SOURCES = (
    "boxing-gloves",
    "cactus",
    "camera",
    "chair",
    "dark-ground-bicycle",
    "dark-ground-sneakers-white",
    "skateboard",
    "sneaker-grey",
    "sneaker-neon-light",
    "sneaker-side-view",
)
_BATCH = 5000

MODEL: Final = ModelIdentity("benchmark", "0" * 64, FASHION_LABELS, PREPARING)
"""The network that made items are said to be tagged by."""


def pictures(top: Path, megapixels: str, number: int) -> Path:
    """Return a folder with so many JPEGs of that size, no two with the same bytes."""
    folder = top / f"jpeg-{megapixels}-{number}"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for index in range(number):
        target = part / f"{index:06d}.jpg"
        if index < _DIFFERENT:
            _draw(index, SIZES[megapixels]).save(target, quality=85)
        else:
            drawn = part / f"{index % _DIFFERENT:06d}.jpg"
            target.write_bytes(_other_bytes(drawn.read_bytes(), index))
    return part.rename(folder)


def _draw(index: int, size: tuple[int, int]) -> Image.Image:
    source = SAMPLES / f"{_SOURCES[index % len(_SOURCES)]}.jpg"
    with Image.open(source) as photograph:
        resized = photograph.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(index).normal(0, _NOISE, (*size[::-1], 1))
    pixels = np.asarray(resized) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _other_bytes(jpeg: bytes, number: int) -> bytes:
    """Put a comment that holds the number behind a JPEG's first marker."""
    comment = str(number).encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]


def tree(top: Path, number: int) -> Path:
    """Return a tree of so many small files named as pictures, a thousand a folder."""
    folder = top / f"tree-{number}"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    data = (SAMPLES / "tiny.png").read_bytes()
    for index in range(number):
        inside = part / f"{index // 1000:04d}"
        if index % 1000 == 0:
            inside.mkdir(parents=True)
        (inside / f"{index:07d}.png").write_bytes(data)
    return part.rename(folder)


def inventory(top: Path, rows: int) -> Path:
    """Return an inventory of so many items, a fifth of them flagged."""
    path = top / f"inventory-{rows}.db"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with (
        Inventory(part) as made,
        made.recording(MODEL, options={}) as recording,
    ):
        for start in range(0, rows, _BATCH):
            numbers = range(start, min(start + _BATCH, rows))
            recording.record(Path("/srv/shop"), [row(n) for n in numbers], {}, {})
        recording.finish([Path("/srv/shop")], exit_code=0, counts={})
    return part.rename(path)


def row(number: int) -> tuple[ImageFile, Tagged]:
    """Return a made item; a fifth of them are flagged."""
    second = (number + 1) % len(FASHION_LABELS)
    tag, runner_up = (
        FASHION_LABELS[number % len(FASHION_LABELS)],
        FASHION_LABELS[second],
    )
    confidence = 0.5 + number % 500 / 1000
    flagged = number % 5 == 0
    image = PreparedImage(
        f"{number:08x}{hashlib.sha256(b'%d' % number).hexdigest()[8:]}",
        np.zeros((28, 28, 3), np.uint8),
        1000,
        1333,
        "JPEG",
    )
    prediction = Prediction(tag, confidence, runner_up, confidence / 2, (0.1,) * 10)
    reason = f"unsure: {tag}, {runner_up}" if flagged else ""
    changed = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    file = ImageFile(f"{number // 1000:05d}/{number:08d}.jpg", number, changed)
    return file, Tagged(image, prediction, Verdict(flagged, reason))


def chunks(paths: list[Path], number: int) -> list[list[Path]]:
    """Deal paths out to so many."""
    return [list(itertools.islice(paths, n, None, number)) for n in range(number)]
