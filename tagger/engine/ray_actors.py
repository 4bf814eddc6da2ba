"""Do the work of the engine `ray` on the nodes of a cluster, in actors.

An actor is a process that Ray starts on a node. It imports this module there, so every
node needs this version of tagger. Ray itself is not imported here.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tagger.bundles.bundle import KERAS_FILE, LITERT_FILE, Bundle, ModelCard
from tagger.bundles.classifier import BundleClassifier
from tagger.errors import EngineError
from tagger.imaging.pool import Workers
from tagger.imaging.sources import sources
from tagger.records import PREPARING, Runtime
from tagger.storage import Wanted, location
from tagger.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSIONS = (__version__, PREPARING)
"""What must be the same on all machines, so that their results are."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that travels to the nodes, which need not see its folder.

    `files` has the content of the file that the runtime reads, by its name.
    """

    card: ModelCard
    runtime: Runtime
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, bundle: Bundle, runtime: Runtime) -> "Network":
        """Return the network of a bundle."""
        name = LITERT_FILE if runtime is Runtime.LITERT else KERAS_FILE
        return cls(bundle.card, runtime, {name: (bundle.folder / name).read_bytes()})

    def load(self) -> BundleClassifier:
        """Return the network, ready to classify, with one thread an actor."""
        with TemporaryDirectory(prefix="tagger-") as folder:
            for name, content in self.files.items():
                (Path(folder) / name).write_bytes(content)
            classifier = BundleClassifier(
                Bundle(Path(folder), self.card), self.runtime, threads=1
            )
            classifier.load()
        return classifier


def located(text: str) -> Path | Wanted:
    """Return the picture that a text names, on a disk or in a store of this node."""
    place = location(text)
    return place if isinstance(place, Path) else Wanted(place)


class Preparer:
    """Prepares files in a process of its own, which a picture may crash."""

    def begin(self, versions: tuple[str, str]) -> None:
        """Get ready; EngineError if this node has another version of tagger."""
        _check(versions)
        self._workers = Workers(1)

    def work(self, locations: Sequence[str]) -> bytes:
        """Return the pickled list of the results, in order."""
        found = self._workers.prepare(sources(map(located, locations)))
        return pickle.dumps(list(found), pickle.HIGHEST_PROTOCOL)


class Classifying:
    """Classifies with a network that it loads once."""

    def begin(self, versions: tuple[str, str], network: Network) -> None:
        """Load the network; EngineError if this node has another version of tagger."""
        _check(versions)
        self._classifier = network.load()

    def work(self, batch: "NDArray[np.uint8]") -> bytes:
        """Return the pickled probabilities of a batch, as `BundleClassifier` does."""
        rows = self._classifier.classify(batch)
        return pickle.dumps(rows, pickle.HIGHEST_PROTOCOL)


def _check(versions: tuple[str, str]) -> None:
    if versions != VERSIONS:
        import socket  # noqa: PLC0415  after a mistake only

        raise EngineError(
            f"node {socket.gethostname()} of the Ray cluster has tagger {__version__}, "
            f"this machine {versions[0]}: install the same version on all nodes"
        )
