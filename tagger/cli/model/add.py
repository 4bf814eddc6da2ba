"""`tagger model add`: put a network from elsewhere on this user's shelf."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def add(
    source: Annotated[
        Path,
        typer.Argument(
            readable=False, help="A folder with a bundle, or a zip or tar of one."
        ),
    ],
) -> None:
    """Add a network from elsewhere, and say what was trusted in it and why.

    Example: tagger model add boots.zip
    """
    from tagger.bundles import registry
    from tagger.cli.views import model_views

    added = registry.add(source)
    options.console().print(model_views.added_view(added))
