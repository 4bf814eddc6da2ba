"""`tagger model show`: show the card of a network."""

from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.model import arguments
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tagger.bundles.bundle import Bundle
    from tagger.records import Adaptation


def show(
    ctx: typer.Context,
    bundle: Annotated[
        str | None,
        typer.Argument(
            help="Name of a network, or folder of a bundle.",
            show_default="the network in force for the inventory",
        ),
    ] = None,
    db: options.Db = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the tags, policy, figures and training of a network.

    Also accepts the names of the inventory's adapted networks.

    Example: tagger model show three-block
    """
    import os

    from tagger.bundles import adapted
    from tagger.bundles.bundle import default_bundle, find_bundle
    from tagger.cli.views import model_views

    database, adaptations = arguments.learnt_by(ctx, db)

    def in_force() -> "Bundle":
        return adapted.bundle_in_force(database, adaptations)

    if bundle is None:
        found = in_force()
    else:
        found = find_bundle(bundle, adapted.adapted_folder(database))
    default, used = _is(found, default_bundle), _is(found, in_force)
    if as_json:
        card = model_views.card_as_json(found)
        options.print_json(card | {"default": default, "in_force": used})
        return
    when = _used(found, database, adaptations, default=default, used=used)
    options.console().print(model_views.card_view(found, used=when))
    if bundle is None and (named := os.environ.get("TAGGER_MODEL")):
        options.warn(f"TAGGER_MODEL is set: scans use {named} instead")


def _is(found: "Bundle", load: "Callable[[], Bundle]") -> bool:
    """Whether `load` returns this bundle; False if that one is damaged or missing."""
    from tagger.errors import ModelError

    try:
        return load().folder.resolve() == found.folder.resolve()
    except ModelError:
        return False


def _used(
    found: "Bundle",
    database: Place,
    adaptations: "Sequence[Adaptation]",
    *,
    default: bool,
    used: bool,
) -> str:
    """Describe when scans use a bundle.

    `default`: it is the user's default. `used`: it is in force for the inventory.
    """
    from tagger.bundles import adapted

    own = adapted.in_force(adaptations)
    if own and used:
        return f"by default for scans into {database}, to which it is adapted"
    if own and default:
        return f"by default, except {own.bundle} for scans into {database}"
    if default:
        return "by default"
    if found.folder.parent.resolve() == adapted.adapted_folder(database).resolve():
        fate = adapted.fate_of(found.folder.name, adaptations)
        return f"only if its folder is named; {fate}"
    return "only if it is named"
