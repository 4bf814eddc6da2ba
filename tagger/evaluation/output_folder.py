"""The folder that an evaluation is written to: never over what is something else."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tagger.errors import EvaluationError


def check_folder(folder: Path, mark: str) -> None:
    """Refuse a folder that must not be written to.

    Raises EvaluationError unless it is absent, empty, or holds the file `mark`, which
    says that it was written for the same purpose before.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / mark).is_file():
            raise EvaluationError(f"{folder} holds something else: name another folder")
    elif folder.exists():
        raise EvaluationError(f"{folder} is no folder: name another")


def put_files(folder: Path, written: Mapping[str, bytes]) -> None:
    """Put files into a folder in their order, each whole or not at all.

    Raises EvaluationError where that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as scratch:
            for name, content in written.items():
                draft = Path(scratch) / "draft"
                draft.write_bytes(content)
                (folder / name).parent.mkdir(exist_ok=True)
                draft.replace(folder / name)
    except OSError as error:
        raise EvaluationError(f"cannot write {folder}: {error.strerror}") from error
