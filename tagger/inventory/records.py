"""The frozen values that the inventory hands out and takes in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from tagger.labels import doubts, kind_of, none_of_the_tags, phrase
from tagger.records import (
    NOT_CATALOGUE,
    PREPARING,
    Certificate,
    Policy,
    Prediction,
    State,
)


class DecidedBy(StrEnum):
    """Who said the tag that is in force."""

    MACHINE = "machine"
    PERSON = "person"


class DecisionKind(StrEnum):
    """What a reviewer answered; a skip is no decision and is not kept."""

    ACCEPT = "accept"
    CORRECT = "correct"
    NOT_CATALOGUE = "not-a-catalogue-item"


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the inventory; the fields are the columns of the export, in order.

    The columns up to `updated_at` are a promise to other programs.
    """

    root: str
    path: str
    tag: str | None
    confidence: float | None
    flagged: bool
    reason: str
    decided_by: DecidedBy | None
    runner_up: str | None
    margin: float | None
    state: State
    digest: str | None
    model: str | None
    updated_at: datetime
    machine_tag: str | None
    reviewer: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a path stands before corrections to it are taken in.

    `decided_at` is when a person last decided about its bytes, or took that back.
    """

    path: str
    state: State
    digest: str | None
    tag: str | None
    machine_tag: str | None
    not_catalogue: bool
    reviewer: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Correction:
    """A tag that a person gave in a spreadsheet, on which line, and what stood before.

    `tag` is None for what is no catalogue item.
    """

    line: int
    root: str
    path: str
    digest: str
    before: str | None
    tag: str | None
    kind: DecisionKind


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A past scan: when (UTC), with which options, what it did, how it ended."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    host: str
    options: Mapping[str, object]
    counts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class InventoryStatus:
    """The inventory at a glance, in items. `scanning` tells who is at it, if anyone."""

    database: Path
    roots: Mapping[str, int]
    states: Mapping[State, int]
    tags: Mapping[str, int]
    flagged: int
    decided_by_person: int
    last_run: RunRecord | None
    scanning: str = ""


@dataclass(frozen=True, slots=True)
class PathEvent:
    """Something that befell a path: when (UTC), what, and the particulars."""

    at: datetime
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class PathHistory:
    """All that the inventory knows of one path.

    `probabilities` are those that decided. `before_mix` are those that the network
    gave, where the shop's own mix of tags, or its tags for kinds, changed them.
    """

    item: Item
    probabilities: Mapping[str, float]
    before_mix: Mapping[str, float]
    preparing: str | None
    width: int | None
    height: int | None
    format: str | None
    size: int | None
    same_bytes: tuple[str, ...]
    events: tuple[PathEvent, ...]


@dataclass(frozen=True, slots=True)
class RootRecord:
    """A scanned folder: its items, and when a scan last saw it whole (UTC).

    `item_pattern` is the one by which its paths name their products, if any.
    """

    path: str
    items: int
    scanned_at: datetime | None
    item_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went with a scanned folder, and what persons said of it that stays.

    `pictures` are those whose bytes were once read, `decisions` those in force about
    these bytes.
    """

    pictures: int
    decisions: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is wrong with an inventory, or could be.

    `damage` are sentences of what must not be. `files_differing` are the pictures, of
    `files_read`, that look as scanned and have other bytes. Decisions and predictions
    without an item belong to bytes that no picture has today, which is no fault.
    """

    damage: tuple[str, ...]
    files_read: int
    files_differing: tuple[Path, ...]
    decisions_without_item: int
    predictions_without_item: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer says of some bytes.

    `tag` is None for what is no catalogue item, and only then. `prepared` holds the
    bytes of the views that the network sees, (28, 28, 3) uint8, where they are known;
    `preparing` names the recipe that made them.
    """

    digest: str
    kind: DecisionKind
    tag: str | None
    prepared: bytes | None = None
    preparing: str = PREPARING


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer as it was recorded: by whom, when (UTC), where it came from.

    `machine_tag` is what the network had said by then; `undone_at` when the decision
    was taken back.
    """

    id: int
    answer: Answer
    reviewer: str
    decided_at: datetime
    source: str
    machine_tag: str | None
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwnTag:
    """A tag that a shop added: when (UTC), by whom, and how many pictures have it.

    `examples` are those that a person gave it, each bytes once.
    """

    tag: str
    added_at: datetime
    added_by: str
    examples: int


@dataclass(frozen=True, slots=True)
class KindInShop:
    """A kind of thing without a tag, as the network finds it in a shop.

    `waiting` pictures wait for a person and probably show it. `said` counts the tags
    that persons gave to pictures of it, the most frequent first; None stands for "not
    a catalogue item". `tag` is the one that the shop gave to the kind, if any.
    """

    kind: str
    waiting: int
    said: tuple[tuple[str | None, int], ...]
    tag: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """What a reviewer wrote about some bytes, decided or not."""

    digest: str
    text: str
    reviewer: str
    written_at: datetime


class Order(StrEnum):
    """What a reviewer is shown first."""

    CONFIDENCE = "confidence"
    MARGIN = "margin"
    NEWEST = "newest"
    RANDOM = "random"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which undecided items a reviewer is shown, and in which order.

    `everything` takes in what the machine accepted. With `audit_id` it is the sample
    of that audit, whatever else is said.
    """

    order: Order = Order.CONFIDENCE
    tag: str | None = None
    root: str | None = None
    since: datetime | None = None
    everything: bool = False
    audit_id: int | None = None

    @property
    def whole_queue(self) -> bool:
        """Whether it is all that waits for a person, in whichever order."""
        return self == Selection(order=self.order)


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An item of the review queue with all that is known of it.

    `probabilities` are by label, in the model's order. `same_bytes` are the other
    paths of these bytes, absolute; `decisions` and `notes` are oldest first.
    """

    image_id: int
    root: str
    path: str
    digest: str
    tag: str
    confidence: float
    margin: float
    reason: str
    probabilities: Mapping[str, float]
    size: int | None
    width: int | None
    height: int | None
    format: str | None
    first_seen: datetime
    same_bytes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def none(self) -> float:
        """How probably it shows something without a tag, in [0, 1]."""
        return none_of_the_tags(*self._said)[0]

    @property
    def doubtful(self) -> bool:
        """Whether that is more probable than its tag."""
        return doubts(self.none, self.confidence)

    @property
    def none_as(self) -> str:
        """What that most probably is: "a skirt", or no catalogue item."""
        kind = kind_of(none_of_the_tags(*self._said)[1])
        return phrase(kind) if kind else NOT_CATALOGUE

    @property
    def kind(self) -> str:
        """The kind without a tag that it probably shows: "skirt"; "" for none."""
        _, what = none_of_the_tags(*self._said)
        return kind_of(what) if self.doubtful else ""

    @property
    def knows_none(self) -> bool:
        """Whether the network knows anything that has no tag."""
        return bool(none_of_the_tags(*self._said)[1])

    @property
    def _said(self) -> tuple[tuple[float, ...], tuple[str, ...]]:
        return tuple(self.probabilities.values()), tuple(self.probabilities)

    @property
    def in_force(self) -> Decision | None:
        """The decision in force when the item was read."""
        standing = [one for one in self.decisions if one.undone_at is None]
        return standing[-1] if standing else None


@dataclass(frozen=True, slots=True)
class AuditResult:
    """How an audit stands: a sample of what the machine had accepted, judged blind.

    `accepted` items there were to draw from, `sampled` were drawn, `answered` so far,
    `right` of these as the machine had them. With `least` it was drawn from all that is
    at least so confident, accepted or not, with `of_tag` from one tag alone.
    """

    id: int
    drawn_at: datetime
    reviewer: str
    accepted: int
    sampled: int
    answered: int
    right: int
    least: float | None = None
    of_tag: str | None = None

    @property
    def of_accepted(self) -> bool:
        """Whether it measures all that the machine accepts, and nothing else."""
        return self.least is None and self.of_tag is None


@dataclass(frozen=True, slots=True)
class AuditedAnswer:
    """What a person said of a picture that an audit drew, and how it was drawn.

    `right` says that the network had the person's tag. The audit drew evenly from what
    the policy `drawn_by` accepts, of the tag `of_tag` alone where it is given.
    """

    digest: str
    prediction: Prediction
    drawn_by: Policy
    of_tag: str | None
    right: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a reviewer, asked about a picture again and blind, said the same."""

    reviewer: str
    asked_again: int
    same: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Decisions in force that differ about the same bytes, oldest first."""

    path: str
    tags: tuple[str | None, ...]
    reviewers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """All that persons have said that is honest evidence about a network here.

    `answers` are in the order they were drawn, one each time. About `from_queue`
    pictures they were given in the review, where the tag was shown, before an audit
    drew them. `skipped` were passed over by who answered later ones: they count as
    wrong, as the contradicted do. `waiting` wait for an answer.
    """

    answers: tuple[AuditedAnswer, ...]
    from_queue: int = 0
    skipped: int = 0
    waiting: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def pictures(self) -> int:
        """How many pictures the answers are about."""
        return len({one.digest for one in self.answers})


@dataclass(frozen=True, slots=True)
class PreviousPolicy:
    """What decided before: another network, or the same by another policy.

    Of `audited` pictures that the `policy` accepts, drawn at random, `right` were
    right. Of `pictures` that both have seen it accepts `accepted`, and what is in force
    now `accepted_now`; those that persons answered are among them.
    """

    network: str
    digest: str
    policy: Policy
    audited: int
    right: int
    pictures: int
    accepted: int
    accepted_now: int


@dataclass(frozen=True, slots=True)
class AutoTaggingStats:
    """How well it is known what the machine does without a person.

    Of `audited` pictures that the `policy` in force accepts, drawn at random, `right`
    were right; `formerly` tells what was in force before, where something was.
    `certificate` is the newest of the network, and `audited_since` counts the answers
    to audits after it; one that `waits` could be made, and has not been. `confused`
    counts decisions by (machine's tag, person's tag), those that differ, the most
    frequent first; the latter None for what is no catalogue item. They are those made
    since the network came, or `confused_before`, where there are none since.
    """

    network: str
    digest: str
    policy: Policy
    audited: int
    right: int
    certificate: Certificate | None
    audited_since: int
    confused: tuple[tuple[str, str | None, int], ...]
    confused_before: bool = False
    formerly: PreviousPolicy | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """What taking in another inventory's decisions did.

    `conflicts` are pairs of standing decisions that differ about the same bytes: the
    one that is in force now, and the one that is not.
    """

    added: int
    known: int
    taken_back: int
    notes: int
    conflicts: tuple[tuple[Decision, Decision], ...]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person decided about some bytes, with all that tells their twins.

    `label` is a tag, or OTHER. `prepared` are the bytes of the views, None where none
    were kept; `preparing` names the recipe that made them. `bits` is the perceptual
    hash of the picture, where it is known. `items` name what the photograph shows, as
    the patterns of its roots have it.
    """

    digest: str
    label: str
    prepared: bytes | None
    paths: tuple[str, ...]
    bits: int | None
    items: tuple[str, ...]
    preparing: str = PREPARING


