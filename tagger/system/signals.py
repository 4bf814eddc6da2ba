"""Handle signals between two units of work, not in the middle of one."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never

from tagger.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GLANCE = 0.1
"""Seconds between two looks for a signal while waiting."""


def stop_at_once() -> None:
    """Raise Stopped in the main thread as soon as a signal arrives."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


class Interruption:
    """A pending request to stop, while signals are deferred."""

    def __init__(self) -> None:
        self._waiting: list[int] = []

    @property
    def asked(self) -> bool:
        """Whether a signal is pending."""
        return bool(self._waiting)

    def check(self) -> None:
        """Raise Stopped if a signal is pending."""
        if self._waiting:
            raise Stopped(self._waiting[0])

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until a signal arrives."""
        end = time.monotonic() + seconds
        while not self._waiting and (left := end - time.monotonic()) > 0:
            # A handler runs between two of these, after which `sleep` would go on.
            time.sleep(min(left, _GLANCE))

    def note(self, number: int, frame: FrameType | None) -> None:
        """Defer the first signal; stop at once on the second."""
        if self._waiting:
            _stop(number, frame)
        self._waiting.append(number)


@contextmanager
def deferred_signals() -> Iterator[Interruption]:
    """Defer signals until the block calls `Interruption.check`."""
    interruption = Interruption()
    former = {number: signal.signal(number, interruption.note) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> Never:
    raise Stopped(number)
