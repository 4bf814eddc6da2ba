"""Answer signals between two pieces of work, not in the middle of one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never

from tagger.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_at_once() -> None:
    """Raise Stopped in the main thread as soon as a signal asks for it."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


@contextmanager
def postponed() -> Iterator[Callable[[], None]]:
    """Let a signal wait until the function that is yielded is called.

    That function raises Stopped if one came. A second signal does not wait.
    """
    waiting: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if waiting:
            _stop(number, frame)
        waiting.append(number)

    def check() -> None:
        if waiting:
            raise Stopped(waiting[0])

    former = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield check
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> Never:
    raise Stopped(number)
