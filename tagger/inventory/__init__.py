"""The inventory: a SQLite file with every path, its tag and its decisions.

The only package that uses SQL. Programs other than tagger read its view `inventory`.

Its names are loaded on first use (PEP 562): commands need its columns at start-up, but
SQLAlchemy only when they run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tagger.inventory.database import back_up, restore
    from tagger.inventory.exports import Photograph
    from tagger.inventory.lock import Holder, scan_in_progress, scan_lock
    from tagger.inventory.recording import Former, Recording, StateChange, Tagged
    from tagger.inventory.report_data import Judgement, Overview, ReadInRun, Tally
    from tagger.inventory.reviewing import LEASE_MINUTES, Recorded, Reviewing
    from tagger.inventory.store import Inventory

__all__ = [
    "LEASE_MINUTES",
    "Former",
    "Holder",
    "Inventory",
    "Judgement",
    "Overview",
    "Photograph",
    "ReadInRun",
    "Recorded",
    "Recording",
    "Reviewing",
    "StateChange",
    "Tagged",
    "Tally",
    "back_up",
    "restore",
    "scan_in_progress",
    "scan_lock",
]

_HOMES: Final = {
    "Former": "tagger.inventory.recording",
    "Holder": "tagger.inventory.lock",
    "Inventory": "tagger.inventory.store",
    "Judgement": "tagger.inventory.report_data",
    "LEASE_MINUTES": "tagger.inventory.reviewing",
    "Overview": "tagger.inventory.report_data",
    "Photograph": "tagger.inventory.exports",
    "ReadInRun": "tagger.inventory.report_data",
    "Recorded": "tagger.inventory.reviewing",
    "Recording": "tagger.inventory.recording",
    "Reviewing": "tagger.inventory.reviewing",
    "StateChange": "tagger.inventory.recording",
    "Tagged": "tagger.inventory.recording",
    "Tally": "tagger.inventory.report_data",
    "back_up": "tagger.inventory.database",
    "restore": "tagger.inventory.database",
    "scan_in_progress": "tagger.inventory.lock",
    "scan_lock": "tagger.inventory.lock",
}
"""The module of each name."""


def __getattr__(name: str) -> object:
    """Load the module of a name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
