"""`tagger explain`: show the history of one path."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.next_step import Step, show_next

if TYPE_CHECKING:
    from tagger.storage import Location


def explain(
    path: Annotated[
        Path,
        typer.Argument(
            parser=options.picture, metavar="path", help="File in a scanned folder."
        ),
    ],
    db: options.Db = None,
) -> None:
    """Show the state, the tag, the reason and the history of a path.

    Example: tagger explain /srv/photos/shoes/1234.jpg
    """
    from tagger.cli.views import scan_views
    from tagger.errors import TaggerError
    from tagger.inventory import Inventory
    from tagger.records import State
    from tagger.system.paths import as_spelt
    from tagger.text import as_typed

    absolute = as_spelt(path)
    with Inventory(options.database(db), create=False) as inventory:
        history = inventory.history(absolute)
        if history is None:
            raise TaggerError(_why_unknown(absolute, inventory.roots()))
    console = options.console()
    console.print(scan_views.path_of(history), soft_wrap=True)
    console.print(scan_views.history_view(history))
    if history.item.state == State.TAGGED:
        show_next(Step(f"tagger review --redo {as_typed(path)}", "lets you decide it"))


def _why_unknown(path: "Location", roots: list[str]) -> str:
    from tagger.storage import is_within, location

    over = [root for root in roots if is_within(path, location(root))]
    if not over:
        where = ", ".join(roots) or "none"
        return f"{path} is not in a scanned folder (scanned folders: {where})"
    if not path.exists():
        return f"{path} does not exist and was never scanned: check its name"
    if path.is_dir():
        return f"{path} is a folder: name a file in it"
    return f"{path} was not scanned yet: run 'tagger scan {over[0]}'"
