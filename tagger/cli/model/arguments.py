"""Arguments and messages shared by the commands of `tagger model`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import show_phase
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from tagger.records import Adaptation


class PartChoice(StrEnum):
    """The parts that a set of labelled pictures may have."""

    TEST = "test"
    TRAIN = "train"


BundleName = Annotated[
    str,
    typer.Argument(help="Name of a network, or folder of a bundle."),
]
DataSets = Annotated[
    list[str],
    typer.Argument(
        help="Labelled pictures: a folder with labels.csv, a folder with one subfolder "
        "per tag, a folder with the IDX files of Fashion-MNIST, a CSV file of it, or "
        "keras:fashion_mnist."
    ),
]
PartName = Annotated[
    PartChoice,
    typer.Option("--part", help="Part to use, if the data have two."),
]


def learnt_by(ctx: typer.Context, db: Place | None) -> "tuple[Place, list[Adaptation]]":
    """Return the path of the inventory and its adaptations, oldest first.

    No adaptations if it does not exist yet. Raises InventoryError if it does not exist
    but is named on the command line.
    """
    from tagger.inventory import Inventory

    database = options.database_to_look_in(db)
    if not (options.typed(ctx, "db") or database.exists()):
        return database, []
    with Inventory(database, create=False) as inventory:
        return database, list(inventory.adaptations())


def tell(line: str) -> None:
    """Print a note about the data on standard error."""
    options.note(line)


def reading(source: str) -> None:
    """Show the source that is read next, on a terminal only."""
    show_phase(f"measuring on {source}")
