"""`tagger import`: record the corrections of a spreadsheet as decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.exchange.corrections import Comparison
    from tagger.inventory.records import Correction

_MOST_BAD = 1000


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False, help="CSV file of 'tagger export' with edited tags."
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
        str,
        typer.Option("--delimiter", help="Character between the cells; \\t is a tab."),
    ] = ",",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The file was exported with --raw."),
    ] = False,
) -> None:
    """Record edited tags as decisions: only rows that differ, all of them or none.

    Example: tagger import edited.csv --dry-run
    """
    from tagger.cli.views import scan_views
    from tagger.errors import ImportingError, RequestError
    from tagger.exchange.corrections import compare
    from tagger.inventory import Inventory

    separator = "\t" if delimiter == "\\t" else delimiter
    if len(separator) != 1 or separator in '"\r\n':
        raise RequestError(
            f"--delimiter {delimiter!r} is not allowed: give one character, as ; or \\t"
        )
    with Inventory(options.database(db), create=False) as inventory:
        try:
            with file.open("rb") as stream:
                comparison = compare(stream, inventory, delimiter=separator, raw=raw)
        except ImportingError as error:
            raise ImportingError(f"{file}, {error}") from error
        for row in comparison.bad[:_MOST_BAD]:
            options.warn(f"{file}, line {row.line}: {row.reason}")
        if not dry_run:
            _check(comparison, skip_bad=skip_bad)
            inventory.correct(
                comparison.corrections,
                reviewer=options.reviewer_name(reviewer),
                source=file.name,
                prepared=_prepared(comparison.corrections),
            )
    shown = scan_views.corrections(
        comparison.corrections, unchanged=comparison.unchanged, dry_run=dry_run
    )
    options.console().print(shown)
    _check(comparison, skip_bad=skip_bad)


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
    from tagger.imaging.decode import prepare
    from tagger.records import PreparedImage

    images = (prepare(Path(row.root, row.path)) for row in corrections)
    return {
        image.digest: image.pixels.tobytes()
        for image in images
        if isinstance(image, PreparedImage)
    }
