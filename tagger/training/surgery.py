"""Change a trained network: its temperature, its outputs, its weights."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from tagger.errors import TrainingError

_BOTH_WAYS: Final = "-both-ways"
"""Ends the name of a network that looks at the mirror image, too."""


def both_ways(network: Any) -> Any:  # noqa: ANN401
    """Return a network of the same weights that looks at the mirror image, too.

    What is pooled of both is averaged before the last layer, so that a picture and its
    mirror image are the same to it, for twice the time. `network` must scale a picture
    in its first layer and pool its maps by their mean, as the residual network does.
    """
    import keras

    def call(layer: Any, given: Any, **named: Any) -> Any:  # noqa: ANN401
        if isinstance(layer, keras.layers.Rescaling):
            mirrored = keras.ops.flip(given, axis=2)
            given = keras.ops.concatenate([given, mirrored], axis=0)
        made = layer(given, **named)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):
            made = keras.ops.reshape(made, (2, -1, made.shape[-1]))
            made = keras.ops.mean(made, axis=0)
        return made

    copy = copied(network, call)
    name = network.name + _BOTH_WAYS
    return keras.Model(copy.inputs[0], copy.outputs[0], name=name)


def one_way(network: Any) -> Any:  # noqa: ANN401
    """Return a network of the same weights, in their order, that looks once.

    To learn then costs half as much; pictures are mirrored by chance. A network that
    does not look both ways is copied.
    """
    import keras

    if not network.name.endswith(_BOTH_WAYS):
        return copied(network)

    def call(operation: Any, given: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401
        if isinstance(operation, keras.layers.Layer):
            return operation(given, *more, **named)
        # What `both_ways` put between the layers: as it was before.
        return given[0] if isinstance(given, list) else given

    return copied(network, call)


def copied(network: Any, call: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401
    """Return a Keras model of the same layers and weights, without its optimiser.

    `call` is given each of its layers and what the layer is given, to call it.
    """
    import keras

    copy = keras.models.clone_model(network, call_function=call)
    copy.set_weights(network.get_weights())
    return copy


_NEW_LABEL: Final = -4.0
"""How much lower than the others' mean bias a label that is new begins: it must not be
said of anything before the network has seen some."""


def interpolate_weights(start: Any, weights: Sequence[Any], share: float) -> Any:  # noqa: ANN401
    """Copy a network whose weights are that share, 0..1, of the way to others."""
    copy = expand_head(start, start.output_shape[-1])
    copy.set_weights(
        [
            (1 - share) * former + share * new
            for former, new in zip(start.get_weights(), weights, strict=True)
        ]
    )
    return copy


def calibrated(network: Any, temperature: float) -> Any:  # noqa: ANN401
    """Copy a network that gives the probabilities of its logits over a temperature."""
    copy = expand_head(network, network.output_shape[-1])
    head = copy.layers[-1]
    head.set_weights([weights / temperature for weights in head.get_weights()])
    return copy


def expand_head(network: Any, outputs: int) -> Any:  # noqa: ANN401
    """Copy a network whose last layer is dense; new outputs begin improbable.

    Raises TrainingError where the network has more outputs, or another last layer.
    """
    import keras

    head = network.layers[-1]
    had = network.output_shape[-1]
    if outputs < had or not isinstance(head, keras.layers.Dense):
        raise TrainingError(
            f"the network has {had} outputs, its last layer is a "
            f"{type(head).__name__}: it cannot be adapted to {outputs} labels"
        )
    copy = copied(network)
    if outputs == had:
        return copy
    wider = keras.layers.Dense(
        outputs, activation=head.activation, dtype=head.dtype_policy, name=head.name
    )
    larger = keras.Model(copy.inputs[0], wider(copy.layers[-1].input), name=copy.name)
    kernel, bias = head.get_weights()
    new = outputs - had
    wider.set_weights(
        [
            np.pad(kernel, ((0, 0), (0, new))),
            np.append(bias, np.full(new, bias.mean() + _NEW_LABEL)),
        ]
    )
    return larger
