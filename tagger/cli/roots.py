"""`tagger roots`: the scanned folders, and where they are."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options

roots = typer.Typer(name="roots", help="Scanned folders.", no_args_is_help=True)


@roots.command("list")
def list_(db: options.Db = None, as_json: options.AsJsonLines = False) -> None:
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
        from tagger.cli.views import scan_views

        there = {root.path: Path(root.path).is_dir() for root in found}
        options.console().print(scan_views.root_list(found, there))


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
    from tagger.inventory import Inventory, scan_lock
    from tagger.scan.walk import absolute, check_root
    from tagger.text import printable

    database, target = options.database(db), check_root(new)
    with (
        Inventory(database, create=False) as inventory,
        scan_lock(database),
    ):
        items = inventory.move_root(absolute(old), target)
    with options.telling_of(f"{old} is {target} now"):
        typer.echo(printable(f"{target}: {items:,} items; run 'tagger scan {target}'"))


@roots.command()
def forget(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=options.folder,
            metavar="folder",
            help="The folder as it was scanned.",
        ),
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Even where pictures still lie there.")
    ] = False,
    db: options.Db = None,
) -> None:
    """Forget a scanned folder that is gone for good, as if it had never been scanned.

    What people decided about its pictures stays, and is in force where they are scanned
    again. Nothing on the disk is touched. Example: tagger roots forget /mnt/old/photos
    """
    from tagger.inventory import Inventory, scan_lock
    from tagger.scan.walk import absolute
    from tagger.text import printable

    database, root = options.database(db), absolute(folder)
    with Inventory(database, create=False) as inventory:
        if not yes and inventory.knows(root):
            _make_sure(root)
        with scan_lock(database):
            gone = inventory.forget_root(root)
    told = f"{root}: forgotten, with {_counted(gone.pictures, 'picture')}"
    if gone.decisions:
        told += f"; {_counted(gone.decisions, 'decision')} about their bytes kept"
    if not root.is_dir():
        told += "; take it out of the command lines of your scans"
    with options.telling_of(f"{root} is forgotten"):
        typer.echo(printable(told))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _make_sure(root: Path) -> None:
    """Ask before pictures that are there are forgotten; FolderError where nobody is."""
    from tagger.errors import FolderError
    from tagger.scan.plan import holds_pictures
    from tagger.text import printable

    if not holds_pictures(root):
        return
    why = f"{root} still holds pictures, or what cannot be looked into"
    if not sys.stdin.isatty():
        raise FolderError(f"{why}: forget it all the same with --yes")
    typer.confirm(printable(f"{why}. Forget it all the same?"), abort=True, err=True)
