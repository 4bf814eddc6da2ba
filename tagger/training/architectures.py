"""Build the networks that training fits, by name.

Knows their layers alone: no data, no recipe of training, no bundle. Keras is imported
by the functions that need it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tagger.errors import TrainingError
from tagger.records import IMAGE_SIDE
from tagger.training import article_architectures

Variation = Literal["none", "mirror", "turn"]

BLOCKS: Final = ((16, 1), (48, 2), (48, 1), (112, 2), (128, 1))
"""Filters and stride of the residual network's blocks. The first works on all 28x28
pixels: with the picture halved by a first convolution of stride 2, the same time of
training came to 0.915 on Fashion-MNIST in place of 0.922."""


_DROPOUT: Final = 0.2
_MOMENTUM: Final = 0.9
_EPSILON: Final = 1e-5
"""Batch normalisation forgets in ten steps, not in Keras's hundred: the second stage of
training is short, and starts from the statistics of other pictures."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How an article trains its network.

    Passes over the data, of which the first `plain` are on untouched pictures; images
    a step; the share of the data that is not fitted but chooses the best pass; Adam's
    rate; how pictures are varied ("none", "mirror" and moved, or "turn", moved and
    zoomed); and whether the rate is halved, and the training ended, where the loss on
    the part held back stands still.
    """

    epochs: int
    batch_size: int
    held_back: float
    rate: float = 1e-3
    variation: Variation = "none"
    plain: int = 0
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network by its builder, and how its article trains it.

    `build` is given the number of labels and returns an untrained Keras model. Its
    input is (n, 28, 28, views), 0..255, scaled inside, so that no caller can scale it
    differently; its output (n, labels) is probabilities. Without a schedule it is
    trained by a recipe. `pre_trained` says that `build` takes a file of weights.
    """

    build: Callable[..., Any]
    schedule: Schedule | None
    pre_trained: bool = False

    def make(self, labels: int, weights: Path | None = None) -> Any:  # noqa: ANN401
        """Return the untrained Keras model; TrainingError where weights do not fit."""
        if self.pre_trained:
            return self.build(labels, weights)
        if weights is not None:
            raise TrainingError("only vgg19 takes --weights: the others start anew")
        return self.build(labels)


_TEN_THEN_FIFTY: Final = Schedule(60, 256, 0.2, variation="turn", plain=10)


def residual(labels: int) -> Any:  # noqa: ANN401
    """Build the residual network: 537,851 parameters for eleven labels.

    A 3x3 convolution, five residual blocks of 16 to 128 filters, two of which halve the
    picture, the mean over the places that are left, dropout 0.2, softmax. It takes
    gray, distance and skin.
    """
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 3))
    found = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 255)(picture))
    found = layers.ReLU()(_convolved(found, BLOCKS[0][0], 3, 1, "stem"))
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        found = _block(found, filters, stride, f"block{number}")
    found = layers.Dropout(_DROPOUT)(layers.GlobalAveragePooling2D()(found))
    # In full precision, whatever the rest is trained in: confidences need the digits.
    head = layers.Dense(labels, activation="softmax", dtype="float32", name="tags")
    return keras.Model(picture, head(found), name="residual")


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "residual": Architecture(residual, None),
        "two-conv": Architecture(
            article_architectures.two_conv, Schedule(50, 512, 0.2)
        ),
        "two-conv-sigmoid": Architecture(
            article_architectures.two_conv_sigmoid, Schedule(50, 512, 0.2)
        ),
        "strided": Architecture(article_architectures.strided, Schedule(10, 64, 0.1)),
        "one-conv": Architecture(article_architectures.one_conv, _TEN_THEN_FIFTY),
        "three-conv": Architecture(article_architectures.three_conv, _TEN_THEN_FIFTY),
        "four-conv": Architecture(article_architectures.four_conv, _TEN_THEN_FIFTY),
        "three-block": Architecture(
            article_architectures.three_block, Schedule(50, 64, 0.1)
        ),
        "vgg19": Architecture(
            article_architectures.vgg19, Schedule(10, 256, 0.2), pre_trained=True
        ),
    }
)
"""The networks by the name that a bundle's card gives them."""


def probabilities(network: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """Return a Keras model's probabilities of each label, one row an image.

    `images` are views (n, 28, 28, 3), of which it gets as many as it takes.
    """
    outputs = network.predict(
        images[..., : network.input_shape[-1]].astype(np.float32),
        batch_size=512,
        verbose=0,
    )
    return np.asarray(outputs, np.float32)


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
