"""From files to what is said of them: prepare, classify, decide, a batch at a time.

Knows no folder's past and writes nothing; the network comes in as a `Classifier`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagger.images import prepare
from tagger.inventory import Tagged
from tagger.policy import decide, predict
from tagger.records import (
    ImageFile,
    ModelIdentity,
    Policy,
    Prediction,
    PreparedImage,
    UnreadableImage,
)

Result = Tagged | UnreadableImage
Outcome = tuple[ImageFile, Result]

Recall = Callable[[Iterable[str]], Mapping[str, Prediction]]
"""Says what the network has already said of these bytes, by digest."""

_Prepared = PreparedImage | UnreadableImage
_Reading = tuple[ImageFile, _Prepared]


class Classifier(Protocol):
    """A network that says what it is."""

    identity: ModelIdentity

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the (n, labels) probabilities of a (n, 28, 28, 3) batch."""
        ...


class Pipeline:
    """Reads files and says what they show; `classified` counts the network's work."""

    def __init__(
        self, classifier: Classifier, policy: Policy, recall: Recall, batch_size: int
    ) -> None:
        self.classified = 0
        self._classifier = classifier
        self._policy = policy
        self._recall = recall
        self._batch_size = batch_size

    def outcomes(
        self, root: Path, files: Iterable[ImageFile]
    ) -> Iterator[list[Outcome]]:
        """Yield what became of the files under `root`, in their order, in batches."""
        for readings in self._read(root, files):
            predictions = self._predictions(readings)
            yield [(file, self._decided(r, predictions)) for file, r in readings]

    def _read(self, root: Path, files: Iterable[ImageFile]) -> Iterator[list[_Reading]]:
        """Prepare files in threads, a batch ahead of whoever takes the outcomes.

        Threads, because decoders and the digest release Python's lock.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ahead: deque[list[tuple[ImageFile, Future[_Prepared]]]] = deque()
            for batch in _batches(files, self._batch_size):
                ahead.append([(f, pool.submit(prepare, root / f.path)) for f in batch])
                if len(ahead) > 1:
                    yield _readings(ahead.popleft())
            while ahead:
                yield _readings(ahead.popleft())

    def _predictions(self, readings: Iterable[_Reading]) -> Mapping[str, Prediction]:
        """Say what the network says of a batch, asking it of no bytes twice."""
        images = {
            result.digest: result
            for _, result in readings
            if isinstance(result, PreparedImage)
        }
        found = dict(self._recall(images))
        unseen = [image for digest, image in images.items() if digest not in found]
        if unseen:
            batch = np.stack([image.pixels for image in unseen])
            rows = self._classifier.classify(batch)
            said = predict(rows, self._classifier.identity.labels)
            found |= dict(zip((i.digest for i in unseen), said, strict=True))
            self.classified += len(unseen)
        return found

    def _decided(
        self, result: _Prepared, predictions: Mapping[str, Prediction]
    ) -> Result:
        if isinstance(result, UnreadableImage):
            return result
        prediction = predictions[result.digest]
        return Tagged(result, prediction, decide(prediction, self._policy))


def _batches(files: Iterable[ImageFile], size: int) -> Iterator[list[ImageFile]]:
    remaining = iter(files)
    while batch := list(islice(remaining, size)):
        yield batch


def _readings(
    batch: Iterable[tuple[ImageFile, "Future[_Prepared]"]],
) -> list[_Reading]:
    return [(file, future.result()) for file, future in batch]
