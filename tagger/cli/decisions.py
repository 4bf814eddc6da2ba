"""`tagger decisions`: copy decisions from one inventory to another."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tagger.cli.activity import Activity
    from tagger.inventory.records import Decision, Merged, Note

_MOST_CONFLICTS = 20

decisions = typer.Typer(
    name="decisions",
    help="Copy decisions between inventories, as JSON lines.",
    no_args_is_help=True,
)


@decisions.command("export")
def export_decisions(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False,
            allow_dash=True,
            help="File to write; - for standard output.",
        ),
    ],
    db: options.Db = None,
) -> None:
    """Write every decision and note, including those undone.

    Example: tagger decisions export decisions.jsonl
    """
    with activity("writing decisions", shown=str(file) != "-") as doing:
        from tagger.exchange.decisions_jsonl import write_file, write_lines
        from tagger.inventory import Inventory

        with Inventory(options.database(db), create=False) as inventory:
            if str(file) == "-":
                sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
                write_lines(inventory.decisions(), sys.stdout)
                return
            made = doing.track("writing decisions", inventory.decisions())
            count = write_file(made, file)
    options.console().print(f"{count:,} decisions and notes written")


@decisions.command("import")
def import_decisions(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False, allow_dash=True, help="File to read; - for standard input."
        ),
    ],
    db: options.Db = None,
) -> None:
    """Import the decisions of another inventory: all of the file, or nothing.

    Known decisions are skipped. If two differ about a picture, the later one is in
    force and both are shown. A missing inventory is created.
    Example: tagger decisions import decisions.jsonl
    """
    with activity("importing decisions", shown=str(file) != "-") as doing:
        merged = merge_file(file, options.database(db), doing)
    show_merged(merged)


def merge_file(file: Path, database: Place, doing: "Activity") -> "Merged":
    """Merge a file of decisions into an inventory; "-" is standard input."""
    from tagger.inventory import Inventory

    records = doing.track("importing decisions", _read(file))
    with Inventory(database) as inventory:
        return inventory.merge_decisions(records)


def _read(file: Path) -> "Iterator[Decision | Note]":
    from tagger.exchange.decisions_jsonl import read_lines

    if str(file) == "-":
        yield from read_lines(sys.stdin.buffer, "standard input")
    else:
        with file.open("rb") as stream:
            yield from read_lines(stream, str(file))


def show_merged(merged: "Merged") -> None:
    """Print what became of the decisions, and those that differ."""
    from tagger.review.line_mode import decision_text
    from tagger.text import printable

    console = options.console()
    console.print(
        f"{merged.added:,} new decisions, {merged.known:,} known already, "
        f"{merged.taken_back:,} undone; {merged.notes:,} new notes"
    )
    if merged.conflicts:
        console.print(
            f"{len(merged.conflicts):,} differ; the later decision is in force:"
        )
    for newer, older in merged.conflicts[:_MOST_CONFLICTS]:
        digest = newer.answer.digest[:12]
        line = f"  {digest}…  {decision_text(newer)}; before, {decision_text(older)}"
        console.print(printable(line), soft_wrap=True)
    if (more := len(merged.conflicts) - _MOST_CONFLICTS) > 0:
        console.print(f"  and {more:,} more")
