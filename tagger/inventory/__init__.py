"""The inventory: a database with every path, its tag and its decisions.

The only package that uses SQL. Programs other than tagger read its view `inventory`.

Its names are loaded on first use (PEP 562): commands need its columns at start-up, but
SQLAlchemy only when they run.
"""

from typing import TYPE_CHECKING, Final

from tagger.system.lazy import lazy_names

if TYPE_CHECKING:
    from tagger.inventory.exports import Photograph
    from tagger.inventory.lock import Holder, scan_in_progress, scan_lock
    from tagger.inventory.recording import Former, Recording, StateChange, Tagged
    from tagger.inventory.report_data import Judgement, Overview, ReadInRun, Tally
    from tagger.inventory.reviewing import LEASE_MINUTES, Recorded, Reviewing
    from tagger.inventory.sqlite_file import back_up, restore
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

_MODULES: Final = {
    "tagger.inventory.exports": ("Photograph",),
    "tagger.inventory.lock": ("Holder", "scan_in_progress", "scan_lock"),
    "tagger.inventory.recording": ("Former", "Recording", "StateChange", "Tagged"),
    "tagger.inventory.report_data": ("Judgement", "Overview", "ReadInRun", "Tally"),
    "tagger.inventory.reviewing": ("LEASE_MINUTES", "Recorded", "Reviewing"),
    "tagger.inventory.sqlite_file": ("back_up", "restore"),
    "tagger.inventory.store": ("Inventory",),
}
"""The names of the package by the module that has them."""

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
