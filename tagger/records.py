"""The frozen values that flow between the stages, and the words for them.

Knows no file, no network and no database. A path inside a root is a `str` with `/`
between its parts; bytes that are no UTF-8 stand in it as lone surrogates, the way
`os.fsdecode` leaves them, so that every name survives the round trip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tagger.labels import doubts, kind_of, none_of_the_tags, phrase

if TYPE_CHECKING:  # numpy costs a status or an export a third of a second
    import os

    import numpy as np
    from numpy.typing import NDArray

IMAGE_SIDE = 28
"""Edge of a prepared image in pixels, as in Fashion-MNIST."""

VIEWS = 3
"""Views of a prepared image: gray, distance from the ground, likeness to skin."""

PREPARING = "views28-2"
"""Names the recipe of `images.prepare` in cards and rows. Another recipe is another
name: a network is right only about pictures prepared as those it learnt from."""

FIRST_PREPARING = "views28-1"
"""The recipe that made what does not say which one did."""

ALIKE = frozenset({PREPARING, FIRST_PREPARING})
"""Recipes from whose pictures a network may have learnt that is asked about today's:
of pictures prepared by either it is right on as many (measured, models/README.md)."""

AMBIGUOUS = "ambiguous"
"""Label of what the tags do not decide: neither right nor wrong. It is never a tag."""

NO_ITEM: Final = "no catalogue item?"
"""How a flag's reason begins where the network doubts that there is an item."""

NO_TAG: Final = "probably "
"""How a flag's reason begins where it is more probably of a kind without a tag."""

NOT_CATALOGUE: Final = "not a catalogue item"
"""What is written where a tag would stand, for what has none."""

FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""The ten labels of Fashion-MNIST, in the order of its class numbers 0 to 9."""


class State(StrEnum):
    """What became of a path; each path is in exactly one state."""

    TAGGED = "tagged"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNSETTLED = "unsettled"
    IGNORED = "ignored"


class DecidedBy(StrEnum):
    """Who said the tag that is in force."""

    MACHINE = "machine"
    PERSON = "person"


class Runtime(StrEnum):
    """What runs a network."""

    LITERT = "litert"
    KERAS = "keras"


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    XLSX = "xlsx"


class DecisionKind(StrEnum):
    """What a reviewer answered; a skip is no decision and is not kept."""

    ACCEPT = "accept"
    CORRECT = "correct"
    NOT_CATALOGUE = "not-a-catalogue-item"


class Outcome(StrEnum):
    """What became of an adapted network; going back is one too."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which network said something.

    `digest` is that of its weights; `preparing` the recipe of what it is shown.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    preparing: str


FARTHEST_NS: Final = 2**63 - 1
"""The farthest time that an inventory can hold: in the year 2262, or 1677. A camera's
clock, or an archive's, may be set to any."""


class FileStamp(NamedTuple):
    """Size in bytes and time of the last change in nanoseconds since 1970.

    The time is no farther than `FARTHEST_NS` from then.
    """

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: "os.stat_result") -> Self:
        """Read what the system says of a file."""
        return cls(status.st_size, kept_time(status.st_mtime_ns))


def kept_time(nanoseconds: int) -> int:
    """Return a time as an inventory holds it."""
    return min(max(nanoseconds, -FARTHEST_NS), FARTHEST_NS)


