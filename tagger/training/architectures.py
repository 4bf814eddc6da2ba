"""Build untrained networks by the name of their architecture.

Knows only layers: no data, no recipe, no bundle. Keras is imported by the functions
that need it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tagger.bundles.keras_types import KerasModel, KerasTensor
from tagger.errors import TrainingError
from tagger.records import IMAGE_SIDE
from tagger.training import article_architectures

Variation = Literal["none", "mirror", "turn"]

BLOCKS: Final = ((16, 1), (48, 2), (48, 1), (112, 2), (128, 1))
"""Filters and stride of the residual network's blocks. The first block works on all
28x28 pixels. With a first convolution of stride 2, which halves the picture, the same
training time gave 0.915 on Fashion-MNIST instead of 0.922."""


_DROPOUT: Final = 0.2
_MOMENTUM: Final = 0.9
_EPSILON: Final = 1e-5
"""The momentum averages batch normalisation over ten steps (Keras: a hundred). The
second stage of training is short, and starts from the statistics of other pictures."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The training settings of an article.

    `epochs` passes over the data, the first `plain` of them without augmentation;
    `batch_size` images a step; `held_back`, the share of the data that chooses the best
    pass; `rate` of Adam. `variation` is the augmentation: "none", "mirror" (and move),
    or "turn" (and move and zoom). A `patient` schedule halves the rate, and ends the
    training, when the loss on the held-back part stops falling.
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
    """The builder of a network, and the training settings of its article.

    `build` takes the number of labels and returns an untrained Keras model. The input
    is (n, 28, 28, views), 0..255; the model scales it, so that no caller can scale it
    differently. The output is probabilities, (n, labels). Without a schedule the
    network is trained by a recipe. If `pre_trained`, `build` also takes a weights file.
    """

    build: Callable[..., KerasModel]
    schedule: Schedule | None
    pre_trained: bool = False

    def make(self, labels: int, weights: Path | None = None) -> KerasModel:
        """Return the untrained Keras model; TrainingError if it takes no weights."""
        if self.pre_trained:
            return self.build(labels, weights)
        if weights is not None:
            raise TrainingError(
                "only vgg19 takes --weights: the other networks are trained from the "
                "start"
            )
        return self.build(labels)


_TEN_THEN_FIFTY: Final = Schedule(60, 256, 0.2, variation="turn", plain=10)


def residual(labels: int) -> KerasModel:
    """Build the residual network: 537,851 parameters for eleven labels.

    A 3x3 convolution, five residual blocks of 16 to 128 filters (two of them halve the
    picture), global average pooling, dropout 0.2, softmax. It takes all three views:
    gray, distance and skin.
    """
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 3))
    maps = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 255)(picture))
    maps = layers.ReLU()(_convolved(maps, BLOCKS[0][0], 3, 1, "stem"))
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        maps = _block(maps, filters, stride, f"block{number}")
    pooled = layers.Dropout(_DROPOUT)(layers.GlobalAveragePooling2D()(maps))
    # Always in full precision: confidences need the digits.
    head = layers.Dense(labels, activation="softmax", dtype="float32", name="tags")
    return keras.Model(picture, head(pooled), name="residual")


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
"""The networks by their names on a bundle's card."""


def probabilities(
    network: KerasModel, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return a Keras model's probabilities of each label, one row an image.

    `images` are views (n, 28, 28, 3); the model gets the first views, as many as it
    takes.
    """
    outputs = network.predict(
        images[..., : network.input_shape[-1]].astype(np.float32),
        batch_size=512,
        verbose=0,
    )
    return np.asarray(outputs, np.float32)


def _block(maps: KerasTensor, filters: int, stride: int, name: str) -> KerasTensor:
    """Build a residual block of two 3x3 convolutions.

    He et al. 2015, arXiv:1512.03385. If the convolutions change the shape, the shortcut
    averages and projects.
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


def _convolved(
    maps: KerasTensor, filters: int, side: int, stride: int, name: str
) -> KerasTensor:
    """Convolve without padding and normalise.

    The caller pads all sides equally; Keras's own padding is uneven with a stride.
    """
    import keras

    convolution = keras.layers.Conv2D(
        filters, side, strides=stride, use_bias=False, name=name
    )
    normalise = keras.layers.BatchNormalization(
        momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_norm"
    )
    return normalise(convolution(maps))
