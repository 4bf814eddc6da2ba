"""Build the small networks of articles about Fashion-MNIST.

Each has the layers that its article describes. All take the gray view, (n, 28, 28, 1),
0..255, and scale it, so that no caller can scale it differently. All return
probabilities, (n, labels). Keras is imported by the functions that need it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tagger.bundles.keras_types import KerasLayer, KerasModel
from tagger.errors import TrainingError
from tagger.records import IMAGE_SIDE

VGG_SIDE: Final = 48
"""Edge in pixels of VGG-19's input; its five poolings reduce it to 1x1."""

_CAFFE_MEANS: Final = (103.939, 116.779, 123.68)
"""Means of blue, green and red of ImageNet, which are subtracted from the input of
VGG-19's weights: Simonyan and Zisserman 2014, arXiv:1409.1556."""


def two_conv(labels: int) -> KerasModel:
    """Build convolutions of 64 and 32 filters, each pooled, dropout 0.25, dense 32.

    The output is a softmax: the tags exclude each other, and a threshold is only
    meaningful for probabilities that sum to 1.
    """
    return _stacked("two-conv", _two_conv_body(), labels)


def two_conv_sigmoid(labels: int) -> KerasModel:
    """Build `two_conv` with its article's output: a sigmoid for each tag.

    A sigmoid judges each tag alone ("is it a coat?"), so that several can be near 1.
    They are divided by their sum, as the article's loss in Keras does, to make them
    probabilities.
    """
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    features = layers.Rescaling(1 / 255)(picture)
    for layer in _two_conv_body():
        features = layer(features)
    sigmoids = layers.Dense(labels, activation="sigmoid")(features)
    shares = sigmoids / keras.ops.sum(sigmoids, axis=-1, keepdims=True)
    return keras.Model(picture, shares, name="two-conv-sigmoid")


def strided(labels: int) -> KerasModel:
    """Build convolutions of 32, 64 and 128 filters at stride 2 in place of pooling.

    Dropout 0.2, dense 512, dropout 0.2, softmax.
    """
    import keras

    layers = keras.layers
    body = [
        *(_convolution(filters, strides=2) for filters in (32, 64, 128)),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.2),
    ]
    return _stacked("strided", body, labels)


def one_conv(labels: int) -> KerasModel:
    """Build one convolution of 32 filters, pooled, dropout 0.2, dense 128, softmax."""
    return _deepening("one-conv", (32,), labels)


def three_conv(labels: int) -> KerasModel:
    """Build three convolutions of 32, 64 and 128 filters; otherwise as `one_conv`."""
    return _deepening("three-conv", (32, 64, 128), labels)


def four_conv(labels: int) -> KerasModel:
    """Build four convolutions, two of 32 and two of 64 filters, pooled in pairs.

    Batch normalisation after each, dropout 0.2 after each pair, dense 512 and 128.
    """
    import keras

    layers = keras.layers
    body: list[KerasLayer] = []
    for filters in (32, 64):
        for _ in range(2):
            body += [_convolution(filters), layers.BatchNormalization()]
        body += [layers.MaxPooling2D(), layers.Dropout(0.2)]
    body.append(layers.Flatten())
    for units in (512, 128):
        body += [layers.Dense(units, activation="relu"), layers.Dropout(0.2)]
    return _stacked("four-conv", body, labels)


def three_block(labels: int) -> KerasModel:
    """Build the three-block network: 241,546 parameters for ten labels.

    Convolutions of 32, 64 and 128 filters, each with max-pooling and dropout 0.25;
    dense 128, dropout 0.3, softmax.
    """
    import keras

    layers = keras.layers
    body: list[KerasLayer] = []
    for filters in (32, 64, 128):
        body += [_convolution(filters), layers.MaxPooling2D(), layers.Dropout(0.25)]
    body += [
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
    ]
    return _stacked("three-block", body, labels)


def vgg19(labels: int, weights: Path | None = None) -> KerasModel:
    """Build a classifier on VGG-19's features, which stay frozen.

    The gray picture is enlarged to 48x48 and used for all three colours. `weights` is a
    file of `keras.applications.VGG19` without its top; without it, Keras downloads the
    weights. Raises TrainingError if both fail.
    """
    import keras

    layers = keras.layers
    try:
        features = keras.applications.VGG19(
            include_top=False,
            weights="imagenet" if weights is None else str(weights),
            input_shape=(VGG_SIDE, VGG_SIDE, 3),
        )
    except Exception as error:
        raise TrainingError(
            "VGG-19's weights cannot be loaded: download vgg19_weights_tf_dim_ordering_"
            "tf_kernels_notop.h5 from github.com/fchollet/deep-learning-models/releases"
            f" and give the file with --weights ({error})".replace("\n", " ")
        ) from error
    features.trainable = False
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    large = layers.Resizing(VGG_SIDE, VGG_SIDE)(picture)
    colours = layers.Concatenate()([large] * 3)
    means = layers.Normalization(mean=_CAFFE_MEANS, variance=(1.0, 1.0, 1.0))
    flat = layers.Flatten()(features(means(colours), training=False))
    hidden = layers.Dropout(0.2)(layers.Dense(512, activation="relu")(flat))
    tags = layers.Dense(labels, activation="softmax")(hidden)
    return keras.Model(picture, tags, name="vgg19")


def _two_conv_body() -> list[KerasLayer]:
    import keras

    layers = keras.layers
    return [
        _convolution(64),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        _convolution(32),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(32, activation="relu"),
    ]


def _deepening(name: str, filters: Sequence[int], labels: int) -> KerasModel:
    import keras

    layers = keras.layers
    body: list[KerasLayer] = []
    for count in filters:
        body += [_convolution(count), layers.MaxPooling2D(), layers.Dropout(0.2)]
    body += [layers.Flatten(), layers.Dense(128, activation="relu")]
    return _stacked(name, body, labels)


def _convolution(filters: int, strides: int = 1) -> KerasLayer:
    import keras

    return keras.layers.Conv2D(
        filters, 3, strides=strides, padding="same", activation="relu"
    )


def _stacked(name: str, body: Sequence[KerasLayer], labels: int) -> KerasModel:
    """Stack the layers between the scaled picture and a softmax over the labels."""
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    head = layers.Dense(labels, activation="softmax")
    return keras.Sequential(
        [picture, layers.Rescaling(1 / 255), *body, head], name=name
    )
