"""`tagger model add`: install a network from a folder or archive."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


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
    from tagger.bundles import registry
    from tagger.cli.views import model_views

    added = registry.add(source)
    options.console().print(model_views.added_view(added))
