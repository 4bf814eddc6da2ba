"""`tagger model show`: a network's card in plain words."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.model import arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tagger.bundles.bundle import Bundle
    from tagger.records import Adaptation


def show(
    ctx: typer.Context,
    bundle: Annotated[
        str | None,
        typer.Argument(
            help="A network's name, or a folder with a bundle.",
            show_default="the one that scans into the inventory use",
        ),
    ] = None,
    db: options.Db = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell what a network is: its tags, its policy, its figures, its training.

    Those that learnt from the inventory, named or default, have names here, too.

    Example: tagger model show three-block
    """
    import os

    from tagger.bundles import adapted
    from tagger.bundles.bundle import default_bundle, find_bundle
    from tagger.cli.views import model_views

    database, learnt = arguments.learnt_by(ctx, db)

    def in_force() -> "Bundle":
        return adapted.bundle_in_force(database, learnt)

    if bundle is None:
        found = in_force()
    else:
        found = find_bundle(bundle, adapted.adapted_folder(database))
    default, used = _is(found, default_bundle), _is(found, in_force)
    if as_json:
        told = model_views.card_as_json(found)
        options.print_json(told | {"default": default, "in_force": used})
        return
    when = _used(found, database, learnt, default=default, used=used)
    options.console().print(model_views.card_view(found, used=when))
    if bundle is None and (named := os.environ.get("TAGGER_MODEL")):
        options.warn(f"TAGGER_MODEL names {named}, which beats it")


def _is(found: "Bundle", load: "Callable[[], Bundle]") -> bool:
    """Whether a bundle is the one that is loaded, which may be damaged, or gone."""
    from tagger.errors import ModelError

    try:
        return load().folder.resolve() == found.folder.resolve()
    except ModelError:
        return False


def _used(
    found: "Bundle",
    database: Path,
    learnt: "Sequence[Adaptation]",
    *,
    default: bool,
    used: bool,
) -> str:
    """Say when scans use a bundle: `default` of this user's, `used` of those here."""
    from tagger.bundles import adapted

    own = adapted.in_force(learnt)
    if own and used:
        return f"by scans into {database}, where none is named: it learnt there"
    if own and default:
        return f"where none is named, but {own.bundle} by scans into {database}"
    if default:
        return "where none is named"
    if found.folder.parent.resolve() == adapted.adapted_folder(database).resolve():
        fate = adapted.fate_of(found.folder.name, learnt)
        return f"only where its folder is named; {fate}"
    return "only where it is named"
