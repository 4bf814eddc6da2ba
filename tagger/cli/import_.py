"""`tagger import`: record what a person decided in a spreadsheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.next_step import ADAPT, Step, most_useful, say_next, show_next
from tagger.system.database_url import Place
from tagger.text import as_typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.exchange.corrections import Comparison, Ignored
    from tagger.inventory import Inventory
    from tagger.inventory.records import Correction

_MOST_BAD = 1000


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False,
            help="CSV or XLSX file of 'tagger export', edited, or of a shop.",
        ),
    ],
    db: options.Db = None,
    reviewer: options.Reviewer = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the changes and write nothing."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Skip bad and outdated rows, and import the others."
        ),
    ] = False,
    delimiter: Annotated[
        str | None,
        typer.Option(
            "--delimiter",
            metavar="CHARACTER",
            parser=options.delimiter,
            help="CSV: character between the cells, or tab.",
            show_default="recognised by the header",
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The file was exported with --raw."),
    ] = False,
) -> None:
    """Record edited and confirmed tags as decisions: all rows or none.

    Edit a tag to correct it. Set flagged to false to confirm it, or write yes in a
    column confirmed. In the product CSV of Shopify or WooCommerce, edit the tags: all
    photographs of the product get the tag.

    Example: tagger import edited.csv --dry-run
    """
    with (
        activity("comparing the sheet with the inventory") as doing,
        _inventory(db) as inventory,
    ):
        comparison = _compared(file, inventory, delimiter, raw=raw)
        for row in comparison.bad[:_MOST_BAD]:
            options.warn(f"{file}, line {row.line}: {row.reason}")
        if comparison.ignored:
            options.warn(f"{file}, {_ignored(comparison.ignored)}")
        if not dry_run:
            _check(comparison, skip_bad=skip_bad)
            doing.now("recording decisions")
            inventory.correct(
                comparison.corrections,
                reviewer=options.reviewer_name(reviewer),
                source=file.name,
                prepared=_prepared(comparison.corrections),
            )
        next_step = _next_step(inventory, file, comparison, dry_run=dry_run)
    from tagger.cli.views import scan_views

    shown = scan_views.corrections(
        comparison.corrections, unchanged=comparison.unchanged, dry_run=dry_run
    )
    options.console().print(shown)
    _check(comparison, skip_bad=skip_bad)
    if next_step is None:
        say_next("correct a tag, or set flagged to false, and import the file again")
    else:
        show_next(next_step)


def _inventory(db: Place | None) -> "Inventory":
    from tagger.inventory import Inventory

    return Inventory(options.database(db), create=False)


def _compared(
    file: Path, inventory: "Inventory", delimiter: str | None, *, raw: bool
) -> "Comparison":
    from tagger.errors import ImportingError
    from tagger.exchange.corrections import compare

    try:
        with file.open("rb") as stream:
            return compare(stream, inventory, delimiter=delimiter, raw=raw)
    except ImportingError as error:
        raise ImportingError(f"{file}, {error}") from error


def _ignored(ignored: "Ignored") -> str:
    """Name the edits that an import cannot take."""
    others = ignored.rows - 1
    more = f" and {others:,} more" if others else ""
    return (
        f"line {ignored.first_line}{more}: changes of {', '.join(ignored.columns)} are "
        "not imported: edit tag, flagged or confirmed"
    )


def _next_step(
    inventory: "Inventory", file: Path, comparison: "Comparison", *, dry_run: bool
) -> Step | None:
    """Return the next step; None if the sheet says nothing new."""
    if not comparison.corrections:
        return None
    if dry_run:
        return Step(f"tagger import {as_typed(file)}", "records these decisions")
    return ADAPT if inventory.can_adapt() else most_useful(inventory.status())


def _check(comparison: "Comparison", *, skip_bad: bool) -> None:
    from tagger.errors import ImportingError

    if comparison.bad and not skip_bad:
        rows = "1 row" if len(comparison.bad) == 1 else f"{len(comparison.bad):,} rows"
        raise ImportingError(
            f"{rows} cannot be imported, so nothing was imported: correct the file, or "
            "skip them with --skip-bad"
        )


def _prepared(corrections: "Sequence[Correction]") -> dict[str, bytes]:
    """Return the views of the pictures that still exist, for a later adaptation.

    By digest, as the bytes of uint8 arrays.
    """
    if not corrections:
        return {}  # before the decoders are imported
    from tagger.imaging.prepare import prepare
    from tagger.records import PreparedImage
    from tagger.storage import location

    images = (prepare(location(row.root, row.path)) for row in corrections)
    return {
        image.digest: image.pixels.tobytes()
        for image in images
        if isinstance(image, PreparedImage)
    }
