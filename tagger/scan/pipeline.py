"""Read files in batches: prepare, classify, decide.

Knows nothing of earlier scans and writes nothing. The network is a `Classifier`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tagger.inventory import Tagged
from tagger.records import (
    ImageFile,
    ModelIdentity,
    Policy,
    Prediction,
    PreparedImage,
    UnreadableImage,
)

if TYPE_CHECKING:  # a scan with nothing to read needs no arrays
    import numpy as np
    from numpy.typing import NDArray

Result = Tagged | UnreadableImage
Outcome = tuple[ImageFile, Result]

Recall = Callable[[Iterable[str]], Mapping[str, Prediction]]
"""Returns the network's stored predictions for these digests."""

_Prepared = PreparedImage | UnreadableImage
_Reading = tuple[ImageFile, _Prepared]

PrepareAll = Callable[[Iterable[Path]], Iterator[_Prepared]]
"""Prepares files in order; may take some paths ahead of its results."""


def prepare_here(paths: Iterable[Path]) -> Iterator[_Prepared]:
    """Prepare files in this process, one after another."""
    from tagger.imaging.prepare import prepare  # noqa: PLC0415  not needed with workers

    return map(prepare, paths)


class Classifier(Protocol):
    """A network with its identity."""

    identity: ModelIdentity

    def classify(self, batch: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return the (n, labels) probabilities of an (n, 28, 28, 3) batch."""
        ...


class Pipeline:
    """Prepares, classifies and decides; `classified` counts the network's pictures."""

    def __init__(
        self,
        prepare_all: PrepareAll,
        classifier: Classifier,
        policy: Policy,
        recall: Recall,
        batch_size: int,
    ) -> None:
        self.classified = 0
        self._prepare_all = prepare_all
        self._classifier = classifier
        self._policy = policy
        self._recall = recall
        self._batch_size = batch_size

    def outcomes(
        self, root: Path, files: Iterable[ImageFile]
    ) -> Iterator[list[Outcome]]:
        """Yield the results of the files under `root`, in order, in batches."""
        for readings in _batches(self._read(root, files), self._batch_size):
            predictions = self._predictions(readings)
            yield [(file, self._decided(r, predictions)) for file, r in readings]

    def _read(self, root: Path, files: Iterable[ImageFile]) -> Iterator[_Reading]:
        # `_prepare_all` takes paths ahead; this queue keeps the file of each path.
        taken: deque[ImageFile] = deque()

        def paths() -> Iterator[Path]:
            for file in files:
                taken.append(file)
                yield root / file.path

        for prepared in self._prepare_all(paths()):
            yield taken.popleft(), prepared

    def _predictions(self, readings: Sequence[_Reading]) -> Mapping[str, Prediction]:
        """Return the predictions of a batch; classify each new content once."""
        images = {
            result.digest: result
            for _, result in readings
            if isinstance(result, PreparedImage)
        }
        predictions = dict(self._recall(images))
        unseen = [i for digest, i in images.items() if digest not in predictions]
        if unseen:
            new = self._classify(unseen)
            predictions |= dict(zip((i.digest for i in unseen), new, strict=True))
            self.classified += len(unseen)
        return predictions

    def _classify(self, images: Sequence[PreparedImage]) -> list[Prediction]:
        import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

        from tagger.policy.decide import predict  # noqa: PLC0415

        batch = np.stack([image.pixels for image in images])
        rows = self._classifier.classify(batch)
        return predict(rows, self._classifier.identity.labels)

    def _decided(
        self, result: _Prepared, predictions: Mapping[str, Prediction]
    ) -> Result:
        if isinstance(result, UnreadableImage):
            return result
        from tagger.policy.decide import decide  # noqa: PLC0415

        prediction = replace(predictions[result.digest], damaged=result.damaged)
        return Tagged(result, prediction, decide(prediction, self._policy))


def _batches(readings: Iterator[_Reading], size: int) -> Iterator[list[_Reading]]:
    while batch := list(islice(readings, size)):
        yield batch
