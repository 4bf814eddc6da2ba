"""`tagger write-tags`: write the tags into XMP sidecars, or into the pictures."""

from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import filter_options, options
from tagger.cli.next_step import Step, show_next
from tagger.text import printable

if TYPE_CHECKING:
    from collections import Counter

    from tagger.exchange.write_tags import Done, WriteRequest
    from tagger.exchange.xmp import Keyword
    from tagger.storage import Location


def write_tags(
    db: options.Db = None,
    into_files: Annotated[
        bool,
        typer.Option(
            "--into-files",
            help="Write into the JPEG, PNG, WebP and TIFF files themselves, as XMP and "
            "(in JPEGs) IPTC keywords, instead of sidecars.",
        ),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Take out what tagger wrote, and nothing else."),
    ] = False,
    undecided: Annotated[
        bool,
        typer.Option("--undecided", help="Write tags that wait for a person, too."),
    ] = False,
    parent: Annotated[
        str,
        typer.Option(
            "--parent",
            metavar="KEYWORD",
            help="Keyword above the tags, for programs that show a tree: Clothing.",
            show_default="none",
        ),
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be written; write nothing."),
    ] = False,
    tag: filter_options.Tags = None,
    root: filter_options.Roots = None,
    by_person: filter_options.ByPerson = None,
    since: filter_options.Since = None,
    where: filter_options.Where = None,
) -> None:
    """Write the tags as keywords that photo programs read, into XMP sidecars or files.

    Tags that a person gave or the policy accepted are written. Keywords of others stay.
    A later run replaces what changed.

    Example: tagger write-tags --dry-run
    """
    from tagger.errors import EXIT_UNREADABLE
    from tagger.exchange.write_tags import (
        Done,
        Reporting,
        WriteRequest,
    )
    from tagger.exchange.write_tags import write_tags as run
    from tagger.inventory import Inventory
    from tagger.inventory.columns import COLUMNS
    from tagger.inventory.lock import scan_lock
    from tagger.system.signals import deferred_signals

    path = options.database(db)
    with Inventory(path, create=False) as inventory, scan_lock(path):
        conditions = filter_options.conditions(
            inventory,
            tags=tag,
            roots=root,
            states=None,
            by_person=by_person,
            since=since,
            where=where,
            columns=COLUMNS,
        )
        request = WriteRequest(
            conditions,
            into_files=into_files,
            remove=remove,
            undecided=undecided,
            parent=parent,
            dry_run=dry_run,
        )
        reporting = Reporting(
            written=_show if dry_run else lambda _path, _keyword: None,
            left_out=lambda path, why: options.warn(f"{path} {why}"),
        )
        with deferred_signals() as interruption:
            counts = run(inventory, request, reporting, interruption)
    with options.telling_of("the tags are written"):
        typer.echo(_summary(counts, request))
    show_next(_next(request))
    if counts[Done.LEFT_OUT]:
        raise typer.Exit(EXIT_UNREADABLE)


def _show(path: "Location", keyword: "Keyword | None") -> None:
    typer.echo(printable(f"{path}: {keyword.tag if keyword else 'remove the tag'}"))


def _summary(counts: "Counter[Done]", request: "WriteRequest") -> str:
    from tagger.exchange.write_tags import Done

    where = "pictures" if request.into_files else "sidecars"
    would = "would be " if request.dry_run else ""
    parts = [
        f"{counts[Done.WRITTEN]:,} tags {would}written into {where}",
        f"{counts[Done.REMOVED]:,} {would}taken out",
        f"{counts[Done.UNCHANGED]:,} right as they are",
    ]
    if counts[Done.LEFT_OUT]:
        parts.append(f"{counts[Done.LEFT_OUT]:,} left out")
    return ", ".join(parts)


def _next(request: "WriteRequest") -> Step:
    words = "tagger write-tags" + " --into-files" * request.into_files
    if request.dry_run:
        words += " --remove" * request.remove
        return Step(words, "does it")
    if request.remove:
        return Step(words, "writes them again")
    return Step(f"{words} --remove", "takes them out again")
