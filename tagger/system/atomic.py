"""Write a file whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tagger.errors import ExportError


@contextmanager
def atomic_write(target: Path) -> Iterator[BinaryIO]:
    """Open a stream of bytes that becomes the file when the block ends well.

    It is written beside the file and then put in its place; a link stays a link. What
    is no file (a pipe, a device) is written to as it is. Raises ExportError where
    that cannot be done; a file is then, and after any other exception, as it was.
    """
    target = target.resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
        else:
            with _replace_when_whole(target) as stream:
                yield stream
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror}") from error


@contextmanager
def _replace_when_whole(target: Path) -> Iterator[BinaryIO]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(_permissions(target))
        draft.replace(target)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _permissions(target: Path) -> int:
    """Return those of the file that is replaced, else those of any new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
