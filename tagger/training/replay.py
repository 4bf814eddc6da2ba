"""What goes with a bundle for its network to rehearse while it learns a shop.

A file of arrays, `rehearsal.npz`, gathered when the bundle is trained.
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
class Rehearsal:
    """What the network knew before, and must know after.

    `arrays` are those of which only the gray is taken, as of Fashion-MNIST;
    `photographs` are prepared like any; `test` are arrays that are never trained on.
    """

    arrays: LabelledImages
    photographs: LabelledImages
    test: LabelledImages


def gather(recipe: Recipe) -> Rehearsal | None:
    """Read what a recipe's bundle rehearses; None where it names no arrays to test."""
    arrays, photographs, test = map(_joined, rehearsed(recipe))
    if not len(arrays) or not len(test):
        return None
    return Rehearsal(arrays, photographs, test)


def packed(rehearsal: Rehearsal) -> bytes:
    """Return the content of the file; of arrays the gray alone is kept."""
    stream = io.BytesIO()
    content: dict[str, NDArray[np.uint8] | NDArray[np.str_]] = {}
    for part in _PARTS:
        data: LabelledImages = getattr(rehearsal, part)
        gray = part != "photographs"
        content[part] = data.images[..., 0] if gray else data.images
        content[f"{part}_labels"] = data.labels
    np.savez_compressed(stream, allow_pickle=False, **content)
    return stream.getvalue()


def read(bundle: Bundle) -> Rehearsal:
    """Read what a bundle's network rehearses; ModelError where it has nothing."""
    if REHEARSAL_FILE not in bundle.card.files:
        raise ModelError(
            f"{bundle.card.name} brings no {REHEARSAL_FILE} and would forget what it "
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
    return Rehearsal(*parts)


def _labelled(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.str_]
) -> LabelledImages:
    sides = (IMAGE_SIDE, IMAGE_SIDE)
    if images.dtype != np.uint8 or images.shape[:3] != (len(labels), *sides):
        raise ValueError(f"{name} are no prepared images with a label each")
    if images.ndim == 3:  # noqa: PLR2004  gray
        views = [views_of_gray(image) for image in images]
        images = np.array(views, np.uint8).reshape(-1, *sides, 3)
    return LabelledImages(name, images, labels, labels, labels)


def _joined(sets: Sequence[LabelledImages]) -> LabelledImages:
    names = np.concatenate([np.empty(0, np.str_), *(one.labels for one in sets)])
    images = [np.empty((0, IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)]
    images += [one.images for one in sets]
    return LabelledImages("rehearsal", np.concatenate(images), names, names, names)
