"""Modify trained networks: temperature, outputs, weights, mirroring."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from tagger.bundles.keras_types import KerasLayer, KerasModel, KerasTensor
from tagger.errors import TrainingError

_BOTH_WAYS: Final = "-both-ways"
"""Suffix of the name of a network that also looks at the mirror image."""


def both_ways(network: KerasModel) -> KerasModel:
    """Return a network of the same weights that also looks at the mirror image.

    It averages the pooled features of both before the last layer, so that a picture and
    its mirror image have the same probabilities. It takes twice the time. `network`
    must scale a picture in its first layer and use global average pooling, as the
    residual network does.
    """
    import keras

    def call(layer: KerasLayer, given: KerasTensor, **named: object) -> KerasTensor:
        if isinstance(layer, keras.layers.Rescaling):
            mirrored = keras.ops.flip(given, axis=2)
            given = keras.ops.concatenate([given, mirrored], axis=0)
        output = layer(given, **named)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):
            output = keras.ops.reshape(output, (2, -1, output.shape[-1]))
            output = keras.ops.mean(output, axis=0)
        return output

    copy = copied(network, call)
    name = network.name + _BOTH_WAYS
    return keras.Model(copy.inputs[0], copy.outputs[0], name=name)


def one_way(network: KerasModel) -> KerasModel:
    """Return a network of the same weights, in the same order, without mirroring.

    It trains in half the time; augmentation mirrors its pictures at random. A network
    that does not look both ways is copied.
    """
    import keras

    if not network.name.endswith(_BOTH_WAYS):
        return copied(network)

    def call(
        operation: KerasLayer, given: KerasTensor, *more: object, **named: object
    ) -> KerasTensor:
        if isinstance(operation, keras.layers.Layer):
            return operation(given, *more, **named)
        # An operation that `both_ways` added between the layers: skip it.
        return given[0] if isinstance(given, list) else given

    return copied(network, call)


def copied(
    network: KerasModel, call: Callable[..., KerasTensor] | None = None
) -> KerasModel:
    """Return a Keras model of the same layers and weights, without the optimiser.

    `call` takes each layer and its input, and returns its output.
    """
    import keras

    copy = keras.models.clone_model(network, call_function=call)
    copy.set_weights(network.get_weights())
    return copy


_NEW_LABEL: Final = -4.0
"""Bias of a new label, relative to the mean of the others. It starts low, so that the
network does not predict a label before it has seen pictures of it."""


def interpolate_weights(
    start: KerasModel, weights: Sequence[Any], share: float
) -> KerasModel:
    """Copy a network, and move its weights by a share, 0..1, towards `weights`."""
    copy = expand_head(start, start.output_shape[-1])
    copy.set_weights(
        [
            (1 - share) * former + share * new
            for former, new in zip(start.get_weights(), weights, strict=True)
        ]
    )
    return copy


def calibrated(network: KerasModel, temperature: float) -> KerasModel:
    """Copy a network, and divide its logits by a temperature."""
    copy = expand_head(network, network.output_shape[-1])
    head = copy.layers[-1]
    head.set_weights([weights / temperature for weights in head.get_weights()])
    return copy


def expand_head(network: KerasModel, outputs: int) -> KerasModel:
    """Copy a network, and add outputs to its last layer; they start improbable.

    Raises TrainingError if the network has more outputs already, or if its last layer
    is not dense.
    """
    import keras

    head = network.layers[-1]
    present = network.output_shape[-1]
    if outputs < present or not isinstance(head, keras.layers.Dense):
        raise TrainingError(
            f"the network has {present} outputs, its last layer is a "
            f"{type(head).__name__}: it cannot be adapted to {outputs} labels"
        )
    copy = copied(network)
    if outputs == present:
        return copy
    wider = keras.layers.Dense(
        outputs, activation=head.activation, dtype=head.dtype_policy, name=head.name
    )
    larger = keras.Model(copy.inputs[0], wider(copy.layers[-1].input), name=copy.name)
    kernel, bias = head.get_weights()
    new = outputs - present
    wider.set_weights(
        [
            np.pad(kernel, ((0, 0), (0, new))),
            np.append(bias, np.full(new, bias.mean() + _NEW_LABEL)),
        ]
    )
    return larger
