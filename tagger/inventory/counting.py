"""How the items of an inventory stand, counted in one pass over the view."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from tagger.inventory.tables import view
from tagger.records import DecidedBy, State

_Kind = TypeVar("_Kind", bound=str)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of items, the largest first in each mapping.

    `roots` and `states` count all, `tags` those that are tagged.
    """

    roots: Mapping[str, int]
    states: Mapping[State, int]
    tags: Mapping[str, int]
    flagged: int
    decided_by_person: int


def count_items(connection: Connection, *where: Any) -> Counts:  # noqa: ANN401
    """Count the items that meet some conditions on the view."""
    kinds = (view.c.root, view.c.state, view.c.tag, view.c.flagged, view.c.decided_by)
    query = select(*kinds, func.count()).where(*where).group_by(*kinds)
    roots, states, tags = Counter[str](), Counter[State](), Counter[str]()
    flagged = by_person = 0
    for root, state, tag, is_flagged, decided_by, number in connection.execute(query):
        roots[root] += number
        states[State(state)] += number
        if state == State.TAGGED and tag is not None:
            tags[tag] += number
        flagged += number * bool(is_flagged)
        by_person += number * (decided_by == DecidedBy.PERSON)
    return Counts(
        roots=_largest_first(roots),
        states=_largest_first(states),
        tags=_largest_first(tags),
        flagged=flagged,
        decided_by_person=by_person,
    )


def _largest_first(counter: Counter[_Kind]) -> dict[_Kind, int]:
    return dict(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])))
