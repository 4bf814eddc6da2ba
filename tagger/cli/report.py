"""`tagger report`: one page of HTML for people to look at."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options


def report(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            allow_dash=True,
            help="Write this file, whole or not at all; - for the output.",
        ),
    ],
    db: options.Db = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Most pictures among those that wait for a person."
        ),
    ] = 120,
    lines: Annotated[
        int, typer.Option(min=1, max=10_000, help="Most lines of a list.")
    ] = 200,
) -> None:
    """Write a report as one HTML file that needs no network and runs no program.

    Example: tagger report -o report.html
    """
    from datetime import UTC, datetime

    from tagger.certification.current import current_stats
    from tagger.inventory import Inventory
    from tagger.report import render
    from tagger.system.atomic import atomic_write

    with Inventory(options.database(db), create=False) as inventory:
        status = inventory.status()
        found = inventory.overview(pictures=pictures, lines=lines)
        sure = current_stats(inventory)
    page = render(status, found, made_at=datetime.now(UTC), sure=sure)
    content = page.encode("utf-8", "backslashreplace")
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    with atomic_write(output) as stream:
        stream.write(content)
