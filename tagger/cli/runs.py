"""`tagger runs`: what the scans did."""

from dataclasses import asdict
from typing import Annotated

import typer

from tagger.cli import completion, options

runs = typer.Typer(
    name="runs",
    help="List the scans, the newest first, and what networks learnt here.\n\n"
    "Example: tagger runs --limit 5",
    invoke_without_command=True,
)


@runs.callback()
def _list(
    ctx: typer.Context,
    db: options.Db = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 30,
    as_json: options.AsJson = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    from tagger.cli.views import scan_views
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.runs(limit=limit)
        learnt = inventory.adaptations()[-limit:]
    if as_json:
        for run in found:
            options.print_json(asdict(run))
    else:
        options.console().print(scan_views.runs(found))
        if learnt:
            options.console().print(scan_views.adaptations(learnt))


@runs.command()
def show(
    run: Annotated[
        int | None,
        typer.Argument(
            help="A run's number.",
            show_default="the last",
            autocompletion=completion.runs,
        ),
    ] = None,
    db: options.Db = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one run again, as its scan showed it.

    Example: tagger runs show 12
    """
    from tagger.cli.views import scan_views
    from tagger.errors import RequestError
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.run(run)
    if found is None:
        what = (
            "no run yet" if run is None else f"no run {run}: 'tagger runs' lists them"
        )
        raise RequestError(f"there is {what}")
    if as_json:
        options.print_json(asdict(found))
    else:
        options.console().print(scan_views.run_again(found))
