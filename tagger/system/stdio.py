"""The standard streams, made fit for whatever they lead to.

Any of them may be closed, a pipe that nobody reads, or a file on a full disk.
"""

import io
import os
import sys
from contextlib import suppress
from typing import IO, Any, TextIO


def harden() -> None:
    """Give every standard stream a place to go, and let no file name stop it.

    What cannot be written to standard output is an OSError that names it. What cannot
    be told on standard error is dropped: the exit status tells it.
    """
    # In the order of their numbers: what is opened takes the least that is free.
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = _safe(sys.stdout, "standard output") if sys.stdout else _nothing("w")
    sys.stderr = _safe(sys.stderr, "") if sys.stderr else _nothing("w")


def flush_or_drop(stream: TextIO) -> None:
    """Write what waits to be written; where that fails, for good, have it go nowhere.

    Python would fail over it once more at the end, with a status of its own.
    """
    try:
        stream.flush()
    except (OSError, ValueError):  # ValueError: it is closed
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _nothing(mode: str) -> TextIO:
    return open(  # type: ignore[return-value]  # noqa: PTH123
        os.devnull, mode, encoding="utf-8", errors="backslashreplace"
    )


def _safe(stream: TextIO, name: str) -> TextIO:
    """Return a stream to the same place whose failures tell its name, or are none."""
    raw = getattr(stream.buffer, "raw", None)  # none where Python is not to buffer
    outlet: Any = _Outlet(raw or stream.buffer, name)
    return io.TextIOWrapper(
        io.BufferedWriter(outlet) if raw else outlet,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=bool(stream.line_buffering),
        write_through=raw is None,
    )


class _Outlet(io.RawIOBase):
    """Where a stream is written to. Failures tell its name; without one there are none.

    It is not closed with the stream.
    """

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self._raw = raw
        self._name = name

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()

    def write(self, data: Any, /) -> int:  # noqa: ANN401
        """Write what the system takes of some bytes; return how many."""
        try:
            return self._raw.write(data)
        except OSError as error:
            if not self._name:
                return memoryview(data).nbytes
            raise OSError(error.errno, error.strerror, self._name) from error