class ImageFile(NamedTuple):
    """A picture file found under a root.

    A tuple without another in it: a scan makes one for every file there is.
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def stamp(self) -> FileStamp:
        """What changes when the file does."""
        return FileStamp(self.size, self.mtime_ns)


class Below(Enum):
    """What is to be thought of what was known below a path that is not read."""

    GONE = auto()
    """It is not there: the path is a file."""
    NOWHERE = auto()
    """Nor is what was known of the path: it is a link that leads nowhere now."""
    LEFT_OUT = auto()
    """It is left out for the same reason."""
    LINKED = auto()
    """It may be where the link leads; where it is not found there, it is left out."""
    UNSEEN = auto()
    """Nobody can know: the path could not be looked at."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A path that is not read, with its state (not tagged or missing) and why.

    `below` tells what of former paths below it, as if it were a folder.
    """

    path: str
    state: State
    reason: str
    stamp: FileStamp | None = None
    below: Below = Below.GONE


Listed = ImageFile | SkippedFile


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """What the network sees of a picture.

    `pixels` has shape (28, 28, 3) and type uint8: the views of `tagger.imaging.views`,
    of which
    the first is the inverted gray of Fashion-MNIST, 0 the ground. `width` and `height`
    are those of the upright picture.
    """

    digest: str
    pixels: "NDArray[np.uint8]"
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """A file that could not be made into a `PreparedImage`, and why.

    `digest` is None where not even the bytes could be had.
    """

    reason: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network says of one prepared image.

    `tag` is the most probable label that is a tag, `confidence` its probability, and
    `margin` its distance to that of `runner_up`. `other` is the probability that the
    image shows something that has no tag, where the network knows of such, and `kind`
    the most probable of that: a kind as `tagger.labels` has them, "" for what is no
    catalogue item. All numbers lie in [0, 1]. `probabilities` follow the labels of the
    bundle.
    """

    tag: str
    confidence: float
    runner_up: str
    margin: float
    probabilities: tuple[float, ...]
    other: float = 0.0
    kind: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether the image more probably shows something that has no tag."""
        return doubts(self.other, self.confidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a prediction waits for a person, and why (empty when it does not)."""

    flagged: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The least confidence and margin accepted without a person, all in [0, 1].

    `tags` gives single tags a threshold of their own. A threshold of 1 accepts nothing,
    not even the certainty that some networks have of anything.
    """

    threshold: float
    margin: float = 0.0
    tags: Mapping[str, float] = field(default_factory=dict)

    def least(self, tag: str) -> float:
        """Return the least confidence at which a tag is accepted."""
        return self.tags.get(tag, self.threshold)


class KnownFile(NamedTuple):
    """What the inventory holds of a path before a scan.

    `current` says that the network and the preparing of this scan have already
    classified its bytes. A tuple without another in it, as `ImageFile`.
    """

    id: int
    size: int | None
    mtime_ns: int | None
    state: State
    reason: str
    digest: str | None
    current: bool

    @property
    def stamp(self) -> FileStamp | None:
        """Size and time of the bytes that were read; None where none were."""
        if self.size is None or self.mtime_ns is None:
            return None
        return FileStamp(self.size, self.mtime_ns)

    def is_of(self, file: ImageFile) -> bool:
        """Whether a file looks as these bytes did."""
        return self.mtime_ns == file.mtime_ns and self.size == file.size


@dataclass(frozen=True, slots=True)
class Measure:
    """Something measured of a run's images, and of those of the month before.

    `of` names what was measured where the name does not say it all.
    """

    name: str
    value: float
    was: float
    moved: bool
    of: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the images that a run read under a root differ from the month before's."""

    root: str
    images: int
    before: int
    measures: tuple[Measure, ...]

    @property
    def moved(self) -> bool:
        """Whether anything moved."""
        return any(measure.moved for measure in self.measures)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What one scan did, in images.

    `new`, `changed`, `moved`, `unchanged`, `unsettled`, `missing` and `ignored` tell
    what was found; `classified` how many the network saw; `tagged`, `flagged` and
    `unreadable` how the images of the scanned roots stand after it. `tags` counts the
    tags in force. `doubted` are the folders that have lost more than can be believed.
    `drift` compares what was read with the month before, root by root. `warnings` are
    sentences for a person. `shift` tells how far the pictures are from those that the
    network knows, and `careful` what was done about it. `mix` tells by root how often
    each label is right there, where that was estimated, as shares in [0, 1].
    """

    run_id: int | None
    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    unsettled: int = 0
    missing: int = 0
    ignored: int = 0
    classified: int = 0
    tagged: int = 0
    flagged: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    tags: Mapping[str, int] = field(default_factory=dict)
    unreadable_images: tuple[tuple[str, str], ...] = ()
    doubted: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    warnings: tuple[str, ...] = ()
    shift: float | None = None
    careful: str = ""
    mix: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


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
class Claim:
    """What audits tell of a tag, or with `tag` None of all together.

    Of `answers` at or above `least`, `right` were right. `threshold` is the least
    confidence from which on the target is certified, None where it is not; then it
    would be, from `least` on, by `needed` further answers that are all right.
    """

    tag: str | None
    answers: int
    right: int
    threshold: float | None
    needed: int
    least: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was certified about a network on an inventory, and when (UTC).

    `policy` is None where nothing was, which ends what was certified before. The joint
    claim comes first, then one a tag. The shares `accepts` and `accepted_before` are
    those of the `pictures` that no person decided which the policy, and the one before
    it, accept alone.
    """

    made_at: datetime
    network: str
    digest: str
    precision: float
    certainty: float
    policy: Policy | None
    claims: tuple[Claim, ...]
    pictures: int
    accepts: float
    accepted_before: float

    @property
    def joint(self) -> bool:
        """Whether the policy in force rests on the claim about all tags together.

        Not where a tag's threshold is lower: that one is proven by itself alone.
        """
        return (
            self.policy is not None
            and self.claims[0].threshold == self.policy.threshold
            and min(self.policy.tags.values(), default=1) >= self.policy.threshold
        )


def certified_alone(claims: Iterable[Claim]) -> dict[str, float]:
    """Return the thresholds of the tags that are certified by themselves."""
    return {
        claim.tag: claim.threshold
        for claim in claims
        if claim.tag is not None and claim.threshold is not None
    }


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
class Adaptation:
    """What became of a network that learnt from decisions here, or of going back.

    `bundle` is the name of a folder beside the inventory, or where not `beside`, a
    bundle's name or folder as `tagger model use` takes it. `digest` is that of its
    weights, `parent_digest` that of the network whose place it took or wanted.
    `decisions` were used, `newest_decision_id` is the newest there was; both 0 for a
    roll-back. `figures` are what was measured.
    """

    id: int
    at: datetime
    outcome: Outcome
    bundle: str
    beside: bool
    digest: str
    parent_digest: str
    decisions: int
    newest_decision_id: int
    figures: Mapping[str, object]
    reason: str


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


LEAST_PICTURES = 50
"""Pictures from which on a shift is told; of fewer, it would be that of their mix."""

LEAST_ANSWERS = 50
"""Answers below which nothing is learnt: in a trial 50 were the first that helped."""

NEAR_DUPLICATE = 6
"""Most bits of 64 in which the perceptual hashes of near-duplicates differ. On three
sets of photographs (701, 993 and 503) pairs within 6 bits had the same tag in 96, 94
and 100 of 100; within 8 bits in 91, 90 and 100, within 10 in 77, 81 and 97."""
