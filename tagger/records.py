"""Frozen values that pass between the stages, and shared constants.

Independent of files, networks and the database. A path inside a root is a `str` with
`/` between its parts. Bytes that are not UTF-8 are lone surrogates in it, as
`os.fsdecode` makes them, so that every name survives the round trip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tagger.labels import doubts, is_tag, kind_of, phrase

if TYPE_CHECKING:  # numpy costs a status or an export a third of a second
    import numpy as np
    from numpy.typing import NDArray

    from tagger.storage.protocol import Stated

IMAGE_SIDE = 28
"""Edge of a prepared image in pixels, as in Fashion-MNIST."""

VIEWS = 3
"""Views of a prepared image: gray, distance from the ground, likeness to skin."""

PREPARING = "views28-2"
"""The preprocessing id, in cards and rows. New preprocessing gets a new id: a network
is right only on pictures prepared like those it was trained on."""

FIRST_PREPARING = "views28-1"
"""The preprocessing id of data that does not name one."""

ALIKE = frozenset({PREPARING, FIRST_PREPARING})
"""Preprocessing ids with which a network for today's pictures may have been trained. It
is right on as many pictures of either (measured, models/README.md)."""

AMBIGUOUS = "ambiguous"
"""Label of pictures that fit no single tag: neither right nor wrong. Never a tag."""

NO_ITEM: Final = "probably not a catalogue item"
"""Beginning of a reason: the network doubts that the picture shows an item."""

DAMAGED: Final = "damaged file"
"""Beginning of a reason: the file lacks parts of the picture, or has wrong ones."""

NO_TAG: Final = "probably "
"""Beginning of a reason: the picture more probably shows a kind without a tag."""

IGNORED_BY_PERSON: Final = "known to be unreadable: "
"""Beginning of a reason: a person ignored the unreadable file. The reason why it cannot
be read follows."""

NOT_CATALOGUE: Final = "not a catalogue item"
"""Written in place of a tag for a picture that is not a catalogue item."""

WITHOUT_TAG: Final = "no tag: "
"""Written before the kind, in place of a tag, for a kind that has no tag."""

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
    """The state of a path; each path has exactly one."""

    TAGGED = "tagged"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNSETTLED = "unsettled"
    IGNORED = "ignored"


class Runtime(StrEnum):
    """The library that runs a network."""

    LITERT = "litert"
    KERAS = "keras"


class Format(StrEnum):
    """The file format of an export."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    XLSX = "xlsx"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"


class Outcome(StrEnum):
    """The outcome of an adaptation, or of a rollback."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The identity of a network.

    `digest` is the SHA-256 of its weights, `preparing` its preprocessing id.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    preparing: str


FARTHEST_NS: Final = 2**63 - 1
"""The latest time that an inventory can hold (year 2262); the earliest is its negative
(1677). The clock of a camera, or an archive, may have any time."""


class FileStamp(NamedTuple):
    """Size in bytes, and time of the last change in nanoseconds since 1970.

    The time lies within ±`FARTHEST_NS`.
    """

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: "Stated") -> Self:
        """Return the stamp of a file's status."""
        return cls(status.st_size, kept_time(status.st_mtime_ns))


def without_tag(kind: str) -> str:
    """Return the answer for a picture without a tag: of a kind, or `NOT_CATALOGUE`."""
    return f"{WITHOUT_TAG}{kind}" if kind else NOT_CATALOGUE


def label_text(label: str) -> str:
    """Return a network's label in words: a tag, "a skirt", or `NOT_CATALOGUE`."""
    if is_tag(label):
        return label
    kind = kind_of(label)
    return phrase(kind) if kind else NOT_CATALOGUE


def is_without_tag(answer: str) -> bool:
    """Whether an answer is that a picture has no tag; see `without_tag`."""
    return answer == NOT_CATALOGUE or answer.startswith(WITHOUT_TAG)


def kept_time(nanoseconds: int) -> int:
    """Limit a time to the range that an inventory can hold."""
    return min(max(nanoseconds, -FARTHEST_NS), FARTHEST_NS)


