"""What a stranger's bundle holds, read without running any of it.

A Keras file can name code to run when it is loaded: a Lambda layer, a class of any
module. Keras's safe mode refuses the first; here both are refused before Keras sees the
file. Nothing here says whether a network is any good.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tagger.bundles.bundle import Bundle
from tagger.errors import ModelError
from tagger.records import IMAGE_SIDE

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Largest file of a bundle, packed or not: three times VGG-19's weights."""

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
"""Layers that do arithmetic on pictures, and nothing else: none runs code that comes
with the file (Lambda, TorchModuleWrapper, JaxLayer), none reads other files (TFSMLayer,
StringLookup, TextVectorization)."""

OPERATIONS: Final = frozenset(
    {
        "Absolute", "Add", "Concatenate", "Divide", "Exp", "Flip", "Log", "Max",
        "Maximum", "Mean", "Min", "Minimum", "Multiply", "Negative", "Power", "Reshape",
        "Sqrt", "Square", "Subtract", "Sum", "TrueDivide",
    }
)  # fmt: skip
"""Arithmetic that stands between layers, as Keras's `ops` write it, and what puts
arrays together or in another order."""

_OPERATIONS = frozenset({"keras.ops", "keras.src.ops.numpy"})

_INERT = frozenset({"__keras_tensor__"})
"""What stands in a file for the output of a layer."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in a bundle whose files can be trusted to run.

    `layers` are kinds of layers, `parameters` numbers in the weights (less those of the
    optimizer), `bytes` sizes by file.
    """

    layers: tuple[str, ...]
    parameters: int
    bytes: Mapping[str, int]


def inspect_untrusted(bundle: Bundle) -> Contents:
    """Read what a bundle's Keras file would do if it were loaded.

    Raises ModelError, with the reason, where it is not an archive of Keras 3, holds or
    names anything but layers of Keras's own that do arithmetic, or takes another
    picture than its card says.
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
            f"{path} is no archive of Keras 3 (old .h5 files and pickles are refused)"
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
    """Something in the file is not to be trusted; the message says what."""


def _config(archive: zipfile.ZipFile) -> dict[str, Any]:
    members = {member.filename: member for member in archive.infolist()}
    if strange := sorted(members.keys() - _MEMBERS):
        raise _RefusedError(f"it holds {strange[0]}, which no network needs")
    if absent := sorted({_CONFIG, _WEIGHTS} - members.keys()):
        raise _RefusedError(f"it lacks {absent[0]}")
    if len(members) != len(archive.infolist()):
        raise _RefusedError("it holds a file twice")
    if (
        members[_CONFIG].file_size > _MAX_CONFIG_BYTES
        or members[_WEIGHTS].file_size > MAX_FILE_BYTES
    ):
        raise _RefusedError("it unpacks to more than any network needs")
    try:
        config = json.loads(archive.read(_CONFIG))
    except (ValueError, RecursionError) as error:
        raise _RefusedError(f"{_CONFIG} cannot be read") from error
    if not isinstance(config, dict):
        raise _RefusedError(f"{_CONFIG} describes no network")
    return config


def _layers(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the kinds of layers; refuse whatever names a class that is not known."""
    found: set[str] = set()
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
            found.add(name)
    return tuple(sorted(found))


def _described(value: object) -> Iterator[dict[str, Any]]:
    """Yield every object that loading would make, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _input_shape(config: dict[str, Any]) -> list[int | None] | None:
    """Return what the network itself takes, not a network inside it."""
    try:
        layers = config["config"]["layers"]
        (first,) = (one for one in layers if one["class_name"] == "InputLayer")
        shape = first["config"]["batch_shape"]
    except (KeyError, TypeError, ValueError):
        return None
    return shape if isinstance(shape, list) else None


def _count_parameters(weights: bytes) -> int:
    """Count the network's numbers; refuse links to anything outside the file."""
    import h5py  # noqa: PLC0415  a tenth of a second

    count = 0
    with h5py.File(io.BytesIO(weights), "r") as file:
        waiting = [file["/"]]
        while waiting:
            group = waiting.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise _RefusedError(f"its weights link to something, as {name}")
                one = group[name]
                if isinstance(one, h5py.Group):
                    waiting.append(one)
                elif one.external or one.is_virtual:
                    raise _RefusedError(f"its weights lie outside the file, as {name}")
                elif not one.name.startswith(_OPTIMIZER):
                    count += int(one.size)
    return count


def _shape(shape: list[int | None] | None) -> str:
    return "something else" if shape is None else "x".join(map(str, shape[1:]))
