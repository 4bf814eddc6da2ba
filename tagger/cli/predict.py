"""`tagger predict`: show the prediction for single pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity, finish
from tagger.records import Runtime
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from tagger.api import Network
    from tagger.bundles.bundle import Bundle
    from tagger.imaging.sources import Source
    from tagger.records import PreparedImage, UnreadableImage
    from tagger.storage import Location

_PICTURE_SIDE = 448
_PROMISED = ("tag", "confidence", "runner_up", "margin")


def predict(
    ctx: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(parser=options.picture, metavar="images", help="Picture files."),
    ],
    db: options.Db = None,
    model: options.ModelName = None,
    runtime: options.RuntimeName = Runtime.LITERT,
    as_json: options.AsJsonLines = False,
) -> None:
    """Show pictures, their 28x28 views and the probability of each label.

    The network is the one that a scan uses: the inventory's adapted one, if there is
    one. Nothing is recorded.

    Example: tagger predict sample_images/cmyk.jpg
    """
    ctx.with_resource(activity("loading the network", shown=not as_json))
    from tagger.api import Network
    from tagger.errors import EXIT_UNREADABLE
    from tagger.imaging.prepare import held, prepare
    from tagger.records import UnreadableImage
    from tagger.text import printable

    for path in images:
        _check(path)
    named = options.typed(ctx, "db")
    bundle, own = _network(options.database_to_look_in(db), model, named=named)
    network = Network(bundle, runtime)
    network.classifier.load()
    finish()
    code = 0
    for path in images:
        source = held(path)
        result = prepare(source)
        if isinstance(result, UnreadableImage):
            code = EXIT_UNREADABLE
            _tell_unreadable(path, result, as_json=as_json)
        else:
            _tell(path, source, result, network, as_json=as_json)
    if own and not as_json:
        line = f"Network {network.name}, adapted to this shop's decisions"
        options.console().print(printable(line))
    raise typer.Exit(code)


def _network(
    database: Place, model: str | None, *, named: bool
) -> "tuple[Bundle, bool]":
    """Return the network to use, and whether it is adapted to the inventory.

    An inventory that does not exist yet has no adapted network. Raises InventoryError
    if it does not exist but is `named` on the command line.
    """
    from tagger.bundles.adapted import bundle_in_force, in_force
    from tagger.inventory import Inventory

    if model is not None or not (named or database.exists()):
        return options.bundle(model), False
    with Inventory(database, create=False) as inventory:
        adaptations = inventory.adaptations()
    own = in_force(adaptations) is not None
    return bundle_in_force(database, adaptations), own


def _check(path: "Location") -> None:
    from tagger.errors import TaggerError
    from tagger.storage import is_listed

    if not is_listed(path):
        raise TaggerError(f"{path} does not exist")
    if isinstance(path, Path) and path.is_dir():
        raise TaggerError(f"{path} is a folder: name the pictures in it")


def _tell_unreadable(path: Path, image: "UnreadableImage", *, as_json: bool) -> None:
    from tagger.cli.views import scan_views

    if as_json:
        fields = {"path": str(path), "state": "unreadable", "reason": image.reason}
        options.print_json(fields)
    else:
        options.console().print(scan_views.unreadable_view(str(path), image))


def _tell(
    path: Path,
    source: "Source",
    image: "PreparedImage",
    network: "Network",
    *,
    as_json: bool,
) -> None:
    from tagger.cli.views import scan_views
    from tagger.imaging.prepare import upright

    (prediction,) = network.predict_views([image.pixels])
    by_label = dict(zip(network.labels, prediction.probabilities, strict=True))
    console = options.console()
    if as_json:
        fields = {name: getattr(prediction, name) for name in _PROMISED}
        known = {"path": str(path), **fields, "network": network.name}
        known["damaged"] = image.damaged
        options.print_json(known | {"probabilities": by_label})
    elif console.is_terminal and console.color_system is not None:
        picture = upright(source, side=_PICTURE_SIDE)
        shown = scan_views.drawn_prediction(
            str(path), picture, image, by_label, width=console.width
        )
        console.print(shown)
    else:
        console.print(scan_views.prediction_view(str(path), image, by_label))
