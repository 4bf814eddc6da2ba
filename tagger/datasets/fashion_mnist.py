"""Read Fashion-MNIST, and arrays in its formats: IDX files, Keras, CSV."""

import codecs
import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagger.datasets.records import LabelledImages, Part
from tagger.errors import DataError
from tagger.imaging.views import views_of_gray
from tagger.records import (
    FASHION_LABELS,
    IMAGE_SIDE,
)

KERAS_PREFIX = "keras:"
_IDX_PARTS = {"train": "train", "test": "t10k"}


_IDX_IMAGES = 0x803


_IDX_LABELS = 0x801


def _load_idx(folder: Path, part: Part) -> LabelledImages:
    stem = _IDX_PARTS[part]
    images = _read_idx(_idx_file(folder, f"{stem}-images-idx3-ubyte"), _IDX_IMAGES)
    labels = _read_idx(_idx_file(folder, f"{stem}-labels-idx1-ubyte"), _IDX_LABELS)
    return _numbered(f"{folder} ({part})", images, labels)


def _idx_file(folder: Path, stem: str) -> Path:
    plain = folder / stem
    return plain if plain.exists() else folder / f"{stem}.gz"


def _read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes: a magic number, the shape, then the values."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        actual, *shape = struct.unpack_from(f">{1 + (magic & 0xFF)}I", content)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * (magic & 0xFF))
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DataError(
            f"{path} is not an IDX file of Fashion-MNIST: {error}"
        ) from error
    if actual != magic or len(values) != math.prod(shape):
        raise DataError(
            f"{path} is not an IDX file of Fashion-MNIST: its header says {actual:#x} "
            f"and {shape}, and {len(values)} bytes follow"
        )
    return values.reshape(shape)


def _load_keras(source: str, part: Part) -> LabelledImages:
    name = source.removeprefix(KERAS_PREFIX)
    if name != "fashion_mnist":
        raise DataError(f"{source} is not available: only keras:fashion_mnist is")
    import keras

    try:
        parts = keras.datasets.fashion_mnist.load_data()
    except Exception as error:
        raise DataError(f"{source} cannot be downloaded: {error}") from error
    return _numbered(source, *parts[0 if part == "train" else 1])


def _load_csv(path: Path) -> LabelledImages:
    """Read a CSV file of Fashion-MNIST: label and pixels, with or without a header."""
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        lines = [line for line in content.splitlines() if line.strip()]
        if lines and not _is_number(lines[0].split(b",")[0]):
            lines = lines[1:]  # skip the header
        if not lines:
            raise DataError(f"{path}: no images")
        table = np.loadtxt(lines, np.int64, delimiter=",", ndmin=2)
        images = table[:, 1:].reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not a CSV file of Fashion-MNIST: {error}"
        ) from error
    if images.min() < 0 or images.max() > 255:  # noqa: PLR2004
        raise DataError(f"{path}: pixel values must be between 0 and 255")
    return _numbered(str(path), images.astype(np.uint8), table[:, 0])


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbered(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.integer]
) -> LabelledImages:
    """Name Fashion-MNIST's numbered labels; each image is a group of its own."""
    if not len(images):
        raise DataError(f"{name}: no images")
    if images.shape[1:] != (IMAGE_SIDE, IMAGE_SIDE) or len(images) != len(labels):
        raise DataError(f"{name}: images and labels do not belong together")
    wrong = int(((labels < 0) | (labels >= len(FASHION_LABELS))).sum())
    if wrong:
        raise DataError(f"{name}: {wrong} labels are not those of Fashion-MNIST")
    numbers = np.arange(len(labels)).astype(str)
    tags = np.array(FASHION_LABELS)[labels.astype(np.int64)]
    views = np.stack([views_of_gray(image) for image in images])
    return LabelledImages(name, views, tags, numbers, numbers)
