"""Frozen values that the inventory returns and accepts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from tagger.labels import doubts, is_tag, phrase
from tagger.records import (
    NOT_CATALOGUE,
    PREPARING,
    Certificate,
    Policy,
    Prediction,
    State,
    without_tag,
)
from tagger.storage import Location
from tagger.system.database_url import Place


class DecidedBy(StrEnum):
    """Who gave the tag in force."""

    MACHINE = "machine"
    PERSON = "person"


class DecisionKind(StrEnum):
    """A reviewer's kind of answer; a skip is not a decision and is not stored."""

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
    no_tag: float | None = None


@dataclass(frozen=True, slots=True)
class ItemNow:
    """An item before decisions of a sheet are imported.

    `decided_at` is the time of the last decision about its content, or of its undo.
    """

    item: Item
    not_catalogue: bool
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Correction:
    """A tag that a person gave or confirmed in a sheet: its line, the answer `before`.

    `before` is the tag in force, or the answer that no tag fits (see
    `records.without_tag`); None if there was neither.
    `tag` is None for "not a catalogue item". `flagged`: the item waited for a person.
    `sampled`: the person also looked at the rows beside it, and not only at tags that
    were wrong, so that it shows how often a tag is right.
    """

    line: int
    root: str
    path: str
    digest: str
    before: str | None
    tag: str | None
    kind: DecisionKind
    flagged: bool = False
    sampled: bool = False

    @property
    def confirms(self) -> bool:
        """Whether it confirms what was in force."""
        return self.before == (self.tag or NOT_CATALOGUE)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A past scan: times (UTC), options, counts and exit status."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    host: str
    options: Mapping[str, object]
    counts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TagCounts:
    """Numbers of tagged items with one answer in force.

    `accepted` without a person; `waiting` for one; `decided` by one.
    """

    accepted: int = 0
    waiting: int = 0
    decided: int = 0

    @property
    def total(self) -> int:
        """Number of all of them."""
        return self.accepted + self.waiting + self.decided


@dataclass(frozen=True, slots=True)
class InventoryStatus:
    """Counts of the inventory's items. `scanning` names the running scan, if any.

    `tags` counts the tagged items by the answer in force: a tag, or as
    `records.without_tag`. `by_tag` splits these numbers.
    `flagged` counts the items that wait for a person, `waiting_pictures` the different
    pictures among them: a review shows each once. `damaged` counts the tagged files
    that lack parts of the picture.
    """

    database: Place
    roots: Mapping[str, int]
    states: Mapping[State, int]
    tags: Mapping[str, int]
    by_tag: Mapping[str, TagCounts]
    flagged: int
    waiting_pictures: int
    decided_by_person: int
    damaged: int
    last_run: RunRecord | None
    scanning: str = ""

    @property
    def accepted(self) -> int:
        """Number of tagged items that were accepted without a person."""
        return sum(counts.accepted for counts in self.by_tag.values())

    @property
    def decided(self) -> int:
        """Number of tagged items that a person decided."""
        return sum(counts.decided for counts in self.by_tag.values())


