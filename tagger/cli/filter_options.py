"""Options that choose items, and the conditions that they make."""

from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import completion
from tagger.records import NOT_CATALOGUE, State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tagger.inventory import Inventory
    from tagger.inventory.columns import Column, Condition

_WHICH = "Filters"

Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="Only items with this tag; may be repeated.",
        autocompletion=completion.tags,
        rich_help_panel=_WHICH,
    ),
]
Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        help="Only items in this scanned folder; may be repeated.",
        autocompletion=completion.roots,
        rich_help_panel=_WHICH,
    ),
]
States = Annotated[
    list[State] | None,
    typer.Option(
        "--state",
        help="Only items in this state; may be repeated.",
        rich_help_panel=_WHICH,
    ),
]
ByPerson = Annotated[
    bool | None,
    typer.Option(
        "--by-person/--by-machine",
        help="Only items tagged by a person, or only those tagged by the network.",
        show_default="both",
        rich_help_panel=_WHICH,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE|last-run|RUN",
        help="Only items changed since then: a date or time in ISO 8601 (local time if "
        "it has no zone), the last run, or a run's number.",
        autocompletion=completion.moments,
        rich_help_panel=_WHICH,
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="Only items that match this: 'confidence < 0.5 and reason ~ \"close\"'. "
        "May be repeated; docs/formats.md explains the language.",
        rich_help_panel=_WHICH,
    ),
]


def conditions(
    inventory: "Inventory",
    *,
    tags: "Sequence[str] | None",
    roots: "Sequence[str] | None",
    states: "Sequence[State] | None",
    by_person: bool | None,
    since: str | None,
    where: "Sequence[str] | None",
    columns: "Sequence[Column]",
) -> "tuple[Condition, ...]":
    """Return the conditions of the options.

    Raises RequestError for an unknown tag, root, run or column.
    """
    from tagger.inventory.columns import (
        Condition,
        Operator,
        find_columns,
        parse_conditions,
    )
    from tagger.inventory.records import DecidedBy

    def one_of(column: str, values: "Sequence[str] | None") -> list[Condition]:
        if not values:
            return []
        find_columns([column], columns)
        return [Condition(column, Operator.EQUAL, tuple(values))]

    asked = one_of("tag", tags and known_tags(inventory, tags))
    asked += one_of("root", roots and _known_roots(inventory, roots))
    asked += one_of("state", states and [state.value for state in states])
    if by_person is not None:
        who = DecidedBy.PERSON if by_person else DecidedBy.MACHINE
        asked += one_of("decided_by", [who.value])
    if since is not None:
        moment = _moment(inventory, since)
        asked.append(Condition("updated_at", Operator.AT_LEAST, (moment,)))
    for text in where or ():
        asked += parse_conditions(text, columns)
    return tuple(asked)


def known_tags(inventory: "Inventory", tags: "Sequence[str]") -> list[str]:
    """Return the known spelling of each tag, whatever its case; else RequestError."""
    from tagger.errors import RequestError
    from tagger.labels import advise_on_tag

    spelt = {tag.casefold(): tag for tag in inventory.known_tags()}
    for tag in tags:
        if tag.casefold() not in spelt:
            near = advise_on_tag(tag, spelt.values(), inventory.known_kinds())
            if tag.casefold() == NOT_CATALOGUE:
                near = f": --where 'reason ~ \"{NOT_CATALOGUE}\"' finds these"
            raise RequestError(f"unknown tag {tag!r}{near}")
    return [spelt[tag.casefold()] for tag in tags]


def _known_roots(inventory: "Inventory", roots: "Sequence[str]") -> list[str]:
    from tagger.errors import RequestError
    from tagger.storage import location
    from tagger.system.paths import as_spelt
    from tagger.text import suggestion

    known = inventory.roots()
    absolute = [str(as_spelt(location(root))) for root in roots]
    for root in absolute:
        if root not in known:
            near = suggestion(root, known)
            raise RequestError(f"{root} is not a scanned folder{near}")
    return absolute


def _moment(inventory: "Inventory", since: str) -> "datetime":
    from tagger.errors import RequestError
    from tagger.inventory.columns import parse_moment

    if since == "last-run" or since.isdecimal():
        # Python converts no more than some thousand digits, and no run has 20.
        run = inventory.run(None if since == "last-run" else int(since[:20]))
        if run is None:
            raise RequestError(f"there is no run {since}: 'tagger runs' lists them")
        return run.started_at
    try:
        return parse_moment(since)
    except ValueError as error:
        raise RequestError(
            f"--since {since!r} is not a date (2026-01-31), a run's number or "
            "'last-run'"
        ) from error
