"""Join the photographs of one product into one row.

An item pattern finds the product key in a path. The predictions of a product's
photographs are combined by a logarithmic opinion pool with equal weights, the
normalised geometric mean of the probabilities (C. Genest and J. V. Zidek, Combining
probability distributions, Statistical Science 1 (1986) 114-135). The photographs are
alike: the same picture twice must not count as two independent witnesses.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from tagger.errors import RequestError
from tagger.inventory import Inventory, Photograph
from tagger.inventory.product_key import compile_patterns, product_key
from tagger.inventory.records import DecidedBy, Item
from tagger.policy.decide import decide, predict
from tagger.records import NOT_CATALOGUE, Policy, Prediction, State, Verdict

_LEAST: Final = 1e-6
"""Floor of a probability: one picture on which the network is absurdly sure must not
outvote all others."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product; the fields are those of `columns.PRODUCT_COLUMNS`."""

    root: str
    item: str
    tag: str | None
    confidence: float | None
    flagged: bool
    reason: str
    decided_by: DecidedBy | None
    runner_up: str | None
    margin: float | None
    photographs: int
    path: str
    updated_at: datetime

    def values(self) -> tuple[object, ...]:
        """Return the values in the order of the columns."""
        return astuple(self)


def pool(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Combine probabilities over the same labels; the result sums to 1.

    The result does not depend on the order of the rows, or on repeating all of them.
    """
    logs = [
        math.fsum(math.log(max(value, _LEAST)) for value in column) / len(rows)
        for column in zip(*rows, strict=True)
    ]
    top = max(logs)
    weights = [math.exp(value - top) for value in logs]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


@dataclass(frozen=True, slots=True)
class Joined:
    """A product with its tagged photographs; `keyed`: its paths have a product key."""

    product: Product
    photographs: Sequence[Photograph]
    keyed: bool


@dataclass(slots=True)
class _Shown:
    """The tagged photographs and the other items of one product."""

    keyed: bool
    photographs: list[Photograph] = field(default_factory=list)
    others: list[Item] = field(default_factory=list)


def products(
    photographs: Iterable[Photograph],
    patterns: Mapping[str, re.Pattern[str]],
    policies: Mapping[str, Policy],
) -> Iterator[Product]:
    """Yield the products as `joined` does, without their photographs."""
    return (one.product for one in joined(photographs, patterns, policies))


def joined_products(inventory: Inventory) -> Iterator[Joined]:
    """Yield the products of an inventory as `joined` does.

    Raises RequestError if no root has an item pattern.
    """
    patterns = inventory.item_patterns()
    if not patterns:
        raise RequestError(
            r"a product needs a product key in each path: add "
            r"--item-pattern '(?P<item>[^_/]+)_\d+\.jpg'"
        )
    return joined(
        inventory.photographs(), compile_patterns(patterns), inventory.policies()
    )


def joined(
    photographs: Iterable[Photograph],
    patterns: Mapping[str, re.Pattern[str]],
    policies: Mapping[str, Policy],
) -> Iterator[Joined]:
    """Yield the products, sorted by root and product key.

    A path that its root's pattern does not match, or of a root without a pattern, is a
    product of its own. Memory grows with the photographs of the roots.
    """
    shown: dict[tuple[str, str], _Shown] = {}
    for photograph in photographs:
        item = photograph.item
        if item.state is State.IGNORED and item.digest is None:
            continue  # never a picture: a text file, a folder left out
        pattern = patterns.get(item.root)
        key = product_key(pattern, item.path) if pattern else ""
        name = key or item.path
        gathered = shown.setdefault((item.root, name), _Shown(bool(key)))
        if item.state is State.TAGGED and not _is_no_item(item):
            gathered.photographs.append(photograph)
        else:
            gathered.others.append(item)
    for (root, name), gathered in sorted(shown.items()):
        product = _product(root, name, gathered, policies)
        yield Joined(product, gathered.photographs, gathered.keyed)


def _is_no_item(item: Item) -> bool:
    """Whether a person called the picture "not a catalogue item"."""
    return item.decided_by is DecidedBy.PERSON and item.tag is None


def _product(
    root: str, name: str, shown: _Shown, policies: Mapping[str, Policy]
) -> Product:
    items = [photograph.item for photograph in shown.photographs]
    no_items = [item for item in shown.others if _is_no_item(item)]
    every = items or shown.others
    pooled = _together(shown.photographs)
    tag, who, verdict = _in_force(items, pooled, policies)
    if no_items and not items:
        who, verdict = DecidedBy.PERSON, Verdict(flagged=False, reason=NOT_CATALOGUE)
    return Product(
        root=root,
        item=name,
        tag=tag,
        confidence=pooled.answer_confidence if pooled else None,
        flagged=verdict.flagged,
        reason=verdict.reason,
        decided_by=who,
        runner_up=pooled.next_tag if pooled else None,
        margin=pooled.answer_margin if pooled else None,
        photographs=len(items) + len(no_items),
        path=every[0].path,
        updated_at=max(item.updated_at for item in every),
    )


def _together(photographs: Sequence[Photograph]) -> Prediction | None:
    """Return the pooled prediction of photographs; None if none has a prediction.

    Photographs with other labels than the newest one are left out: another network
    predicted them, and the next scan classifies them again. Damaged ones count only if
    all are.
    """
    predicted = [photo for photo in photographs if photo.probabilities]
    if not predicted:
        return None
    predicted = [photo for photo in predicted if not photo.damaged] or predicted
    labels = max(predicted, key=lambda photo: photo.item.updated_at).labels
    rows = [photo.probabilities for photo in predicted if photo.labels == labels]
    (pooled,) = predict(np.array([pool(rows)]), labels)
    return replace(pooled, damaged=predicted[0].damaged)


def _in_force(
    items: Sequence[Item], pooled: Prediction | None, policies: Mapping[str, Policy]
) -> tuple[str | None, DecidedBy | None, Verdict]:
    """Return a product's tag, who decided it, and the verdict; people come first."""
    by_persons = [item.tag for item in items if item.decided_by is DecidedBy.PERSON]
    if by_persons:
        tag, _ = Counter(by_persons).most_common(1)[0]
        split = len(set(by_persons)) > 1
        reason = f"persons disagree: {_tally(by_persons)}" if split else ""
        return tag, DecidedBy.PERSON, Verdict(split, reason)
    if pooled is None:
        return None, None, Verdict(flagged=False, reason="no photograph is tagged")
    answers = [item.machine_tag for item in items]
    tag = None if pooled.doubtful else pooled.tag
    if len(set(answers)) > 1:
        reason = f"photographs disagree: {_tally(answers)}"
        return tag, DecidedBy.MACHINE, Verdict(flagged=True, reason=reason)
    policy = policies.get(items[0].model or "", Policy(1.0))
    return tag, DecidedBy.MACHINE, decide(pooled, policy)


def _tally(tags: Sequence[str | None]) -> str:
    return ", ".join(f"{tag} {number}" for tag, number in Counter(tags).most_common())
