"""Which items belong together: near-duplicates, and photographs of one product."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

from tagger.errors import InventoryError
from tagger.imaging.decode import upright
from tagger.inventory.product_key import product_key
from tagger.inventory.records import NEAR_DUPLICATE

if TYPE_CHECKING:
    from PIL.Image import Image

    from tagger.inventory import Reviewing

HASHED_SIDE = 128
_HASHED_AT_MOST = 5_000
"""Photographs hashed in a session, ahead of the reviewer."""

_WRITTEN_AT_ONCE = 50
_FIRST_WAIT = 1.0
"""Seconds that the first pictures have the machine to themselves."""

_KEYED_AT_MOST = 200_000


def fingerprint(photograph: "Image") -> int:
    """Return the perceptual hash of a picture as a signed integer of 64 bits.

    The signs of the lowest 8x8 frequencies but their median's (pHash, by imagehash):
    what stays when a picture is resized, recompressed or recoloured a little.
    """
    from imagehash import phash  # noqa: PLC0415  its SciPy is loaded with the first

    bits = int(str(phash(photograph)), 16)
    return bits - (1 << 64) if bits >> 63 else bits


class Groups:
    """Finds what belongs together among the items that wait.

    A thread of its own hashes their photographs while the reviewer works; what it
    finds is kept in the inventory for the next session. `patterns` say by root how a
    path names its product (see `tagger.inventory.product_key`).
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
        """Begin to look at what waits."""
        self._thread.start()

    def alike(self, digest: str) -> list[str]:
        """Return the digests that belong with one, the nearest first; not itself."""
        with self._lock:
            found = list(self._of_key.get(self._keys.get(digest, ("", "")), ()))
            found += self._near(digest)
        return [one for one in dict.fromkeys(found) if one != digest]

    def path(self, digest: str) -> str:
        """Return where under its root one of those that were returned lies."""
        return self._paths.get(digest, "")

    def finished(self) -> bool:
        """Whether all that will be looked at has been."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _near(self, digest: str) -> list[str]:
        if digest not in self._bits:
            return []
        digests = list(self._bits)
        bits = np.fromiter(self._bits.values(), np.int64, len(digests))
        apart = np.bitwise_count((bits ^ self._bits[digest]).view(np.uint64))
        order = np.argsort(apart, kind="stable")
        return [digests[n] for n in order[: int((apart <= NEAR_DUPLICATE).sum())]]

    def _learn(self) -> None:
        self._closed.wait(_FIRST_WAIT)
        try:
            known = self._reviewing.fingerprints()
            paths = self._reviewing.paths(_KEYED_AT_MOST)
        except InventoryError:
            return  # the reviewer is told by what they do themselves
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
            for bits in _hashed(Path(root, path)):
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
            return fresh  # busy: with the next ones
        return {}


def _hashed(path: Path) -> Iterator[int]:
    """Yield the hash of a photograph, if it can be read."""
    try:
        photograph = upright(path, side=HASHED_SIDE)
    except Exception:  # noqa: BLE001  decoders raise anything on hostile bytes
        return
    yield fingerprint(photograph)
