"""The frozen values that flow between the stages, and the words for them.

Knows no file, no network and no database. A path inside a root is a `str` with `/`
between its parts; bytes that are no UTF-8 stand in it as lone surrogates, the way
`os.fsdecode` leaves them, so that every name survives the round trip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tagger.labels import doubts

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


LEAST_PICTURES = 50
"""Pictures from which on a shift is told; of fewer, it would be that of their mix."""
