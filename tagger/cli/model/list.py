"""`tagger model list`: the networks there are, and which one is used."""

import typer

from tagger.cli import options
from tagger.cli.model import arguments


def list_bundles(
    ctx: typer.Context, db: options.Db = None, as_json: options.AsJson = False
) -> None:
    """List the networks that came with tagger and those added, and which is used.

    With an inventory named, or a default one there, those too that learnt from it.

    Example: tagger model list --json
    """
    import os

    from tagger.bundles import adapted, registry
    from tagger.cli.views import model_views

    found = registry.installed_bundles()
    own = adapted.adapted_bundles(*arguments.learnt_by(ctx, db))
    if as_json:
        options.print_json(
            model_views.shelf_as_json(found) | model_views.own_as_json(own)
        )
    else:
        options.console().print(model_views.shelf_view(found))
        if own:
            options.console().print(model_views.own_view(own))
        if named := os.environ.get("TAGGER_MODEL"):
            options.warn(f"TAGGER_MODEL names {named}, which beats the star")
