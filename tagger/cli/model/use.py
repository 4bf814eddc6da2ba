"""`tagger model use`: choose the default network of this user's scans."""

from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.next_step import Step, show_next


def use(
    bundle: Annotated[
        str, typer.Argument(help="Name of a network, or folder of a bundle.")
    ],
) -> None:
    """Choose the default network of this user's scans; --model overrides it.

    The next scan classifies all pictures again. Example: tagger model use three-block
    """
    import os

    from tagger.bundles import registry
    from tagger.text import printable

    found = registry.use(bundle)
    typer.echo(printable(f"your scans now use {found.card.name}"))
    show_next(Step("tagger scan FOLDER", "classifies the pictures with it"))
    if named := os.environ.get("TAGGER_MODEL"):
        options.warn(f"but TAGGER_MODEL is set: scans use {named} instead")
