"""From files to what is said of them: prepare, classify, decide, a batch at a time.

Knows no folder's past and writes nothing; the network comes in as a `Classifier`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
"""Says what the network has already said of these bytes, by digest."""

_Prepared = PreparedImage | UnreadableImage
_Reading = tuple[ImageFile, _Prepared]

PrepareAll = Callable[[Iterable[Path]], Iterator[_Prepared]]
"""Prepares files, in their order; may take some paths ahead of what it yields."""


def prepare_here(paths: Iterable[Path]) -> Iterator[_Prepared]:
    """Prepare files in this process, one after the other."""
    from tagger.imaging.decode import prepare  # noqa: PLC0415  who has workers never decodes

    return map(prepare, paths)


class Classifier(Protocol):
    """A network that says what it is."""

    identity: ModelIdentity

    def classify(self, batch: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return the (n, labels) probabilities of a (n, 28, 28, 3) batch."""
        ...


class Pipeline:
    """Reads files and says what they show; `classified` counts the network's work."""

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
        """Yield what became of the files under `root`, in their order, in batches."""
        for readings in _batches(self._read(root, files), self._batch_size):
            predictions = self._predictions(readings)
            yield [(file, self._decided(r, predictions)) for file, r in readings]

    def _read(self, root: Path, files: Iterable[ImageFile]) -> Iterator[_Reading]:
        asked: deque[ImageFile] = deque()

        def paths() -> Iterator[Path]:
            for file in files:
                asked.append(file)
                yield root / file.path

        for prepared in self._prepare_all(paths()):
            yield asked.popleft(), prepared

    def _predictions(self, readings: Sequence[_Reading]) -> Mapping[str, Prediction]:
        """Say what the network says of a batch, asking it of no bytes twice."""
        images = {
            result.digest: result
            for _, result in readings
            if isinstance(result, PreparedImage)
        }
        found = dict(self._recall(images))
        unseen = [image for digest, image in images.items() if digest not in found]
        if unseen:
            said = self._classify(unseen)
            found |= dict(zip((i.digest for i in unseen), said, strict=True))
            self.classified += len(unseen)
        return found

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

        prediction = predictions[result.digest]
        return Tagged(result, prediction, decide(prediction, self._policy))


def _batches(readings: Iterator[_Reading], size: int) -> Iterator[list[_Reading]]:
    while batch := list(islice(readings, size)):
        yield batch
