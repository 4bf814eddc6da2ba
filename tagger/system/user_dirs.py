"""Find a user's own folders for data and settings, as the system has them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tagger.errors import HomeError

NO_FOLDER: Final = Path(os.devnull)
"""A path that can never hold a file: stands in for the folders of a homeless user."""


def data_folder() -> Path:
    """Return the folder of this user's data, which may not exist.

    Raises HomeError for a user without a home folder, as in many containers.
    """
    from platformdirs import user_data_path  # noqa: PLC0415  start-up is a feature

    return _tagger_folder(user_data_path)


def config_folder() -> Path:
    """Return the folder of this user's settings; see `data_folder`."""
    from platformdirs import user_config_path  # noqa: PLC0415

    return _tagger_folder(user_config_path)


def _tagger_folder(find: Callable[[str], Path]) -> Path:
    try:
        folder = find("tagger")
    except RuntimeError as error:
        raise HomeError from error
    if folder.parts[0] == "~":  # the answer of older releases of platformdirs
        raise HomeError
    return folder
