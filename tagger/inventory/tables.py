"""The tables of the inventory, as Alembic's revisions make them.

They are SQLAlchemy Core tables with typed columns. The object mapper is not used: to
load it would take a short command longer than its own work. Other programs read the
view `inventory`, not these tables.
"""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    case,
    cast,
    exists,
    false,
    literal,
    text,
)
from sqlalchemy import column as _column
from sqlalchemy import table as _table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from tagger.inventory.dialects import POSTGRESQL
from tagger.inventory.records import DecisionKind
from tagger.records import (
    FIRST_PREPARING,
    NOT_CATALOGUE,
    WITHOUT_TAG,
    Outcome,
    State,
)

_REMEMBERED: Final = 8192
"""Size of the caches of converted values: an export of a million rows repeats the same
moments, roots and reasons."""


class Utc(TypeDecorator[datetime]):
    """A moment as UTC text, `2026-11-22T03:00:00.000000Z`: sortable and readable."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, _dialect: Dialect
    ) -> str | None:
        """Write an aware datetime."""
        if value is None:
            return None
        # strftime writes the year 33 as "33", which nothing reads.
        text = value.astimezone(UTC).isoformat(timespec="microseconds")
        return text.replace("+00:00", "Z")

    def result_processor(
        self, _dialect: Dialect, _coltype: object
    ) -> Callable[[str | None], datetime | None]:
        """Read an aware datetime; recent values come from a cache."""
        return _moment


@lru_cache(_REMEMBERED)
def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


RAW_NAME = LargeBinary().with_variant(Text(), POSTGRESQL)
"""What a database gives for a `PathText`: bytes, or a text as `stored_name` makes it.
"""


class PathText(TypeDecorator[str]):
    """A file name as text, byte for byte, even if it is not UTF-8.

    SQLite stores any bytes in a text, but Python's driver refuses to write lone
    surrogates and to read invalid UTF-8. So the value travels as bytes both ways.
    PostgreSQL's texts are UTF-8: there, `stored_name` stands for the name.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the name in the form of the database."""
        if value is None:
            return None
        return stored_name(value) if dialect.name == POSTGRESQL else os.fsencode(value)

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        """Store the bytes as text."""
        return cast(bindvalue, Text)

    def column_expression(self, column: ColumnElement[str]) -> ColumnElement[Any]:
        """Fetch the text in the form of the database."""
        return cast(column, _Name)


class _Name(TypeDecorator[str]):
    impl = RAW_NAME
    cache_ok = True

    def result_processor(
        self, _dialect: Dialect, _coltype: object
    ) -> Callable[[bytes | str | None], str | None]:
        return _name


@lru_cache(_REMEMBERED)
def _name(value: bytes | str | None) -> str | None:
    return None if value is None else name_from(value)


def name_from(raw: bytes | str) -> str:
    """Return the file name of a `RAW_NAME`."""
    return os.fsdecode(raw) if isinstance(raw, bytes) else _restored(raw)


_BYTES: Final = 0x10FF00
"""Code points from here stand for one byte each. The last plane of Unicode is for
private use, and its end is in no known font."""

_NOT_STORED: Final = re.compile("[\udc80-\udcff\U0010ff00-\U0010ffff]")
_STANDS_FOR_BYTE: Final = re.compile("[\U0010ff00-\U0010ffff]+")


def stored_name(name: str) -> str:
    """Return a file name as valid Unicode; no two names have the same.

    A byte that is not UTF-8 becomes a code point from U+10FF00 on. So do the four bytes
    of a real code point there: all that is in that range stands for bytes.
    """
    if name.isascii():
        return name
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    return _NOT_STORED.sub(_for_bytes, text)


