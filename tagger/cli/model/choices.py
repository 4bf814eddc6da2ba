"""Arguments that several verbs of `tagger model` take."""

from enum import StrEnum
from typing import Annotated

import typer


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


def told(source: str) -> None:
    """Say on a terminal what is read next; a log needs none of it."""
    import sys

    from tagger.text import printable

    if sys.stderr.isatty():
        typer.echo(printable(f"reading {source} …"), err=True)
