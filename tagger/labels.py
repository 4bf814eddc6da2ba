"""Interpret the labels of a network: tags, kinds, and "other".

A network distinguishes more labels than there are tags. The label "other" is for things
that are not catalogue items (a watch, a vase). A label such as "other/skirt" is a
*kind*: a thing of the catalogue that has no tag. Neither is ever a tag. Their total
probability says whether a picture shows something without a tag.

Only this module decides which label is the answer, for one picture and for arrays.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, overload

from tagger.text import as_typed, nearest, suggestion

if TYPE_CHECKING:  # a status or an export needs no arrays
    import numpy as np
    from numpy.typing import NDArray

OTHER: Final = "other"
"""Label of a picture that does not show a catalogue item. It is never a tag."""

_MARK: Final = f"{OTHER}/"
"""Prefix of the label of a kind."""

_PHRASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "flat": "a flat shoe",
        "set": "several garments",
        "shorts": "shorts",
        "traditional": "a traditional garment",
        "underwear": "underwear",
    }
)
"""Phrases for kinds whose name does not take an article."""


def is_tag(label: str) -> bool:
    """Whether a label of a network is a tag: neither "other" nor a kind."""
    return label != OTHER and not label.startswith(_MARK)


def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that are tags, in their order."""
    return tuple(label for label in labels if is_tag(label))


def are_tags(labels: "NDArray[np.str_]") -> "NDArray[np.bool_]":
    """Return `is_tag` of each label, (n,)."""
    import numpy as np  # noqa: PLC0415

    return np.array([is_tag(label) for label in labels.tolist()], np.bool_)


def kind_label(kind: str) -> str:
    """Return the label of a kind: "other/skirt" for "skirt"."""
    return f"{_MARK}{kind}"


def kind_of(label: str) -> str:
    """Return the kind of a label: "skirt" for "other/skirt"; "" for another label."""
    return label.removeprefix(_MARK) if label.startswith(_MARK) else ""


def kinds_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds among the labels, in their order."""
    return tuple(kind for label in labels if (kind := kind_of(label)))


@lru_cache
def _without_tag(labels: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(n for n, label in enumerate(labels) if not is_tag(label))


def none_of_the_tags(
    probabilities: Sequence[float], labels: Sequence[str]
) -> tuple[float, str]:
    """Return the probability that a picture has no tag, and its most probable label.

    The probability is in [0, 1]. The label is the most probable one that is not a tag,
    or "" if the network has none. `answers` computes the same for many pictures.
    """
    places = _without_tag(tuple(labels))
    if not places:
        return 0.0, ""
    what = max(places, key=lambda place: probabilities[place])
    none = min(1.0, math.fsum(probabilities[place] for place in places))
    return none, labels[what]


def phrase(kind: str) -> str:
    """Return a kind as a phrase for a sentence: "a skirt", "shorts"."""
    article = "an" if kind[:1] in "aeiou" else "a"
    return _PHRASES.get(kind, f"{article} {kind}")


def tag_for(kind: str) -> str:
    """Return the tag for a kind: "Skirt" for "skirt", "Flat shoe" for "flat"."""
    name = phrase(kind).removeprefix("an ").removeprefix("a ")
    return name[:1].upper() + name[1:]


def new_tag(text: str) -> str:
    """Return the tag that a person's word would be: "Skirt" for "skirt"; "" for none.

    A word of a tag has two letters or more: a shorter one is a key pressed by mistake.
    """
    word = " ".join(text.split())
    letters = sum(character.isalpha() for character in word)
    return word[:1].upper() + word[1:] if letters > 1 else ""


def kind_named(text: str, kinds: Iterable[str]) -> str | None:
    """Return the kind that a person's word means, in any case, singular or plural."""

    def plain(word: str) -> str:
        letters = "".join(c for c in word.casefold() if c.isalnum())
        return letters.removesuffix("s")

    for kind in kinds:
        if plain(text) in {plain(kind), plain(tag_for(kind))}:
            return kind
    return None


