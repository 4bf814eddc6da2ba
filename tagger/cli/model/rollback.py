"""`tagger model rollback`: undo the last promotion of an adapted network."""

import typer

from tagger.cli import options


def rollback(db: options.Db = None, as_json: options.AsJson = False) -> None:
    """Go back to the network that was in force before the last promotion.

    The next scan predicts with it again; decisions stay. The promoted network is kept
    beside the inventory, but is not used again automatically.

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
        line = f"back to {row.bundle} {row.reason}: the next scan uses it"
        typer.echo(printable(line))
