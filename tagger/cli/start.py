"""`tagger` alone: how to begin, or the state of the inventory and what to do next."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from tagger.cli import options
from tagger.cli.next_step import Step, most_useful, show_next
from tagger.system.database_url import Place
from tagger.text import printable

if TYPE_CHECKING:
    from tagger.inventory.records import InventoryStatus

_HERE: Final = Path("inventory.db")
"""An inventory in the working folder, where no other one is set."""

_BEGIN: Final = """\
tagger tags folders of product pictures. There is no inventory yet.
Begin with a folder of your own pictures; tagger only reads them:

  tagger scan "FOLDER"        tag the pictures in it, for example "My photos"
  tagger review               decide the pictures that tagger is unsure of
  tagger export -o tags.csv   write the tags for a spreadsheet

The first scan makes the inventory {database}.
Help: 'tagger --help' lists the commands, 'tagger help scan' explains one."""


def start(ctx: typer.Context) -> None:
    """Show how to begin; with an inventory, one line of its state and the next step."""
    database = _configured(ctx)
    if database.exists():
        _show_state(database)
    elif _HERE.exists():
        _show_state(_HERE, " --db inventory.db")
    else:
        typer.echo(_BEGIN.format(database=printable(str(database))))


def _configured(ctx: typer.Context) -> Place:
    """Return the inventory that `tagger status` would show."""
    status = ctx.command.commands["status"]  # type: ignore[attr-defined]
    return options.database(status.make_context("status", [], parent=ctx).params["db"])


def _show_state(database: Place, option: str = "") -> None:
    from tagger.inventory import Inventory

    with Inventory(database, create=False) as inventory:
        status = inventory.status()
    typer.echo(printable(f"{database}: {_state(status)}"))
    step = most_useful(status)
    show_next(Step(step.command + option, step.effect))


def _state(status: "InventoryStatus") -> str:
    from tagger.records import State

    unreadable = status.states.get(State.UNREADABLE, 0)
    counts = {
        "tagged": status.states.get(State.TAGGED, 0),
        "waiting for review": status.flagged,
        "unreadable": unreadable,
    }
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return f"{shown}; a scan is running" if status.scanning else shown
