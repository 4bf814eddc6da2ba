"""`tagger roots`: the scanned folders, and where they are."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options

roots = typer.Typer(name="roots", help="Scanned folders.", no_args_is_help=True)


@roots.command("list")
def list_(db: options.Db = None, as_json: options.AsJson = False) -> None:
    """List the scanned folders: how many items, when last seen whole, there or not.

    Example: tagger roots list --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.root_records()
    if as_json:
        for root in found:
            options.print_json(asdict(root) | {"there": Path(root.path).is_dir()})
    else:
        from tagger import display

        there = {root.path: Path(root.path).is_dir() for root in found}
        options.console().print(display.root_list(found, there))


@roots.command()
def move(
    old: Annotated[
        Path, typer.Argument(readable=False, help="The folder as it was scanned.")
    ],
    new: Annotated[
        Path, typer.Argument(readable=False, help="Where the same folder is now.")
    ],
    db: options.Db = None,
) -> None:
    """Tell the inventory that a scanned folder is at another place now.

    Tags, decisions and stories stay. Refused where none of its pictures lies there.
    Example: tagger roots move /mnt/old/photos /srv/photos
    """
    from tagger.discover import absolute, check_root
    from tagger.inventory import Inventory, scan_lock
    from tagger.text import printable

    database, target = options.database(db), check_root(new)
    with (
        Inventory(database, create=False) as inventory,
        scan_lock(database),
    ):
        items = inventory.move_root(absolute(old), target)
    typer.echo(printable(f"{target}: {items:,} items; run 'tagger scan {target}'"))
