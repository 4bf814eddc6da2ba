"""Keep C libraries from writing to standard error, or collect what is written there."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import IO

_STANDARD_ERROR = 2


class _Suppression:
    """Count the users of the redirected descriptor, which the whole process shares.

    The first one redirects it, the last one restores it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._saved = -1

    def begin(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._saved = -1
            with suppress(OSError):  # standard error is closed: nothing to redirect
                self._saved = os.dup(_STANDARD_ERROR)
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, _STANDARD_ERROR)
                os.close(sink)

    def end(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved >= 0:
                os.dup2(self._saved, _STANDARD_ERROR)
                os.close(self._saved)

    def beneath(self) -> int:
        with self._lock:
            silenced = self._inside > 0 and self._saved >= 0
            return os.dup(self._saved if silenced else _STANDARD_ERROR)


_suppression = _Suppression()


@contextmanager
def suppress_native_stderr() -> Iterator[None]:
    """Discard output to the file descriptor beneath `sys.stderr`.

    LiteRT prints a greeting there, libtiff and libjpeg print warnings, and cron would
    mail all of it every night. Several threads may use this at once.
    """
    _suppression.begin()
    try:
        yield
    finally:
        _suppression.end()


def original_stderr() -> int:
    """Return a new descriptor of the real standard error; the caller closes it.

    Use it to draw on a terminal while other threads suppress their output.
    """
    return _suppression.beneath()


@contextmanager
def collect_native_stderr(tell: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Collect output to the file descriptor beneath `sys.stderr`, and tell its lines.

    Yield a function that tells the whole lines written since its last call; the end of
    the context tells the rest. Lines come without their ends; blank ones are left out,
    and bytes that are not UTF-8 are escaped. A temporary file, not a pipe, holds the
    lines, so that no writer ever waits for a reader. Where none can be made, nothing is
    collected.
    """
    try:
        file = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115  closed below
    except OSError:
        yield lambda: None
        return
    with file:
        lines = _WrittenLines(file)

        def pass_on() -> None:
            sys.stderr.flush()
            for line in lines.take():
                tell(line)

        saved = os.dup(_STANDARD_ERROR)
        os.dup2(file.fileno(), _STANDARD_ERROR)
        try:
            yield pass_on
        finally:
            sys.stderr.flush()
            os.dup2(saved, _STANDARD_ERROR)
            os.close(saved)
            file.write(b"\n")  # the end of a last line without one
            pass_on()


class _WrittenLines:
    """Read the lines of a file that grows; its writers append and share its offset."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._position = 0

    def take(self) -> list[str]:
        """Return the whole lines that were appended since the last call."""
        self._file.seek(self._position)
        whole, end, _ = self._file.read().rpartition(b"\n")
        self._position += len(whole + end)
        lines = whole.decode("utf-8", "backslashreplace").splitlines()
        return [line for line in lines if line.strip()]
