"""Read files in batches: an engine prepares and classifies, the policy decides.

Knows nothing of earlier scans and writes nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tagger.engine.interface import Batch, Engine, Picture, Prepared
from tagger.inventory import Tagged
from tagger.records import (
    ImageFile,
    Policy,
    Prediction,
    PreparedImage,
    UnreadableImage,
)
from tagger.storage import Location, Wanted

Result = Tagged | UnreadableImage
Outcome = tuple[ImageFile, Result]

Recall = Callable[[Iterable[str]], Mapping[str, Prediction]]
"""Returns the network's stored predictions for these digests."""

_Reading = tuple[ImageFile, Prepared]


@dataclass(eq=False, slots=True)
class _UnderWay:
    """A batch whose `unseen` contents the engine classifies.

    `predictions` are complete when the engine is done. `shared` are the contents that
    an earlier batch has, too, which was not recorded when this one was read.
    """

    readings: Sequence[_Reading]
    unseen: Sequence[PreparedImage]
    predictions: dict[str, Prediction]
    shared: dict[str, "_UnderWay"]


class Pipeline:
    """Prepares, classifies and decides; `classified` counts the network's pictures."""

    def __init__(
        self, engine: Engine, policy: Policy, recall: Recall, batch_size: int
    ) -> None:
        self.classified = 0
        self._engine = engine
        self._policy = policy
        self._recall = recall
        self._batch_size = batch_size

    def outcomes(
        self, root: Location, files: Iterable[ImageFile]
    ) -> Iterator[list[Outcome]]:
        """Yield the results of the files under `root`, in order, in batches.

        Each new content is classified once, if a batch is recorded before the next is
        asked for. The engine may take some batches ahead.
        """
        waiting: deque[_UnderWay] = deque()
        owners: dict[str, _UnderWay] = {}  # of the contents that are being classified

        def unseen() -> Iterator[Batch]:
            for readings in _batches(self._read(root, files), self._batch_size):
                batch = self._begin(readings, owners)
                owners.update((image.digest, batch) for image in batch.unseen)
                waiting.append(batch)
                yield batch.unseen

        for predictions in self._engine.classify(unseen()):
            batch = waiting.popleft()
            for image, prediction in zip(batch.unseen, predictions, strict=True):
                del owners[image.digest]
                batch.predictions[image.digest] = prediction
            while batch.shared:  # emptied, or each batch would keep all before it
                digest, owner = batch.shared.popitem()
                batch.predictions[digest] = owner.predictions[digest]
            self.classified += len(batch.unseen)
            yield [(f, self._decided(r, batch.predictions)) for f, r in batch.readings]

    def _read(self, root: Location, files: Iterable[ImageFile]) -> Iterator[_Reading]:
        # The engine takes pictures ahead; this queue keeps the file of each.
        taken: deque[ImageFile] = deque()

        def pictures() -> Iterator[Picture]:
            for file in files:
                taken.append(file)
                path = root / file.path
                # A web server may not tell the size: then it is listed as 0.
                size = file.size or None
                yield path if isinstance(path, Path) else Wanted(path, size)

        for prepared in self._engine.prepare(pictures()):
            yield taken.popleft(), prepared

    def _begin(
        self, readings: Sequence[_Reading], owners: Mapping[str, _UnderWay]
    ) -> _UnderWay:
        """Find which contents of a batch must be classified."""
        images = {
            result.digest: result
            for _, result in readings
            if isinstance(result, PreparedImage)
        }
        known = dict(self._recall(images))
        shared = {
            digest: owners[digest]
            for digest in images
            if digest in owners and digest not in known
        }
        unseen = [
            image
            for digest, image in images.items()
            if digest not in known and digest not in shared
        ]
        return _UnderWay(readings, unseen, known, shared)

    def _decided(
        self, result: Prepared, predictions: Mapping[str, Prediction]
    ) -> Result:
        if isinstance(result, UnreadableImage):
            return result
        from tagger.policy.decide import decide  # noqa: PLC0415

        prediction = replace(predictions[result.digest], damaged=result.damaged)
        return Tagged(result, prediction, decide(prediction, self._policy))


def _batches(readings: Iterator[_Reading], size: int) -> Iterator[list[_Reading]]:
    while batch := list(islice(readings, size)):
        yield batch
