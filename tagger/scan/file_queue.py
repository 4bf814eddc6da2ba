"""Files that wait to be read, packed: a first scan has little else in memory."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Final

from tagger.records import ImageFile

_PACKED: Final = 1000
"""Files in one text. A file takes 220 bytes as a value and a quarter of them in it."""


class FileQueue:
    """Files in the order in which they were added, each to be taken once."""

    def __init__(self) -> None:
        self._packed: deque[str] = deque()
        self._last: list[ImageFile] = []

    def __len__(self) -> int:
        """How many wait; of those being taken, without the rest of a text."""
        return len(self._packed) * _PACKED + len(self._last)

    def add(self, file: ImageFile) -> None:
        """Have a file wait, after those that do."""
        self._last.append(file)
        if len(self._last) == _PACKED:
            # Names that are no text stand in it as they do here, by escapes.
            self._packed.append(json.dumps(self._last))
            self._last.clear()

    def taken(self) -> Iterator[ImageFile]:
        """Yield those that wait, and let go of each."""
        while self._packed:
            for file in json.loads(self._packed.popleft()):
                yield ImageFile(*file)
        last, self._last = self._last, []
        yield from last
