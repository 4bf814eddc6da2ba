"""`tagger status`: the inventory at a glance."""

from tagger.cli import options


def status(db: options.Db = None, as_json: options.AsJson = False) -> None:
    """Show what is in the inventory, the last scan, and how many wait for review.

    Example: tagger status --json
    """
    from tagger.inventory import Inventory

    with Inventory(options.database(db), create=False) as inventory:
        found = inventory.status()
    if as_json:
        from dataclasses import asdict

        options.print_json(asdict(found))
    else:
        from tagger import display

        options.console().print(display.inventory_status(found))
