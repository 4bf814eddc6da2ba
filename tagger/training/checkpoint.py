"""Begin a training, and keep its state in a folder: a kill costs minutes, not hours."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagger.errors import TrainingError
from tagger.system.gc_tuning import freeze_gc
from tagger.system.native_stderr import suppress_native_stderr

_NOTE: Final = "state.json"


def start_keras(seed: int) -> Any:  # noqa: ANN401  Keras has no types
    """Import Keras quietly and seed all of its chance."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress_native_stderr():
        import keras

    # It warns of slowness where several networks are run in turn, as they must be.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.set_random_seed(seed)
    freeze_gc()  # a training lasts for hours, and its arrays are large
    return keras


def seed_dropout(network: Any, seed: int, number: int) -> None:  # noqa: ANN401
    """Have dropout's chance depend on step or pass `number`: files do not keep it."""
    for layer in network.layers:
        if generator := getattr(layer, "seed_generator", None):
            generator.state.assign([seed, number])


def key_of(settings: str, arrays: Iterable[NDArray[Any]]) -> str:
    """Return what tells one training from another, 64 hexadecimal digits.

    `settings` say how it learns, the arrays all that it learns from and all that it is
    measured on: a picture that changed sides must not be learnt from and measured on.
    """
    told = hashlib.sha256(settings.encode())
    for array in arrays:
        told.update(f"{array.dtype.str} {array.shape}".encode())
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()


class Checkpoint:
    """The newest state of one training: a network with its optimiser, and a note.

    Whole at any moment, whatever is killed: the note that names the network's file is
    replaced last. `key` tells one training from another. Until something is kept there
    is no folder.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._key = key

    def load(self) -> tuple[Any, dict[str, Any]]:
        """Return the Keras model and the note; (None, {}) where nothing is kept.

        Raises TrainingError where another training's state is kept, or a broken one.
        """
        import keras

        import tagger.training.muon  # noqa: F401, PLC0415  which the file may name

        note_file = self.folder / _NOTE
        if not note_file.exists():
            return None, {}
        try:
            note = json.loads(note_file.read_bytes())
            if note["key"] != self._key:
                raise TrainingError(
                    f"{self.folder} keeps another training: remove it to begin anew"
                )
            return keras.saving.load_model(self.folder / note["network"]), note
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.folder} keeps a training that cannot be gone on with: remove "
                f"it to begin anew ({error})"
            ) from error

    def load_or_create(self, build: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """Return what is kept; where nothing is, what `build` returns, which then is.

        So that a training that fails at once leaves something to begin again from.
        Raises as `load`.
        """
        network, note = self.load()
        if network is None:
            network = build()
            # Or its file had no variables for what reads it, and Keras would warn.
            network.optimizer.build(network.trainable_variables)
            self.save(network, 0, note)
        return network, note

    def save(self, network: Any, number: int, note: Mapping[str, Any]) -> None:  # noqa: ANN401
        """Keep the network after step or pass `number`, and the note.

        What was kept before stays where that fails, and takes no more room. Raises
        TrainingError where the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"cannot make {self.folder}: {error.strerror}"
            ) from error
        former = set(self.folder.glob("network-*.keras"))
        file = self.folder / f"network-{number}.keras"
        draft = self.folder / f"{_NOTE}.new"
        try:
            network.save(file)
            full = {"key": self._key, "network": file.name, **note}
            draft.write_text(json.dumps(full), encoding="utf-8")
            draft.replace(self.folder / _NOTE)
        except OSError:
            for half in {file, draft} - former:
                half.unlink(missing_ok=True)
            with suppress(OSError):  # there is something in it
                self.folder.rmdir()
            raise
        for old in former - {file}:
            old.unlink()
