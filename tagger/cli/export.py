"""`tagger export`: the inventory as CSV."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def export(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            help="Write this file, whole or not at all.",
        ),
    ] = None,
    db: options.Db = None,
) -> None:
    """Write every item as CSV, to standard output or to a file.

    Example: tagger export -o inventory.csv
    """
    from tagger.export import write_csv, write_csv_file
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        if output is not None:
            write_csv_file(inventory.items(), output)
        else:
            # The CSV writer ends its own lines; a terminal must not be steered.
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
            write_csv(inventory.items(), sys.stdout, escape=sys.stdout.isatty())
