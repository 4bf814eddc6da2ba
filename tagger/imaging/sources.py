"""Fetch what is to be decoded: local files by their path, those in stores as bytes.

The processes that decode pictures reach no network.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tagger.imaging.formats import MAX_BYTES
from tagger.records import UnreadableImage
from tagger.storage import Content, Location, Wanted

Source = Location | Content | UnreadableImage
"""A file to prepare: where it is, its content, or why its content cannot be had."""


def sources(pictures: Iterable[Path | Wanted]) -> Iterator[Source]:
    """Yield what to prepare; read files in stores many at a time, in bounded memory.

    All are files on a disk, or all are in stores.
    """
    coming = iter(pictures)
    for picture in coming:
        if isinstance(picture, Path):
            yield picture
        else:
            rest = (one for one in coming if isinstance(one, Wanted))
            yield from _contents(chain([picture], rest))


def _contents(files: Iterable[Wanted]) -> Iterator[Source]:
    from tagger.storage.reading import read_ahead  # noqa: PLC0415  no local scan does

    for content in read_ahead(files, MAX_BYTES):
        if isinstance(content, OSError):
            yield UnreadableImage(content.strerror or type(content).__name__)
        else:
            yield content