@dataclass(frozen=True, slots=True)
class PathEvent:
    """An event in the history of a path: time (UTC), name and details.

    `by` is the person who decided or noted, "" for a scan. Then `what` is the kind of
    the decision, "undone" or "note", `detail` the tag or the note, and `source` where
    the decision was made.
    """

    at: datetime
    what: str
    detail: str
    by: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class PathHistory:
    """All that the inventory knows about one path.

    `probabilities` are the ones in use. `before_mix` holds the network's own if the
    own mix or the tags of kinds changed them; otherwise it is empty.
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

    `item_pattern` finds the product key in its paths, if it is set.
    """

    path: str
    items: int
    scanned_at: datetime | None
    item_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Counts for a forgotten root: deleted rows, and the decisions that stay.

    `pictures` counts the pictures that were once read, `decisions` the standing
    decisions about their content.
    """

    pictures: int
    decisions: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check of an inventory.

    `damage` lists errors of the database, a sentence each. `files_differing` are the
    pictures, out of `files_read`, with other content although size and time are as
    scanned. `files_damaged` are the tagged pictures with missing or wrong parts: all
    that a scan found, and those found among the files read. Decisions and predictions
    without an item belong to content that no picture has today; that is normal.
    """

    damage: tuple[str, ...]
    files_read: int
    files_differing: tuple[Location, ...]
    files_damaged: tuple[Location, ...]
    decisions_without_item: int
    predictions_without_item: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A reviewer's answer about a content.

    `tag` is None for "not a catalogue item", and only then. `prepared` holds the bytes
    of the views that the network sees, (28, 28, 3) uint8, or None if unknown;
    `preparing` is their preprocessing id.
    """

    digest: str
    kind: DecisionKind
    tag: str | None
    prepared: bytes | None = None
    preparing: str = PREPARING


@dataclass(frozen=True, slots=True)
class Decision:
    """A recorded answer: its reviewer, time (UTC) and source.

    `machine_tag` is the network's answer then; `undone_at` the time of the undo.
    """

    id: int
    answer: Answer
    reviewer: str
    decided_at: datetime
    source: str
    machine_tag: str | None
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CustomTag:
    """A custom tag: when (UTC) and by whom it was added.

    `examples` counts the pictures to which a person gave it, each content once.
    """

    tag: str
    added_at: datetime
    added_by: str
    examples: int


@dataclass(frozen=True, slots=True)
class KindInShop:
    """A kind that the network finds in a shop.

    `waiting` counts the pictures in the queue that probably show it. `said` counts the
    tags that people gave to pictures of it, the most frequent first; None stands for
    "not a catalogue item". `tag` is the tag that the shop gave to the kind, if any.
    """

    kind: str
    waiting: int
    said: tuple[tuple[str | None, int], ...]
    tag: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A reviewer's note about a content, decided or not."""

    digest: str
    text: str
    reviewer: str
    written_at: datetime


class Order(StrEnum):
    """The order in which a review shows items."""

    CONFIDENCE = "confidence"
    MARGIN = "margin"
    NEWEST = "newest"
    RANDOM = "random"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Selection:
    """The undecided items that a review shows, and their order.

    `everything` includes accepted items. With `audit_id`, it is the sample of that
    audit, and the other fields do not count.
    """

    order: Order = Order.CONFIDENCE
    tag: str | None = None
    root: str | None = None
    since: datetime | None = None
    everything: bool = False
    audit_id: int | None = None

    @property
    def whole_queue(self) -> bool:
        """Whether it is the whole queue, in any order."""
        return self == Selection(order=self.order)


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An item of the review queue with all that is known about it.

    `probabilities` are by label, in the model's order, with the tags that this shop has
    now. `none` is the probability that no tag fits, and `none_kind` what it then most
    probably shows, as at the last scan. `same_bytes` holds the other absolute paths of
    the same content; `decisions` and `notes` are oldest first.
    """

    image_id: int
    root: str
    path: str
    digest: str
    tag: str
    confidence: float
    margin: float
    none: float
    none_kind: str
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
    def doubtful(self) -> bool:
        """Whether having no tag is more probable than its tag."""
        return doubts(self.none, self.confidence)

    @property
    def none_as(self) -> str:
        """The most probable thing without a tag: "a skirt", or `NOT_CATALOGUE`."""
        return phrase(self.none_kind) if self.none_kind else NOT_CATALOGUE

    @property
    def kind(self) -> str:
        """The kind that a doubtful picture probably shows: "skirt"; "" for none."""
        return self.none_kind if self.doubtful else ""

    @property
    def knows_none(self) -> bool:
        """Whether the network has any label without a tag."""
        return not all(map(is_tag, self.probabilities))

    @property
    def answer(self) -> str:
        """The network's answer: its tag, or in doubt as `records.without_tag`."""
        return without_tag(self.kind) if self.doubtful else self.tag

    @property
    def answer_confidence(self) -> float:
        """Probability of the network's answer, in [0, 1]."""
        return max(self.none, self.confidence)

    @property
    def in_force(self) -> Decision | None:
        """The decision in force when the item was read."""
        standing = [made for made in self.decisions if made.undone_at is None]
        return standing[-1] if standing else None


