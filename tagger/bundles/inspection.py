"""Inspect an untrusted bundle without running any of it.

A Keras file can name code that runs when it is loaded: a Lambda layer, a class of any
module. Keras's safe mode refuses only the first; this module refuses both before Keras
opens the file. It does not judge how good a network is.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tagger.bundles.bundle import Bundle
from tagger.errors import ModelError
from tagger.records import IMAGE_SIDE
from tagger.validation import read_json

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Largest file of a bundle, packed or unpacked: three times VGG-19's weights."""

_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_MEMBERS = {"metadata.json", _CONFIG, _WEIGHTS}
_OPTIMIZER = "/optimizer/"
_MAX_CONFIG_BYTES = 16 * 1024 * 1024

_MODULES = frozenset(
    {
        "keras",
        "keras.constraints",
        "keras.initializers",
        "keras.layers",
        "keras.losses",
        "keras.metrics",
        "keras.optimizers",
        "keras.optimizers.schedules",
        "keras.regularizers",
        "keras.src.models.functional",
        "keras.src.models.sequential",
    }
)

LAYERS: Final = frozenset(
    {
        "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D",
        "BatchNormalization", "CenterCrop", "Concatenate", "Conv2D", "Cropping2D",
        "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "GaussianDropout",
        "GaussianNoise", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
        "GroupNormalization", "Identity", "InputLayer", "LayerNormalization",
        "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "Normalization",
        "PReLU", "Permute", "RandomContrast", "RandomFlip", "RandomRotation",
        "RandomTranslation", "RandomZoom", "ReLU", "RepeatVector", "Rescaling",
        "Reshape", "Resizing", "SeparableConv2D", "Softmax", "SpatialDropout2D",
        "Subtract", "UnitNormalization", "UpSampling2D", "ZeroPadding2D",
    }
)  # fmt: skip
"""Layers that only do arithmetic on pictures. Excluded are layers that run code from
the file (Lambda, TorchModuleWrapper, JaxLayer) and layers that read other files
(TFSMLayer, StringLookup, TextVectorization)."""

OPERATIONS: Final = frozenset(
    {
        "Absolute", "Add", "Concatenate", "Divide", "Exp", "Flip", "Log", "Max",
        "Maximum", "Mean", "Min", "Minimum", "Multiply", "Negative", "Power", "Reshape",
        "Sqrt", "Square", "Subtract", "Sum", "TrueDivide",
    }
)  # fmt: skip
"""Operations of `keras.ops` between layers: arithmetic, joining and reordering."""

_OPERATIONS = frozenset({"keras.ops", "keras.src.ops.numpy"})

_INERT = frozenset({"__keras_tensor__"})
"""Placeholders for the output of a layer in a file."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a bundle that is safe to run.

    `layers` are kinds of layers, `parameters` counts the numbers in the weights
    (without the optimizer's), `bytes` are sizes by file.
    """

    layers: tuple[str, ...]
    parameters: int
    bytes: Mapping[str, int]


def inspect_untrusted(bundle: Bundle) -> Contents:
    """Inspect what loading a bundle's Keras file would do.

    Raises ModelError, with the reason, if it is not a Keras 3 archive, if it contains
    or names anything except Keras's own arithmetic layers, or if its input shape
    differs from its card.
    """
    sizes = {name: (bundle.folder / name).stat().st_size for name in bundle.card.files}
    path = bundle.keras_file
    try:
        with zipfile.ZipFile(path) as archive:
            config = _config(archive)
            layers = _layers(config)
            taken = _input_shape(config)
            parameters = _count_parameters(archive.read(_WEIGHTS))
    except (
        EOFError,
        KeyError,
        NotImplementedError,
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ModelError(
            f"{path} is not a Keras 3 archive (old .h5 files and pickles are refused)"
        ) from error
    except _RefusedError as error:
        raise ModelError(f"{path} is refused: {error}") from error
    wanted = [None, IMAGE_SIDE, IMAGE_SIDE, bundle.card.views]
    if taken != wanted:
        raise ModelError(
            f"{path} is refused: it takes {_shape(taken)}, its card says "
            f"{_shape(wanted)}"
        )
    return Contents(layers, parameters, sizes)


class _RefusedError(Exception):
    """Something in the file cannot be trusted; the message names it."""


def _config(archive: zipfile.ZipFile) -> dict[str, Any]:
    members = {member.filename: member for member in archive.infolist()}
    if strange := sorted(members.keys() - _MEMBERS):
        raise _RefusedError(f"it contains {strange[0]}, which no network needs")
    if absent := sorted({_CONFIG, _WEIGHTS} - members.keys()):
        raise _RefusedError(f"it lacks {absent[0]}")
    if len(members) != len(archive.infolist()):
        raise _RefusedError("it contains a file twice")
    if (
        members[_CONFIG].file_size > _MAX_CONFIG_BYTES
        or members[_WEIGHTS].file_size > MAX_FILE_BYTES
    ):
        raise _RefusedError("it unpacks to more than any network needs")
    try:
        return read_json(archive.read(_CONFIG), dict[str, Any])
    except ValueError as error:
        raise _RefusedError(f"{_CONFIG} cannot be read: {error}") from error


def _layers(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the kinds of layers; refuse any class that is not on the lists."""
    kinds: set[str] = set()
    for described in _described(config):
        name, module = described["class_name"], described.get("module")
        registered = described.get("registered_name")
        if name in _INERT:
            continue
        if module in _OPERATIONS and name in OPERATIONS and registered in {None, name}:
            continue
        if module not in _MODULES or registered not in {None, name}:
            raise _RefusedError(f"it asks for {registered or name} of {module}")
        if module == "keras.layers":
            if name not in LAYERS:
                raise _RefusedError(f"it has a layer of the kind {name}")
            kinds.add(name)
    return tuple(sorted(kinds))


def _described(value: object) -> Iterator[dict[str, Any]]:
    """Yield the description of every object that loading creates, at any depth."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _input_shape(config: dict[str, Any]) -> list[int | None] | None:
    """Return the input shape of the outermost network; None if it has none."""
    try:
        layers = config["config"]["layers"]
        (first,) = (layer for layer in layers if layer["class_name"] == "InputLayer")
        shape = first["config"]["batch_shape"]
    except (KeyError, TypeError, ValueError):
        return None
    return shape if isinstance(shape, list) else None


def _count_parameters(weights: bytes) -> int:
    """Count the network's numbers; refuse weights that lead outside the file."""
    import h5py  # noqa: PLC0415  a tenth of a second

    count = 0
    with h5py.File(io.BytesIO(weights), "r") as file:
        groups = [file["/"]]
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise _RefusedError(f"its weights contain a link: {name}")
                member = group[name]
                if isinstance(member, h5py.Group):
                    groups.append(member)
                elif member.external or member.is_virtual:
                    raise _RefusedError(f"its weights are outside the file: {name}")
                elif not member.name.startswith(_OPTIMIZER):
                    count += int(member.size)
    return count


def _shape(shape: list[int | None] | None) -> str:
    return "something else" if shape is None else "x".join(map(str, shape[1:]))
