"""When Python looks for garbage that only a search finds: values that name each other.

All that is made counts towards the next search, and all that stays is gone through in
it. What is imported stays: 115,000 values of a status, which a quarter of its time went
into searching, before its end and once more at it (`python -m benchmarks start_up`).
"""

import gc
from typing import Final

_IMPORTED: Final = 400_000
"""More values than a command makes that loads no TensorFlow and scans nothing."""

_AFTERWARDS: Final = 10_000
"""As many new values, not the 700 of Python: statements and rows are many and small."""


def relax_gc() -> None:
    """Have nothing searched while a command loads what it needs."""
    gc.set_threshold(_IMPORTED)


def freeze_gc() -> None:
    """Take all that is here for what stays, and search among what comes after it."""
    gc.freeze()
    gc.set_threshold(_AFTERWARDS)


def disable_gc_at_exit() -> None:
    """Spare the end of the process, which would look through everything once more."""
    gc.freeze()
