"""`tagger restore`: put a backup in the inventory's place."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="The backup.")],
    db: options.Db = None,
) -> None:
    """Put a backup in the inventory's place, whole or not at all.

    What was there is kept beside it under another name. Not while a scan or a review
    uses the inventory; the backup stays as it is.
    Example: tagger restore /backup/inventory.db
    """
    from tagger.inventory import restore as put_back
    from tagger.inventory import scan_lock
    from tagger.text import printable

    database = options.database(db)
    with scan_lock(database, even_if_damaged=True):
        kept = put_back(file, database)
    told = f"; what was there is {kept}" if kept else ""
    with options.telling_of(f"{database} is restored"):
        typer.echo(printable(f"restored {database} from {file}{told}"))
