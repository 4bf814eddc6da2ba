"""Start Keras, and keep checkpoints from which a killed training continues."""

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

from tagger.bundles.keras_types import KerasModel, KerasModule
from tagger.errors import TrainingError
from tagger.system.gc_tuning import freeze_gc
from tagger.system.native_stderr import suppress_native_stderr

_NOTE: Final = "state.json"


def start_keras(seed: int) -> KerasModule:
    """Import Keras without its output, and seed its random generators."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress_native_stderr():
        import keras

    # TensorFlow warns of slowness when several networks run in turn, as they do here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.set_random_seed(seed)
    freeze_gc()  # a training lasts for hours, and its arrays are large
    return keras


def seed_dropout(network: KerasModel, seed: int, number: int) -> None:
    """Seed dropout by the number of the step or pass: files do not keep its state."""
    for layer in network.layers:
        if generator := getattr(layer, "seed_generator", None):
            generator.state.assign([seed, number])


def key_of(settings: str, arrays: Iterable[NDArray[Any]]) -> str:
    """Return the key of a training, 64 hexadecimal digits.

    `settings` are its settings as text. `arrays` are all data that it learns from and
    is measured on. If a picture moves between the two, the key changes, so that it is
    never both learnt and measured on.
    """
    key = hashlib.sha256(settings.encode())
    for array in arrays:
        key.update(f"{array.dtype.str} {array.shape}".encode())
        key.update(np.ascontiguousarray(array).data)
    return key.hexdigest()


class Checkpoint:
    """The newest state of one training: a network with its optimiser, and a note.

    It is complete at any moment, even after a kill: the note, which names the network's
    file, is replaced last. `key` identifies the training. The folder is created when a
    state is first saved.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._key = key

    def load(self) -> tuple[KerasModel, dict[str, Any]]:
        """Return the Keras model and the note; (None, {}) if nothing was saved.

        Raises TrainingError if the state is another training's, or damaged.
        """
        import keras

        import tagger.training.muon  # noqa: F401, PLC0415  the file may name its class

        note_file = self.folder / _NOTE
        if not note_file.exists():
            return None, {}
        try:
            note = json.loads(note_file.read_bytes())
            if note["key"] != self._key:
                raise TrainingError(
                    f"{self.folder} holds the checkpoint of another training: remove "
                    "it to start again"
                )
            return keras.saving.load_model(self.folder / note["network"]), note
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.folder} holds a checkpoint that cannot be read: remove it to "
                f"start again ({error})"
            ) from error

    def load_or_create(
        self, build: Callable[[], KerasModel]
    ) -> tuple[KerasModel, dict[str, Any]]:
        """Return the saved state; if there is none, save and return a new network.

        So a training that fails in its first step has a checkpoint, too. Raises as
        `load`.
        """
        network, note = self.load()
        if network is None:
            network = build()
            # Create the optimiser's variables: without them Keras warns when it loads.
            network.optimizer.build(network.trainable_variables)
            self.save(network, 0, note)
        return network, note

    def save(self, network: KerasModel, number: int, note: Mapping[str, Any]) -> None:
        """Save the network after step or pass `number`, and the note.

        If that fails, the state before stays, and no other file is left. Raises
        TrainingError if the folder cannot be created.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"cannot create {self.folder}: {error.strerror}"
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
            for incomplete in {file, draft} - former:
                incomplete.unlink(missing_ok=True)
            with suppress(OSError):  # the folder is not empty
                self.folder.rmdir()
            raise
        for old in former - {file}:
            old.unlink()
