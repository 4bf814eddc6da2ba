"""Keep libraries written in C from writing to standard error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

_STANDARD_ERROR = 2


class _Suppression:
    """The descriptor is the whole process's: the first redirects, the last restores."""

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
            with suppress(OSError):  # it is closed: there is nothing to keep quiet
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
    """Send what is written to the file descriptor beneath `sys.stderr` nowhere.

    LiteRT greets there, libtiff and libjpeg grumble there, and cron would mail it every
    night. Threads may be inside together.
    """
    _suppression.begin()
    try:
        yield
    finally:
        _suppression.end()


def original_stderr() -> int:
    """Return a new descriptor of standard error, silenced or not; the caller closes it.

    For who draws on a terminal while other threads work in silence.
    """
    return _suppression.beneath()
