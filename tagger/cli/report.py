"""`tagger report`: write a report as one HTML page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import show_page


def report(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            allow_dash=True,
            help="File to write, whole or not at all; - for standard output.",
        ),
    ] = Path("report.html"),
    db: options.Db = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Most pictures of the review queue to show."
        ),
    ] = 120,
    lines: Annotated[
        int, typer.Option(min=1, max=10_000, help="Most lines per list.")
    ] = 200,
) -> None:
    """Write a report as one HTML file, without scripts or links to the internet.

    Example: tagger report -o report.html
    """
    from datetime import UTC, datetime

    with activity("drawing the report", shown=str(output) != "-"):
        from tagger.certification.current_precision import current_stats
        from tagger.inventory import Inventory
        from tagger.report import render

        with Inventory(options.database(db), create=False) as inventory:
            status = inventory.status()
            overview = inventory.overview(pictures=pictures, lines=lines)
            stats = current_stats(inventory)
        page = render(status, overview, made_at=datetime.now(UTC), sure=stats)
    from tagger.system.atomic import atomic_write
    from tagger.text import printable

    content = page.encode("utf-8", "backslashreplace")
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    with atomic_write(output) as stream:
        stream.write(content)
    if sys.stdout.isatty():
        typer.echo(printable(f"wrote {output}"))
    show_page(output)
