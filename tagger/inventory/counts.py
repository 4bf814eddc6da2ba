"""Count the items of an inventory by root, state and tag."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, case, func, select

from tagger.inventory.dialects import looked_up_by
from tagger.inventory.records import TagCounts
from tagger.inventory.tables import (
    COUNTED,
    IMAGE,
    IN_FORCE,
    PREDICTION,
    ROOT,
    answer,
)
from tagger.records import NOT_CATALOGUE, State

_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of items, the largest first in each mapping.

    `roots` and `states` count all items; `tags` the tagged ones, by the answer in force
    (a tag, or as `records.without_tag`). `by_tag` splits `tags`.
    """

    roots: Mapping[str, int]
    states: Mapping[State, int]
    by_tag: Mapping[str, TagCounts]
    flagged: int
    decided_by_person: int

    @property
    def tags(self) -> Mapping[str, int]:
        """Number of tagged items by the answer in force."""
        return {tag: counts.total for tag, counts in self.by_tag.items()}


_Kind = tuple[int, State, str | None, bool, bool]
"""Root id, state, answer in force, whether it is flagged, whether a person decided."""


def count_items(connection: Connection, roots: Sequence[str] | None = None) -> Counts:
    """Count the items, or those of some roots.

    Triggers keep the counts by the network's answer; the few items that a person
    decided are moved from there to their own counts. So the cost does not grow with the
    items.
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
    for root, state, said, flagged, decided in _decided(connection):
        if root in paths:
            numbers[_by_machine(root, state, said, flagged)] -= 1
            numbers[root, state, decided or NOT_CATALOGUE, False, True] += 1
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


def _decided(connection: Connection) -> Iterator[Any]:
    """Yield each decided item: root, state, network's answer, flag, person's tag."""
    said = case((PREDICTION.c.id.is_not(None), answer()))
    query = (
        select(IMAGE.c.root_id, IMAGE.c.state, said, IMAGE.c.flagged, IN_FORCE.c.tag)
        .select_from(IN_FORCE)
        .join(IMAGE, IMAGE.c.digest == looked_up_by(IN_FORCE.c.digest))
        .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
    )
    yield from connection.execute(query)


def _counts(numbers: Mapping[_Kind, int], paths: Mapping[int, str]) -> Counts:
    roots, states = Counter[str](), Counter[State]()
    by_tag: dict[str, Counter[str]] = defaultdict(Counter)
    flagged = by_person = 0
    for (root, state, tag, waits, decided), number in numbers.items():
        roots[paths[root]] += number
        states[state] += number
        if state is State.TAGGED and tag is not None:
            group = "decided" if decided else "waiting" if waits else "accepted"
            by_tag[tag][group] += number
        flagged += number * waits
        by_person += number * decided
    return Counts(
        roots=_largest_first(roots),
        states=_largest_first(states),
        by_tag=_ranked(by_tag),
        flagged=flagged,
        decided_by_person=by_person,
    )


def _ranked(by_tag: Mapping[str, Counter[str]]) -> dict[str, TagCounts]:
    totals = Counter({tag: groups.total() for tag, groups in by_tag.items()})
    return {tag: TagCounts(**by_tag[tag]) for tag in _largest_first(totals)}


def _largest_first(counter: Counter[_Name]) -> dict[_Name, int]:
    present = ((name, number) for name, number in counter.items() if number)
    return dict(sorted(present, key=lambda pair: (-pair[1], pair[0])))
