"""Write the folder of an evaluation, never over other content."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tagger.errors import EvaluationError


def check_folder(folder: Path, mark: str) -> None:
    """Raise EvaluationError for a folder with other content.

    The folder may be absent, empty, or contain the file `mark`, which shows that it was
    written for the same purpose before.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / mark).is_file():
            raise EvaluationError(f"{folder} has other content: name another folder")
    elif folder.exists():
        raise EvaluationError(f"{folder} is not a folder: name another")


def put_files(folder: Path, written: Mapping[str, bytes]) -> None:
    """Write files into a folder in their order, each one atomically.

    Raises EvaluationError if a file cannot be written.
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
