"""Exceptions that end a command, each with its exit status.

A bad file is not an error but a value (`records.UnreadableImage`): the run goes on.

    TaggerError
      + FolderError       a folder to scan is absent, not a folder, or not readable
      + InventoryError    the database cannot be opened, read or written
          + InventoryBusyError    another program is writing: trying again may help
          + NoInventoryError  there is no inventory at the place named
          + ConnectionLostError   the server of the database does not answer
      + LockedError       another scan holds the inventory
      + OverdueError      no scan has succeeded for too long
      + HomeError         the user has no home folder, and a command needs it
      + ModelError        a bundle is absent, malformed, or differs from its card
          + OtherRecipeError      the bundle's preprocessing is another one
      + DataError         training data is absent, malformed or not sufficient
      + TrainingError     a training cannot begin, or cannot go on
      + ExportError       an export cannot be written
      + OutputError       the work is done, but its result cannot be printed
      + ImportingError    a file of corrections cannot be imported
      + EvaluationError   an evaluation cannot be written
      + MissingExtraError an optional package is not installed
      + RequestError      a command line or settings file is wrong (exit status 2)
      + WorkerError       a process that decodes pictures cannot be started
      + EngineError       a cluster cannot be reached, or is gone during a scan
      + DecisionsError    a file of decisions is malformed or damaged
      + ReviewError       a review cannot begin with these options
    Stopped               a signal asked the program to stop; not a failure
"""

import os
import shlex
import sys
from collections.abc import Sequence
from typing import ClassVar, Final

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3
EXIT_UNCERTIFIED = 4
EXIT_REFUSED = 5
EXIT_LOCKED = 11
"""Exit statuses; 0 is success, 2 a wrong command line, 128 + n stopped by signal n."""


class TaggerError(Exception):
    """A failure of the run, reported to the user in one line.

    The message says what happened and, if the user can help, what to do next.
    `exit_code` is the exit status of the program.
    """

    exit_code: ClassVar[int] = EXIT_FAILED


class FolderError(TaggerError):
    """A folder to scan is absent, is not a folder, or cannot be listed."""


class InventoryError(TaggerError):
    """The inventory cannot be opened, read or written."""


class InventoryBusyError(InventoryError):
    """Another program wrote to the inventory for too long; try again."""


class NoInventoryError(InventoryError):
    """There is no inventory at the place that was named."""


class ConnectionLostError(InventoryError):
    """The server of the inventory does not answer, or has closed the connection."""


class LockedError(TaggerError):
    """Another scan holds the inventory (exit status 11)."""

    exit_code = EXIT_LOCKED


class OverdueError(TaggerError):
    """No scan has succeeded within the time that the caller allows."""


class HomeError(TaggerError):
    """A command needs the home folder, and the user has none."""

    def __init__(self, instead: str = "") -> None:
        super().__init__(f"cannot determine your home folder: set HOME{instead}")


class ModelError(TaggerError):
    """A bundle is absent or malformed, or its weights differ from its card."""


class OtherRecipeError(ModelError):
    """A bundle is intact, but was trained with another preprocessing."""


class DataError(TaggerError):
    """Training data that is absent, malformed, or of one tag only."""


class TrainingError(TaggerError):
    """A training cannot begin or go on; its last good state is kept."""


class ExportError(TaggerError):
    """An export cannot be written; the earlier file is unchanged."""


class OutputError(TaggerError):
    """The work is done, but its result cannot be printed."""


class ImportingError(TaggerError):
    """A file of corrections cannot be read, or not all of it can be imported."""


class EvaluationError(TaggerError):
    """An evaluation, a comparison or pictures of a network cannot be written."""


class MissingExtraError(TaggerError):
    """An optional package is not installed.

    `what` needs `package`; `extra` is a key of `EXTRAS`. The message has the command
    that installs all packages of the extra for the running interpreter.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed: "
            f"{installing(EXTRAS[extra])}"
        )


EXTRAS: Final = {
    "az": ("adlfs",),
    "embed": ("scikit-learn", "threadpoolctl"),
    "gs": ("gcsfs",),
    "parquet": ("pyarrow",),
    "postgres": ("psycopg[binary]",),
    "ray": ("ray",),
    "remote": ("fsspec[http]",),
    "s3": ("s3fs",),
    "xlsx": ("openpyxl",),
}
"""Packages of each extra of pyproject.toml that is not empty. Messages name them and
not the extra: the package "tagger" on PyPI is another project."""


def installing(packages: Sequence[str]) -> str:
    """Return the shell command that installs packages for this interpreter."""
    from subprocess import list2cmdline  # noqa: PLC0415  needed for mistakes only

    words = [sys.executable or "python3", "-m", "pip", "install", *packages]
    return list2cmdline(words) if os.name == "nt" else shlex.join(words)


class RequestError(TaggerError):
    """A command line or a settings file asks for something that does not exist."""

    exit_code: ClassVar[int] = EXIT_USAGE


class WorkerError(TaggerError):
    """A process that decodes pictures cannot be started."""


class EngineError(TaggerError):
    """A cluster cannot be reached, or is gone during a scan; finished work is saved."""


class DecisionsError(TaggerError):
    """A file of decisions cannot be read; none of it was imported."""


class ReviewError(TaggerError):
    """A review cannot begin: no such path, folder or tag."""


class Stopped(BaseException):
    """A signal asked the program to stop; finished work is saved.

    Derives from BaseException, so that no handler of failures catches it.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number
        """The status that a shell reports for a program ended by this signal."""
