"""Group items: near-duplicates, and photographs of one product."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

from tagger.errors import InventoryError
from tagger.imaging.prepare import upright
from tagger.inventory.product_key import product_key
from tagger.inventory.records import NEAR_DUPLICATE
from tagger.storage import Location, location

if TYPE_CHECKING:
    from PIL.Image import Image

    from tagger.inventory import Reviewing

HASHED_SIDE = 128
"""Longest edge in pixels of a photograph to be hashed."""

_HASHED_AT_MOST = 5_000
"""The most photographs that a session hashes."""

_WRITTEN_AT_ONCE = 50
"""Hashes written to the inventory in one transaction."""

_FIRST_WAIT = 1.0
"""Seconds that the first pictures have the processor to themselves."""

_KEYED_AT_MOST = 200_000
"""The most items whose paths are searched for a product key."""


def fingerprint(photograph: "Image") -> int:
    """Return the perceptual hash of a picture as a signed integer of 64 bits.

    A bit says whether one of the lowest 8x8 frequencies is above their median (pHash,
    by imagehash). It survives resizing, recompression and small changes of colour.
    """
    from imagehash import phash  # noqa: PLC0415  imports SciPy, which is slow

    # SQLite's integers are signed.
    bits = int(str(phash(photograph)), 16)
    return bits - (1 << 64) if bits >> 63 else bits


class Groups:
    """Finds the items of the queue that belong together.

    A thread of its own hashes their photographs while the reviewer works, and keeps the
    hashes in the inventory for the next session. `patterns` holds the item pattern of
    each root (see `tagger.inventory.product_key`).
    """

    def __init__(
        self, reviewing: "Reviewing", patterns: Mapping[str, re.Pattern[str]]
    ) -> None:
        self._reviewing = reviewing
        self._patterns = patterns
        self._bits: dict[str, int] = {}
        self._paths: dict[str, str] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self._of_key: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._lock = Lock()
        self._closed = Event()
        self._thread = Thread(target=self._learn, daemon=True, name="groups")

    def start(self) -> None:
        """Begin to hash the photographs of the queue."""
        self._thread.start()

    def alike(self, digest: str) -> list[str]:
        """Return the digests that belong with `digest`, without it.

        Those of the same product come first, then near-duplicates, the nearest first.
        """
        with self._lock:
            related = [*self._product(digest), *self._near(digest)]
        return [other for other in dict.fromkeys(related) if other != digest]

    def product(self, digest: str) -> list[str]:
        """Return the digests of the same product, with `digest`; none if unknown."""
        with self._lock:
            return list(self._product(digest))

    def path(self, digest: str) -> str:
        """Return the path of a digest relative to its root; "" if unknown."""
        return self._paths.get(digest, "")

    def finished(self) -> bool:
        """Whether all photographs to be hashed are hashed."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _product(self, digest: str) -> Sequence[str]:
        return self._of_key.get(self._keys.get(digest, ("", "")), ())

    def _near(self, digest: str) -> list[str]:
        if digest not in self._bits:
            return []
        digests = list(self._bits)
        bits = np.fromiter(self._bits.values(), np.int64, len(digests))
        # Hamming distances. Bits are counted of unsigned integers only.
        distances = np.bitwise_count((bits ^ self._bits[digest]).view(np.uint64))
        order = np.argsort(distances, kind="stable")
        return [digests[n] for n in order[: int((distances <= NEAR_DUPLICATE).sum())]]

    def _learn(self) -> None:
        self._closed.wait(_FIRST_WAIT)
        try:
            known = self._reviewing.fingerprints()
            paths = self._reviewing.paths(_KEYED_AT_MOST)
        except InventoryError:
            return  # the reviewer's next answer reports the failure
        self._paths = {digest: path for digest, _, path in paths}
        self._key(paths)
        with self._lock:
            self._bits.update(known)
        fresh: dict[str, int] = {}
        for digest, root, path in paths[:_HASHED_AT_MOST]:
            if self._closed.is_set():
                break
            if digest in known or digest in fresh:
                continue
            for bits in _hashed(location(root, path)):
                fresh[digest] = bits
                with self._lock:
                    self._bits[digest] = bits
            if len(fresh) >= _WRITTEN_AT_ONCE:
                fresh = self._keep(fresh)
        self._keep(fresh)

    def _key(self, paths: list[tuple[str, str, str]]) -> None:
        for digest, root, path in paths:
            pattern = self._patterns.get(root)
            if pattern is not None and (key := product_key(pattern, path)):
                with self._lock:
                    self._keys[digest] = root, key
                    self._of_key[root, key].append(digest)

    def _keep(self, fresh: dict[str, int]) -> dict[str, int]:
        try:
            self._reviewing.keep_fingerprints(fresh)
        except InventoryError:
            return fresh  # busy: written with the next ones
        return {}


def _hashed(path: Location) -> Iterator[int]:
    """Yield the hash of a photograph; nothing if it cannot be read."""
    try:
        photograph = upright(path, side=HASHED_SIDE)
    except Exception:  # noqa: BLE001  decoders raise anything on hostile content
        return
    yield fingerprint(photograph)
