"""Define what an engine is, and how one is chosen.

An engine prepares and classifies streams of pictures. It knows nothing of earlier scans
and of the inventory. Its results do not depend on which engine it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tagger.records import ModelIdentity, Prediction, PreparedImage, UnreadableImage
from tagger.storage import Wanted

Picture = Path | Wanted
"""A picture to prepare: a file on a disk, or one in a store."""

Prepared = PreparedImage | UnreadableImage
Batch = Sequence[PreparedImage]


class Engine(Protocol):
    """Prepares and classifies with one network; yields in the order of what it takes.

    Both methods may take some of what comes ahead of their results, up to a bound, so
    that memory does not grow with the stream. Both raise TaggerError if the engine
    cannot go on. What they yielded before stays right.
    """

    @property
    def identity(self) -> ModelIdentity:
        """The identity of the network."""
        ...

    def prepare(self, pictures: Iterable[Picture]) -> Iterator[Prepared]:
        """Yield the result of `imaging.prepare.prepare` for each file.

        All are files on a disk, or all are in stores.
        """
        ...

    def classify(self, batches: Iterable[Batch]) -> Iterator[list[Prediction]]:
        """Yield the predictions of each batch, one a picture; a batch may be empty."""
        ...


class EngineName(StrEnum):
    """Where pictures are prepared and classified."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a scan.

    `address` is the HOST:PORT of a Ray cluster, or "auto" for the one that runs on this
    machine; None starts one for the scan. A `verbose` engine shows what Ray prints.
    """

    name: EngineName = EngineName.LOCAL
    address: str | None = None
    verbose: bool = False


ON_THIS_MACHINE = EngineChoice()
"""The default of `tagger scan`."""
