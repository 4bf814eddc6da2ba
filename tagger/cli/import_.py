"""`tagger import`: corrections made in a spreadsheet come back as decisions."""

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
            readable=False, help="A CSV file of 'tagger export' with edited tags."
        ),
    ],
    db: options.Db = None,
    reviewer: options.Reviewer = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the difference and write nothing."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Take in what can be, where rows are bad or stale."
        ),
    ] = False,
    delimiter: Annotated[
        str,
        typer.Option("--delimiter", help="What parts the cells; \\t is a tab."),
    ] = ",",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The file was exported with --raw."),
    ] = False,
) -> None:
    """Take edited tags back as decisions: only rows that differ, all of them or none.

    Example: tagger import edited.csv --dry-run
    """
    from tagger.cli.views import scan_views
    from tagger.errors import ImportingError, RequestError
    from tagger.exchange.corrections import compare
    from tagger.inventory import Inventory

    parted_by = "\t" if delimiter == "\\t" else delimiter
    if len(parted_by) != 1 or parted_by in '"\r\n':
        raise RequestError(f"--delimiter {delimiter!r} is not one character")
    with Inventory(options.database(db), create=False) as inventory:
        try:
            with file.open("rb") as stream:
                found = compare(stream, inventory, delimiter=parted_by, raw=raw)
        except ImportingError as error:
            raise ImportingError(f"{file}, {error}") from error
        for row in found.bad[:_MOST_BAD]:
            options.warn(f"{file}, line {row.line}: {row.reason}")
        if not dry_run:
            _check(found, skip_bad=skip_bad)
            inventory.correct(
                found.corrections,
                reviewer=options.reviewer_name(reviewer),
                source=file.name,
                prepared=_prepared(found.corrections),
            )
    shown = scan_views.corrections(
        found.corrections, unchanged=found.unchanged, dry_run=dry_run
    )
    options.console().print(shown)
    _check(found, skip_bad=skip_bad)


def _check(found: "Comparison", *, skip_bad: bool) -> None:
    from tagger.errors import ImportingError

    if found.bad and not skip_bad:
        rows = "1 row" if len(found.bad) == 1 else f"{len(found.bad):,} rows"
        raise ImportingError(
            f"{rows} cannot be taken in, so nothing was: mend the file, or leave "
            "them out with --skip-bad"
        )


def _prepared(corrections: "Sequence[Correction]") -> dict[str, bytes]:
    """Prepare the pictures that are still there, so that they can be learnt from."""
    if not corrections:
        return {}  # the decoders need not be loaded
    from tagger.imaging.decode import prepare
    from tagger.records import PreparedImage

    images = (prepare(Path(one.root, one.path)) for one in corrections)
    return {
        image.digest: image.pixels.tobytes()
        for image in images
        if isinstance(image, PreparedImage)
    }
