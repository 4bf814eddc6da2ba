"""`tagger backup`: copy the inventory while others use it."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def backup(
    file: Annotated[Path, typer.Argument(readable=False, help="Where the copy goes.")],
    db: options.Db = None,
) -> None:
    """Copy the inventory to a file, as of one moment, whole or not at all.

    A scan may go on meanwhile. A former backup of that name is replaced. 'tagger
    restore' puts one in the inventory's place.
    Example: tagger backup /backup/inventory.db
    """
    from tagger.inventory import back_up
    from tagger.text import printable

    size = back_up(options.database(db), file)
    with options.telling_of(f"the copy {file} is written"):
        typer.echo(printable(f"wrote {file}, {size:,} bytes"))
