"""Suggest the next step at the end of a command, on a terminal only."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from tagger.text import printable

if TYPE_CHECKING:
    from tagger.inventory.records import InventoryStatus


class Step(NamedTuple):
    """A command, and what it does."""

    command: str
    effect: str


SCAN = Step("tagger scan FOLDER", "tags the pictures in a folder")
REVIEW = Step("tagger review", "shows the pictures that wait for a decision")
SCAN_AGAIN = Step("tagger scan FOLDER", "gives this tag to pictures of the kind")
STATUS = Step("tagger status", "shows what is in the inventory")
ADAPT = Step("tagger model adapt", "learns from these decisions")
EXPORT = Step("tagger export -o tags.csv", "writes the tags for a spreadsheet")


def show_next(step: Step) -> None:
    """Print one suggestion; print nothing in a pipe, in a file or under cron."""
    say_next(f"'{step.command}' {step.effect}")


def show_page(file: Path) -> None:
    """Print how to open a page in a browser, on a terminal only."""
    say_next(f"open {file.absolute().as_uri()} in a browser")


def say_next(step: str) -> None:
    """Print a next step that is more than one command, on a terminal only."""
    if sys.stdout.isatty():
        typer.secho(printable(f"Next: {step}"), dim=True)


def for_unreadable(number: int) -> str:
    """Say what to do about files that were just found to be unreadable."""
    what, them = ("file", "it") if number == 1 else ("files", "them")
    return (
        f"{number:,} {what} cannot be read: repair or delete {them}, or keep {them} "
        "and run 'tagger ignore FILE'"
    )


def after_scan(*, newly_unreadable: int, flagged: int, tagged: int) -> None:
    """Print the next step after a scan."""
    if newly_unreadable:
        say_next(for_unreadable(newly_unreadable))
    elif flagged:
        show_next(REVIEW)
    elif tagged:
        show_next(EXPORT)


def most_useful(status: "InventoryStatus") -> Step:
    """Return the most useful next step for an inventory."""
    if not status.states:
        return SCAN
    return REVIEW if status.waiting_pictures else EXPORT
