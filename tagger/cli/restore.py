"""`tagger restore`: replace the inventory with a backup."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import STATUS, show_next


def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="Backup to restore.")],
    db: options.Db = None,
) -> None:
    """Replace the inventory with a backup, whole or not at all.

    The old inventory is kept beside it under another name, and the backup stays. Fails
    while a scan or a review uses the inventory.
    Example: tagger restore /backup/inventory.db
    """
    database = options.inventory_file(
        db, f"put a copy back with 'pg_restore --clean --dbname=URL {file}'"
    )
    with activity("copying the backup"):
        from tagger.inventory import restore as put_back
        from tagger.inventory import scan_lock

        with scan_lock(database, even_if_damaged=True):
            kept = put_back(file, database)
    from tagger.text import printable

    note = f"; the old inventory is kept as {kept}" if kept else ""
    with options.telling_of(f"{database} is restored"):
        typer.echo(printable(f"restored {database} from {file}{note}"))
        show_next(STATUS)
