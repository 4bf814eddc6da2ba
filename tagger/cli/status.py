"""`tagger status`: show the counts of the inventory and its last scan."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import most_useful, show_next


def status(
    db: options.Db = None,
    max_age: Annotated[
        float | None,
        typer.Option(
            parser=options.duration,
            metavar="DURATION",
            help="Fail if no scan has succeeded within this time, e.g. 26h.",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the counts of the inventory, the last scan and the size of the queue.

    Example: tagger status --max-age 26h
    """
    from tagger.bundles.adapted import in_force
    from tagger.bundles.bundle import DEFAULT_BUNDLE, chosen
    from tagger.certification.current_precision import current_stats
    from tagger.errors import OverdueError
    from tagger.inventory import Inventory

    with (
        activity("reading the inventory", shown=not as_json),
        Inventory(options.database(db), create=False) as inventory,
    ):
        counts = inventory.status()
        adaptations = inventory.adaptations()
        stats = current_stats(inventory)
        late = max_age is not None and inventory.overdue(timedelta(seconds=max_age))
    choice, own = chosen(), in_force(adaptations)
    if as_json:
        from dataclasses import asdict

        known = {
            "network": own.bundle if own else choice or DEFAULT_BUNDLE,
            "adaptations": [asdict(row) for row in adaptations[:-6:-1]],
            "assurance": None if stats is None else asdict(stats),
        }
        options.print_json(asdict(counts) | known)
    else:
        from tagger.certification import summary
        from tagger.cli.views import scan_views
        from tagger.storage import location
        from tagger.system.paths import shop_of
        from tagger.text import printable

        console = options.console()
        # Whether a store answers may take a minute to find out: its scans tell.
        absent = [
            root
            for root in counts.roots
            if not shop_of(root)
            and isinstance(place := location(root), Path)
            and not place.is_dir()
        ]
        console.print(scan_views.inventory_status(counts, absent))
        if stats is not None:
            console.print()
            console.print(summary.auto_tagging_stats(stats, counts.accepted))
        if adaptations:
            console.print(scan_views.adaptations(adaptations[-3:]))
        if own is not None:
            line = f"Network {own.bundle}, adapted to this shop's decisions"
            console.print(printable(line))
        elif choice is not None:
            line = f"Network {choice}, chosen with 'tagger model use'"
            console.print(printable(line))
        show_next(most_useful(counts))
    if late:
        raise OverdueError(late)
