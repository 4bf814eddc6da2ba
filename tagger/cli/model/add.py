"""`tagger model add`: install a network from a folder or archive."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity


def add(
    source: Annotated[
        Path,
        typer.Argument(
            readable=False, help="Folder of a bundle, or a zip or tar of one."
        ),
    ],
) -> None:
    """Install a network from a folder or archive, and show what was checked.

    Example: tagger model add boots.zip
    """
    with activity("checking the network"):
        from tagger.bundles import registry

        added = registry.add(source)
    from tagger.cli.views import model_views

    options.console().print(model_views.added_view(added))
