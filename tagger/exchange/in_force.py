"""Which tags leave the program: those that a person gave or the policy accepted."""

from typing import Protocol

from tagger.inventory.records import Item
from tagger.records import State


class Tagged(Protocol):
    """A picture or a product: its tag, and whether it waits for a person."""

    @property
    def tag(self) -> str | None:
        """The tag; None for none."""

    @property
    def flagged(self) -> bool:
        """Whether it waits for a person."""


def accepted(shown: Tagged, *, undecided: bool = False) -> bool:
    """Whether there is a tag that a person gave or the policy accepted.

    With `undecided` also one that waits for a person.
    """
    return shown.tag is not None and (undecided or not shown.flagged)


def in_force(item: Item, *, undecided: bool = False) -> bool:
    """Whether the tag of an item is accepted, and its file is there."""
    return item.state is State.TAGGED and accepted(item, undecided=undecided)
