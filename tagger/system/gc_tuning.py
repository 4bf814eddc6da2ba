"""Tune the cyclic garbage collector: postpone it while a command starts.

Every allocation counts towards the next collection, and a collection visits every
object that is alive. Imported modules stay alive: 115,000 objects in `tagger status`.
Collecting among them, during the command and again at its end, took a quarter of its
time (`python -m benchmarks start_up`).
"""

import gc
from typing import Final

_IMPORTED: Final = 400_000
"""More objects than a command allocates that neither loads TensorFlow nor scans."""

_AFTERWARDS: Final = 10_000
"""New objects per collection (Python: 700): statements and rows are many and small."""


def relax_gc() -> None:
    """Postpone garbage collection while a command imports its modules."""
    gc.set_threshold(_IMPORTED)


def freeze_gc() -> None:
    """Exempt all objects alive now from collection, and collect newer ones."""
    gc.freeze()
    gc.set_threshold(_AFTERWARDS)


def disable_gc_at_exit() -> None:
    """Exempt all objects from the last collection, when the process ends."""
    gc.freeze()
