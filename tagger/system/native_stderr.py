"""Keep C libraries from writing to standard error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

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
