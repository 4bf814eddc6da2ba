"""The library: what `import tagger` offers, with the defaults of the command line."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tagger.bundles.adapted import bundle_in_force
from tagger.bundles.bundle import Bundle, default_bundle, find_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.engine.interface import (
    ON_THIS_MACHINE,
    Engine,
    EngineChoice,
    EngineName,
)
from tagger.engine.local import local_engine
from tagger.errors import RequestError
from tagger.inventory import Inventory, scan_lock
from tagger.inventory.columns import (
    COLUMNS,
    PRODUCT_COLUMNS,
    find_columns,
    parse_conditions,
)
from tagger.labels import tags_of
from tagger.policy.effective import effective_policy
from tagger.records import (
    Format,
    Policy,
    Prediction,
    Runtime,
    UnreadableImage,
)
from tagger.scan.records import BY_DEFAULT, OwnMix, RunSummary, ScanOptions
from tagger.scan.run import Track, scan
from tagger.storage import Location, RemotePath, typed_location
from tagger.system.signals import Interruption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Network:
    """A trained network with its labels and its policy.

    Its weights are loaded by the first prediction: LiteRT takes 0.4 s, Keras 15 s.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime = Runtime.LITERT) -> None:
        self.bundle = bundle
        self.runtime = runtime

    @property
    def name(self) -> str:
        """The name on the network's card."""
        return self.bundle.card.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label it predicts: tags, and kinds of things that have no tag."""
        return self.bundle.card.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels that a picture can be given as its tag."""
        return self.bundle.card.tags

    @property
    def policy(self) -> Policy:
        """The policy on its card: from which confidence a tag is accepted."""
        return self.bundle.card.policy

    @cached_property
    def classifier(self) -> BundleClassifier:
        """What runs the network on prepared pictures."""
        return BundleClassifier(self.bundle, self.runtime)

    def predict(
        self, pictures: "Iterable[Location | str | NDArray[np.uint8]]"
    ) -> list[Prediction | UnreadableImage]:
        """Predict the tags of pictures, in their order.

        A picture is the path or URL of a file, or an array of type uint8: RGB of shape
        (height, width, 3), or gray of shape (height, width), upright, 0 black. A file
        that cannot be read gives an UnreadableImage with the reason. Raises
        RequestError for another kind of array, and ModelError if the network's file is
        not what its card says.
        """
        prepared = [_views(picture) for picture in pictures]
        readable = [one[0] for one in prepared if not isinstance(one, UnreadableImage)]
        predictions = iter(self.predict_views(readable))
        return [
            one
            if isinstance(one, UnreadableImage)
            else replace(next(predictions), damaged=one[1])
            for one in prepared
        ]

    def predict_views(self, views: "Sequence[NDArray[np.uint8]]") -> list[Prediction]:
        """Predict from prepared views, each (28, 28, 3) and uint8, in their order.

        They are the `pixels` that `tagger.imaging.prepare.prepare` makes of a file.
        """
        import numpy as np  # noqa: PLC0415

        from tagger.policy.decide import predict  # noqa: PLC0415

        if not views:
            return []
        return predict(self.classifier.classify(np.stack(views)), self.labels)


def _views(
    picture: "Location | str | NDArray[np.uint8]",
) -> "tuple[NDArray[np.uint8], bool] | UnreadableImage":
    """Prepare one picture for the network: (28, 28, 3), uint8; say if it is damaged."""
    import numpy as np  # noqa: PLC0415

    if isinstance(picture, Path | RemotePath | str):
        from tagger.imaging.prepare import prepare  # noqa: PLC0415

        image = prepare(typed_location(picture))
        if isinstance(image, UnreadableImage):
            return image
        return image.pixels, image.damaged
    from tagger.imaging.views import find, look_at, network_input  # noqa: PLC0415

    if picture.ndim == 2:  # noqa: PLR2004  gray
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:  # noqa: PLR2004
        raise RequestError(
            "a picture must be a path or an array of type uint8 and shape (height, "
            f"width, 3) or (height, width), not {picture.dtype} {picture.shape}"
        )
    picture = np.ascontiguousarray(picture)
    return network_input(look_at(picture, find(picture))), False


def load_network(
    name_or_folder: str | None = None, *, runtime: Runtime = Runtime.LITERT
) -> Network:
    """Load an installed network by its name, or one in a folder.

    Without a name, the network that this user chose with `tagger model use`, or the
    bundled `shops`. Raises ModelError if there is none of that name, or its files are
    damaged.
    """
    bundle = default_bundle() if name_or_folder is None else find_bundle(name_or_folder)
    return Network(bundle, runtime)


