"""`tagger ignore`: stop reporting unreadable files that a person knows about."""

from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def ignore(
    files: Annotated[
        list[Path],
        typer.Argument(
            parser=options.picture,
            metavar="files",
            help="Unreadable files in scanned folders.",
        ),
    ],
    undo: Annotated[
        bool, typer.Option("--undo", help="Report these files as unreadable again.")
    ] = False,
    db: options.Db = None,
    reviewer: options.Reviewer = None,
) -> None:
    """Ignore unreadable files until their content changes.

    They stay in the inventory as "ignored", with the reason why they cannot be read.
    Example: tagger ignore /srv/photos/broken.jpg
    """
    from tagger.cli import faults
    from tagger.inventory import Inventory
    from tagger.system.paths import as_spelt

    person = options.reviewer_name(reviewer)
    paths = [as_spelt(file) for file in files]
    with Inventory(options.database(db), create=False) as inventory:
        inventory.ignore_faults(paths, person, undo=undo)
    told = (
        f"{faults.how_many(len(paths))} reported again by 'tagger status' as unreadable"
        if undo
        else f"{faults.how_many(len(paths))} ignored until the content changes; "
        "'tagger ignore --undo FILE' takes it back"
    )
    with options.telling_of("the inventory is changed"):
        typer.echo(told)
