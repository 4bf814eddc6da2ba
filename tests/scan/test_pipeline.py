"""The pipeline gives the same results however far its engine runs ahead."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import CAREFUL, FakeClassifier

from tagger.engine.interface import Batch, Picture, Prepared
from tagger.engine.local import LocalEngine
from tagger.imaging.sources import Source
from tagger.records import ImageFile, Prediction, PreparedImage, UnreadableImage
from tagger.scan.pipeline import Outcome, Pipeline

T = TypeVar("T")


def prepared(path: Source) -> Prepared:
    """Make a picture of the number that its name ends with; 0 cannot be read."""
    assert isinstance(path, Path)
    number = int(path.stem.partition("-")[2])
    digest = hashlib.sha256(bytes([number])).hexdigest()
    if number == 0:
        return UnreadableImage("bad", digest)
    return PreparedImage(digest, np.full((28, 28, 3), 10 * number, np.uint8), 9, 9, "J")


class Ahead:
    """An engine that takes files and batches ahead of its results."""

    def __init__(self, classifier: FakeClassifier, ahead: int) -> None:
        self._here = LocalEngine(classifier, lambda paths: map(prepared, paths))
        self._ahead = ahead
        self.identity = classifier.identity

    def prepare(self, pictures: Iterable[Picture]) -> Iterator[Prepared]:
        return self._here.prepare(self._in_advance(pictures))

    def classify(self, batches: Iterable[Batch]) -> Iterator[list[Prediction]]:
        return self._here.classify(self._in_advance(batches))

    def _in_advance(self, things: Iterable[T]) -> Iterator[T]:
        coming, taken = iter(things), deque[T]()
        while True:
            taken.extend(islice(coming, self._ahead + 1 - len(taken)))
            if not taken:
                return
            yield taken.popleft()


def read(
    numbers: list[int], batch_size: int, ahead: int, *, recorded: bool = True
) -> tuple[list[Outcome], int, int]:
    """Return the outcomes, the count of the pipeline, and that of the network."""
    stored: dict[str, Prediction] = {}

    def recall(digests: Iterable[str]) -> Mapping[str, Prediction]:
        return {digest: stored[digest] for digest in digests if digest in stored}

    classifier = FakeClassifier()
    pipeline = Pipeline(Ahead(classifier, ahead), CAREFUL, recall, batch_size)
    files = [ImageFile(f"{n}-{number}.jpg", 1, 1) for n, number in enumerate(numbers)]
    found: list[Outcome] = []
    for outcomes in pipeline.outcomes(Path("/shop"), files):
        found += outcomes
        for _, result in outcomes:
            if recorded and not isinstance(result, UnreadableImage):
                stored[result.image.digest] = result.prediction
    return found, pipeline.classified, classifier.seen


def plain(outcomes: list[Outcome]) -> list[object]:
    return [
        (file, result)
        if isinstance(result, UnreadableImage)
        else (file, result.digest, result.prediction, result.verdict)
        for file, result in outcomes
    ]


@given(
    numbers=st.lists(st.integers(0, 9), max_size=30),
    batch_size=st.integers(1, 9),
    ahead=st.integers(0, 6),
)
def test_an_engine_may_run_ahead_by_any_number(
    numbers: list[int], batch_size: int, ahead: int
) -> None:
    outcomes, classified, seen = read(numbers, batch_size, ahead)

    expected, *_ = read(numbers, 1, 0)
    assert plain(outcomes) == plain(expected)
    assert classified == seen == len(set(numbers) - {0})


def test_a_content_whose_first_batch_was_not_recorded_has_its_prediction() -> None:
    """As when the first file with it changes while it is read."""
    outcomes, classified, _ = read([1, 1, 2, 1], 1, 3, recorded=False)

    assert len(outcomes) == 4
    assert classified == 2