@dataclass(frozen=True, slots=True)
class AuditResult:
    """An audit and its results so far: a sample of accepted pictures, answered blind.

    Out of `accepted` pictures, `sampled` were drawn; `answered` have an answer, and
    `right` of these agree with the predicted tag. With `least`, the audit drew from all
    pictures of at least that confidence, accepted or not; with `of_tag`, from one tag
    alone.
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
        """Whether it measures exactly the accepted pictures."""
        return self.least is None and self.of_tag is None


@dataclass(frozen=True, slots=True)
class AuditedAnswer:
    """The prediction of a picture drawn by an audit, and whether it was right.

    `right`: a person answered with the predicted tag. The audit drew evenly from the
    pictures that the policy `drawn_by` accepts; from the tag `of_tag` alone, if given.
    """

    digest: str
    prediction: Prediction
    drawn_by: Policy
    of_tag: str | None
    right: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a reviewer gave the same answer when asked again, blind."""

    reviewer: str
    asked_again: int
    same: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Standing decisions about the same content that contradict, oldest first."""

    path: str
    tags: tuple[str | None, ...]
    reviewers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """All audit evidence about a network here.

    `answers` are in the order of the draw, one for each time a picture was drawn.
    `from_queue` counts the pictures decided in a review, where the tag was shown,
    before an audit drew them. `skipped` counts the pictures whose reviewer went on to
    later ones: they count as wrong, like those with contradictions. `waiting` counts
    the pictures still to answer.
    """

    answers: tuple[AuditedAnswer, ...]
    from_queue: int = 0
    skipped: int = 0
    waiting: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def pictures(self) -> int:
        """Number of different pictures in the answers."""
        return len({answer.digest for answer in self.answers})


@dataclass(frozen=True, slots=True)
class PreviousPolicy:
    """The former network, or the same network with its former policy.

    Of `audited` pictures that the `policy` accepts, drawn at random, `right` were
    right. Of `pictures` that both networks saw, the former accepts `accepted`, the
    present one `accepted_now`; decided pictures are included.
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
class AuditReach:
    """What further audits can prove with the pictures that are there.

    `joint` and, by tag, `tags` are the pictures that audits can still draw for a claim
    about all tags together or about one; only of claims that need more than these.
    `precision` is the highest share, in 0..1, that `joint` pictures could certify, all
    of them right; 0 if none, None if it is not known.
    """

    joint: int | None = None
    tags: Mapping[str, int] = field(default_factory=dict)
    precision: float | None = None

    def left(self, tag: str | None) -> int | None:
        """Return the pictures left for a claim that needs more; None if enough."""
        return self.joint if tag is None else self.tags.get(tag)


ENOUGH: Final = AuditReach()
"""There are as many pictures as every claim needs."""


@dataclass(frozen=True, slots=True)
class AutoTaggingStats:
    """The known precision of automatic tagging.

    Of `audited` pictures that the `policy` in force accepts, drawn at random, `right`
    were right; `formerly` describes the network or policy before, if any.
    `certificate` is the network's newest, and `audited_since` counts the audit answers
    after it; `waits`: a new certificate could be made, and has not been. `confused`
    counts corrections by (predicted tag, person's tag), the most frequent first; the
    person's tag is None for "not a catalogue item". They were made since the network
    came into force, or, if there are none since, before it (`confused_before`).
    `reach` says what further audits can prove.
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
    reach: AuditReach = ENOUGH


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of importing decisions of another inventory.

    `conflicts` are pairs of standing decisions that differ about the same content: the
    one in force now, and the other.
    """

    added: int
    known: int
    taken_back: int
    notes: int
    conflicts: tuple[tuple[Decision, Decision], ...]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A decided content, with all that identifies its copies and near-duplicates.

    `label` is a tag, or OTHER. `prepared` holds the bytes of the views, None if they
    were not stored; `preparing` is their preprocessing id. `bits` is the perceptual
    hash of the picture, if known. `items` holds the products in its paths, `root/key`.
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
    """All decisions in force without a contradiction, to make training examples from.

    `contradicted` holds digests with contradicting decisions: the newest one is in
    force, but it is no training example. `newest_decision_id` is 0 if there are no
    decisions. `waiting` holds the confidences of the queue, by the network's digest.
    The `audited` digests were decided in audits alone, the `corrected` ones only in
    spreadsheets that are no sample: they show what was wrong and not what was right.
    `kind_tags` are the tags of kinds in this shop.
    """

    reviewed: tuple[Reviewed, ...]
    contradicted: tuple[str, ...]
    newest_decision_id: int
    waiting: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    audited: frozenset[str] = frozenset()
    corrected: frozenset[str] = frozenset()
    kind_tags: Mapping[str, str] = field(default_factory=dict)


LEAST_ANSWERS = 50
"""Fewest answers to adapt a network from: in a trial, 50 were the first to help."""


NEAR_DUPLICATE = 6
"""Maximum of bits, out of 64, in which the perceptual hashes of near-duplicates differ.
In three sets of photographs (701, 993 and 503), 96, 94 and 100 of 100 pairs within 6
bits had the same tag; within 8 bits 91, 90 and 100, within 10 bits 77, 81 and 97."""
