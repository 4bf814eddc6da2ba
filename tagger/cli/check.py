"""`tagger check`: check the inventory and its pictures for damage."""

from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity


def check(
    db: options.Db = None,
    sample: Annotated[
        int,
        typer.Option(min=0, help="Number of picture files to read, drawn at random."),
    ] = 100,
    everything: Annotated[
        bool, typer.Option("--all", help="Read every picture file.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check the database, its rows, and the content of a sample of the pictures.

    Exit status 1: the database is damaged. 3: a picture file is damaged; or the content
    of a picture changed, but not its size and time: put the old file back, or save it
    again and scan.
    Example: tagger check --sample 1000
    """
    from dataclasses import asdict
    from time import time_ns

    from tagger.errors import EXIT_FAILED, EXIT_UNREADABLE, InventoryError

    database = options.database(db)
    with activity("checking the database", shown=not as_json) as doing:
        from tagger.inventory import Inventory

        with Inventory(database, create=False) as inventory:
            report = inventory.check(
                None if everything else sample,
                seed=time_ns(),
                track=lambda files: doing.track("reading pictures", files, len(files)),
            )
    bad = report.files_differing or report.files_damaged
    code = EXIT_UNREADABLE if bad else 0
    code = EXIT_FAILED if report.damage else code
    if as_json:
        options.print_json(asdict(report) | {"exit_code": code})
    else:
        from tagger.cli.views import scan_views

        options.console().print(scan_views.check_report(report))
    if report.damage:
        raise InventoryError(
            f"{database} is damaged: put a backup in its place with "
            "'tagger restore FILE'"
        )
    raise typer.Exit(code)
