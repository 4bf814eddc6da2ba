"""Count the items of an inventory by root, state and tag."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, func, select

from tagger.inventory.mapping import in_parts
from tagger.inventory.records import DecisionKind
from tagger.inventory.tables import (
    COUNTED,
    DECISION,
    IMAGE,
    PREDICTION,
    ROOT,
    is_standing,
)
from tagger.records import State

_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of items, the largest first in each mapping.

    `roots` and `states` count all items, `tags` the tagged ones.
    """

    roots: Mapping[str, int]
    states: Mapping[State, int]
    tags: Mapping[str, int]
    flagged: int
    decided_by_person: int


_Kind = tuple[int, State, str | None, bool, bool]
"""Root id, state, tag in force, whether it is flagged, whether a person decided."""


def count_items(connection: Connection, roots: Sequence[str] | None = None) -> Counts:
    """Count the items, or those of some roots.

    Triggers keep the counts by the network's tags; the few items that a person decided
    are moved from there to their own counts. So the cost does not grow with the items.
    """
    paths = {
        row.id: row.path for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
    }
    if roots is not None:
        paths = {key: path for key, path in paths.items() if path in roots}
    numbers = Counter[_Kind]()
    counted = select(COUNTED).where(COUNTED.c.root_id.in_(paths))
    for root, state, tag, flagged, number in connection.execute(counted):
        numbers[_by_machine(root, state, tag or None, flagged)] += number
    for (root, state, tag, flagged, _), kind, decided in _decided(connection):
        if root in paths:
            numbers[_by_machine(root, state, tag, flagged)] -= 1
            numbers[_by_person(root, state, kind, decided)] += 1
    return _counts(numbers, paths)


def damaged() -> ColumnElement[bool]:
    """Whether an image is tagged, although its file lacks parts of the picture."""
    predictions = select(PREDICTION.c.id).where(PREDICTION.c.damaged)
    return (IMAGE.c.state == State.TAGGED) & IMAGE.c.prediction_id.in_(predictions)


def count_damaged(connection: Connection) -> int:
    """Count the damaged files that are tagged, by a person too."""
    some = select(PREDICTION.c.id).where(PREDICTION.c.damaged).limit(1)
    if connection.scalar(some) is None:  # mostly; then no image is looked up
        return 0
    return connection.scalar(select(func.count(IMAGE.c.id)).where(damaged())) or 0


def _by_machine(root: int, state: State, tag: str | None, flagged: bool) -> _Kind:  # noqa: FBT001
    return root, state, tag, flagged and state is State.TAGGED, False


def _by_person(root: int, state: State, kind: DecisionKind, tag: str | None) -> _Kind:
    if kind is DecisionKind.NOT_CATALOGUE and state is State.TAGGED:
        state = State.IGNORED
    return root, state, tag, False, True


def _decided(connection: Connection) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each decided item: its image row, and the decision's kind and tag."""
    rows = connection.execute(
        select(DECISION.c.digest, DECISION.c.kind, DECISION.c.tag)
        .where(is_standing())
        .order_by(DECISION.c.decided_at, DECISION.c.id)
    )
    newest = {row.digest: (row.kind, row.tag) for row in rows}  # later rows replace
    items = (
        select(
            IMAGE.c.root_id,
            IMAGE.c.state,
            PREDICTION.c.tag,
            IMAGE.c.flagged,
            IMAGE.c.digest,
        )
        .select_from(IMAGE)
        .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
    )
    for digests in in_parts(newest):
        for row in connection.execute(items.where(IMAGE.c.digest.in_(digests))):
            yield row, *newest[row.digest]


def _counts(numbers: Mapping[_Kind, int], paths: Mapping[int, str]) -> Counts:
    roots, states, tags = Counter[str](), Counter[State](), Counter[str]()
    flagged = by_person = 0
    for (root, state, tag, waits, decided), number in numbers.items():
        roots[paths[root]] += number
        states[state] += number
        if state is State.TAGGED and tag is not None:
            tags[tag] += number
        flagged += number * waits
        by_person += number * decided
    return Counts(
        roots=_largest_first(roots),
        states=_largest_first(states),
        tags=_largest_first(tags),
        flagged=flagged,
        decided_by_person=by_person,
    )


def _largest_first(counter: Counter[_Name]) -> dict[_Name, int]:
    present = ((name, number) for name, number in counter.items() if number)
    return dict(sorted(present, key=lambda pair: (-pair[1], pair[0])))
