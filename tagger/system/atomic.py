"""Write files atomically: a file appears whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tagger.errors import ExportError


@contextmanager
def atomic_write(target: Path) -> Iterator[BinaryIO]:
    """Open a binary stream that replaces `target` when the block ends without error.

    The content goes to a temporary file in the same folder, which is then renamed. A
    symbolic link stays a link. A pipe or a device is written to directly. Raises
    ExportError if the target cannot be written. After this and any other exception the
    old file is unchanged.
    """
    try:
        if _is_stream(target):
            with target.open("ab") as stream:  # what ">>" wrote before stays
                yield stream
        else:
            with _replace_when_whole(target.resolve()) as stream:
                yield stream
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror}") from error


def _is_stream(target: Path) -> bool:
    """Whether it is a pipe or a device, or names an open file, as /dev/stdout does."""
    descriptors = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")
    if str(target).startswith(descriptors):
        return True
    return target.exists() and not target.is_file()


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
    """Return the permissions of the replaced file, or those of any new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
