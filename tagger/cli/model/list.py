"""`tagger model list`: list the networks and mark the one in use."""

import typer

from tagger.cli import options
from tagger.cli.model import arguments


def list_bundles(
    ctx: typer.Context, db: options.Db = None, as_json: options.AsJson = False
) -> None:
    """List the bundled and installed networks, and mark the one in use.

    With --db, or if the default inventory exists, list its adapted networks too.

    Example: tagger model list --json
    """
    import os

    from tagger.bundles import adapted, registry
    from tagger.cli.views import model_views

    installed = registry.installed_bundles()
    own = adapted.adapted_bundles(*arguments.learnt_by(ctx, db))
    if as_json:
        options.print_json(
            model_views.shelf_as_json(installed) | model_views.own_as_json(own)
        )
    else:
        options.console().print(model_views.shelf_view(installed))
        if own:
            options.console().print(model_views.own_view(own))
        if named := os.environ.get("TAGGER_MODEL"):
            options.warn(
                f"TAGGER_MODEL is set: scans use {named} instead of the starred network"
            )
