"""What tagger is measured beside; each is a process of its own.

    python -m benchmarks.peers NAME FOLDER

`articles` is the way of the articles that tagger began with; `dataset` the one that
Keras documents; `decoding` the limit, only decoding at the scale that tagger uses, with
as many processes as cores; `pillow` a full decode and a resize.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.corpus import chunks
from tagger.bundles.bundle import find_bundle

_SIDE = 28
_SHORT_EDGE = 112
_FLAGS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def articles(folder: Path) -> None:
    """Read gray, resize, invert and predict, one picture at a time."""
    import keras

    model = keras.saving.load_model(find_bundle("three-block").keras_file)
    for path in sorted(folder.iterdir()):
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if gray is None:
            raise ValueError(path)
        small = cv2.bitwise_not(cv2.resize(gray, (_SIDE, _SIDE)))
        model.predict(small.reshape(1, _SIDE, _SIDE, 1), verbose=0)


def dataset(folder: Path) -> None:
    """Have Keras read the folder in batches, and predict them."""
    import keras

    model = keras.saving.load_model(find_bundle("three-block").keras_file)
    pictures = keras.utils.image_dataset_from_directory(
        folder,
        labels=None,
        color_mode="grayscale",
        image_size=(_SIDE, _SIDE),
        shuffle=False,
        verbose=False,
    )
    model.predict(pictures, verbose=0)


def decoding(folder: Path) -> None:
    """Decode every picture at the scale that tagger uses, and nothing else."""
    number = os.cpu_count() or 1
    with ProcessPoolExecutor(number) as pool:
        list(pool.map(_decode, chunks(sorted(folder.iterdir()), number)))


def _decode(paths: list[Path]) -> None:
    cv2.setNumThreads(1)
    if not paths:
        return
    with Image.open(paths[0]) as image:
        scale = next(s for s in _FLAGS if min(image.size) // _SHORT_EDGE >= s or s == 1)
    for path in paths:
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), _FLAGS[scale])


def pillow(folder: Path) -> None:
    """Decode every picture in full, and resize it."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            image.convert("L").resize((_SIDE, _SIDE))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
