"""Find and load bundles: a trained network and its card in a folder.

Reads the card and verifies the files by their digests; runs no network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tagger.errors import HomeError, ModelError, OtherRecipeError
from tagger.labels import tags_of
from tagger.policy.table import PolicyTable
from tagger.records import (
    ALIKE,
    IMAGE_SIDE,
    PREPARING,
    VIEWS,
    ModelIdentity,
    Policy,
)
from tagger.system.user_dirs import NO_FOLDER, config_folder, data_folder
from tagger.validation import convert, read_json

DEFAULT_BUNDLE: Final = "shops"
"""Name of the network that is used if none is named and none was chosen."""

KERAS_FILE: Final = "model.keras"
LITERT_FILE: Final = "model.tflite"
CARD_FILE: Final = "card.json"
REFERENCE_FILE: Final = "familiar.json"
REHEARSAL_FILE: Final = "rehearsal.npz"
HELD_BACK_FILE: Final = "held-back.npz"

TEST_FIGURE: Final = "fashion_mnist_test_accuracy"
KNOWN_FIGURE: Final = "known_accuracy"
"""Metrics that lists show: accuracy on Fashion-MNIST's test part, and, for an adapted
network, accuracy on the data that it knew before."""

_ROUNDING: Final = 1e-3
"""Tolerance for the sum of a card's shares, which have four digits."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a network: its identity, its input and its metrics.

    `preparing` is the preprocessing id that it was measured with, `views` the number of
    views that it takes, from the first. `files` maps each file of the bundle to its
    SHA-256. `metrics` are shares in [0, 1], named by data set. `training` has all that
    is needed to train it again: data, architecture, seed, epochs, versions. `prior` are
    the shares of the labels that it expects, for a shop's own mix (see
    `policy.label_shift`); empty if they are not known.
    """

    name: str
    labels: tuple[str, ...]
    preparing: str
    policy: Policy
    views: Annotated[int, Meta(ge=1, le=VIEWS)]
    files: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    prior: tuple[float, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the Keras file: identifies the network in every row."""
        return self.files[KERAS_FILE]

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels that are tags."""
        return tags_of(self.labels)

    @property
    def identity(self) -> ModelIdentity:
        """The network's identity in rows, with the present preprocessing id."""
        return ModelIdentity(self.name, self.digest, self.labels, PREPARING)


class _Taken(Struct):
    """The keys of a card that a `ModelCard` has not, or has without their ranges."""

    policy: PolicyTable
    image_side: object = None


class _Choice(Struct):
    """The file that keeps a user's choice of a bundle."""

    bundle: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder whose files match the digests on its card."""

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
    def reference_file(self) -> Path | None:
        """The reference statistics of `policy.covariate_shift`; None if it has none."""
        exists = REFERENCE_FILE in self.card.files
        return self.folder / REFERENCE_FILE if exists else None


def models_folder() -> Path:
    """Find the folder of the networks that come with tagger.

    A wheel has it inside the package, an editable install beside the package.
    """
    inside = Path(str(files("tagger"))) / "models"
    beside = Path(__file__).resolve().parents[2] / "models"
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise ModelError(f"no bundled networks at {inside}: install tagger again")


def find_bundle(name_or_folder: str, beside: Path | None = None) -> Bundle:
    """Load the bundle of this name or in this folder.

    `beside` is one more folder of bundles, searched last. Raises ModelError if there is
    no such bundle, or if it differs from its card.
    """
    folder = Path(name_or_folder)
    if folder.name == name_or_folder and not (folder / CARD_FILE).is_file():
        folder = named_folder(name_or_folder)
        if beside is not None and not folder.is_dir():
            folder = beside / name_or_folder
    if not folder.is_dir():
        raise ModelError(
            f"there is no network {name_or_folder}: 'tagger model list' shows the "
            "installed ones; you can also give a folder"
        )
    return load_bundle(folder)


def named_folder(name: str) -> Path:
    """Return the folder of a bundle that came with tagger or was added by this user."""
    bundled, added = models_folder() / name, added_folder() / name
    return added if added.is_dir() and not bundled.is_dir() else bundled


def added_folder() -> Path:
    """Return the folder of the bundles that this user added, which may not exist.

    For a user without a home folder it never exists.
    """
    try:
        return data_folder() / "bundles"
    except HomeError:
        return NO_FOLDER / "bundles"


def chosen() -> str | None:
    """Return the name or the folder that this user chose; None without a choice.

    Raises ModelError if the file of the choice cannot be read.
    """
    try:
        path = choice_file()
    except HomeError:
        return None
    try:
        return read_json(path.read_bytes(), _Choice).bundle
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} does not say which network to use: choose one with "
            f"'tagger model use {DEFAULT_BUNDLE}'"
        ) from error


def default_bundle() -> Bundle:
    """Load the bundle that is used if none is named.

    Raises ModelError if it is missing or damaged: no other bundle replaces it.
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
    """Return the file of this user's choice of a bundle, which may not exist.

    Raises HomeError for a user without a home folder.
    """
    return config_folder() / "default-bundle.json"


