"""The tables of the inventory, as SQLAlchemy models. Alembic's revisions make them.

Other programs read the view `inventory`, not these.
"""

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Enum,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    cast,
    false,
)
from sqlalchemy import column as _column
from sqlalchemy import table as _table
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from tagger.records import DecisionKind, Outcome, State


class Utc(TypeDecorator[datetime]):
    """A moment as text in UTC, `2026-11-22T03:00:00.000000Z`: sorts and reads well."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, _dialect: Dialect
    ) -> str | None:
        """Write an aware datetime."""
        return None if value is None else f"{value.astimezone(UTC):%FT%T.%fZ}"

    def process_result_value(
        self, value: str | None, _dialect: Dialect
    ) -> datetime | None:
        """Read an aware datetime."""
        return None if value is None else datetime.fromisoformat(value)


class PathText(TypeDecorator[str]):
    """A file name as text, byte for byte, even where it is no UTF-8.

    SQLite keeps any bytes in a text; Python's driver refuses to write lone surrogates
    and to read what is no UTF-8. So the value travels as bytes, in both directions.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> Any:  # noqa: ANN401
        """Write the bytes of the name."""
        return None if value is None else os.fsencode(value)

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        """Have the bytes stored as text."""
        return cast(bindvalue, Text)

    def column_expression(self, column: ColumnElement[str]) -> ColumnElement[Any]:
        """Fetch the text as its bytes."""
        return cast(column, _NameBytes)


class _NameBytes(TypeDecorator[str]):
    impl = LargeBinary
    cache_ok = True

    def process_result_value(
        self, value: bytes | None, _dialect: Dialect
    ) -> str | None:
        return None if value is None else os.fsdecode(value)


