"""`tagger runs`: list scans and adaptations, and show one run."""

from dataclasses import asdict
from typing import Annotated

import typer

from tagger.cli import completion, options

runs = typer.Typer(
    name="runs",
    help="List the scans, newest first, and the adaptations.\n\n"
    "Example: tagger runs --limit 5",
    invoke_without_command=True,
)


@runs.callback()
def _list(
    ctx: typer.Context,
    db: options.Db = None,
    limit: Annotated[int, typer.Option(min=1, help="Most runs to list.")] = 30,
    as_json: options.AsJson = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    from tagger.cli.views import scan_views
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        records = inventory.runs(limit=limit)
        adaptations = inventory.adaptations()[-limit:]
    if as_json:
        for run in records:
            options.print_json(asdict(run))
    else:
        options.console().print(scan_views.runs(records))
        if adaptations:
            options.console().print(scan_views.adaptations(adaptations))


@runs.command()
def show(
    run: Annotated[
        int | None,
        typer.Argument(
            help="Number of the run.",
            show_default="the latest",
            autocompletion=completion.runs,
        ),
    ] = None,
    db: options.Db = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the options and result of one run.

    Example: tagger runs show 12
    """
    from tagger.cli.views import scan_views
    from tagger.errors import RequestError
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        record = inventory.run(run)
    if record is None:
        raise RequestError(
            "there are no runs yet: run 'tagger scan'"
            if run is None
            else f"there is no run {run}: 'tagger runs' lists them"
        )
    if as_json:
        options.print_json(asdict(record))
    else:
        options.console().print(scan_views.run_again(record))
