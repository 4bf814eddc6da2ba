"""`tagger status`: the inventory at a glance."""

from datetime import timedelta
from typing import Annotated

import typer

from tagger.cli import options


def status(
    db: options.Db = None,
    max_age: Annotated[
        float | None,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            help="Fail unless a scan has succeeded within this time, e.g. 26h.",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what is in the inventory, the last scan, and how many wait for review.

    Example: tagger status --max-age 26h
    """
    from tagger.bundles.adapted import in_force
    from tagger.bundles.bundle import DEFAULT_BUNDLE, chosen
    from tagger.certification.current import current_stats
    from tagger.errors import OverdueError
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.status()
        learnt = inventory.adaptations()
        sure = current_stats(inventory)
        late = max_age is not None and inventory.overdue(timedelta(seconds=max_age))
    choice, own = chosen(), in_force(learnt)
    if as_json:
        from dataclasses import asdict

        known = {
            "network": own.bundle if own else choice or DEFAULT_BUNDLE,
            "adaptations": [asdict(one) for one in learnt[:-6:-1]],
            "assurance": None if sure is None else asdict(sure),
        }
        options.print_json(asdict(found) | known)
    else:
        from tagger.certification import summary
        from tagger.cli.views import scan_views
        from tagger.text import printable

        console = options.console()
        console.print(scan_views.inventory_status(found))
        if sure is not None:
            console.print()
            console.print(summary.auto_tagging_stats(sure))
        if learnt:
            console.print(scan_views.adaptations(learnt[-3:]))
        if own is not None:
            told = f"Network {own.bundle}, which learnt from the decisions here"
            console.print(printable(told))
        elif choice is not None:
            told = f"Network {choice}, chosen with 'tagger model use'"
            console.print(printable(told))
    if late:
        raise OverdueError(late)
