"""`tagger model list`: the networks there are, and which one is used."""

from tagger.cli import options


def list_bundles(as_json: options.AsJson = False) -> None:
    """List the networks that came with tagger and those added, and which is used.

    Example: tagger model list --json
    """
    import os

    from tagger import bundle_display, shelf

    found = shelf.shelved()
    if as_json:
        options.print_json(bundle_display.shelf_as_json(found))
    else:
        options.console().print(bundle_display.shelf_view(found))
        if named := os.environ.get("TAGGER_MODEL"):
            options.warn(f"TAGGER_MODEL names {named}, which beats the star")
