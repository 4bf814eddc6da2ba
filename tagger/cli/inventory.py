"""`tagger inventory`: merge the inventories of several shops into one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli import options
from tagger.cli.activity import activity
from tagger.cli.decisions import merge_file, show_merged
from tagger.cli.next_step import STATUS, show_next
from tagger.system.database_url import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from tagger.inventory.merging import InventoryMerged, ShopMerged
    from tagger.inventory.records import Decision, Merged


def _file(text: str) -> Path:
    """Parse the name of a file; a URL is refused without its password."""
    from tagger.errors import RequestError
    from tagger.system.database_url import DatabaseUrl, place

    found = place(text)
    if isinstance(found, DatabaseUrl):
        raise RequestError(
            f"{found} is a database on a server: let the shop send the file of 'tagger "
            "decisions export', or scan into a file and send it"
        )
    return found


_SQLITE = b"SQLite format 3\0"

inventory = typer.Typer(
    name="inventory",
    help="Merge the inventories of several shops into one.",
    no_args_is_help=True,
)


@inventory.callback()
def _group() -> None:
    """Keep `merge` a command of the group, though it is the only one."""


@inventory.command()
def merge(
    file: Annotated[
        Path,
        typer.Argument(
            parser=_file,
            metavar="file",
            help="Inventory of another shop, or its file of decisions.",
        ),
    ],
    shop: Annotated[
        str | None,
        typer.Option(
            "--shop",
            metavar="NAME",
            help="Name of the shop: its folder /srv/photos is NAME:/srv/photos here.",
        ),
    ] = None,
    max_missing: Annotated[
        float,
        typer.Option(
            parser=options.share,
            metavar="SHARE",
            help="Largest share of the shop's items that may be gone since the last "
            "merge; if more are gone, merge nothing.",
        ),
    ] = "20%",  # type: ignore[assignment]  # Typer parses the default too
    db: options.Db = None,
    as_json: options.AsJson = False,
) -> None:
    """Merge another shop's inventory into this one: all of it, or nothing.

    A newer inventory of a shop replaces the items of its older one. Decisions, notes,
    tags and predictions add up; of two decisions that differ, the later one is in
    force and both are shown. The file stays as it is. A file of 'tagger decisions
    export' merges the decisions alone. A missing inventory is created.
    Example: tagger inventory merge paris.db --shop paris
    """
    from tagger.text import printable

    database = options.database(db)
    with activity("merging the inventory", shown=not as_json) as doing:
        from tagger.inventory import scan_lock

        if _is_inventory(file, database):
            name = _shop_name(file, shop)

            def progress(what: str, rows: int) -> None:
                doing.now(what)
                doing.reach(rows)

            merged = _merge(file, database, name, max_missing, progress)
            decided = merged.decisions
        else:
            with scan_lock(database):
                merged, decided = None, merge_file(file, database, doing)
    with options.telling_of(f"{file} is merged into {database}"):
        if as_json:
            options.print_json(_as_values(merged, decided))
            return
        for line in _lines(merged) if merged else ():
            options.console().print(printable(line), soft_wrap=True)
        show_merged(decided)
        show_next(STATUS)


def _is_inventory(file: Path, database: Place) -> bool:
    """Whether a file is to be read as an inventory, and not as decisions.

    Raises InventoryError if it cannot be either.
    """
    from tagger.errors import InventoryError

    if file.exists() and not file.is_file():
        raise InventoryError(f"{file} is not a file: name the inventory of a shop")
    with file.open("rb") as stream:
        start = stream.read(len(_SQLITE))
    if not start:
        raise InventoryError(f"{file} is empty: ask the shop to send it again")
    if isinstance(database, Path) and database.exists() and file.samefile(database):
        raise InventoryError(
            f"{file} is the inventory itself: name the inventory of another shop"
        )
    return not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _shop_name(file: Path, shop: str | None) -> str:
    from tagger.errors import RequestError
    from tagger.system.paths import is_shop
    from tagger.text import as_typed

    if shop is None:
        raise RequestError(
            f"whose inventory is {file}? Name the shop: "
            f"tagger inventory merge {as_typed(file)} --shop NAME"
        )
    if not is_shop(shop):
        raise RequestError(
            f"--shop {shop!r} is not allowed: use two or more of a-z, A-Z, 0-9, - and _"
        )
    return shop


def _merge(
    file: Path,
    database: Place,
    shop: str,
    max_missing: float,
    progress: "Callable[[str, int], None]",
) -> "InventoryMerged":
    """Merge a temporary copy of the file: the file itself is only read."""
    from contextlib import ExitStack

    from tagger.errors import InventoryError
    from tagger.inventory import Inventory, scan_lock

    with ExitStack() as stack:
        try:
            other = stack.enter_context(Inventory.scratch_copy(file))
        except InventoryError as error:
            # Here the other inventory is named by an argument, not by an option.
            raise InventoryError(str(error).replace(" with --db", "")) from error
        stack.enter_context(scan_lock(database))
        target = stack.enter_context(Inventory(database))
        return target.merge(other, shop, max_missing=max_missing, progress=progress)


def _lines(merged: "InventoryMerged") -> list[str]:
    """Describe what was merged apart from decisions, a line for each shop."""
    more = [f"{merged.predictions:,} new predictions"]
    if merged.tags:
        more.append(f"{merged.tags:,} new custom tags")
    if merged.kind_tags:
        more.append(f"{merged.kind_tags:,} new tags of kinds")
    return [*map(_line, merged.shops), ", ".join(more)]


def _line(shop: "ShopMerged") -> str:
    from tagger.inventory.merging import Age

    moment = f"{shop.as_of.astimezone():%Y-%m-%d %H:%M}"
    if shop.age is Age.OLDER:
        return f"{shop.shop}: its items stay, since this file is older ({moment})"
    return (
        f"{shop.shop}: {shop.items:,} items as of {moment}: {shop.added:,} new, "
        f"{shop.changed:,} changed, {shop.gone:,} gone"
    )


def _as_values(merged: "InventoryMerged | None", decided: "Merged") -> dict[str, Any]:
    from dataclasses import asdict

    values: dict[str, Any] = {"shops": []}
    if merged is not None:
        values = {
            "shops": [asdict(shop) for shop in merged.shops],
            "predictions": merged.predictions,
            "tags": merged.tags,
            "kind_tags": merged.kind_tags,
        }
    return values | {
        "decisions": decided.added,
        "known": decided.known,
        "undone": decided.taken_back,
        "notes": decided.notes,
        "conflicts": [
            {
                "digest": newer.answer.digest,
                "in_force": _said(newer),
                "other": _said(older),
            }
            for newer, older in decided.conflicts
        ],
    }


def _said(decision: "Decision") -> dict[str, Any]:
    return {
        "tag": decision.answer.tag,
        "reviewer": decision.reviewer,
        "decided_at": decision.decided_at,
    }
