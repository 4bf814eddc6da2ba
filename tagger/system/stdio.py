"""Make the standard streams safe to write to, wherever they lead.

Each of them may be closed, a pipe without a reader, or a file on a full disk.
"""

import io
import os
import sys
from contextlib import suppress
from typing import IO, Any, TextIO


def harden() -> None:
    """Open closed standard streams on the null device, and escape odd file names.

    A width of 0 columns, as some terminals report it, counts as unknown.

    A failed write to standard output raises an OSError that names the stream. A failed
    write to standard error is ignored: the exit status reports the error, too.
    """
    # In the order of their descriptors: a new file takes the lowest free number.
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = _safe(sys.stdout, "standard output") if sys.stdout else _nothing("w")
    sys.stderr = _safe(sys.stderr, "") if sys.stderr else _nothing("w")
    if not os.environ.get("COLUMNS", "1").strip("0"):  # 0: an unknown width
        del os.environ["COLUMNS"]


def flush_or_drop(stream: TextIO) -> None:
    """Flush a stream; if that fails, send all its output to the null device.

    Otherwise Python would fail again when it exits, with an exit status of its own.
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
    """Return a stream to the same file whose errors contain `name`.

    Without a name it ignores errors.
    """
    raw = getattr(stream.buffer, "raw", None)  # None if Python runs unbuffered
    outlet: Any = _Outlet(raw or stream.buffer, name)
    return io.TextIOWrapper(
        io.BufferedWriter(outlet) if raw else outlet,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=bool(stream.line_buffering),
        write_through=raw is None,
    )


class _Outlet(io.RawIOBase):
    """Write to the file of a standard stream, and name the stream in errors.

    Without a name it ignores errors. Closing the stream leaves the file open.
    """

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self._raw = raw
        self._name = name

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._raw.isatty()

    def write(self, data: Any, /) -> int:  # noqa: ANN401
        """Write as many bytes as the system accepts; return how many."""
        try:
            return self._raw.write(data)
        except OSError as error:
            if not self._name:
                return memoryview(data).nbytes
            raise OSError(error.errno, error.strerror, self._name) from error