def _enum(kind: type[StrEnum]) -> Enum:
    """Map an enumeration by value, held to its members by a CHECK."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Utc,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[Any]: JSON,
        State: _enum(State),
        DecisionKind: _enum(DecisionKind),
        Outcome: _enum(Outcome),
        str: Text,
        float: Float,
    }


class Root(Table):
    """A scanned folder. `scanned_at` is when its last finished scan began.

    `item_pattern` tells from a path which item the photograph shows.
    """

    __tablename__ = "root"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(PathText, unique=True)
    scanned_at: Mapped[datetime | None]
    item_pattern: Mapped[str | None]


class Model(Table):
    """A network that has classified here. `digest` is that of its weights.

    `shift` tells how far the pictures here are from those that it knows, where known.
    """

    __tablename__ = "model"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    labels: Mapped[list[str]]
    shift: Mapped[float | None]


class Prediction(Table):
    """What a network said of some bytes; kept whole, to be decided again at will.

    `probabilities` are float32, little-endian, in the order of the model's labels.
    """

    __tablename__ = "prediction"
    __table_args__ = (UniqueConstraint("digest", "model_id", "preparing"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    preparing: Mapped[str]
    tag: Mapped[str]
    confidence: Mapped[float]
    runner_up: Mapped[str]
    margin: Mapped[float]
    probabilities: Mapped[bytes]


class Image(Table):
    """A path under a root, and what became of it.

    `reason` belongs to the state, `flagged` and `flag_reason` to the prediction, which
    outlives an absence. `last_seen` is kept when a path goes missing; of the others it
    is their root's `scanned_at`.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("root_id", "path"),
        Index("image_digest", "digest"),
        Index("image_prediction", "prediction_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("root.id"))
    path: Mapped[str] = mapped_column(PathText)
    digest: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None] = mapped_column(BigInteger)
    mtime_ns: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[State]
    reason: Mapped[str] = mapped_column(PathText, default="")
    flagged: Mapped[bool] = mapped_column(default=False)
    flag_reason: Mapped[str] = mapped_column(default="")
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("prediction.id"))
    width: Mapped[int | None]
    height: Mapped[int | None]
    format: Mapped[str | None]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class Decision(Table):
    """A person's answer about some bytes; the newest that is not undone is in force.

    `prepared` holds the bytes of the views that the network saw, (28, 28, 3), so that
    learning never needs the file again. `source` says where the answer was given,
    `machine_tag` what the network had said by then.
    """

    __tablename__ = "decision"
    __table_args__ = (
        Index("decision_digest", "digest"),
        CheckConstraint(
            "(kind = 'not-a-catalogue-item') = (tag IS NULL)", name="tag_fits_kind"
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    kind: Mapped[DecisionKind]
    tag: Mapped[str | None]
    reviewer: Mapped[str]
    decided_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    prepared: Mapped[bytes | None]
    source: Mapped[str] = mapped_column(server_default="review")
    machine_tag: Mapped[str | None]


class Note(Table):
    """What a reviewer wrote about some bytes, decided or not."""

    __tablename__ = "note"
    __table_args__ = (Index("note_digest", "digest"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    text: Mapped[str]
    reviewer: Mapped[str]
    written_at: Mapped[datetime]


class Waiting(Table):
    """An image that is flagged and that nobody has decided: the review queue.

    Triggers keep it, whoever writes images and decisions; nothing else writes here.
    """

    __tablename__ = "waiting"
    __table_args__ = (
        Index("waiting_confidence", "confidence", "image_id"),
        Index("waiting_margin", "margin", "image_id"),
        Index("waiting_digest", "digest", "image_id"),
    )
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    confidence: Mapped[float]
    margin: Mapped[float]


class Lease(Table):
    """Bytes that a reviewer has before the eyes, not to be shown to another."""

    __tablename__ = "lease"
    __table_args__ = (Index("lease_sitting", "sitting"),)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    sitting: Mapped[str]
    reviewer: Mapped[str]
    until: Mapped[datetime]


class Audit(Table):
    """A random sample, drawn from `accepted` items that the machine had decided.

    They are what the policy `drawn_by` accepts of the tags of a network: that in force,
    or where `least` is set one with that threshold for all tags. Of `tag` alone, where
    it is set.
    """

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    drawn_at: Mapped[datetime]
    reviewer: Mapped[str]
    accepted: Mapped[int]
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    drawn_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    least: Mapped[float | None]
    tag: Mapped[str | None]


class Sampled(Table):
    """Bytes in an audit's sample, what the machine said, and what a person then did.

    Those that are asked `again` had been decided before.
    """

    __tablename__ = "sampled"
    __table_args__ = (
        UniqueConstraint("audit_id", "digest"),
        Index("sampled_decision", "decision_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    digest: Mapped[str] = mapped_column(String(64))
    prediction_id: Mapped[int] = mapped_column(ForeignKey("prediction.id"))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    again: Mapped[bool] = mapped_column(server_default=false())


class Certificate(Table):
    """What audits proved of a network here; the newest of a network is in force.

    `policy` is absent where nothing could be certified. `claims` are those of
    `records.Certificate`; `accepts` and `accepted_before` are shares of `pictures`.
    """

    __tablename__ = "certificate"
    __table_args__ = (Index("certificate_model", "model_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    made_at: Mapped[datetime]
    precision: Mapped[float]
    certainty: Mapped[float]
    policy: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    claims: Mapped[list[Any]]
    pictures: Mapped[int]
    accepts: Mapped[float]
    accepted_before: Mapped[float]


class Fingerprint(Table):
    """A perceptual hash of a picture, 64 bits as SQLite's signed integer."""

    __tablename__ = "fingerprint"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    bits: Mapped[int] = mapped_column(BigInteger)


class Run(Table):
    """One `tagger scan`. A run without an end was killed."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    host: Mapped[str]
    options: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any] | None]


class Event(Table):
    """Something that befell a path after it was first seen."""

    __tablename__ = "event"
    __table_args__ = (Index("event_image", "image_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    detail: Mapped[str] = mapped_column(PathText)


class Exported(Table):
    """How a row of the view was when it was last exported under a mark."""

    __tablename__ = "exported"
    __table_args__ = (Index("exported_image", "image_id"),)
    mark: Mapped[str] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True
    )
    fingerprint: Mapped[int] = mapped_column(BigInteger)


class PolicyInForce(Table):
    """Every policy that was ever in force for a model; the newest is."""

    __tablename__ = "policy"
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    threshold: Mapped[float]
    margin: Mapped[float]
    tags: Mapped[dict[str, Any]]
    since: Mapped[datetime]


class Adaptation(Table):
    """What became of a network that learnt from decisions here, or of going back.

    The newest that is promoted or rolled back says which network is in force. `bundle`
    is the name of a folder beside the inventory, or where not `beside`, a bundle's name
    or folder as `tagger model use` takes it. `digest` is that of its weights, and
    `parent_digest` that of what it learnt from or takes the place of. `decisions` were
    used, and `newest_decision_id` is the newest there was. `figures` are what the
    comparison measured.
    """

    __tablename__ = "adaptation"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    outcome: Mapped[Outcome]
    bundle: Mapped[str]
    beside: Mapped[bool]
    digest: Mapped[str] = mapped_column(String(64))
    parent_digest: Mapped[str] = mapped_column(String(64))
    decisions: Mapped[int]
    newest_decision_id: Mapped[int]
    figures: Mapped[dict[str, Any]]
    reason: Mapped[str]


class OwnTag(Table):
    """A tag that the shop added to those of its network."""

    __tablename__ = "own_tag"
    tag: Mapped[str] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]
    added_by: Mapped[str]


view = _table(
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
)
"""One row an image with the tag in force, a person's before the machine's. Made by the
revisions; its columns are those of `records.Item`."""
