"""Suggest the next step at the end of a command, on a terminal only."""

from pathlib import Path
from typing import NamedTuple

from tagger.cli import options
from tagger.text import printable


class Step(NamedTuple):
    """A command, and what it does."""

    command: str
    effect: str


SCAN = Step("tagger scan FOLDER", "tags the pictures in a folder")
REVIEW = Step("tagger review", "shows the pictures that wait for a decision")
SCAN_AGAIN = Step("tagger scan FOLDER", "gives this tag to pictures of the kind")
STATUS = Step("tagger status", "shows what is in the inventory")
EXPORT = Step("tagger export -o tags.csv", "writes the tags for a spreadsheet")


def show_next(step: Step) -> None:
    """Print one suggestion; print nothing in a pipe, in a file or under cron."""
    options.next_step(printable(f"'{step.command}' {step.effect}"))


def show_page(file: Path) -> None:
    """Print how to open a page in a browser, on a terminal only."""
    options.next_step(f"open {file.absolute().as_uri()} in a browser")
