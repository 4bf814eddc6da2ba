"""Select the items that a review shows, and their order.

The queue itself is the table `waiting`, with an index for each order. The functions
take a connection; their caller opens the transaction.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    distinct,
    func,
    literal,
    select,
    tuple_,
)

from tagger.inventory import audits, decisions, roots
from tagger.inventory.dialects import looked_up_by
from tagger.inventory.mapping import prediction, read_labels
from tagger.inventory.records import LEAST_ANSWERS, Order, QueueItem, Selection
from tagger.inventory.tables import (
    IMAGE,
    MODEL,
    PREDICTION,
    ROOT,
    SAMPLED,
    WAITING,
    answer,
    answer_confidence,
    answer_margin,
)
from tagger.records import State


def rows_of(selection: Selection, elsewhere: Collection[int] = ()) -> "Rows":
    """Return the rows of a selection.

    `elsewhere` are the ids of the roots of other shops: their pictures are left out,
    since they cannot be shown, unless the selection names their root.
    """
    if selection.audit_id is not None:
        return _Sample(selection.audit_id, elsewhere)
    rows = _Undecided if selection.everything else _Queue
    return rows(selection, elsewhere)


class Rows:
    """The rows of a selection: their tables, conditions and order."""

    def __init__(self, selection: Selection, elsewhere: Collection[int]) -> None:
        self.falling = selection.order is Order.NEWEST
        self.key = self._keys()[selection.order]
        self.digest: Any = IMAGE.c.digest
        self.where: list[ColumnElement[bool]] = [IMAGE.c.state == State.TAGGED]
        if selection.tag is not None:
            self.where.append(answer() == selection.tag)
        if selection.root is not None:
            self.where.append(ROOT.c.path == selection.root)
        elif elsewhere:
            self.where.append(IMAGE.c.root_id.not_in(elsewhere))
        if selection.since is not None:
            self.where.append(IMAGE.c.first_seen >= selection.since)

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        """Join the tables that the conditions and the order need."""
        raise NotImplementedError

    def counted(self) -> Any:  # noqa: ANN401
        """Return the query that counts the contents, each once."""
        query = select(func.count(distinct(self.digest)))
        return self.joined(query).where(*self.where)

    def ordered(self, query: Any) -> Any:  # noqa: ANN401
        """Sort a query in the order of the selection."""
        return query.order_by(
            *(key.desc() if self.falling else key for key in self.key)
        )

    def beyond(self, after: tuple[Any, ...]) -> ColumnElement[bool]:
        """Whether a row comes after the row with the key `after`."""
        if len(self.key) == 1:
            (key,) = self.key
            return and_(key < after[0] if self.falling else key > after[0])
        # With the columns' own types: a path may hold bytes that are not UTF-8.
        last = (
            literal(value, key.type) for key, value in zip(self.key, after, strict=True)
        )
        return tuple_(*self.key) > tuple_(*last)

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        raise NotImplementedError


class _Queue(Rows):
    """The flagged, undecided items, by the indexes of `waiting`."""

    def __init__(self, selection: Selection, elsewhere: Collection[int]) -> None:
        super().__init__(selection, elsewhere)
        self._narrowed = len(self.where) > 1

    def counted(self) -> Any:  # noqa: ANN401
        if self._narrowed:
            return super().counted()
        return select(func.count(distinct(WAITING.c.digest)))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        by_path = self.key[0] is IMAGE.c.root_id
        ours = (
            WAITING.c.image_id == looked_up_by(IMAGE.c.id)
            if by_path
            else IMAGE.c.id == looked_up_by(WAITING.c.image_id)
        )
        return (
            query.select_from(WAITING)
            .join(IMAGE, ours)
            .join(ROOT, ROOT.c.id == looked_up_by(IMAGE.c.root_id))
            .join(PREDICTION, PREDICTION.c.id == looked_up_by(IMAGE.c.prediction_id))
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return {
            Order.CONFIDENCE: (WAITING.c.confidence, WAITING.c.image_id),
            Order.MARGIN: (WAITING.c.margin, WAITING.c.image_id),
            Order.NEWEST: (WAITING.c.image_id,),
            # Digests are as good as random numbers, and repeatable.
            Order.RANDOM: (WAITING.c.digest, WAITING.c.image_id),
            Order.PATH: (IMAGE.c.root_id, IMAGE.c.path),
        }


class _Undecided(Rows):
    """All undecided items, accepted ones included; sorted by the query."""

    def __init__(self, selection: Selection, elsewhere: Collection[int]) -> None:
        super().__init__(selection, elsewhere)
        self.where.append(~audits.has_decision(IMAGE.c.digest))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        return (
            query.select_from(IMAGE)
            .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
            .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return {
            Order.CONFIDENCE: (answer_confidence(), IMAGE.c.id),
            Order.MARGIN: (answer_margin(), IMAGE.c.id),
            Order.NEWEST: (IMAGE.c.id,),
            Order.RANDOM: (IMAGE.c.digest, IMAGE.c.id),
            Order.PATH: (IMAGE.c.root_id, IMAGE.c.path),
        }


class _Sample(Rows):
    """The unanswered pictures of an audit, in the order of the draw."""

    def __init__(self, audit_id: int, elsewhere: Collection[int]) -> None:
        super().__init__(Selection(), elsewhere)
        self.where.append(audits.unanswered(audit_id))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        return (
            query.select_from(SAMPLED)
            .join(IMAGE, and_(IMAGE.c.digest == SAMPLED.c.digest))
            .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
            .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return dict.fromkeys(Order, (SAMPLED.c.id,))


def count_pictures(connection: Connection, selection: Selection) -> int:
    """Count the different pictures left in a selection, as a review does."""
    rows = rows_of(selection, roots.elsewhere(connection))
    return connection.scalar(rows.counted()) or 0


def best_order(connection: Connection, selection: Selection) -> Order:
    """Return the best order to review a selection in; its own order is ignored.

    Random order if there are enough items to train a network: such answers teach it
    most, and represent the whole queue. Otherwise least confident first, since most of
    the wrong tags are there.
    """
    rows = rows_of(selection, roots.elsewhere(connection))
    digests = rows.joined(select(rows.digest).distinct()).where(*rows.where)
    # Is there a digest at that place? Faster than a count.
    last_needed = connection.scalar(digests.offset(LEAST_ANSWERS - 1).limit(1))
    return Order.CONFIDENCE if last_needed is None else Order.RANDOM


def read_waiting(connection: Connection, image_ids: Iterable[int]) -> list[QueueItem]:
    """Read the items of some images, as a review shows them.

    Images that a scan has found to be missing or unreadable since are left out.
    """
    items = (_read_waiting(connection, image_id) for image_id in image_ids)
    return [item for item in items if item is not None]


def _read_waiting(connection: Connection, image_id: int) -> QueueItem | None:
    query = (
        select(
            PREDICTION,
            *(column.label(f"image_{column.key}") for column in IMAGE.columns),
            ROOT.c.path.label("root"),
            MODEL.c.labels,
        )
        .select_from(IMAGE)
        .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .join(MODEL, MODEL.c.id == PREDICTION.c.model_id)
        .where(IMAGE.c.id == image_id)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    labels = read_labels(connection, row["labels"])
    predicted = prediction(row)
    own_path = f"{row['root']}/{row['image_path']}"
    digest = row["digest"]
    return QueueItem(
        image_id=image_id,
        root=row["root"],
        path=row["image_path"],
        digest=digest,
        tag=predicted.tag,
        confidence=predicted.confidence,
        margin=predicted.margin,
        none=predicted.other,
        none_kind=predicted.kind,
        reason=row["image_flag_reason"],
        probabilities=dict(zip(labels, predicted.probabilities, strict=True)),
        size=row["image_size"],
        width=row["image_width"],
        height=row["image_height"],
        format=row["image_format"],
        first_seen=row["image_first_seen"],
        same_bytes=tuple(
            path for path in decisions.paths(connection, digest) if path != own_path
        ),
        decisions=decisions.history(connection, digest),
        notes=decisions.notes(connection, digest),
    )
