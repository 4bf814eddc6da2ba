"""Show on a terminal what a command does, if it takes longer than a moment.

The line is on standard error, and only where a person watches: never in a pipe, in a
log, under cron or with `--json`. It is erased when the work is done.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from shutil import get_terminal_size
from threading import Event, Lock, Thread
from time import monotonic
from typing import NamedTuple, TextIO, TypeVar

from tagger.system.native_stderr import original_stderr
from tagger.text import printable

T = TypeVar("T")

_SOON = 0.1
"""Seconds of work after which the line appears; a quick command shows none."""

_REDRAW = 0.2
"""Seconds between two drawings of the line."""

_COUNTED = "{desc}: {percentage:3.0f} %|{bar}| {n:,} of {total:,}, {remaining} left"
"""The line of a phase whose parts are counted."""


class _Phase(NamedTuple):
    """What begins, and the number of its parts, if known."""

    what: str
    total: int | None = None


class Activity:
    """What a command is doing: one line, which a thread of its own draws.

    So it appears while the main thread imports, waits or computes, and a loop only
    counts.
    """

    def __init__(self, what: str) -> None:
        self._phase = _Phase(printable(what))
        self._done = 0
        self._line: _Line | _Bar | None = None
        self._lock = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._draw, daemon=True, name="activity")

    def now(self, what: str, total: int | None = None) -> None:
        """Begin a phase; `total` is the number of its parts, if known.

        Nothing happens in the middle of that phase.
        """
        phase = _Phase(printable(what), total)
        if self._phase != phase:
            self._done, self._phase = 0, phase

    def reach(self, done: int) -> None:
        """Note how many parts of the phase are done."""
        self._done = done

    def track(
        self, what: str, parts: Iterable[T], total: int | None = None
    ) -> Iterator[T]:
        """Yield the parts of a phase, and count them."""
        self.now(what, total)
        for number, part in enumerate(parts, start=1):
            yield part
            self._done = number

    def begin(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def end(self) -> None:
        """Erase the line."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Erase the line while another one is printed."""
        with self._lock:
            self._erase()
            yield

    def _draw(self) -> None:
        if self._ended.wait(_SOON):
            return
        with open(original_stderr(), "w", encoding="utf-8") as terminal:  # noqa: PTH123
            with suppress(OSError):  # the terminal has hung up
                while True:
                    with self._lock:
                        self._redraw(terminal)
                    if self._ended.wait(_REDRAW):
                        break
            with suppress(OSError), self._lock:
                self._erase()

    def _redraw(self, terminal: TextIO) -> None:
        phase, done = self._phase, self._done
        if self._line is None or self._line.phase != phase:
            if phase.total:
                import tqdm  # noqa: F401  may take a moment: the former line stays
            self._erase()
            self._line = (_Bar if phase.total else _Line)(phase, terminal)
        self._line.show(done)

    def _erase(self) -> None:
        if self._line is not None:
            self._line.erase()
        self._line = None


class _Line:
    """A phase whose end is not known: its name and its seconds.

    Written without a library, because it must appear before one is imported.
    """

    def __init__(self, phase: _Phase, terminal: TextIO) -> None:
        self.phase = phase
        self._terminal = terminal
        self._began = monotonic()
        self._width = 0

    def show(self, done: int) -> None:
        count = f" {done:,}" if done else ""
        minutes, seconds = divmod(int(monotonic() - self._began), 60)
        self._write(f"{self.phase.what} …{count} {minutes}:{seconds:02}")

    def erase(self) -> None:
        self._write("")
        self._terminal.write("\r")
        self._terminal.flush()

    def _write(self, text: str) -> None:
        text = text[: get_terminal_size().columns - 1]
        self._terminal.write(f"\r{text:<{self._width}}")
        self._terminal.flush()
        self._width = len(text)


class _Bar:
    """A phase whose parts are counted: a bar, and the time that is left."""

    def __init__(self, phase: _Phase, terminal: TextIO) -> None:
        from tqdm import tqdm

        self.phase = phase
        self._bar = tqdm(
            desc=phase.what,
            total=phase.total,
            file=terminal,
            leave=False,
            bar_format=_COUNTED,
            ncols=get_terminal_size().columns,  # 80 where the width is unknown
        )

    def show(self, done: int) -> None:
        self._bar.n = done
        self._bar.refresh()

    def erase(self) -> None:
        self._bar.close()


_current: Activity | None = None


@contextmanager
def activity(what: str, *, shown: bool = True) -> Iterator[Activity]:
    """Say what this block does, if a person watches; `shown` is false to say nothing.

    One activity at a time draws: inside another one, it becomes a phase of that.
    """
    global _current  # noqa: PLW0603  there is one terminal
    if _current is not None:
        _current.now(what)
        yield _current
        return
    one = Activity(what)
    if not (shown and _is_watched()):
        yield one
        return
    _current = one
    one.begin()
    try:
        yield one
    finally:
        finish()


def show_phase(what: str) -> None:
    """Begin a phase of the activity that is shown, if there is one."""
    if _current is not None:
        _current.now(what)


def finish() -> None:
    """End the activity that is shown, before something else takes the terminal."""
    global _current  # noqa: PLW0603
    if _current is not None:
        _current.end()
    _current = None


@contextmanager
def aside() -> Iterator[None]:
    """Print something while an activity may be shown."""
    if _current is None:
        yield
    else:
        with _current.aside():
            yield


def _is_watched() -> bool:
    """Whether standard error is a terminal, and standard output is not a pipe."""
    with suppress(OSError, ValueError, AttributeError):
        piped = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
        return sys.stderr.isatty() and not piped
    return False
