"""`tagger roots`: list, move and forget scanned folders."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity

roots = typer.Typer(
    name="roots", help="List, move and forget scanned folders.", no_args_is_help=True
)


@roots.command("list")
def list_(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
    """List the scanned folders: items, last complete scan, and whether they exist.

    Those of other shops are shown as of the newest inventory that was merged.
    Example: tagger roots list --json
    """
    from dataclasses import asdict

    from tagger.inventory import Inventory
    from tagger.storage import location
    from tagger.system.paths import shop_of

    with Inventory(options.database(db), create=False) as inventory:
        records = inventory.root_records()
    if as_json:
        for root in records:
            here = location(root.path).is_dir()
            more = {"there": here, "shop": shop_of(root.path)}
            options.print_json(asdict(root) | more)
    else:
        from tagger.cli.views import scan_views

        there = {root.path: location(root.path).is_dir() for root in records}
        options.console().print(scan_views.root_list(records, there))


@roots.command()
def move(
    old: Annotated[
        Path,
        typer.Argument(
            parser=options.folder,
            metavar="old",
            help="The scanned folder: its old path.",
        ),
    ],
    new: Annotated[
        Path,
        typer.Argument(parser=options.folder, metavar="new", help="Its new path."),
    ],
    db: options.Db = None,
) -> None:
    """Record that a scanned folder has moved to another path.

    Tags, decisions and history are kept. Fails if the new folder has none of its
    pictures.
    Example: tagger roots move /mnt/old/photos /srv/photos
    """
    with activity("moving the folder's items in the inventory"):
        from tagger.inventory import Inventory, scan_lock
        from tagger.scan.walk import check_root
        from tagger.system.paths import as_spelt

        database, target = options.database(db), check_root(new)
        with (
            Inventory(database, create=False) as inventory,
            scan_lock(database),
        ):
            items = inventory.move_root(as_spelt(old), target)
    from tagger.text import printable

    with options.telling_of(f"{old} is moved to {target}"):
        typer.echo(printable(f"{target}: {items:,} items; run 'tagger scan {target}'"))


@roots.command()
def forget(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=options.folder,
            metavar="folder",
            help="The scanned folder.",
        ),
    ],
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Do not ask, even if the folder still has pictures."
        ),
    ] = False,
    db: options.Db = None,
) -> None:
    """Forget a scanned folder that is gone for good, as if it was never scanned.

    Decisions about its pictures are kept, and apply if the pictures are scanned again.
    No file is deleted. Example: tagger roots forget /mnt/old/photos
    """
    from tagger.inventory import Inventory, scan_lock
    from tagger.system.paths import as_spelt, shop_of
    from tagger.text import printable

    database, root = options.database(db), as_spelt(folder)
    with Inventory(database, create=False) as inventory:
        if not yes and inventory.knows(root):
            _make_sure(root)
        with activity("forgetting the folder"), scan_lock(database):
            gone = inventory.forget_root(root)
    line = f"{root}: forgotten, with {_counted(gone.pictures, 'picture')}"
    if gone.decisions:
        line += f"; {_counted(gone.decisions, 'decision')} about them kept"
    if not shop_of(str(root)) and not root.is_dir():
        line += "; remove it from your scan commands"
    with options.telling_of(f"{root} is forgotten"):
        typer.echo(printable(line))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _make_sure(root: Path) -> None:
    """Confirm that existing pictures may be forgotten.

    Raises FolderError if standard input is not a terminal, so nobody can be asked.
    """
    from tagger.errors import FolderError
    from tagger.scan.plan import holds_pictures
    from tagger.text import printable

    if not holds_pictures(root):
        return
    why = f"{root} still has pictures, or folders that cannot be read"
    if not sys.stdin.isatty():
        raise FolderError(f"{why}: add --yes to forget it anyway")
    typer.confirm(printable(f"{why}. Forget it anyway?"), abort=True, err=True)
