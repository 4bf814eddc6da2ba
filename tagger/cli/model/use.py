"""`tagger model use`: choose the network that scans use."""

from typing import Annotated

import typer

from tagger.cli import options


def use(
    bundle: Annotated[
        str, typer.Argument(help="A network's name, or a folder with a bundle.")
    ],
) -> None:
    """Make a network the one that this user's scans use; --model still beats it.

    What is in the inventory is classified again by the next scan. Example: tagger model
    use three-block
    """
    import os

    from tagger.bundles import registry
    from tagger.text import printable

    found = registry.use(bundle)
    typer.echo(printable(f"scans of this user now use {found.card.name}"))
    if named := os.environ.get("TAGGER_MODEL"):
        options.warn(f"but TAGGER_MODEL names {named}, which beats it")
