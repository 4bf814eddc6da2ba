"""`tagger export`: write the inventory for other programs and spreadsheets."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import completion, filter_options, options
from tagger.cli.activity import activity
from tagger.cli.next_step import STATUS, Step, show_next
from tagger.records import Format
from tagger.text import as_typed, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.inventory import Inventory

_AS_WHAT = "Format"
_BY_ITEM = "One row per product"


def export(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            allow_dash=True,
            help="File to write, whole or not at all; - for standard output.",
        ),
    ] = None,
    db: options.Db = None,
    as_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            envvar="TAGGER_EXPORT_FORMAT",
            help="File format; parquet needs the package pyarrow, xlsx openpyxl.",
            show_default="by the file's extension, else csv",
            rich_help_panel=_AS_WHAT,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,NAME…",
            help="Write only these columns, in this order.",
            show_default="all",
            autocompletion=completion.columns,
            rich_help_panel=_AS_WHAT,
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="CSV: write texts unchanged, even those that a spreadsheet would run "
            "as formulas or turn into numbers.",
            rich_help_panel=_AS_WHAT,
        ),
    ] = False,
    delimiter: Annotated[
        str,
        typer.Option(
            "--delimiter",
            metavar="CHARACTER",
            parser=options.delimiter,
            help="CSV: character between the cells: , ; | or tab.",
            rich_help_panel=_AS_WHAT,
        ),
    ] = ",",
    bom: Annotated[
        bool,
        typer.Option(
            "--bom",
            help="CSV: begin with a byte order mark, so that Excel reads UTF-8.",
            rich_help_panel=_AS_WHAT,
        ),
    ] = False,
    tag: filter_options.Tags = None,
    root: filter_options.Roots = None,
    state: filter_options.States = None,
    by_person: filter_options.ByPerson = None,
    since: filter_options.Since = None,
    where: filter_options.Where = None,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help="Only items whose row differs from the last export with --changed.",
            rich_help_panel="Filters",
        ),
    ] = False,
    mark: Annotated[
        str,
        typer.Option(
            "--mark",
            help="Name for that export, to keep several apart.",
            rich_help_panel="Filters",
        ),
    ] = "default",
    by_item: Annotated[
        bool,
        typer.Option(
            "--by-item",
            help="Write one row per product: join its photographs.",
            rich_help_panel=_BY_ITEM,
        ),
    ] = False,
    item_pattern: Annotated[
        str | None,
        typer.Option(
            "--item-pattern",
            metavar="REGEX",
            help=r"Regular expression that finds the product key in a path: "
            r"'(?P<item>[^_/]+)_\d+\.jpg'. It is saved for the scanned folders, or "
            "those of --root; '' deletes it.",
            show_default="the saved pattern",
            rich_help_panel=_BY_ITEM,
        ),
    ] = None,
) -> None:
    """Write items as CSV, JSON, Parquet or XLSX, to standard output or to a file.

    Example: tagger export -o doubtful.xlsx --where 'flagged = true and margin < 0.1'
    """
    to_file = str(output or "-") != "-"
    with activity("exporting", shown=to_file or not sys.stdout.isatty()):
        from tagger.errors import RequestError
        from tagger.exchange import DELIMITERS, Style, format_of
        from tagger.exchange.export import ExportRequest, write_export
        from tagger.inventory import Inventory
        from tagger.inventory.columns import (
            COLUMNS,
            PROBABILITIES,
            PRODUCT_COLUMNS,
            find_columns,
        )

        if by_item and (changed or since):
            raise RequestError(
                "--by-item joins whole products: leave out --changed and --since"
            )
        if item_pattern is not None and not by_item:
            raise RequestError("--item-pattern needs --by-item: add it")
        if delimiter not in DELIMITERS:
            raise RequestError(
                f"--delimiter {delimiter!r} is not allowed: give , ; | or tab"
            )
        if str(output) == "-":
            output = None
        existed = output is not None and output.exists()
        chosen_format = format_of(output, as_format)
        every = PRODUCT_COLUMNS if by_item else COLUMNS
        asked = every if by_item else (*every, PROBABILITIES)
        chosen = find_columns(columns.split(","), asked) if columns else list(every)
        if changed and PROBABILITIES in chosen:
            raise RequestError(
                "--changed cannot export probabilities: leave out one of the two"
            )
        with Inventory(options.database(db), create=False) as inventory:
            conditions = filter_options.conditions(
                inventory,
                tags=tag,
                roots=root,
                states=state,
                by_person=by_person,
                since=since,
                where=where,
                columns=every,
            )
            if item_pattern is not None:
                _keep_pattern(inventory, item_pattern, root or ())
            rows = write_export(
                inventory,
                ExportRequest(chosen, conditions, by_item, mark if changed else None),
                output or sys.stdout.buffer,
                chosen_format,
                # Escape control characters, which would steer a terminal.
                Style(
                    delimiter,
                    raw=raw,
                    bom=bom,
                    escape=not output and sys.stdout.isatty(),
                ),
            )
    if output is not None:
        _show_written(output, rows, replaced=existed, can_import=not by_item)


def _show_written(output: Path, rows: int, *, replaced: bool, can_import: bool) -> None:
    """Say what was written, on a terminal; a script reads the file alone."""
    if not sys.stdout.isatty():
        return
    before = ", in place of the file that was there" if replaced else ""
    said = f"wrote {rows:,} row{'s' * (rows != 1)} to {output}{before}"
    typer.echo(printable(said))
    if can_import and output.suffix in {".csv", ".xlsx"}:
        command = f"tagger import {as_typed(output)}"
        show_next(Step(command, "records the tags that you correct in it"))
    else:
        show_next(STATUS)


def _keep_pattern(inventory: "Inventory", pattern: str, names: "Sequence[str]") -> None:
    """Keep the item pattern of the named roots, or of all; "" removes it."""
    from tagger.inventory.product_key import compile_pattern

    if pattern:
        compile_pattern(pattern)
    roots = [os.path.abspath(name) for name in names]  # noqa: PTH100
    inventory.set_item_pattern(roots or inventory.roots(), pattern or None)
