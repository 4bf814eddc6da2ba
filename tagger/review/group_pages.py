"""Show a group page by page, and know which of its pictures were seen."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Generic, TypeVar

from tagger.storage import Location
from tagger.text import printable

T = TypeVar("T")

_BETWEEN_WORDS = "/_-. "


class GroupPages(Generic[T]):
    """The members of a group in pages of at most `size`, and those that were seen.

    An answer to the group counts only if `unseen` is 0.
    """

    def __init__(self, members: Sequence[T], size: int) -> None:
        self._members = members
        self._size = max(1, size)
        self._first = 0
        self._seen: set[int] = set()

    @property
    def page(self) -> Sequence[T]:
        """The members that are shown."""
        return self._members[self._first : self._first + self._size]

    @property
    def number(self) -> int:
        """The number of the page, from 1."""
        return self._first // self._size + 1

    @property
    def count(self) -> int:
        """How many pages there are."""
        return -(-len(self._members) // self._size)

    @property
    def unseen(self) -> int:
        """How many members were not seen yet."""
        return len(self._members) - len(self._seen)

    @property
    def counter(self) -> str:
        """The seen members in words: "12 of 16 seen"."""
        return f"{len(self._seen)} of {len(self._members)} seen"

    def see(self) -> None:
        """Note that a person had time to see the page."""
        last = min(self._first + self._size, len(self._members))
        self._seen.update(range(self._first, last))

    def turn_to(self, member: int) -> None:
        """Turn to the page with a member, by its number from 0; the nearest if none."""
        member = max(0, min(member, len(self._members) - 1))
        self._first = member // self._size * self._size

    def turn(self, by: int) -> None:
        """Turn so many pages on; stay on the first or the last one."""
        self.turn_to(self._first + by * self._size)

    def resize(self, size: int) -> None:
        """Change how many members a page has; stay with the first one shown."""
        first, self._size = self._first, max(1, size)
        self.turn_to(first)


def describe_group(count: int, of_product: int) -> str:
    """Say what a group of `count` pictures has in common.

    `of_product` of them show the same product by the item pattern; 0 if unknown.
    """
    if of_product >= count:
        return f"{count} pictures of one product"
    if of_product > 1:
        similar = count - of_product
        return f"{count} pictures: {of_product} of one product, {similar} similar"
    return f"{count} similar pictures"


def distinct_names(paths: Sequence[Location], width: int) -> list[str]:
    """Return names of at most `width` characters that show where the paths differ.

    File names; with their folders if two are the same. If one is too long, what all of
    them begin with is left out. Names of different paths differ if the rest fits.
    """
    names = [path.name for path in paths]
    if len(set(names)) < len(set(paths)):
        names = [path.as_posix() for path in paths]
        names = _without_start(names, _shared_start(names).rfind("/") + 1)
    names = list(map(printable, names))
    if max(map(len, names), default=0) <= width:
        return names
    shared = _shared_start(names)
    word = max(shared.rfind(mark) for mark in _BETWEEN_WORDS) + 1
    fits = max(map(len, names)) - word < width
    start = word if fits else len(shared)
    left_out = "…" if start else ""
    return [_cut(left_out + name, width) for name in _without_start(names, start)]


def _shared_start(names: Sequence[str]) -> str:
    """Return the characters with which all names begin."""
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    return "".join(column[0] for column in shared)


def _without_start(names: Sequence[str], length: int) -> list[str]:
    return [name[length:] for name in names]


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