def scan_folders(  # noqa: PLR0913  as many as the command line has
    folders: Sequence[Location | str],
    inventory: Inventory,
    network: Network | None = None,
    *,
    threshold: float | None = None,
    own_mix: bool = True,
    options: ScanOptions = BY_DEFAULT,
    wait: float = 0.0,
    track: Track = lambda files, _total: files,
    interruption: Interruption | None = None,
    engine: EngineChoice = ON_THIS_MACHINE,
) -> RunSummary:
    """Bring an inventory up to date with folders, as `tagger scan` does.

    Without a network, the one in force in this inventory: adapted here, or the user's.
    The effective policy is that of the command line (`tagger.policy.effective`);
    `threshold`, in [0, 1], replaces it. Pictures are decoded in processes of their own,
    or on a Ray cluster by an `engine` of that name. Raises LockedError if another scan
    is at work after `wait` seconds, EngineError if the cluster cannot be reached or is
    gone, FolderError, ModelError and InventoryError as `tagger.scan.run.scan` does.
    """
    if network is None:
        network = Network(bundle_in_force(inventory.place, inventory.adaptations()))
    roots = [typed_location(folder) for folder in folders]
    with scan_lock(inventory.place, roots, wait=wait):
        return scan_with(
            network,
            roots,
            inventory,
            threshold=threshold,
            own_mix=own_mix,
            options=options,
            track=track,
            interruption=interruption,
            engine=engine,
        )


def scan_with(  # noqa: PLR0913
    network: Network,
    folders: Sequence[Location],
    inventory: Inventory,
    *,
    threshold: float | None,
    own_mix: bool,
    options: ScanOptions,
    track: Track,
    interruption: Interruption | None,
    engine: EngineChoice = ON_THIS_MACHINE,
) -> RunSummary:
    """Scan by the effective policy; the caller holds the lock of the inventory."""
    card = network.bundle.card
    effective = effective_policy(
        card.policy,
        card.tags,
        reference=network.bundle.reference_file,
        certificate=inventory.certificate(card.digest),
        threshold=threshold,
        added=tags_of(inventory.labels_here(card.labels)),
    )
    with _engine(network, engine, interruption) as at_work:
        return scan(
            folders,
            inventory,
            at_work,
            effective,
            options=options,
            track=track,
            interruption=interruption,
            own_mix=OwnMix(card.prior if own_mix else (), frozen=effective.certified),
        )


def _engine(
    network: Network, choice: EngineChoice, interruption: Interruption | None
) -> AbstractContextManager[Engine]:
    """Return the chosen engine; its context ends the processes that it starts."""
    if choice.name is EngineName.LOCAL:
        return local_engine(network.classifier)
    from tagger.engine.ray import RayEngine, check_ray  # noqa: PLC0415  only if chosen

    check_ray(choice)
    return RayEngine(network.bundle, network.runtime, choice, interruption)


def export_inventory(  # noqa: PLR0913  as many as the command line has
    inventory: Inventory,
    target: Path | str,
    *,
    columns: Sequence[str] | None = None,
    where: str = "",
    as_format: Format | None = None,
    by_item: bool = False,
    mark: str | None = None,
) -> int:
    """Write items to a file that appears whole or not at all; return how many.

    `columns` are names of exported columns, all of them by default. `where` chooses
    items, as on the command line: "flagged = true and margin < 0.1". The ending of
    `target` names the format, unless `as_format` does. With `by_item` a row is a
    product, by the item pattern of its root (`Inventory.set_item_pattern`). With a
    `mark`, only rows are written that differ from the last export under it.
    Raises RequestError for a column or a condition that is not understood, ExportError
    if the file cannot be written, MissingExtraError if the format needs a package that
    is not installed.
    """
    from tagger.exchange import Style, format_of  # noqa: PLC0415
    from tagger.exchange.export import ExportRequest, write_export  # noqa: PLC0415

    path = Path(target)
    known = PRODUCT_COLUMNS if by_item else COLUMNS
    request = ExportRequest(
        find_columns(columns, known) if columns is not None else known,
        parse_conditions(where, known) if where else (),
        by_item,
        mark,
    )
    return write_export(inventory, request, path, format_of(path, as_format), Style())
