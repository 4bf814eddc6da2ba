"""Keep libraries written in C from writing to standard error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_STANDARD_ERROR = 2
_lock = RLock()


@contextmanager
def native_errors_silenced() -> Iterator[None]:
    """Send what is written to the file descriptor beneath `sys.stderr` nowhere.

    LiteRT greets there, libtiff grumbles there, and cron would mail it every night.
    One thread at a time: the descriptor is the whole process's.
    """
    with _lock:
        try:
            saved = os.dup(_STANDARD_ERROR)
        except OSError:  # it is closed: there is nothing to keep quiet
            yield
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, _STANDARD_ERROR)
            yield
        finally:
            os.dup2(saved, _STANDARD_ERROR)
            os.close(saved)
            os.close(sink)
