"""Suggest the next step at the end of a command, on a terminal only."""

import sys
from typing import NamedTuple

import typer

from tagger.text import printable


class Step(NamedTuple):
    """A command, and what it does."""

    command: str
    effect: str


SCAN = Step("tagger scan FOLDER", "tags the pictures in a folder")
REVIEW = Step("tagger review", "shows the pictures that wait for a decision")
EXPORT = Step("tagger export -o tags.csv", "writes the tags for a spreadsheet")


def show_next(step: Step) -> None:
    """Print one suggestion; print nothing in a pipe, in a file or under cron."""
    if sys.stdout.isatty():
        line = printable(f"Next: '{step.command}' {step.effect}")
        typer.secho(line, dim=True)
