"""Write files atomically: a file appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagger.errors import ExportError

_RANDOM = 8
"""Characters that `mkstemp` puts at the end of a temporary file's name."""


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


def remove_interrupted(target: Path) -> None:
    """Remove the temporary files that killed writes of `target` left behind.

    Nobody else may be writing it. Raises OSError if one cannot be removed.
    """
    start = f".{target.name}."
    for draft in list(target.parent.iterdir()):
        if draft.name.startswith(start) and len(draft.name) == len(start) + _RANDOM:
            draft.unlink(missing_ok=True)


def _permissions(target: Path) -> int:
    """Return the permissions of the replaced file, or those of any new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@dataclass(frozen=True, slots=True)
class Draft:
    """The next content of a file, beside it, until it is put in the file's place."""

    target: Path
    path: Path

    @classmethod
    def of(cls, target: Path) -> "Draft":
        """Return the draft of a file, which a kill may have left behind."""
        return cls(target, target.with_name(f".{target.name}.tagger-draft"))

    @classmethod
    def write(cls, target: Path, pieces: Iterable[bytes]) -> "Draft":
        """Write the next content of an existing file; OSError if it fails.

        It gets the owner, the permissions and the extended attributes of the file.
        """
        draft = cls.of(target)
        try:
            with draft.path.open("wb") as stream:
                stream.writelines(pieces)
            _take_after(draft.path, target)
        except BaseException:
            draft.discard()
            raise
        return draft

    def sync(self) -> None:
        """Wait until the disk has it; OSError if that fails.

        A disk has many drafts as soon as one: wait for them together, in threads.
        """
        with self.path.open("rb+") as stream:
            os.fsync(stream.fileno())

    def replace(self) -> None:
        """Put it in the file's place, at once; OSError if that fails.

        Without a `sync` before, a power failure may leave the file empty.
        """
        self.path.replace(self.target)

    def discard(self) -> None:
        """Delete it, if it is still there."""
        with suppress(OSError):
            self.path.unlink()


def _take_after(path: Path, model: Path) -> None:
    """Give a file the owner and all but the time of another one."""
    status = model.stat()
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give files away
            os.chown(path, status.st_uid, status.st_gid)
    changed = path.stat()
    shutil.copystat(model, path)
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))