def advise_on_tag(word: str, tags: Iterable[str], kinds: Iterable[str]) -> str:
    """Return what to do about a word that is no tag, to follow "unknown tag 'x'".

    Names the nearest tag; else the command that adds the tag, and the one that gives an
    existing tag to pictures of the kind of this name.
    """
    if kind := kind_named(word, kinds):
        add = f"'tagger tags add {as_typed(tag_for(kind))}' adds it"
        return (
            f": {add}; 'tagger tags map {kind} TAG' gives an existing tag to pictures "
            f"of {phrase(kind)}"
        )
    names = list(tags)
    if nearest(word, names):
        return suggestion(word, names)
    return f": 'tagger tags add {as_typed(word)}' adds it{suggestion(word, names)}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A network's labels as a shop reads them, with custom tags for some kinds.

    `labels` has the length and order of the network's labels. `columns` holds, for each
    label of the network, the index in `labels` to which its probability is added.
    """

    labels: tuple[str, ...]
    columns: tuple[int, ...]

    @property
    def merges(self) -> bool:
        """Whether a label's probability is added to that of another one."""
        return self.columns != tuple(range(len(self.columns)))

    def applied(self, rows: "NDArray[np.floating]") -> "NDArray[np.floating]":
        """Return the network's probabilities (n, labels) as the shop reads them.

        A probability that is added to another label is 0 in its own column.
        """
        import numpy as np  # noqa: PLC0415

        if not self.merges:
            return rows
        merged = np.zeros_like(rows)
        for column, target in enumerate(self.columns):
            merged[:, target] += rows[:, column]
        return merged


def reading(labels: Sequence[str], tags: Mapping[str, str]) -> Reading:
    """Read a network's labels with the tags that a shop gave to kinds (kind: tag).

    If the network has the tag, the kind's probability is added to it. Otherwise the tag
    replaces the kind; for several kinds it replaces the first.
    """
    named, columns = list(labels), list(range(len(labels)))
    for place, label in enumerate(labels):
        tag = tags.get(kind_of(label))
        if tag is None:
            continue
        if tag in named:
            columns[place] = named.index(tag)
        else:
            named[place] = tag
    return Reading(tuple(named), tuple(columns))


@overload
def doubts(none: float, confidence: float) -> bool: ...
@overload
def doubts(
    none: "NDArray[np.float64]", confidence: "NDArray[np.float64]"
) -> "NDArray[np.bool_]": ...
def doubts(none: Any, confidence: Any) -> Any:
    """Whether a picture is doubtful: it more probably has no tag than its best one.

    `none` is the total probability of labels that are not tags, `confidence` that of
    the tag, both in [0, 1]. A doubtful picture is never accepted.
    """
    return none > confidence


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The answers of a network, as arrays (n,) with one entry a picture.

    `tag` and `runner_up` are column numbers of the two most probable tags,
    `confidence` and `second` their probabilities. `none` is the probability that the
    picture shows something without a tag, in [0, 1]; `what` is the column of the most
    probable label that is not a tag, -1 if the network has none. Probabilities are in
    double precision.
    """

    tag: "NDArray[np.int64]"
    runner_up: "NDArray[np.int64]"
    confidence: "NDArray[np.float64]"
    second: "NDArray[np.float64]"
    none: "NDArray[np.float64]"
    what: "NDArray[np.int64]"

    @property
    def doubtful(self) -> "NDArray[np.bool_]":
        """Which pictures more probably show something without a tag, (n,)."""
        return doubts(self.none, self.confidence)


def answers(rows: "NDArray[np.floating]", labels: Sequence[str]) -> Answers:
    """Return the answers to probabilities (n, len(labels)).

    The most probable tag is the answer. The first label wins a tie, whatever the order
    in which an engine computes. `labels` must have two tags or more.
    """
    import numpy as np  # noqa: PLC0415

    tags = np.array([n for n, label in enumerate(labels) if is_tag(label)])
    others = np.array([n for n, label in enumerate(labels) if not is_tag(label)], int)
    places = np.arange(len(rows))
    order = tags[np.argsort(-rows[:, tags], axis=1, kind="stable")[:, :2]]
    first, second = order[:, 0], order[:, 1]
    none = rows[:, others].sum(axis=1, dtype=np.float64)
    what = np.full(len(rows), -1)
    if len(others):
        what = others[rows[:, others].argmax(axis=1)]
    return Answers(
        tag=first,
        runner_up=second,
        # Sums of several kinds may exceed 1 by rounding in 32 bits.
        confidence=np.minimum(rows[places, first].astype(np.float64), 1.0),
        second=np.minimum(rows[places, second].astype(np.float64), 1.0),
        none=np.minimum(none, 1.0),
        what=what,
    )
