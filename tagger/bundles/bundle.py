"""Bundles: a folder with a trained network and the card that describes it.

Knows what a card says and whether the files are the ones it means; runs no network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from tagger.errors import HomeError, ModelError, OtherRecipeError
from tagger.labels import tags_of
from tagger.records import (
    ALIKE,
    IMAGE_SIDE,
    PREPARING,
    VIEWS,
    ModelIdentity,
    Policy,
)
from tagger.system.user_dirs import NO_FOLDER, config_folder, data_folder

DEFAULT_BUNDLE: Final = "shops"
"""Name of the network that is used where none is named and none was chosen."""

KERAS_FILE: Final = "model.keras"
LITERT_FILE: Final = "model.tflite"
CARD_FILE: Final = "card.json"
FAMILIAR_FILE: Final = "familiar.json"
REHEARSAL_FILE: Final = "rehearsal.npz"
HELD_BACK_FILE: Final = "held-back.npz"

TEST_FIGURE: Final = "fashion_mnist_test_accuracy"
KNOWN_FIGURE: Final = "known_accuracy"
"""Metrics that lists show: accuracy on Fashion-MNIST's test part, and, of a network
that learnt a shop, on what it knew before."""

_ROUNDING: Final = 1e-3
"""By which the shares of a card, in four digits, may miss 1."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a network is, what it expects, and how well it did.

    `preparing` names the recipe of `images.prepare` that it is measured by, `views`
    how many of the views it takes, from the first. `files` maps each file of the bundle
    to the SHA-256 of its bytes. `metrics` are shares in [0, 1], named by data set.
    `training` says how to train it again: data, architecture, seed, epochs, versions.
    `prior` are the shares of the labels that it takes for granted, for a shop's own mix
    (see `label_shift`); empty where they are not known.
    """

    name: str
    labels: tuple[str, ...]
    preparing: str
    policy: Policy
    views: int
    files: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    prior: tuple[float, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the Keras file: the identity of the network in every row."""
        return self.files[KERAS_FILE]

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels that are tags."""
        return tags_of(self.labels)

    @property
    def identity(self) -> ModelIdentity:
        """What rows say of the network: asked about pictures prepared as today."""
        return ModelIdentity(self.name, self.digest, self.labels, PREPARING)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder whose files were found to be the ones its card means."""

    folder: Path
    card: ModelCard

    @property
    def keras_file(self) -> Path:
        """The network as trained."""
        return self.folder / KERAS_FILE

    @property
    def litert_file(self) -> Path:
        """The same network, converted for LiteRT."""
        return self.folder / LITERT_FILE

    @property
    def familiar_file(self) -> Path | None:
        """What the network knows (see `familiarity`); None where nobody measured it."""
        there = FAMILIAR_FILE in self.card.files
        return self.folder / FAMILIAR_FILE if there else None


def models_folder() -> Path:
    """Find the folder of bundled networks, in a wheel or in a checkout.

    A wheel carries it inside the package; an editable install leaves it beside.
    """
    inside = Path(str(files("tagger"))) / "models"
    beside = Path(__file__).resolve().parents[2] / "models"
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise ModelError(f"no bundled networks at {inside}: install tagger again")


def find_bundle(name_or_folder: str, beside: Path | None = None) -> Bundle:
    """Load the bundle of that name, or the one in that folder.

    `beside` is one more folder of bundles, where a name that no other has is looked
    for. Raises ModelError when there is none, or when it is not what its card says.
    """
    folder = Path(name_or_folder)
    if folder.name == name_or_folder and not (folder / CARD_FILE).is_file():
        folder = named_folder(name_or_folder)
        if beside is not None and not folder.is_dir():
            folder = beside / name_or_folder
    if not folder.is_dir():
        raise ModelError(
            f"there is no network {name_or_folder}: 'tagger model list' shows which "
            "there are; a folder works, too"
        )
    return load_bundle(folder)


def named_folder(name: str) -> Path:
    """Return the folder of a bundle that came with tagger or was added by this user."""
    bundled, added = models_folder() / name, added_folder() / name
    return added if added.is_dir() and not bundled.is_dir() else bundled


def added_folder() -> Path:
    """Return the folder of the bundles that this user added; it may not be there.

    Nor can it be, for a user without a home.
    """
    try:
        return data_folder() / "bundles"
    except HomeError:
        return NO_FOLDER / "bundles"


