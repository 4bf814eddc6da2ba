"""Run a bundle's network on prepared images, with LiteRT or Keras.

Knows nothing of pictures' files, policies and the inventory. LiteRT is the TensorFlow
team's runtime for networks that only classify. It starts in half a second, TensorFlow
in fifteen, and their outputs are nearly the same (a test allows 0.025).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tagger.bundles.bundle import Bundle
from tagger.errors import ModelError
from tagger.records import IMAGE_SIDE, Runtime
from tagger.system.native_stderr import suppress_native_stderr

if TYPE_CHECKING:  # a scan with nothing to read needs no arrays
    import numpy as np
    from numpy.typing import NDArray

    from tagger.bundles.keras_types import KerasModel

Forward = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]

CHUNK = 64
"""Images that a runtime gets at once. Always this many, with the last chunk padded, so
that no tag and no confidence depends on the other images of the batch."""


class BundleClassifier:
    """Classify prepared images with a bundle; loads its network on first use.

    LiteRT classifies in so many `threads`; by default in a quarter of the cores.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime = Runtime.LITERT,
        threads: int | None = None,
    ) -> None:
        self.identity = bundle.card.identity
        self._bundle = bundle
        self._runtime = runtime
        self._threads = threads or _threads()

    def load(self) -> None:
        """Load the network unless it is loaded. Raises ModelError as `classify`."""
        _ = self._forward

    def classify(self, batch: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return the probabilities of each label, one row an image.

        `batch` has shape (n, 28, 28, 3), the views of `tagger.imaging.views`; n may be
        0. The rows of the (n, labels) result are in [0, 1] and sum to 1. Raises
        ModelError if the bundle's network cannot be loaded or its shape differs from
        the card.
        """
        import numpy as np  # noqa: PLC0415

        rows = [self._classify_chunk(chunk) for chunk in _chunks(batch)]
        nothing = np.empty((0, len(self.identity.labels)), np.float32)
        return np.concatenate(rows) if rows else nothing

    def _classify_chunk(self, chunk: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415

        views = self._bundle.card.views
        padded = np.zeros((CHUNK, IMAGE_SIDE, IMAGE_SIDE, views), np.float32)
        padded[: len(chunk)] = chunk[..., :views]
        return self._forward(padded)[: len(chunk)].clip(0.0, 1.0)

    @cached_property
    def _forward(self) -> Forward:
        try:
            if self._runtime is Runtime.LITERT:
                forward, output = _load_litert(self._bundle, self._threads)
            else:
                forward, output = _load_keras(self._bundle)
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self._bundle.folder} cannot be loaded with {self._runtime}: {error}"
            ) from error
        if output != len(self.identity.labels):
            raise ModelError(
                f"{self._bundle.folder}: the network has {output} outputs, "
                f"its card {len(self.identity.labels)} labels"
            )
        return forward


def _chunks(batch: "NDArray[np.uint8]") -> "Iterator[NDArray[np.uint8]]":
    for start in range(0, len(batch), CHUNK):
        yield batch[start : start + CHUNK]


def _threads() -> int:
    """Return how many threads classify, while the other cores decode.

    Classifying takes a fifth of the time of decoding. On two cores a second thread only
    slows the first (measured: 0.64 ms an image instead of 0.56).
    """
    return max(1, (os.cpu_count() or 1) // 4)


def _load_litert(bundle: Bundle, threads: int) -> tuple[Forward, int]:
    with suppress_native_stderr():
        from ai_edge_litert.interpreter import Interpreter

        network = Interpreter(
            model_content=bundle.litert_file.read_bytes(), num_threads=threads
        )
        taken = network.get_input_details()[0]
        source = taken["index"]
        _check_shape(bundle, taken["shape"])
        shape = [CHUNK, IMAGE_SIDE, IMAGE_SIDE, bundle.card.views]
        network.resize_tensor_input(source, shape)
        network.allocate_tensors()
    target = network.get_output_details()[0]

    def forward(chunk: "NDArray[np.float32]") -> "NDArray[np.float32]":
        network.set_tensor(source, chunk)
        network.invoke()
        return network.get_tensor(target["index"])  # type: ignore[no-any-return]

    return forward, int(target["shape"][-1])


def _check_shape(bundle: Bundle, shape: Sequence[int]) -> None:
    """Refuse a network whose input shape differs from its card.

    LiteRT would resize the input, and run a convolution of one channel on three.
    """
    wanted = [IMAGE_SIDE, IMAGE_SIDE, bundle.card.views]
    if [int(length) for length in shape[1:]] != wanted:
        taken, stated = ("x".join(map(str, sides)) for sides in (shape[1:], wanted))
        raise ValueError(f"the network takes {taken}, its card says {stated}")


def load_keras_model(bundle: Bundle) -> "KerasModel":
    """Load a bundle's Keras model, uncompiled; ModelError if the file cannot be loaded.

    Imports TensorFlow, which takes about 15 s.
    """
    import keras

    try:
        return keras.saving.load_model(bundle.keras_file, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise ModelError(f"{bundle.keras_file} cannot be loaded: {error}") from error


def _load_keras(bundle: Bundle) -> tuple[Forward, int]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress_native_stderr():  # TensorFlow prints how it was built
        import keras
        import numpy as np  # noqa: PLC0415

        network: KerasModel = keras.saving.load_model(bundle.keras_file, compile=False)
    _check_shape(bundle, network.input_shape)

    def forward(chunk: "NDArray[np.float32]") -> "NDArray[np.float32]":
        return np.asarray(network(chunk, training=False))

    return forward, int(network.output_shape[-1])
