"""Build the networks that training fits, by name.

Knows their layers alone: no data, no recipe of training, no bundle. Keras is imported
by the functions that need it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tagger.records import IMAGE_SIDE

WIDTHS: Final = (40, 80, 128)
"""Filters of the residual network's three blocks. With 32-64-96 it fitted too little:
0.65 of the phone pictures it learnt from, and 0.50 of those held back."""

_DROPOUT: Final = 0.2
_MOMENTUM: Final = 0.9
_EPSILON: Final = 1e-5
"""Batch normalisation forgets in ten steps, not in Keras's hundred: the second stage of
training is short, and starts from the statistics of other pictures."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network by its builder, and how many views of a picture it takes.

    `build` is given the number of labels and returns an untrained Keras model. Its
    input is (n, 28, 28, `views`), 0..255, scaled inside, so that no caller can scale
    it differently; its output (n, labels) is probabilities.
    """

    build: Callable[[int], Any]
    views: int


def three_block(labels: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build the three-block network of the articles: 241,546 parameters for ten labels.

    Convolutions of 32, 64 and 128 filters, each with max-pooling and dropout 0.25;
    dense 128, dropout 0.3, softmax. It takes the gray view alone.
    """
    import keras

    layers = keras.layers
    blocks = [
        layer
        for filters in (32, 64, 128)
        for layer in (
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
        )
    ]
    return keras.Sequential(
        [
            keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1)),
            layers.Rescaling(1 / 255),
            *blocks,
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(labels, activation="softmax"),
        ],
        name="three-block",
    )


def residual(labels: int) -> Any:  # noqa: ANN401
    """Build the residual network: 375,651 parameters for eleven labels.

    A 5x5 convolution that halves the picture, three residual blocks of 40, 80 and 128
    filters, the second of which halves it again, the mean over the places that are
    left, dropout 0.2, softmax. It takes gray, distance and skin. The early halving
    makes it fast: half a millisecond an image on one core.
    """
    import keras

    layers = keras.layers
    first, second, third = WIDTHS
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 3))
    found = layers.Rescaling(1 / 255)(picture)
    found = _convolved(layers.ZeroPadding2D(2)(found), first, 5, 2, "stem")
    found = _block(layers.ReLU()(found), first, 1, "block1")
    found = _block(found, second, 2, "block2")
    found = _block(found, third, 1, "block3")
    found = layers.Dropout(_DROPOUT)(layers.GlobalAveragePooling2D()(found))
    tags = layers.Dense(labels, activation="softmax", name="tags")(found)
    return keras.Model(picture, tags, name="residual")


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "three-block": Architecture(three_block, views=1),
        "residual": Architecture(residual, views=3),
    }
)
"""The networks by the name that a bundle's card gives them."""


def _block(maps: Any, filters: int, stride: int, name: str) -> Any:  # noqa: ANN401
    """Two 3x3 convolutions and a way round them (He et al. 2015, arXiv:1512.03385).

    Where the convolutions change the shape, the way round averages and projects.
    """
    import keras

    layers = keras.layers
    around = maps
    if stride > 1:
        around = layers.AveragePooling2D(stride, name=f"{name}_pool")(around)
    if around.shape[-1] != filters:
        around = _convolved(around, filters, 1, 1, f"{name}_around")
    through = layers.ZeroPadding2D(1, name=f"{name}_pad1")(maps)
    through = layers.ReLU()(_convolved(through, filters, 3, stride, f"{name}_first"))
    through = layers.ZeroPadding2D(1, name=f"{name}_pad2")(through)
    through = _convolved(through, filters, 3, 1, f"{name}_second")
    return layers.ReLU()(layers.Add()([through, around]))


def _convolved(maps: Any, filters: int, side: int, stride: int, name: str) -> Any:  # noqa: ANN401
    """Convolve without padding and normalise.

    The caller pads, alike on every side; Keras's own padding of a stride is lopsided.
    """
    import keras

    convolution = keras.layers.Conv2D(
        filters, side, strides=stride, use_bias=False, name=name
    )
    normalise = keras.layers.BatchNormalization(
        momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_norm"
    )
    return normalise(convolution(maps))