def chosen() -> str | None:
    """Return the name or the folder that this user chose; None where none did.

    Raises ModelError where the file that says so cannot be read.
    """
    try:
        path = choice_file()
    except HomeError:
        return None
    try:
        told = json.loads(path.read_bytes())["bundle"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} does not say which network to use: "
            f"tagger model use {DEFAULT_BUNDLE}"
        ) from error
    return str(told)


def default_bundle() -> Bundle:
    """Load the bundle that is used where none is named.

    Raises ModelError where it is gone or damaged: another must not take its place.
    """
    choice = chosen()
    if choice is None:
        return load_bundle(named_folder(DEFAULT_BUNDLE))
    try:
        return load_bundle(chosen_folder(choice))
    except ModelError as error:
        raise ModelError(
            f"{error} (it was chosen with 'tagger model use'; "
            f"'tagger model use {DEFAULT_BUNDLE}' goes back)"
        ) from error


def choice_file() -> Path:
    """Return the file that says which bundle this user chose; it may not be there.

    Raises HomeError for a user without a home.
    """
    return config_folder() / "default-bundle.json"


def chosen_folder(choice: str) -> Path:
    """Return the folder that a choice means, wherever the program was started."""
    folder = Path(choice)
    return folder if folder.is_absolute() else named_folder(choice)


def load_bundle(folder: Path) -> Bundle:
    """Read the card in `folder` and verify every file it names by its digest.

    Raises ModelError when a file is absent, or its bytes are not the card's.
    """
    card = _read_card(folder / CARD_FILE)
    for name, digest in card.files.items():
        if sha256_of(folder / name) != digest:
            raise ModelError(
                f"{folder / name} is not the file its card describes: refused. "
                "Restore the bundle or train it again."
            )
    return Bundle(folder, card)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal; ModelError if unreadable."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def write_card(folder: Path, card: ModelCard) -> None:
    """Write the card, last of a bundle's files: its presence completes the bundle."""
    fields = asdict(card) | {"image_side": IMAGE_SIDE}
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def _read_card(path: Path) -> ModelCard:
    try:
        fields = json.loads(path.read_bytes())
        card = _parse_card(fields)
        side = fields.get("image_side")
    except OSError as error:
        raise ModelError(
            f"no bundle at {path.parent}: {path.name}: {error.strerror}"
        ) from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a model card: {error!r}") from error
    if side != IMAGE_SIDE:
        raise ModelError(
            f"{path}: the network wants {side} pixels a side, "
            f"tagger prepares {IMAGE_SIDE}"
        )
    if card.preparing not in ALIKE:
        raise OtherRecipeError(
            f"{path}: the network learnt from pictures prepared as {card.preparing}, "
            f"this tagger prepares them as {PREPARING}: train it again"
        )
    return card


def _parse_card(fields: Mapping[str, Any]) -> ModelCard:
    card = ModelCard(
        name=str(fields["name"]),
        labels=tuple(map(str, fields["labels"])),
        preparing=str(fields["preparing"]),
        policy=Policy(**fields["policy"]),
        views=int(fields["views"]),
        files={str(name): str(digest) for name, digest in fields["files"].items()},
        metrics=fields.get("metrics", {}),
        training=fields.get("training", {}),
        prior=tuple(map(float, fields.get("prior", ()))),
    )
    absent = {KERAS_FILE, LITERT_FILE} - card.files.keys()
    if absent:
        raise ValueError(f"files lacks {', '.join(sorted(absent))}")
    if any(Path(name).name != name for name in card.files):
        raise ValueError("files must lie in the bundle's own folder")
    if not 1 <= card.views <= VIEWS:
        raise ValueError(f"views must lie between 1 and {VIEWS}")
    policy = card.policy
    if not all(
        0 <= value <= 1
        for value in (policy.threshold, policy.margin, *policy.tags.values())
    ):
        raise ValueError("the policy's values must lie between 0 and 1")
    if not isinstance(fields["labels"], list) or not all(
        label and label.isprintable() for label in card.labels
    ):
        raise ValueError("labels must be a list of words")
    tags = tags_of(card.labels)
    if len(set(card.labels)) != len(card.labels) or len(tags) < 2:  # noqa: PLR2004
        raise ValueError("labels must be two or more, each once")
    if policy.tags.keys() - set(tags):
        raise ValueError("the policy has thresholds for tags that are no labels")
    if card.prior and not (
        len(card.prior) == len(card.labels)
        and all(0 < share < 1 for share in card.prior)
        and abs(sum(card.prior) - 1) < _ROUNDING
    ):
        raise ValueError("prior must give each label a share; they sum to 1")
    return card
