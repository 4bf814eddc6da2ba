"""What the tests share besides fixtures."""

import gzip
import hashlib
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.engine.local import Classifier, LocalEngine, PrepareAll, prepare_here
from tagger.inventory import Inventory
from tagger.policy.effective import EffectivePolicy
from tagger.policy.shift_guard import NO_GUARD, ShiftGuard
from tagger.records import FASHION_LABELS, PREPARING, ModelIdentity, Policy
from tagger.scan import run
from tagger.scan.records import NO_MIX, OwnMix, RunSummary, ScanOptions
from tagger.storage import Location
from tagger.system.signals import Interruption

AT_ONCE = ScanOptions(settle=0.0)
"""A scan of pictures that a test wrote a moment ago."""


def scan(
    folders: Sequence[Location],
    inventory: Inventory,
    classifier: Classifier,
    policy: Policy,
    *,
    guard: ShiftGuard = NO_GUARD,
    options: ScanOptions = AT_ONCE,
    track: run.Track = lambda files, _total: files,
    interruption: Interruption | None = None,
    prepare_all: PrepareAll = prepare_here,
    own_mix: OwnMix = NO_MIX,
) -> RunSummary:
    """Scan without waiting until files are settled, by a policy and its guard."""
    return run.scan(
        folders,
        inventory,
        LocalEngine(classifier, prepare_all),
        EffectivePolicy(policy, guard),
        options=options,
        track=track,
        interruption=interruption,
        own_mix=own_mix,
    )


TOP = Path(__file__).resolve().parents[2]
CAREFUL = Policy(0.9)

SAMPLES = TOP / "sample_images"
GOLDEN = TOP / "tests" / "golden"

Photo = Callable[..., Path]
Scan = Callable[..., RunSummary]


def expected_by_file() -> dict[str, str]:
    """Read the table of the sample images: what each file should come to."""
    table = (SAMPLES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)`.*\| (.+?) \|$", table, flags=re.MULTILINE)
    return dict(rows)


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes in the form of Fashion-MNIST's files."""
    head = struct.pack(f">I{values.ndim}I", 0x800 + values.ndim, *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes()))


class FakeClassifier:
    """Tags by the mean brightness of an image, and counts what it is asked."""

    def __init__(
        self, name: str = "fake", labels: tuple[str, ...] = FASHION_LABELS
    ) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.identity = ModelIdentity(name, digest, labels, PREPARING)
        self.seen = 0

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(batch)
        mean = batch[..., 0].mean(axis=(1, 2)) / 255
        top = (mean * len(self.identity.labels)).astype(int)
        rest = (1 - mean / 2 - 0.5) / (len(self.identity.labels) - 1)
        rows = np.repeat(rest[:, None], len(self.identity.labels), axis=1)
        rows[np.arange(len(batch)), top] = 0.5 + mean / 2
        return rows.astype(np.float32)


def write_labelled_samples(folder: Path) -> Path:
    """Copy twenty of the sample images into a folder with a `labels.csv`."""
    folder.mkdir(parents=True)
    truth = {
        name: tag for name, tag in expected_by_file().items() if tag != "unreadable"
    }
    items = [name for name, tag in truth.items() if tag != "flagged"][:14]
    things = [name for name, tag in truth.items() if tag == "flagged"]
    rows = [(name, truth[name]) for name in items]
    rows += [(name, "other") for name in things[:4]]
    rows += [(name, "ambiguous") for name in things[4:6]]
    for name, _ in rows:
        shutil.copy(SAMPLES / name, folder)
    lines = [f"{name},{label}" for name, label in rows]
    (folder / "labels.csv").write_text("\n".join(["file,label", *lines, ""]))
    return folder


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def many(photo: Photo, count: int = 10) -> list[Path]:
    return [photo(f"{n}.png", shade=20 * n) for n in range(count)]


def photo_with_other_bytes(count: int, photo: Photo, shop: Path) -> None:
    """Write one picture so many times into a shop, each time with other bytes."""
    first = photo("0.png", 90).read_bytes()
    for number in range(1, count):
        (shop / f"{number}.png").write_bytes(first + number.to_bytes(4))


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size, as "40k"; skip the test if that is forbidden."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tagger-test", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted: {error}")
    try:
        yield folder
    finally:
        unmount = ["umount", "--lazy", str(folder)]
        subprocess.run(unmount, check=True)
