"""`tagger model adapt`: adapt the network to a shop's decisions."""

from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import Activity, activity, finish
from tagger.cli.next_step import REVIEW, Step, show_next

_SCAN = Step("tagger scan FOLDER", "tags the pictures with the new network")

if TYPE_CHECKING:
    from tagger.adaptation.adapt import AdaptationResult
    from tagger.inventory import Inventory


def adapt(
    db: options.Db = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the result and write nothing."),
    ] = False,
    if_worth_it: Annotated[
        bool,
        typer.Option(
            "--if-worth-it", help="Do nothing if there is too little new: for cron."
        ),
    ] = False,
    at_least: Annotated[
        int,
        typer.Option(min=1, help="New decisions that --if-worth-it asks for."),
    ] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Adapt the network to the decisions; use the result only if it is better.

    The promotion gate: on held-back decisions the candidate must be better than the
    network in force beyond chance, and may lose at most half a percentage point of what
    it knew. The next scan predicts again; it never changes a person's decisions.

    Exit status 0: promoted, or nothing to do; 5: refused by the gate, nothing changed;
    1: failed.

    Example: tagger model adapt --if-worth-it --at-least 100
    """
    database = options.database(db)
    with activity("opening the inventory", shown=not as_json) as doing:
        from tagger.inventory import Inventory, scan_lock

        with Inventory(database, create=False) as inventory:
            new = inventory.decided_since_last_try()
            if if_worth_it and new < at_least:
                finish()
                _nothing(f"{new} new decisions, {at_least} are needed", as_json)
                return
            with scan_lock(database):
                result = _learn(inventory, doing, dry_run, if_worth_it, as_json)
    if result is not None:
        _show(result, dry_run=dry_run, as_json=as_json)


def _learn(
    inventory: "Inventory",
    doing: Activity,
    dry_run: bool,
    if_worth_it: bool,
    as_json: bool,
) -> "AdaptationResult | None":
    """Adapt and show the progress; None if `if_worth_it` and there is too little."""
    doing.now("starting TensorFlow, about 15 seconds")
    from tagger.adaptation.adapt import adapt_inventory
    from tagger.errors import DataError

    def move(step: int, steps: int) -> None:
        doing.now("learning from the answers", steps)
        doing.reach(step)

    try:
        return adapt_inventory(
            inventory, dry_run=dry_run, on_step=move, on_phase=doing.now
        )
    except DataError as error:
        if not if_worth_it:
            raise
        finish()
        _nothing(str(error), as_json)
        return None


def _nothing(why: str, as_json: bool) -> None:
    if as_json:
        options.print_json({"outcome": "nothing", "reason": why})
    else:
        typer.echo(f"nothing to do: {why}")


def _show(result: "AdaptationResult", *, dry_run: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from tagger.cli.views import adaptation_views
    from tagger.errors import EXIT_REFUSED
    from tagger.records import Outcome

    if as_json:
        options.print_json(asdict(result.row) | {"dry_run": dry_run})
    else:
        shown = adaptation_views.learnt_view(result, dry_run=dry_run)
        options.console().print(shown)
        if not dry_run:
            show_next(_SCAN if result.row.outcome is Outcome.PROMOTED else REVIEW)
    if result.row.outcome is Outcome.REFUSED:
        raise typer.Exit(EXIT_REFUSED)
