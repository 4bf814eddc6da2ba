"""`tagger model show`: a network's card in plain words."""

from typing import Annotated

import typer

from tagger.cli import options


def show(
    bundle: Annotated[
        str | None,
        typer.Argument(
            help="A network's name, or a folder with a bundle.",
            show_default="the one that is used where none is named",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell what a network is: its tags, its policy, its figures, its training.

    Example: tagger model show three-block
    """
    from tagger import bundle_display
    from tagger.bundle import default_bundle

    found = options.bundle(bundle)
    used = bundle is None or found == default_bundle()
    if as_json:
        options.print_json(bundle_display.card_as_json(found) | {"default": used})
    else:
        options.console().print(bundle_display.card_view(found, used=used))
