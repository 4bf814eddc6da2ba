"""Build the small networks that articles about Fashion-MNIST train.

Each as its article describes it: layers alone. All take the gray view, (n, 28, 28, 1),
0..255, scaled inside, so that no caller can scale it differently; all return
probabilities, (n, labels). Keras is imported by the functions that need it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tagger.errors import TrainingError
from tagger.records import IMAGE_SIDE

VGG_SIDE: Final = 48
"""Edge in pixels that VGG-19 is shown; its five poolings leave 1x1 of it."""

_CAFFE_MEANS: Final = (103.939, 116.779, 123.68)
"""Means of blue, green and red of ImageNet, which VGG-19's weights expect to be taken
off: Simonyan and Zisserman 2014, arXiv:1409.1556."""


def two_conv(labels: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build convolutions of 64 and 32 filters, each pooled, dropout 0.25, dense 32.

    Its output is a softmax: the tags exclude one another, and their probabilities must
    sum to one for a threshold to mean anything.
    """
    return _stacked("two-conv", _two_conv_body(), labels)


def two_conv_sigmoid(labels: int) -> Any:  # noqa: ANN401
    """Build `two_conv` with its article's output: a sigmoid each tag.

    Sigmoids answer a question for each tag alone, "is it a coat?", and may all say yes.
    They are divided by their sum, as the article's loss does in Keras, so that they can
    be read as probabilities at all.
    """
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    found = layers.Rescaling(1 / 255)(picture)
    for layer in _two_conv_body():
        found = layer(found)
    found = layers.Dense(labels, activation="sigmoid")(found)
    shares = found / keras.ops.sum(found, axis=-1, keepdims=True)
    return keras.Model(picture, shares, name="two-conv-sigmoid")


def strided(labels: int) -> Any:  # noqa: ANN401
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


def one_conv(labels: int) -> Any:  # noqa: ANN401
    """Build one convolution of 32 filters, pooled, dropout 0.2, dense 128, softmax."""
    return _deepening("one-conv", (32,), labels)


def three_conv(labels: int) -> Any:  # noqa: ANN401
    """Build three convolutions of 32, 64 and 128 filters; else as `one_conv`."""
    return _deepening("three-conv", (32, 64, 128), labels)


def four_conv(labels: int) -> Any:  # noqa: ANN401
    """Build four convolutions, two of 32 and two of 64 filters, pooled in pairs.

    Batch normalisation after each, dropout 0.2 after each pair, dense 512 and 128.
    """
    import keras

    layers = keras.layers
    body: list[Any] = []
    for filters in (32, 64):
        for _ in range(2):
            body += [_convolution(filters), layers.BatchNormalization()]
        body += [layers.MaxPooling2D(), layers.Dropout(0.2)]
    body.append(layers.Flatten())
    for units in (512, 128):
        body += [layers.Dense(units, activation="relu"), layers.Dropout(0.2)]
    return _stacked("four-conv", body, labels)


def three_block(labels: int) -> Any:  # noqa: ANN401
    """Build the three-block network: 241,546 parameters for ten labels.

    Convolutions of 32, 64 and 128 filters, each with max-pooling and dropout 0.25;
    dense 128, dropout 0.3, softmax.
    """
    import keras

    layers = keras.layers
    body: list[Any] = []
    for filters in (32, 64, 128):
        body += [_convolution(filters), layers.MaxPooling2D(), layers.Dropout(0.25)]
    body += [
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
    ]
    return _stacked("three-block", body, labels)


def vgg19(labels: int, weights: Path | None = None) -> Any:  # noqa: ANN401
    """Build a classifier on VGG-19's features, which are not trained.

    The picture is enlarged to 48x48 and stands in all three colours. `weights` is a
    file of `keras.applications.VGG19` without its top; else Keras fetches it. Raises
    TrainingError where it can be had neither way.
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
            "VGG-19's weights cannot be had: fetch vgg19_weights_tf_dim_ordering_tf_"
            "kernels_notop.h5 from github.com/fchollet/deep-learning-models/releases "
            f"and name it with --weights ({error})".replace("\n", " ")
        ) from error
    features.trainable = False
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    large = layers.Resizing(VGG_SIDE, VGG_SIDE)(picture)
    colours = layers.Concatenate()([large] * 3)
    means = layers.Normalization(mean=_CAFFE_MEANS, variance=(1.0, 1.0, 1.0))
    found = layers.Flatten()(features(means(colours), training=False))
    found = layers.Dropout(0.2)(layers.Dense(512, activation="relu")(found))
    tags = layers.Dense(labels, activation="softmax")(found)
    return keras.Model(picture, tags, name="vgg19")


def _two_conv_body() -> list[Any]:
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


def _deepening(name: str, filters: Sequence[int], labels: int) -> Any:  # noqa: ANN401
    import keras

    layers = keras.layers
    body: list[Any] = []
    for count in filters:
        body += [_convolution(count), layers.MaxPooling2D(), layers.Dropout(0.2)]
    body += [layers.Flatten(), layers.Dense(128, activation="relu")]
    return _stacked(name, body, labels)


def _convolution(filters: int, strides: int = 1) -> Any:  # noqa: ANN401
    import keras

    return keras.layers.Conv2D(
        filters, 3, strides=strides, padding="same", activation="relu"
    )


def _stacked(name: str, body: Sequence[Any], labels: int) -> Any:  # noqa: ANN401
    """Stack the layers between the scaled picture and a softmax over the labels."""
    import keras

    layers = keras.layers
    picture = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1))
    head = layers.Dense(labels, activation="softmax")
    return keras.Sequential(
        [picture, layers.Rescaling(1 / 255), *body, head], name=name
    )
