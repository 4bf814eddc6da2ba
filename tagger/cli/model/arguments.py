"""Arguments that several verbs of `tagger model` take."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options

if TYPE_CHECKING:
    from tagger.records import Adaptation


class PartChoice(StrEnum):
    """The parts that a source of labelled images may have."""

    TEST = "test"
    TRAIN = "train"


BundleName = Annotated[
    str,
    typer.Argument(help="A network's name, or a folder with a bundle."),
]
DataSets = Annotated[
    list[str],
    typer.Argument(
        help="Labelled images: a folder with labels.csv, a folder of folders named by "
        "their tags, a folder with the IDX files of Fashion-MNIST, a CSV file of it, "
        "or keras:fashion_mnist."
    ),
]
PartName = Annotated[
    PartChoice,
    typer.Option("--part", help="Which part, of data that has two."),
]


def learnt_by(ctx: typer.Context, db: Path | None) -> "tuple[Path, list[Adaptation]]":
    """Return the inventory's file, and what befell the networks that learnt from it.

    Nothing where it is yet to be made; one that is named in this very command must be
    there (InventoryError).
    """
    from tagger.inventory import Inventory

    database = options.database_to_look_in(db)
    if not (options.typed(ctx, "db") or database.exists()):
        return database, []
    with Inventory(database, create=False) as inventory:
        return database, list(inventory.adaptations())


def tell(line: str) -> None:
    """Say something about the data on standard error."""
    from tagger.text import printable

    typer.echo(printable(line), err=True)


def reading(source: str) -> None:
    """Say on a terminal what is read next; a log needs none of it."""
    import sys

    from tagger.text import printable

    if sys.stderr.isatty():
        typer.echo(printable(f"reading {source} …"), err=True)
