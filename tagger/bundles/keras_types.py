"""Name the types of Keras, which has no annotations.

mypy knows nothing of Keras's classes, so each name stands for `Any`. The names tell a
reader what a value is, and keep `Any` out of the signatures.
"""

from typing import Any

KerasModel = Any
"""A `keras.Model`: a network."""

KerasLayer = Any
"""A `keras.layers.Layer`, or an operation between layers."""

KerasTensor = Any
"""A symbolic tensor: the output of a layer while a network is built."""

KerasModule = Any
"""The module `keras`, which is imported only by the functions that need it."""
