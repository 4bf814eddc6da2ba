"""Tag folders of shop photographs into a SQLite inventory.

    import tagger

    network = tagger.load_network()
    with tagger.Inventory(Path("inventory.db")) as inventory:
        tagger.scan_folders(["photos"], inventory, network)

What `__all__` names is the library's interface; all else may change. Importing the
package loads nothing: each name is loaded on first use (PEP 562).
"""

from typing import TYPE_CHECKING, Final

from tagger.system.lazy import lazy_names
from tagger.version import __version__

if TYPE_CHECKING:
    from tagger.api import Network, export_inventory, load_network, scan_folders
    from tagger.engine.interface import EngineChoice, EngineName
    from tagger.errors import (
        DataError,
        EngineError,
        ExportError,
        FolderError,
        InventoryBusyError,
        InventoryError,
        LockedError,
        MissingExtraError,
        ModelError,
        RequestError,
        ReviewError,
        TaggerError,
    )
    from tagger.inventory import Inventory, Reviewing
    from tagger.inventory.records import (
        Answer,
        DecidedBy,
        Decision,
        DecisionKind,
        InventoryStatus,
        Item,
        Order,
        QueueItem,
        Selection,
    )
    from tagger.records import (
        Format,
        Policy,
        Prediction,
        Runtime,
        State,
        UnreadableImage,
        Verdict,
    )
    from tagger.scan.records import RunSummary, ScanOptions
    from tagger.system.database_url import DatabaseUrl

__all__ = [
    "Answer",
    "DataError",
    "DatabaseUrl",
    "DecidedBy",
    "Decision",
    "DecisionKind",
    "EngineChoice",
    "EngineError",
    "EngineName",
    "ExportError",
    "FolderError",
    "Format",
    "Inventory",
    "InventoryBusyError",
    "InventoryError",
    "InventoryStatus",
    "Item",
    "LockedError",
    "MissingExtraError",
    "ModelError",
    "Network",
    "Order",
    "Policy",
    "Prediction",
    "QueueItem",
    "RequestError",
    "ReviewError",
    "Reviewing",
    "RunSummary",
    "Runtime",
    "ScanOptions",
    "Selection",
    "State",
    "TaggerError",
    "UnreadableImage",
    "Verdict",
    "__version__",
    "export_inventory",
    "load_network",
    "scan_folders",
]

_MODULES: Final = {
    "tagger.api": ("Network", "export_inventory", "load_network", "scan_folders"),
    "tagger.engine.interface": ("EngineChoice", "EngineName"),
    "tagger.errors": (
        "DataError",
        "EngineError",
        "ExportError",
        "FolderError",
        "InventoryBusyError",
        "InventoryError",
        "LockedError",
        "MissingExtraError",
        "ModelError",
        "RequestError",
        "ReviewError",
        "TaggerError",
    ),
    "tagger.inventory": ("Inventory", "Reviewing"),
    "tagger.inventory.records": (
        "Answer",
        "DecidedBy",
        "Decision",
        "DecisionKind",
        "InventoryStatus",
        "Item",
        "Order",
        "QueueItem",
        "Selection",
    ),
    "tagger.records": (
        "Format",
        "Policy",
        "Prediction",
        "Runtime",
        "State",
        "UnreadableImage",
        "Verdict",
    ),
    "tagger.scan.records": ("RunSummary", "ScanOptions"),
    "tagger.system.database_url": ("DatabaseUrl",),
}
"""The public names by the module that has them."""

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
