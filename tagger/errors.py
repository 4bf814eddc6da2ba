"""What can go wrong with a whole run.

A bad file is not an error but a value (`records.UnreadableImage`): the run goes on.

    TaggerError
      + FolderError       a folder to scan is absent, no folder, or not readable
      + InventoryError    the database cannot be opened, read or written
          + InventoryBusyError    another program is writing: trying again may help
      + LockedError       another scan holds the inventory
      + OverdueError      no scan has done its work for too long
      + HomeError         a user has no home, and something is wanted in it
      + ModelError        a bundle is absent, malformed, or not what its card says
      + DataError         training data that cannot be trained with
      + TrainingError     a training that cannot begin, or cannot go on
      + ExportError       an export cannot be written
      + EvaluationError   an evaluation cannot be written
      + ImportingError    a file of corrections cannot be taken in
      + MissingExtraError a package that only some commands need is not installed
      + WorkerError       no process can be started to decode pictures in
      + DecisionsError    a file of decisions is not one, or is damaged
      + ReviewError       there is nothing to review with what was asked for
      + RequestError      a command asks for what there is not (exit status 2)
    Stopped               a signal asked the program to stop; no failure
"""

from typing import ClassVar

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREADABLE = 3
EXIT_UNCERTIFIED = 4
EXIT_REFUSED = 5
EXIT_LOCKED = 11
"""Exit statuses; 0 is done, 2 a wrong command line, 128 + n stopped by signal n."""


class TaggerError(Exception):
    """A failure of the run, told to the user in one line.

    The message says what happened and, where there is something to do, what to do.
    `exit_code` is the status that the program ends with.
    """

    exit_code: ClassVar[int] = EXIT_FAILED


class FolderError(TaggerError):
    """A folder to scan is absent, is no folder, or cannot be listed."""


class InventoryError(TaggerError):
    """The inventory cannot be opened, read or written."""


class InventoryBusyError(InventoryError):
    """Another program held the inventory for longer than we wait; try again."""


class LockedError(TaggerError):
    """Another scan holds the inventory (exit status 11)."""

    exit_code = EXIT_LOCKED


class OverdueError(TaggerError):
    """No scan has done its work for longer than was asked."""


class HomeError(TaggerError):
    """Something is wanted in the home folder of a user who has none."""

    def __init__(self, instead: str = "") -> None:
        super().__init__(f"nobody knows your home folder: set HOME{instead}")


class ModelError(TaggerError):
    """A bundle is absent, malformed, or its weights are not those of its card."""


class OtherRecipeError(ModelError):
    """A bundle is whole, but learnt from pictures prepared by another recipe."""


class DataError(TaggerError):
    """Training data that is absent, malformed, or of one tag only."""


class TrainingError(TaggerError):
    """A training cannot begin or go on; its last good state is kept."""


class ExportError(TaggerError):
    """An export cannot be written; what was there before is still there."""


class OutputError(TaggerError):
    """What was done is done, but could not be told of."""


class ImportingError(TaggerError):
    """A file of corrections cannot be read, or not all of it can be taken in."""


class EvaluationError(TaggerError):
    """An evaluation, a comparison or pictures of a network cannot be written."""


class MissingExtraError(TaggerError):
    """A package that only some commands need is not installed.

    `what` needs it; `extra` is the optional part of tagger that brings it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed: "
            f"pip install 'tagger[{extra}]'"
        )


class RequestError(TaggerError):
    """A command line, or a file of settings, asks for what there is not."""

    exit_code: ClassVar[int] = EXIT_USAGE


class WorkerError(TaggerError):
    """No process can be started to decode pictures in."""


class DecisionsError(TaggerError):
    """A file of decisions that cannot be read; nothing of it was taken in."""


class ReviewError(TaggerError):
    """A review that was asked for cannot be held: no such path, folder or tag."""


class Stopped(BaseException):
    """A signal asked the program to stop; what was finished is saved.

    No `Exception`, so that nothing on the way takes it for a failure it can handle.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number
        """The exit status of a shell for a program ended by that signal."""