def _for_bytes(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-8", "surrogateescape")
    return "".join(chr(_BYTES + byte) for byte in raw)


def _restored(text: str) -> str:
    """Return the file name that `stored_name` made a text of."""
    if text.isascii() or not _STANDS_FOR_BYTE.search(text):
        return text
    parts = _STANDS_FOR_BYTE.split(text)
    bytes_between = [
        bytes(ord(c) - _BYTES for c in run) for run in _STANDS_FOR_BYTE.findall(text)
    ]
    raw = b"".join(
        part.encode() + between
        for part, between in zip(parts, [*bytes_between, b""], strict=True)
    )
    return os.fsdecode(raw)


def _enum(kind: type[StrEnum]) -> Enum:
    """Map an enumeration by value, with a CHECK constraint on its members."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


METADATA = MetaData()

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
"""The type of a row's number: 64 bits. SQLite's INTEGER is that, and an alias of its
own number of the row."""


class _Root(TypedColumns):
    """A scanned folder. `scanned_at` is the start of its last finished scan.

    `item_pattern` finds the product key in a path.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    path: Named[str] = Column(PathText, unique=True)
    scanned_at: Named[datetime | None] = Column(Utc)
    item_pattern: Named[str | None] = Column(Text)


ROOT = Table("root", METADATA, _Root)


class _Model(TypedColumns):
    """A network that has classified here. `digest` is that of its weights.

    `shift` is how far the pictures here are from its reference statistics, if known.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    name: Named[str] = Column(Text)
    digest: Named[str] = Column(String(64), unique=True)
    labels: Named[list[str]] = Column(JSON)
    shift: Named[float | None] = Column(Float)


MODEL = Table("model", METADATA, _Model)


class _Prediction(TypedColumns):
    """A network's prediction for a content; stored whole, so that any policy can apply.

    `probabilities` are the network's: float32, little-endian, in the order of the
    model's labels. `adjusted` are the same after the own mix and the tags of kinds; the
    other columns are derived from them, as in `records.Prediction`. `adjusted_by` names
    that mix and those tags. Both are NULL without an adjustment. `other` is the
    probability of none of the tags, and `kind` what the picture then shows. `damaged`:
    the decoder found parts of the picture missing or wrong, so no policy accepts the
    tag.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    digest: Named[str] = Column(String(64))
    model_id: Named[int] = Column(_ID, ForeignKey("model.id"))
    preparing: Named[str] = Column(Text)
    tag: Named[str] = Column(Text)
    confidence: Named[float] = Column(Float)
    runner_up: Named[str] = Column(Text)
    margin: Named[float] = Column(Float)
    probabilities: Named[bytes]
    adjusted: Named[bytes | None]
    adjusted_by: Named[str | None] = Column(Text)
    damaged: Named[bool] = Column(server_default=false())
    other: Named[float] = Column(Float, server_default=text("0"))
    kind: Named[str] = Column(Text, server_default=text("''"))


PREDICTION = Table(
    "prediction",
    METADATA,
    _Prediction,
    UniqueConstraint("digest", "model_id", "preparing"),
)
# `postgresql_where` would load that dialect at every start; its schema has it.
Index("prediction_damaged", PREDICTION.c.id, sqlite_where=PREDICTION.c.damaged)


class _Image(TypedColumns):
    """A path under a root, and its state.

    `reason` belongs to the state, `flagged` and `flag_reason` to the prediction, which
    is kept while a file is missing. `last_seen` is set when a path goes missing; for
    the others, see `scanned_at` of their root.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    root_id: Named[int] = Column(_ID, ForeignKey("root.id"))
    path: Named[str] = Column(PathText)
    digest: Named[str | None] = Column(String(64))
    size: Named[int | None] = Column(BigInteger)
    mtime_ns: Named[int | None] = Column(BigInteger)
    state: Named[State] = Column(_enum(State))
    reason: Named[str] = Column(PathText, default="")
    flagged: Named[bool] = Column(default=False)
    flag_reason: Named[str] = Column(Text, default="")
    prediction_id: Named[int | None] = Column(_ID, ForeignKey("prediction.id"))
    width: Named[int | None]
    height: Named[int | None]
    format: Named[str | None] = Column(Text)
    first_seen: Named[datetime] = Column(Utc)
    last_seen: Named[datetime | None] = Column(Utc)
    updated_at: Named[datetime] = Column(Utc)


IMAGE = Table(
    "image",
    METADATA,
    _Image,
    UniqueConstraint("root_id", "path"),
    Index("image_digest", "digest"),
    Index("image_prediction", "prediction_id"),
)


class _Decision(TypedColumns):
    """A person's answer about a content; the newest that is not undone is in force.

    `prepared` holds the bytes of the views that the network saw, (28, 28, 3), so that
    an adaptation does not need the file, and `preparing` is their preprocessing id.
    `source` names where the answer was given; `machine_tag` is the network's
    answer at that time.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    digest: Named[str] = Column(String(64))
    kind: Named[DecisionKind] = Column(_enum(DecisionKind))
    tag: Named[str | None] = Column(Text)
    reviewer: Named[str] = Column(Text)
    decided_at: Named[datetime] = Column(Utc)
    undone_at: Named[datetime | None] = Column(Utc)
    prepared: Named[bytes | None]
    preparing: Named[str] = Column(Text, server_default=FIRST_PREPARING)
    source: Named[str] = Column(Text, server_default="review")
    machine_tag: Named[str | None] = Column(Text)


DECISION = Table(
    "decision",
    METADATA,
    _Decision,
    Index("decision_digest", "digest"),
    CheckConstraint(
        "(kind = 'not-a-catalogue-item') = (tag IS NULL)", name="tag_fits_kind"
    ),
)


def is_standing(decisions: Any = DECISION.c) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a decision is not undone.

    The newest standing decision about a picture is in force: `IN_FORCE`. The triggers
    in schema.sql repeat this rule.
    """
    not_undone: ColumnElement[bool] = decisions.undone_at.is_(None)
    return not_undone


IN_FORCE = _table(
    "decision_in_force",
    _column("id", Integer),
    _column("digest", String(64)),
    _column("kind", _enum(DecisionKind)),
    _column("tag", Text),
    _column("reviewer", Text),
    _column("decided_at", Utc),
    _column("prepared", LargeBinary),
    _column("preparing", Text),
    _column("source", Text),
    _column("machine_tag", Text),
)
"""The decision in force about each content: the newest that is not undone. A view."""


def is_doubtful(predictions: Any = PREDICTION.c) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a network thinks it more probable that a picture has no tag.

    The same as `records.Prediction.doubtful`. The view `inventory` and the triggers in
    schema.sql repeat this rule.
    """
    doubtful: ColumnElement[bool] = predictions.other > predictions.confidence
    return doubtful


def answer(predictions: Any = PREDICTION.c) -> ColumnElement[str]:  # noqa: ANN401
    """Return a network's most probable answer, as `records.Prediction.answer`."""
    return case(
        (~is_doubtful(predictions), predictions.tag),
        (predictions.kind == "", literal(NOT_CATALOGUE)),
        else_=literal(WITHOUT_TAG).op("||")(predictions.kind),
    )


def answer_confidence() -> ColumnElement[float]:
    """Return the probability of the network's answer."""
    return case((is_doubtful(), PREDICTION.c.other), else_=PREDICTION.c.confidence)


def answer_margin() -> ColumnElement[float]:
    """Return by how much the network's answer is more probable than the next tag."""
    above = PREDICTION.c.other - PREDICTION.c.confidence
    return case((is_doubtful(), above), else_=PREDICTION.c.margin)


def is_without_tag(answers: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an answer is that a picture has no tag: `records.is_without_tag`."""
    return (answers == NOT_CATALOGUE) | answers.startswith(WITHOUT_TAG, autoescape=True)


def agrees(
    answers: ColumnElement[Any], tags: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a person's tag, or NULL for no tag, is the network's answer.

    The tag that this shop gave to a kind agrees with the kind.
    """
    of_kind = exists().where(
        literal(WITHOUT_TAG).op("||")(KIND_TAG.c.kind) == answers,
        KIND_TAG.c.tag == tags,
    )
    same = answers.is_not_distinct_from(tags)
    return same | (tags.is_(None) & is_without_tag(answers)) | of_kind


class _Note(TypedColumns):
    """A reviewer's note about a content, decided or not."""

    id: Named[int] = Column(_ID, primary_key=True)
    digest: Named[str] = Column(String(64))
    text: Named[str] = Column(Text)
    reviewer: Named[str] = Column(Text)
    written_at: Named[datetime] = Column(Utc)


NOTE = Table(
    "note",
    METADATA,
    _Note,
    Index("note_digest", "digest"),
)


class _Waiting(TypedColumns):
    """The review queue: the flagged, undecided images.

    Triggers on images and decisions maintain it; nothing else writes here.
    """

    image_id: Named[int] = Column(_ID, ForeignKey("image.id"), primary_key=True)
    digest: Named[str] = Column(String(64))
    confidence: Named[float] = Column(Float)
    margin: Named[float] = Column(Float)


WAITING = Table(
    "waiting",
    METADATA,
    _Waiting,
    Index("waiting_confidence", "confidence", "image_id"),
    Index("waiting_margin", "margin", "image_id"),
    Index("waiting_digest", "digest", "image_id"),
)


class _Counted(TypedColumns):
    """Numbers of images by root, state, tag and flag; no row means 0.

    `tag` is the network's answer, empty without a prediction. Triggers on images and
    predictions maintain this table; nothing else writes here.
    """

    root_id: Named[int] = Column(_ID, ForeignKey("root.id"), primary_key=True)
    state: Named[State] = Column(_enum(State), primary_key=True)
    tag: Named[str] = Column(Text, primary_key=True)
    flagged: Named[bool] = Column(primary_key=True)
    number: Named[int]


COUNTED = Table("counted", METADATA, _Counted)


class _Lease(TypedColumns):
    """A lease: a content reserved for one review session (`sitting`)."""

    digest: Named[str] = Column(String(64), primary_key=True)
    sitting: Named[str] = Column(Text)
    reviewer: Named[str] = Column(Text)
    until: Named[datetime] = Column(Utc)


LEASE = Table(
    "lease",
    METADATA,
    _Lease,
    Index("lease_sitting", "sitting"),
)


class _Audit(TypedColumns):
    """A random sample, drawn from `accepted` contents.

    These are the ones that the policy `drawn_by` accepts: the policy in force or, if
    `least` is set, one with that threshold for all tags. If `tag` is set, only those
    with that predicted tag.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    drawn_at: Named[datetime] = Column(Utc)
    reviewer: Named[str] = Column(Text)
    accepted: Named[int]
    model_id: Named[int | None] = Column(_ID, ForeignKey("model.id"))
    drawn_by: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    least: Named[float | None] = Column(Float)
    tag: Named[str | None] = Column(Text)


AUDIT = Table("audit", METADATA, _Audit)


class _Sampled(TypedColumns):
    """A content in an audit's sample, with its prediction and the answer, if any.

    `again`: decided before, and asked about again.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    audit_id: Named[int] = Column(_ID, ForeignKey("audit.id"))
    digest: Named[str] = Column(String(64))
    prediction_id: Named[int] = Column(_ID, ForeignKey("prediction.id"))
    decision_id: Named[int | None] = Column(_ID, ForeignKey("decision.id"))
    again: Named[bool] = Column(server_default=false())


SAMPLED = Table(
    "sampled",
    METADATA,
    _Sampled,
    UniqueConstraint("audit_id", "digest"),
    Index("sampled_decision", "decision_id"),
)


class _Certificate(TypedColumns):
    """A certificate of a network here; the newest of a network is in force.

    `policy` is NULL if nothing could be certified. `claims` are those of
    `records.Certificate`; `accepts` and `accepted_before` are shares of `pictures`. It
    holds only for pictures with the preprocessing id `preparing`.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    model_id: Named[int] = Column(_ID, ForeignKey("model.id"))
    made_at: Named[datetime] = Column(Utc)
    precision: Named[float] = Column(Float)
    certainty: Named[float] = Column(Float)
    policy: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    claims: Named[list[Any]] = Column(JSON)
    pictures: Named[int]
    accepts: Named[float] = Column(Float)
    accepted_before: Named[float] = Column(Float)
    preparing: Named[str] = Column(Text, server_default=FIRST_PREPARING)


CERTIFICATE = Table(
    "certificate",
    METADATA,
    _Certificate,
    Index("certificate_model", "model_id"),
)


class _Fingerprint(TypedColumns):
    """A perceptual hash of a picture, 64 bits as a signed integer."""

    digest: Named[str] = Column(String(64), primary_key=True)
    bits: Named[int] = Column(BigInteger)


FINGERPRINT = Table("fingerprint", METADATA, _Fingerprint)


class _Run(TypedColumns):
    """One `tagger scan`. A run without `ended_at` was killed, or is in progress."""

    id: Named[int] = Column(_ID, primary_key=True)
    started_at: Named[datetime] = Column(Utc)
    ended_at: Named[datetime | None] = Column(Utc)
    exit_code: Named[int | None]
    host: Named[str] = Column(Text)
    options: Named[dict[str, Any]] = Column(JSON)
    counts: Named[dict[str, Any] | None] = Column(JSON)


RUN = Table("run", METADATA, _Run)


class _Event(TypedColumns):
    """An event in the history of a path, after it was first seen."""

    id: Named[int] = Column(_ID, primary_key=True)
    image_id: Named[int] = Column(_ID, ForeignKey("image.id"))
    run_id: Named[int] = Column(_ID, ForeignKey("run.id"))
    at: Named[datetime] = Column(Utc)
    kind: Named[str] = Column(Text)
    detail: Named[str] = Column(PathText)


EVENT = Table(
    "event",
    METADATA,
    _Event,
    Index("event_image", "image_id"),
)


class _Exported(TypedColumns):
    """The fingerprint of a row of the view at its last export under a mark."""

    mark: Named[str] = Column(Text, primary_key=True)
    image_id: Named[int] = Column(
        _ID, ForeignKey("image.id", ondelete="CASCADE"), primary_key=True
    )
    fingerprint: Named[int] = Column(BigInteger)


EXPORTED = Table(
    "exported",
    METADATA,
    _Exported,
    Index("exported_image", "image_id"),
)


class _PolicyInForce(TypedColumns):
    """The policies of a model, past and present; the newest is in force."""

    id: Named[int] = Column(_ID, primary_key=True)
    model_id: Named[int] = Column(_ID, ForeignKey("model.id"))
    threshold: Named[float] = Column(Float)
    margin: Named[float] = Column(Float)
    tags: Named[dict[str, Any]] = Column(JSON)
    since: Named[datetime] = Column(Utc)


POLICY = Table("policy", METADATA, _PolicyInForce)


class _Adaptation(TypedColumns):
    """An adaptation with its outcome, or a rollback.

    The newest that is promoted or rolled back determines the network in force. `bundle`
    names a folder beside the inventory or, if not `beside`, a bundle as for `tagger
    model use`. `digest` is that of its weights; `parent_digest` that of the network it
    was fine-tuned from, or replaces. `decisions` counts the decisions used;
    `newest_decision_id` is the newest at that time. `figures` are the measurements of
    the promotion gate.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    at: Named[datetime] = Column(Utc)
    outcome: Named[Outcome] = Column(_enum(Outcome))
    bundle: Named[str] = Column(Text)
    beside: Named[bool]
    digest: Named[str] = Column(String(64))
    parent_digest: Named[str] = Column(String(64))
    decisions: Named[int]
    newest_decision_id: Named[int] = Column(_ID)
    figures: Named[dict[str, Any]] = Column(JSON)
    reason: Named[str] = Column(Text)


ADAPTATION = Table("adaptation", METADATA, _Adaptation)


class _OwnTag(TypedColumns):
    """A custom tag of the shop."""

    tag: Named[str] = Column(Text, primary_key=True)
    added_at: Named[datetime] = Column(Utc)
    added_by: Named[str] = Column(Text)


OWN_TAG = Table("own_tag", METADATA, _OwnTag)


class _Mix(TypedColumns):
    """The own mix of a root: how often each label is right, estimated for a model.

    The newest of a root and a model is in force. `shares`, and the `prior` that the
    network assumes, are in the order of the model's labels.
    """

    id: Named[int] = Column(_ID, primary_key=True)
    root_id: Named[int] = Column(_ID, ForeignKey("root.id"))
    model_id: Named[int] = Column(_ID, ForeignKey("model.id"))
    since: Named[datetime] = Column(Utc)
    pictures: Named[int]
    shares: Named[list[float]] = Column(JSON)
    prior: Named[list[float]] = Column(JSON)


MIX = Table("mix", METADATA, _Mix, Index("mix_model", "model_id", "root_id"))


class _KindTag(TypedColumns):
    """The tag that this shop gave to a kind."""

    kind: Named[str] = Column(Text, primary_key=True)
    tag: Named[str] = Column(Text)
    mapped_at: Named[datetime] = Column(Utc)
    mapped_by: Named[str] = Column(Text)


KIND_TAG = Table("kind_tag", METADATA, _KindTag)


VIEW = _table(
    "inventory",
    _column("root", PathText),
    _column("path", PathText),
    _column("tag", Text),
    _column("confidence", Float),
    _column("flagged", Boolean),
    _column("reason", PathText),
    _column("decided_by", Text),
    _column("runner_up", Text),
    _column("margin", Float),
    _column("state", Text),
    _column("digest", Text),
    _column("model", Text),
    _column("updated_at", Utc),
    _column("machine_tag", Text),
    _column("reviewer", Text),
    _column("no_tag", Float),
)
"""One row for each image, with the tag in force: a person's, else the network's. The
revisions make it; its columns are those of `records.Item`."""
