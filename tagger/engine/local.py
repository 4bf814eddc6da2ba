"""The engine `local`: prepare in worker processes, classify in this one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tagger.engine.interface import Batch, Picture, Prepared
from tagger.imaging.sources import Source, sources
from tagger.records import ModelIdentity, Prediction

if TYPE_CHECKING:  # a scan with nothing to read needs no arrays
    import numpy as np
    from numpy.typing import NDArray

PrepareAll = Callable[[Iterable[Source]], Iterator[Prepared]]
"""Prepares files in order; may take some files ahead of its results."""


class Classifier(Protocol):
    """A network with its identity."""

    identity: ModelIdentity

    def classify(self, batch: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return the (n, labels) probabilities of an (n, 28, 28, 3) batch."""
        ...


class LoadableClassifier(Classifier, Protocol):
    """A network that can be loaded ahead of its first use."""

    def load(self) -> None:
        """Load the network unless it is loaded."""
        ...


def prepare_here(files: Iterable[Source]) -> Iterator[Prepared]:
    """Prepare files in this process, one after another.

    A picture that crashes its decoder ends the process (see `imaging.pool`).
    """
    from tagger.imaging.prepare import prepare  # noqa: PLC0415  not needed with workers

    return map(prepare, files)


class LocalEngine:
    """Prepares with `prepare_all`; classifies each batch when its result is wanted."""

    def __init__(
        self, classifier: Classifier, prepare_all: PrepareAll = prepare_here
    ) -> None:
        self.identity = classifier.identity
        self._prepare_all = prepare_all
        self._classifier = classifier

    def prepare(self, pictures: Iterable[Picture]) -> Iterator[Prepared]:
        """Yield the result for each file; read those in stores here."""
        return self._prepare_all(sources(pictures))

    def classify(self, batches: Iterable[Batch]) -> Iterator[list[Prediction]]:
        """Yield the predictions of each batch; take none ahead."""
        return map(self._predictions, batches)

    def _predictions(self, batch: Batch) -> list[Prediction]:
        if not batch:
            return []
        import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

        from tagger.policy.decide import predict  # noqa: PLC0415

        rows = self._classifier.classify(np.stack([image.pixels for image in batch]))
        return predict(rows, self.identity.labels)


@contextmanager
def local_engine(classifier: LoadableClassifier) -> Iterator[LocalEngine]:
    """Give an engine with a worker process a core; end them afterwards."""
    from tagger.imaging.pool import Workers  # noqa: PLC0415  --help needs none

    with Workers(meanwhile=classifier.load) as workers:
        yield LocalEngine(classifier, workers.prepare)
