"""What the labels of a network mean: tags, and kinds of things that have no tag.

A network tells more apart than it may tag. The label "other" is for what is no
catalogue item (a watch, a vase). A label "other/skirt" is a *kind*: it is for a thing
of the catalogue that none of the tags is for. Neither is ever a tag. How probable they
are together says whether a picture shows something without a tag.

The one place that knows which label is the answer, for one picture and for arrays.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, overload

if TYPE_CHECKING:  # a status or an export needs no arrays
    import numpy as np
    from numpy.typing import NDArray

OTHER: Final = "other"
"""Label of a picture that shows no catalogue item. It is never a tag."""

_MARK: Final = f"{OTHER}/"

_PHRASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "flat": "a flat shoe",
        "set": "several garments",
        "shorts": "shorts",
        "traditional": "a traditional garment",
        "underwear": "underwear",
    }
)
"""Kinds whose name with an article before it would be no English."""


def is_tag(label: str) -> bool:
    """Whether a label of a network is a tag: neither "other" nor a kind."""
    return label != OTHER and not label.startswith(_MARK)


def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that are tags, in their order."""
    return tuple(label for label in labels if is_tag(label))


def are_tags(labels: "NDArray[np.str_]") -> "NDArray[np.bool_]":
    """Whether each of these labels is a tag, as `is_tag` says of one; (n,)."""
    import numpy as np  # noqa: PLC0415

    return np.array([is_tag(label) for label in labels.tolist()], np.bool_)


def kind_label(kind: str) -> str:
    """Return the label of a kind: "other/skirt" of "skirt"."""
    return f"{_MARK}{kind}"


def kind_of(label: str) -> str:
    """Return the kind that a label is for: "skirt" of "other/skirt"; else ""."""
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
    """Say how probably a picture shows something without a tag, and what.

    The probability is in [0, 1]; the label is the most probable one that is no tag, ""
    where the network has none. As `answers` says it of many pictures.
    """
    places = _without_tag(tuple(labels))
    if not places:
        return 0.0, ""
    what = max(places, key=lambda place: probabilities[place])
    none = min(1.0, math.fsum(probabilities[place] for place in places))
    return none, labels[what]


def phrase(kind: str) -> str:
    """Return a kind as a sentence has it: "a skirt", "shorts"."""
    article = "an" if kind[:1] in "aeiou" else "a"
    return _PHRASES.get(kind, f"{article} {kind}")


def tag_for(kind: str) -> str:
    """Return a kind as a tag is written: "Skirt" of "skirt", "Flat shoe" of "flat"."""
    name = phrase(kind).removeprefix("an ").removeprefix("a ")
    return name[:1].upper() + name[1:]


def kind_named(text: str, kinds: Iterable[str]) -> str | None:
    """Return the kind that a person's word means: in any case, one or many of it."""

    def plain(word: str) -> str:
        letters = "".join(c for c in word.casefold() if c.isalnum())
        return letters.removesuffix("s")

    for kind in kinds:
        if plain(text) in {plain(kind), plain(tag_for(kind))}:
            return kind
    return None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a shop reads the labels of a network, with the tags that it gave to kinds.

    `labels` are as many as the network's, and in their order. `columns` says for each
    label of the network to which of them its probability counts.
    """

    labels: tuple[str, ...]
    columns: tuple[int, ...]

    @property
    def merges(self) -> bool:
        """Whether any probability counts to another label than its own."""
        return self.columns != tuple(range(len(self.columns)))

    def applied(self, rows: "NDArray[np.floating]") -> "NDArray[np.floating]":
        """Return the probabilities, (n, labels), of the network as the shop reads them.

        What counts to another label is 0 at its own place.
        """
        import numpy as np  # noqa: PLC0415

        if not self.merges:
            return rows
        found = np.zeros_like(rows)
        for column, target in enumerate(self.columns):
            found[:, target] += rows[:, column]
        return found


def reading(labels: Sequence[str], tags: Mapping[str, str]) -> Reading:
    """Read a network's labels with the tag that a shop gave to each of some kinds.

    A tag that the network has gets the kind's probability, too. One that it has not
    takes the place of the kind, and of several kinds the place of the first.
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
    """Whether a picture more probably has no tag than the most probable one.

    `none` is the probability of everything that has no tag, `confidence` that of the
    tag, both in [0, 1]. Such a picture is never accepted without a person.
    """
    return none > confidence


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the rows of a network answer, each array with one entry a picture.

    `tag` and `runner_up` are column numbers of the two most probable tags,
    `confidence` and `second` their probabilities. `none` is the probability that the
    picture shows something without a tag, in [0, 1]; `what` is the column of the most
    probable label that is no tag, -1 where the network has none. Probabilities are in
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
    """Read the probabilities, (n, len(labels)), of a network.

    The most probable tag is the answer. Ties go to the label that comes first, so that
    no engine's order of evaluation decides. `labels` must have two tags or more.
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
        # Sums of several kinds may pass 1 by what 32 bits round.
        confidence=np.minimum(rows[places, first].astype(np.float64), 1.0),
        second=np.minimum(rows[places, second].astype(np.float64), 1.0),
        none=np.minimum(none, 1.0),
        what=what,
    )
