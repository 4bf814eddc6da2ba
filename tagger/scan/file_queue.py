"""Queue the files to be read in little memory: a first scan has millions."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Final

from tagger.records import ImageFile

_PACKED: Final = 1000
"""Files in one JSON text: there a file takes a quarter of the 220 bytes of a value."""


class FileQueue:
    """A first-in, first-out queue of files."""

    def __init__(self) -> None:
        self._packed: deque[str] = deque()
        self._last: list[ImageFile] = []

    def __len__(self) -> int:
        """How many files are queued, without the rest of the text being taken."""
        return len(self._packed) * _PACKED + len(self._last)

    def add(self, file: ImageFile) -> None:
        """Append a file."""
        self._last.append(file)
        if len(self._last) == _PACKED:
            # JSON escapes the surrogates of names that are not valid UTF-8.
            self._packed.append(json.dumps(self._last))
            self._last.clear()

    def taken(self) -> Iterator[ImageFile]:
        """Take all files off the queue, one after another."""
        while self._packed:
            for file in json.loads(self._packed.popleft()):
                yield ImageFile(*file)
        last, self._last = self._last, []
        yield from last
