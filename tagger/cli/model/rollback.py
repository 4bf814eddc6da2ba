"""`tagger model rollback`: go back to the network before the last promotion."""

import typer

from tagger.cli import options


def rollback(db: options.Db = None, as_json: options.AsJson = False) -> None:
    """Go back to the network that was in force here before the last promotion.

    What the machine tagged is decided again by the next scan. The network that is left
    stays beside the inventory, but is not tried again by itself.

    Example: tagger model rollback --db shop.db
    """
    from dataclasses import asdict

    from tagger.bundles import adapted
    from tagger.inventory import Inventory, scan_lock
    from tagger.text import printable

    database = options.database(db)
    with Inventory(database, create=False) as inventory, scan_lock(database):
        row = adapted.rolled_back(database, inventory.adaptations())
        inventory.record_adaptation(row)
    if as_json:
        options.print_json(asdict(row))
    else:
        told = f"back to {row.bundle} {row.reason}: the next scan decides again by it"
        typer.echo(printable(told))