@dataclass(frozen=True, slots=True)
class Reviews:
    """All decisions in force that say one thing, and how many do not.

    Of `contradicted` bytes two people say different things: whoever decided last has
    the tag in force, but nobody should learn from it. `newest_decision_id` is that of
    the newest decision there is, 0 where there is none. `waiting` are the confidences
    that what still waits for an answer was flagged with, by the network's digest.
    About the `audited` bytes persons were asked in audits alone, and the `corrected`
    ones are known from spreadsheets alone, which tell what was wrong and not what was
    right. `kind_tags` are the tags that kinds have in this shop.
    """

    reviewed: tuple[Reviewed, ...]
    contradicted: tuple[str, ...]
    newest_decision_id: int
    waiting: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    audited: frozenset[str] = frozenset()
    corrected: frozenset[str] = frozenset()
    kind_tags: Mapping[str, str] = field(default_factory=dict)


LEAST_ANSWERS = 50
"""Answers below which nothing is learnt: in a trial 50 were the first that helped."""


NEAR_DUPLICATE = 6
"""Most bits of 64 in which the perceptual hashes of near-duplicates differ. On three
sets of photographs (701, 993 and 503) pairs within 6 bits had the same tag in 96, 94
and 100 of 100; within 8 bits in 91, 90 and 100, within 10 in 77, 81 and 97."""