def chosen_folder(choice: str) -> Path:
    """Return the folder of a choice; it does not depend on the working folder."""
    folder = Path(choice)
    return folder if folder.is_absolute() else named_folder(choice)


def load_bundle(folder: Path) -> Bundle:
    """Read the card in `folder` and verify the digest of every file on it.

    Raises ModelError if a file is missing or has another digest.
    """
    card = _read_card(folder / CARD_FILE)
    for name, digest in card.files.items():
        if sha256_of(folder / name) != digest:
            raise ModelError(
                f"{folder / name} is not the file its card describes: restore the "
                "bundle or train it again"
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
    """Write the card. Write it last: a folder with a card is a complete bundle."""
    fields = asdict(card) | {"image_side": IMAGE_SIDE}
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def _read_card(path: Path) -> ModelCard:
    try:
        fields = read_json(path.read_bytes(), dict[str, Any])
        taken, card = convert(fields, _Taken), convert(fields, ModelCard)
        _check(card)
    except OSError as error:
        raise ModelError(
            f"no bundle at {path.parent}: {path.name}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ModelError(
            f"{path} is not a model card ({error}): restore the bundle or train it "
            "again"
        ) from error
    if taken.image_side != IMAGE_SIDE:
        raise ModelError(
            f"{path}: the network takes pictures of {taken.image_side} pixels a side, "
            f"tagger makes {IMAGE_SIDE}"
        )
    if card.preparing not in ALIKE:
        raise OtherRecipeError(
            f"{path}: the network was trained with preprocessing {card.preparing}, "
            f"this version of tagger uses {PREPARING}: train it again"
        )
    return card


def _check(card: ModelCard) -> None:
    """Check what concerns several keys of a card; ValueError, naming them."""
    absent = {KERAS_FILE, LITERT_FILE} - card.files.keys()
    if absent:
        raise ValueError(f"files lacks {', '.join(sorted(absent))}")
    if any(Path(name).name != name for name in card.files):
        raise ValueError("files must be in the bundle's own folder")
    if not all(label and label.isprintable() for label in card.labels):
        raise ValueError("labels must be a list of words")
    tags = tags_of(card.labels)
    if len(set(card.labels)) != len(card.labels) or len(tags) < 2:  # noqa: PLR2004
        raise ValueError("labels must have two or more tags, and no label twice")
    if card.policy.tags.keys() - set(tags):
        raise ValueError("the policy has thresholds for tags that are not labels")
    if card.prior and not (
        len(card.prior) == len(card.labels)
        and all(0 < share < 1 for share in card.prior)
        and abs(sum(card.prior) - 1) < _ROUNDING
    ):
        raise ValueError("prior must give each label a share, and sum to 1")
