"""`tagger export`: write the inventory for other programs and spreadsheets."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import completion, filter_options, options, settings
from tagger.cli.activity import activity
from tagger.cli.next_step import STATUS, Step, show_next
from tagger.records import Format
from tagger.text import as_typed, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.exchange.shop import Shop
    from tagger.exchange.template import RowTemplate
    from tagger.inventory import Inventory

_AS_WHAT = "Format"
_BY_ITEM = "One row per product"
_SHOP = "For a shop system"


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
            help="File format; parquet needs the package pyarrow, xlsx openpyxl. "
            "shopify and woocommerce write the product CSV of these shop systems.",
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
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            metavar="FILE",
            readable=False,
            help="Write what this Jinja2 template makes of rows, in place of a format.",
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
            help="Only rows that differ from the last export with --changed.",
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
    undecided: Annotated[
        bool,
        typer.Option(
            "--undecided",
            help="Export products that wait for a person, too.",
            rich_help_panel=_SHOP,
        ),
    ] = False,
    image_url: Annotated[
        str,
        typer.Option(
            "--image-url",
            metavar="URL",
            help="Address of the scanned folder in the web, for the column of images: "
            "https://example.com/photos",
            show_default="no column of images",
            rich_help_panel=_SHOP,
        ),
    ] = "",
) -> None:
    """Write items as CSV, JSON, Parquet or XLSX, or products for a shop system.

    They go to standard output or to a file.

    Example: tagger export -o doubtful.xlsx --where 'flagged = true and margin < 0.1'
    """
    to_file = str(output or "-") != "-"
    with activity("exporting", shown=to_file or not sys.stdout.isatty()):
        from tagger.errors import RequestError
        from tagger.exchange import DELIMITERS, Style, format_of
        from tagger.exchange.export import ExportRequest, write_export
        from tagger.exchange.shops import SHOPS
        from tagger.inventory import Inventory
        from tagger.inventory.columns import (
            COLUMNS,
            PROBABILITIES,
            PRODUCT_COLUMNS,
            find_columns,
        )

        shop = SHOPS.get(as_format) if as_format else None
        by_item = by_item or shop is not None
        if by_item and since:
            raise RequestError("an export of whole products takes no --since")
        if item_pattern is not None and not by_item:
            raise RequestError("--item-pattern needs --by-item: add it")
        _check_shop(
            shop,
            given=undecided or bool(image_url),
            foreign=bool(columns or raw or bom or template or delimiter != ","),
            image_url=image_url,
        )
        if delimiter not in DELIMITERS:
            raise RequestError(
                f"--delimiter {delimiter!r} is not allowed: give , ; | or tab"
            )
        if str(output) == "-":
            output = None
        existed = output is not None and output.exists()
        chosen_format = Format.CSV if template else format_of(output, as_format)
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
            request = ExportRequest(
                chosen,
                conditions,
                by_item,
                mark if changed else None,
                template=_template(template, as_format),
            )
            if shop is not None:
                from tagger.exchange.shop import CATEGORIES, TYPES, ShopRequest

                wanted = ShopRequest(
                    shop,
                    conditions,
                    undecided=undecided,
                    categories=settings.table(CATEGORIES),
                    types=settings.table(TYPES),
                    image_url=image_url,
                )
                request = replace(request, shop=wanted)
            rows = write_export(
                inventory,
                request,
                output or sys.stdout.buffer,
                chosen_format,
                # Escape control characters, which would steer a terminal.
                Style(
                    delimiter,
                    raw=raw,
                    bom=bom,
                    escape=not output and sys.stdout.isatty(),
                ),
                left_out=options.warn,
            )
    if output is not None:
        can_import = shop is not None or not (by_item or template)
        _show_written(output, rows, replaced=existed, can_import=can_import)


def _check_shop(
    shop: "Shop | None", *, given: bool, foreign: bool, image_url: str
) -> None:
    """Raise RequestError for options that do not fit the format."""
    from tagger.errors import RequestError

    if shop is None and given:
        raise RequestError(
            "--undecided and --image-url need --format shopify or woocommerce"
        )
    if shop is not None and foreign:
        raise RequestError(
            f"{shop.name} prescribes its CSV: leave out --columns, --raw, --bom, "
            "--delimiter and --template"
        )
    if image_url and not image_url.startswith(("http://", "https://")):
        raise RequestError(f"--image-url {image_url!r} must begin with https://")


def _template(path: Path | None, as_format: Format | None) -> "RowTemplate | None":
    from tagger.errors import RequestError

    if path is None:
        return None
    if as_format is not None:
        raise RequestError("--template is the format: leave out --format")
    from tagger.exchange.template import RowTemplate

    return RowTemplate(path)


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
    """Keep the item pattern of the named roots, or of all; "" removes it.

    Raises RequestError, and keeps the former one, if it finds no key in any path.
    """
    from tagger.system.paths import as_spelt

    roots = [str(as_spelt(Path(name))) for name in names] or inventory.roots()
    if pattern:
        _check_pattern(inventory, pattern, roots)
    inventory.set_item_pattern(roots, pattern or None)


def _check_pattern(inventory: "Inventory", text: str, roots: "Sequence[str]") -> None:
    from tagger.errors import RequestError
    from tagger.inventory.columns import COLUMNS, Condition, Operator, find_columns
    from tagger.inventory.product_key import compile_pattern, product_key
    from tagger.records import State

    pattern = compile_pattern(text)
    chosen = find_columns(["path"], COLUMNS)
    where = [
        Condition("root", Operator.EQUAL, tuple(roots)),
        Condition("state", Operator.EQUAL, (State.TAGGED.value,)),
    ]
    first = ""
    for (path,) in inventory.rows(chosen, where):
        if product_key(pattern, path):
            return
        first = first or path
    if first:
        raise RequestError(
            f"--item-pattern {text!r} finds no product key in any path, such as "
            f"{first}: nothing was saved"
        )
