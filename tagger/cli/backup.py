"""`tagger backup`: copy the inventory while it is in use."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import Step, show_next


def backup(
    file: Annotated[
        Path, typer.Argument(readable=False, help="File to write the copy to.")
    ],
    db: options.Db = None,
) -> None:
    """Copy the inventory to a file, as of one moment, whole or not at all.

    Works during a scan. Replaces an earlier backup in that file. 'tagger restore' puts
    a backup back in place.
    Example: tagger backup /backup/inventory.db
    """
    with activity("copying the inventory"):
        from tagger.inventory import back_up

        database = options.inventory_file(
            db, f"copy it with 'pg_dump --format=custom --file={file} URL'"
        )
        size = back_up(database, file)
    from tagger.text import as_typed, printable

    with options.telling_of(f"the backup {file} is written"):
        typer.echo(printable(f"wrote {file}, {size:,} bytes"))
        command = f"tagger restore {as_typed(file)}"
        show_next(Step(command, "puts it back in place of the inventory"))
