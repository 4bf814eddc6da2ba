"""Pack and read replay: old pictures that an adaptation trains on again.

They are in a bundle's file `rehearsal.npz`, which is written when it is trained.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.bundle import REHEARSAL_FILE, Bundle
from tagger.datasets.records import LabelledImages
from tagger.errors import ModelError
from tagger.imaging.views import views_of_gray
from tagger.records import IMAGE_SIDE
from tagger.training.recipe import Recipe, rehearsed

_PARTS = ("arrays", "photographs", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Pictures that a network knew before adaptation, and must know after it.

    `arrays` are pictures with the gray view only, as Fashion-MNIST; `photographs` have
    all views; `test` are arrays that are never trained on.
    """

    arrays: LabelledImages
    photographs: LabelledImages
    test: LabelledImages


def gather(recipe: Recipe) -> Replay | None:
    """Read the replay of a recipe's bundle; None without arrays or a test part."""
    arrays, photographs, test = map(_joined, rehearsed(recipe))
    if not len(arrays) or not len(test):
        return None
    return Replay(arrays, photographs, test)


def packed(rehearsal: Replay) -> bytes:
    """Return the content of the file; arrays keep only their gray view."""
    stream = io.BytesIO()
    content: dict[str, NDArray[np.uint8] | NDArray[np.str_]] = {}
    for part in _PARTS:
        data: LabelledImages = getattr(rehearsal, part)
        gray = part != "photographs"
        content[part] = data.images[..., 0] if gray else data.images
        content[f"{part}_labels"] = data.labels
    np.savez_compressed(stream, allow_pickle=False, **content)
    return stream.getvalue()


def read(bundle: Bundle) -> Replay:
    """Read the replay of a bundle; ModelError if it has none."""
    if REHEARSAL_FILE not in bundle.card.files:
        raise ModelError(
            f"{bundle.card.name} has no {REHEARSAL_FILE} and would forget what it "
            "knows: choose another network with 'tagger model use'"
        )
    path = bundle.folder / REHEARSAL_FILE
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            parts = [
                _labelled(part, content[part], content[f"{part}_labels"])
                for part in _PARTS
            ]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    return Replay(*parts)


def _labelled(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.str_]
) -> LabelledImages:
    sides = (IMAGE_SIDE, IMAGE_SIDE)
    if images.dtype != np.uint8 or images.shape[:3] != (len(labels), *sides):
        raise ValueError(f"{name} are not prepared images with one label each")
    if images.ndim == 3:  # noqa: PLR2004  gray
        views = [views_of_gray(image) for image in images]
        images = np.array(views, np.uint8).reshape(-1, *sides, 3)
    return LabelledImages(name, images, labels, labels, labels)


def _joined(sets: Sequence[LabelledImages]) -> LabelledImages:
    names = np.concatenate([np.empty(0, np.str_), *(data.labels for data in sets)])
    images = [np.empty((0, IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)]
    images += [data.images for data in sets]
    return LabelledImages("rehearsal", np.concatenate(images), names, names, names)
