"""The inventory: a SQLite file that says of every path what it is and who said so.

The only package that knows SQL. Programs other than tagger read its view `inventory`.
"""

from tagger.inventory.database import back_up, restore
from tagger.inventory.exports import Photograph
from tagger.inventory.lock import Holder, scan_in_progress, scan_lock
from tagger.inventory.recording import Former, Recording, StateChange, Tagged
from tagger.inventory.reviewing import LEASE_MINUTES, Recorded, Reviewing
from tagger.inventory.store import Inventory
from tagger.inventory.summaries import Judgement, Overview, ReadInRun, Tally

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
