"""Where a user keeps what is theirs alone, by the custom of the system."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tagger.errors import HomeError

NO_FOLDER: Final = Path(os.devnull)
"""A folder in which nothing is, nor can be: for a user without a home to look in."""


def data_folder() -> Path:
    """Return the folder of what tagger keeps for this user; it may not be there.

    Raises HomeError for a user without a home, as in many a container.
    """
    from platformdirs import user_data_path  # noqa: PLC0415  start-up is a feature

    return _found(user_data_path)


def config_folder() -> Path:
    """Return the folder of what this user chose; otherwise as `data_folder`."""
    from platformdirs import user_config_path  # noqa: PLC0415

    return _found(user_config_path)


def _found(find: Callable[[str], Path]) -> Path:
    try:
        folder = find("tagger")
    except RuntimeError as error:
        raise HomeError from error
    if folder.parts[0] == "~":  # the answer of older releases of platformdirs
        raise HomeError
    return folder
