"""`tagger sort`: sort the pictures into a tree of folders by their tags."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import filter_options, options
from tagger.cli.next_step import STATUS, Step, show_next
from tagger.exchange.manifest import Link
from tagger.text import as_typed, printable

if TYPE_CHECKING:
    from collections import Counter

    from tagger.exchange.sort_tree import Sorted


def sort(
    tree: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET",
            parser=options.folder,
            help="Folder for the tree, outside of the scanned folders.",
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="PATTERN",
            help="Path of each picture in the tree, of {tag}, {path}, {folder}, "
            "{name}, {stem}, {ending}, {root}, {item} (the product), {decided_by} and "
            "{model}.",
        ),
    ] = "{tag}/{path}",
    link: Annotated[
        Link,
        typer.Option(
            "--link",
            help="Hard links need no room; symbolic links work across disks; copies "
            "work everywhere.",
        ),
    ] = Link.HARD,
    db: options.Db = None,
    undecided: Annotated[
        bool,
        typer.Option(
            "--undecided", help="Sort pictures whose tag waits for a person, too."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be done, and do nothing."),
    ] = False,
    tag: filter_options.Tags = None,
    root: filter_options.Roots = None,
    by_person: filter_options.ByPerson = None,
    since: filter_options.Since = None,
    where: filter_options.Where = None,
) -> None:
    """Sort the pictures into folders by tag, product or folder, with links or copies.

    The pictures stay where they are. A later run brings the tree up to date; it deletes
    only what an earlier one made.

    Example: tagger sort /srv/by-tag --by '{tag}/{path}'
    """
    from tagger.errors import EXIT_UNREADABLE
    from tagger.exchange.naming import Pattern
    from tagger.exchange.sort_tree import (
        Sorted,
        SortReporting,
        SortRequest,
        sort_tree,
    )
    from tagger.inventory import Inventory
    from tagger.inventory.columns import COLUMNS
    from tagger.system.signals import deferred_signals

    pattern = Pattern.parse(by)
    with Inventory(options.database(db), create=False) as inventory:
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
        request = SortRequest(tree, pattern, link, conditions, undecided, dry_run)
        reporting = SortReporting(
            changed=_show if dry_run else lambda _what, _path: None,
            left_out=lambda path, why: options.warn(f"{path} {why}"),
        )
        with deferred_signals() as interruption:
            counts = sort_tree(inventory, request, reporting, interruption)
    with options.telling_of("the pictures are sorted"):
        typer.echo(_summary(counts, dry_run=dry_run))
    if dry_run:
        command = f"tagger sort {as_typed(tree)} --by {as_typed(by)}"
        show_next(Step(command, "does it"))
    else:
        show_next(STATUS)
    if counts[Sorted.LEFT_OUT]:
        raise typer.Exit(EXIT_UNREADABLE)


def _show(what: "Sorted", path: str) -> None:
    from tagger.exchange.sort_tree import Sorted

    sign = "-" if what is Sorted.REMOVED else "+"
    typer.echo(printable(f"{sign} {path}"))


def _summary(counts: "Counter[Sorted]", *, dry_run: bool) -> str:
    from tagger.exchange.sort_tree import Sorted

    would = "would be " if dry_run else ""
    parts = [
        f"{counts[Sorted.MADE]:,} pictures {would}sorted",
        f"{counts[Sorted.REMOVED]:,} {would}removed from the tree",
        f"{counts[Sorted.UNCHANGED]:,} right as they are",
    ]
    if counts[Sorted.LEFT_OUT]:
        parts.append(f"{counts[Sorted.LEFT_OUT]:,} left out")
    return ", ".join(parts)