class ImageFile(NamedTuple):
    """A picture file found under a root.

    A flat tuple, because a scan makes one for every file.
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def stamp(self) -> FileStamp:
        """The stamp, which changes when the file changes."""
        return FileStamp(self.size, self.mtime_ns)


class Below(Enum):
    """The fate of known paths below a path that is not read."""

    GONE = auto()
    """They are missing: the path is a file."""
    NOWHERE = auto()
    """They are missing, and so is the path: it is a link without a target."""
    LEFT_OUT = auto()
    """They are left out for the same reason."""
    LINKED = auto()
    """They may be at the target of the link; if not, they are left out."""
    UNSEEN = auto()
    """Unknown: the path could not be listed."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A path that is not read, with its state (not tagged or missing) and the reason.

    `below` is the fate of known paths below it, from a time when it was a folder.
    `foreign` is the ending of a picture whose format is not read, else "".
    """

    path: str
    state: State
    reason: str
    stamp: FileStamp | None = None
    below: Below = Below.GONE
    foreign: str = ""


Listed = ImageFile | SkippedFile


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """The views of a picture, as the network sees them.

    `pixels` has shape (28, 28, 3) and type uint8: the views of `tagger.imaging.views`.
    The first is the inverted gray of Fashion-MNIST, with 0 as the background. `width`
    and `height` are those of the upright picture. `damaged` says that the file lacks
    parts of the picture, or has wrong ones.
    """

    digest: str
    pixels: "NDArray[np.uint8]"
    width: int
    height: int
    format: str
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """A file that could not be prepared, and why.

    `digest` is None if not even the content could be read.
    """

    reason: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A network's prediction for one prepared image.

    `tag` is the most probable label that is a tag, `confidence` its probability, and
    `margin` its distance to that of `runner_up`. `other` is the total probability of
    labels that are not tags, 0 if the network has none. `kind` is the kind of the most
    probable of them (see `tagger.labels`), "" for "not a catalogue item". All numbers
    lie in [0, 1]. `probabilities` have the order of the bundle's labels. `damaged` says
    that the file lacks parts of the picture: no policy accepts its tag.
    """

    tag: str
    confidence: float
    runner_up: str
    margin: float
    probabilities: tuple[float, ...]
    other: float = 0.0
    kind: str = ""
    damaged: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether the image more probably shows something without a tag."""
        return doubts(self.other, self.confidence)

    @property
    def answer(self) -> str:
        """The most probable answer: the tag, or in doubt `without_tag`."""
        return without_tag(self.kind) if self.doubtful else self.tag

    @property
    def answer_confidence(self) -> float:
        """The probability of that answer."""
        return self.other if self.doubtful else self.confidence

    @property
    def answer_margin(self) -> float:
        """By how much that answer is more probable than the next tag."""
        return self.other - self.confidence if self.doubtful else self.margin

    @property
    def next_tag(self) -> str:
        """The most probable tag that is not that answer."""
        return self.tag if self.doubtful else self.runner_up


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a prediction is flagged, and the reason (empty if it is accepted)."""

    flagged: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The least confidence and margin of an accepted tag, all in [0, 1].

    `tags` holds thresholds of single tags. A threshold of 1 accepts nothing, not even a
    confidence of 1.
    """

    threshold: float
    margin: float = 0.0
    tags: Mapping[str, float] = field(default_factory=dict)

    def least(self, tag: str) -> float:
        """Return the least confidence at which a tag is accepted."""
        return self.tags.get(tag, self.threshold)


class KnownFile(NamedTuple):
    """The inventory's knowledge of a path before a scan.

    `current` says that the content is already classified by the network and the
    preprocessing of this scan. A flat tuple, like `ImageFile`.
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
        """Size and time of the content that was read; None if it never was."""
        if self.size is None or self.mtime_ns is None:
            return None
        return FileStamp(self.size, self.mtime_ns)

    @property
    def acknowledged(self) -> bool:
        """Whether it cannot be read, and a person ignored that ('tagger ignore')."""
        return self.state is State.IGNORED and self.reason.startswith(IGNORED_BY_PERSON)

    def is_of(self, file: ImageFile) -> bool:
        """Whether a file has the size and time of this content."""
        return self.mtime_ns == file.mtime_ns and self.size == file.size


@dataclass(frozen=True, slots=True)
class Claim:
    """The audit evidence about a tag, or, with `tag` None, about all tags together.

    Of `answers` at or above the confidence `least`, `right` were right. `threshold` is
    the least confidence at which the target is certified. If it is None, `needed`
    further answers, all right, would certify the target at `least`.
    """

    tag: str | None
    answers: int
    right: int
    threshold: float | None
    needed: int
    least: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a network on an inventory, and its time (UTC).

    `policy` is None if nothing was certified, which ends an earlier certificate. The
    joint claim comes first, then one claim a tag. `accepts` and `accepted_before` are
    the shares of `pictures`, those that no person decided, that this policy and the
    policy before it accept.
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
        """Whether the policy rests on the joint claim.

        False if a tag has a lower threshold, which is certified for this tag alone.
        """
        return (
            self.policy is not None
            and self.claims[0].threshold == self.policy.threshold
            and min(self.policy.tags.values(), default=1) >= self.policy.threshold
        )


def certified_alone(claims: Iterable[Claim]) -> dict[str, float]:
    """Return the thresholds of tags that are certified individually."""
    return {
        claim.tag: claim.threshold
        for claim in claims
        if claim.tag is not None and claim.threshold is not None
    }


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The record of an adaptation or of a rollback.

    `bundle` is the name of a folder beside the inventory or, if `beside` is false, a
    bundle's name or folder as `tagger model use` takes it. `digest` is that of its
    weights, `parent_digest` that of the network which it replaced, or would have
    replaced. `decisions` counts the decisions used, `newest_decision_id` is the newest
    one then; both are 0 for a rollback. `figures` holds the measurements.
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


LEAST_FOR_SHIFT = 50
"""Fewest pictures to report a shift of: fewer may only have an unusual mix of tags."""
