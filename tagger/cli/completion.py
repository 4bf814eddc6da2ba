"""Complete tags, folders, runs and columns in the shell.

Every function is quick and returns nothing rather than raising an error.
"""

from typing import TYPE_CHECKING, TypeVar

import typer

from tagger.records import FASHION_LABELS
from tagger.text import comparable, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tagger.inventory import Inventory

_Answer = TypeVar("_Answer")


def tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the tags of the inventory, else those of Fashion-MNIST."""
    known = _asked(ctx, lambda inventory: inventory.known_tags()) or FASHION_LABELS
    return [tag for tag in known if comparable(tag).startswith(comparable(incomplete))]


def roots(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the scanned folders, with the beginning as it was typed.

    Shells and Typer drop what begins otherwise, if only by the form of its letters.
    """
    known = _asked(ctx, lambda inventory: inventory.roots())
    return [
        incomplete + root.removeprefix(beginning)
        for root in known
        for beginning in spellings(incomplete)
        if root.startswith(beginning)
    ]


def runs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the latest runs and their start times."""
    latest = [
        (str(run.id), f"{run.started_at.astimezone():%Y-%m-%d %H:%M}")
        for run in _asked(ctx, lambda inventory: inventory.runs(limit=20))
    ]
    return [run for run in latest if run[0].startswith(incomplete)]


def moments(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the values for `--since`."""
    offered = [("last-run", "since the last scan began"), *runs(ctx, "")]
    return [value for value in offered if value[0].startswith(incomplete)]


def columns(incomplete: str) -> list[tuple[str, str]]:
    """Return the columns that can follow those already named, separated by commas."""
    from tagger.inventory.columns import COLUMNS

    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    return [
        (before + comma + column.name, column.meaning.replace("`", ""))
        for column in COLUMNS
        if column.name.startswith(last) and column.name not in named
    ]


def _asked(
    ctx: typer.Context, question: "Callable[[Inventory], Sequence[_Answer]]"
) -> "Sequence[_Answer]":
    """Query the inventory that the command line names; () on any failure."""
    from tagger.cli import options, settings
    from tagger.errors import TaggerError
    from tagger.inventory import Inventory
    from tagger.system.database_url import place

    try:
        # The callback that reads the settings does not run during completion.
        db = ctx.params.get("db") or settings.defaults(ctx).get("db")
        found = options.database(place(db) if isinstance(db, str) else db)
        with Inventory(found, create=False) as opened:
            return question(opened)
    except (TaggerError, OSError):
        return ()
