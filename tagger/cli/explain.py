"""`tagger explain`: the story of one path."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def explain(
    path: Annotated[
        Path, typer.Argument(readable=False, help="A file in a scanned folder.")
    ],
    db: options.Db = None,
) -> None:
    """Tell what is known of a path: state, tag, why, since when.

    Example: tagger explain /srv/photos/shoes/1234.jpg
    """
    from tagger.cli.views import scan_views
    from tagger.errors import TaggerError
    from tagger.inventory import Inventory

    absolute = Path(os.path.abspath(path))  # noqa: PTH100  as the scan named it
    with Inventory(options.database(db), create=False) as inventory:
        story = inventory.story(absolute)
        if story is None:
            raise TaggerError(_why_unknown(absolute, inventory.roots()))
    options.console().print(scan_views.story_view(story))


def _why_unknown(path: Path, roots: list[str]) -> str:
    over = [root for root in roots if path.is_relative_to(root)]
    if not over:
        where = ", ".join(roots) or "none"
        return f"{path} is in no scanned folder (scanned are: {where})"
    if not path.exists():
        return f"{path} does not exist, and no scan has seen it"
    if path.is_dir():
        return f"{path} is a folder: name a file in it"
    return f"{path} has not been seen yet: run 'tagger scan {over[0]}'"
