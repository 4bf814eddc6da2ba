"""Which items a reviewer is shown, and in which order.

The queue proper is the table `waiting`, whose indexes are the orders. Functions of a
connection; whoever calls them opens the transaction.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, distinct, func, select, tuple_
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from tagger.inventory import audits, decisions
from tagger.inventory.rows import prediction
from tagger.inventory.tables import Image, Model, Root, Sampled
from tagger.inventory.tables import Prediction as PredictionRow
from tagger.inventory.tables import Waiting as WaitingRow
from tagger.records import Order, Selection, State, Waiting


def rows_of(selection: Selection) -> "Rows":
    """Return the rows that a selection speaks of."""
    if selection.audit_id is not None:
        return _Sample(selection.audit_id)
    return _Undecided(selection) if selection.everything else _Queue(selection)


class Rows:
    """The rows of a selection: where from, under which conditions, in which order."""

    def __init__(self, selection: Selection) -> None:
        self.falling = selection.order is Order.NEWEST
        self.key = self._keys()[selection.order]
        self.digest: Any = Image.digest
        self.where: list[ColumnElement[bool]] = [Image.state == State.TAGGED]
        if selection.tag is not None:
            self.where.append(PredictionRow.tag == selection.tag)
        if selection.root is not None:
            self.where.append(Root.path == selection.root)
        if selection.since is not None:
            self.where.append(Image.first_seen >= selection.since)

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        """Join what the conditions and the order speak of."""
        raise NotImplementedError

    def counted(self) -> Any:  # noqa: ANN401
        """Count the bytes, each once."""
        query = select(func.count(distinct(self.digest)))
        return self.joined(query).where(*self.where)

    def ordered(self, query: Any) -> Any:  # noqa: ANN401
        """Sort as the reviewer is shown them."""
        return query.order_by(
            *(key.desc() if self.falling else key for key in self.key)
        )

    def beyond(self, after: tuple[Any, ...]) -> ColumnElement[bool]:
        """Whether a row comes after one with that key."""
        if len(self.key) == 1:
            (key,) = self.key
            return and_(key < after[0] if self.falling else key > after[0])
        return tuple_(*self.key) > tuple_(*after)

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        raise NotImplementedError


class _Queue(Rows):
    """What is flagged and undecided, by the indexes of `waiting`."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        self._narrowed = len(self.where) > 1

    def counted(self) -> Any:  # noqa: ANN401
        if self._narrowed:
            return super().counted()
        return select(func.count(distinct(WaitingRow.digest)))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        by_path = self.key[0] is Image.root_id
        ours = (
            WaitingRow.image_id == _looked_up_by(Image.id)
            if by_path
            else Image.id == _looked_up_by(WaitingRow.image_id)
        )
        return (
            query.select_from(WaitingRow)
            .join(Image, ours)
            .join(Root, Root.id == _looked_up_by(Image.root_id))
            .join(PredictionRow, PredictionRow.id == _looked_up_by(Image.prediction_id))
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return {
            Order.CONFIDENCE: (WaitingRow.confidence, WaitingRow.image_id),
            Order.MARGIN: (WaitingRow.margin, WaitingRow.image_id),
            Order.NEWEST: (WaitingRow.image_id,),
            # Digests are as good as random, and the same tomorrow.
            Order.RANDOM: (WaitingRow.digest, WaitingRow.image_id),
            Order.PATH: (Image.root_id, Image.path),
        }


class _Undecided(Rows):
    """Everything undecided, what the machine accepted too; sorted when asked."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection)
        self.where.append(~audits.decided(Image.digest))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        return (
            query.select_from(Image)
            .join(Root, Root.id == Image.root_id)
            .join(PredictionRow, PredictionRow.id == Image.prediction_id)
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return {
            Order.CONFIDENCE: (PredictionRow.confidence, Image.id),
            Order.MARGIN: (PredictionRow.margin, Image.id),
            Order.NEWEST: (Image.id,),
            Order.RANDOM: (Image.digest, Image.id),
            Order.PATH: (Image.root_id, Image.path),
        }


class _Sample(Rows):
    """What an audit drew and nobody has answered, in the order of the draw."""

    def __init__(self, audit_id: int) -> None:
        super().__init__(Selection())
        self.where.append(audits.unanswered(audit_id))

    def joined(self, query: Any) -> Any:  # noqa: ANN401
        return (
            query.select_from(Sampled)
            .join(Image, and_(Image.digest == Sampled.digest))
            .join(Root, Root.id == Image.root_id)
            .join(PredictionRow, PredictionRow.id == Image.prediction_id)
        )

    def _keys(self) -> dict[Order, tuple[Any, ...]]:
        return dict.fromkeys(Order, (Sampled.id,))


def _looked_up_by(column: Any) -> ColumnElement[Any]:  # noqa: ANN401
    """Join from this column only, never towards it.

    SQLite uses no index for a column behind a plus. So it goes along the index of the
    order and looks the rest up, where its planner, which knows no counts, would begin
    elsewhere and sort a million rows.
    """
    return UnaryExpression(column, operator=custom_op("+"))


def read_waiting(connection: Connection, image_id: int) -> Waiting:
    """Read all that a reviewer is shown of an image."""
    query = (
        select(
            PredictionRow.__table__,
            *(
                column.label(f"image_{column.key}")
                for column in Image.__table__.columns
            ),
            Root.path.label("root"),
            Model.labels,
        )
        .select_from(Image)
        .join(Root, Root.id == Image.root_id)
        .join(PredictionRow, PredictionRow.id == Image.prediction_id)
        .join(Model, Model.id == PredictionRow.model_id)
        .where(Image.id == image_id)
    )
    row = connection.execute(query).mappings().one()
    said = prediction(row, row["labels"])
    own = f"{row['root']}/{row['image_path']}"
    digest = row["digest"]
    return Waiting(
        image_id=image_id,
        root=row["root"],
        path=row["image_path"],
        digest=digest,
        tag=said.tag,
        confidence=said.confidence,
        margin=said.margin,
        reason=row["image_flag_reason"],
        probabilities=dict(zip(row["labels"], said.probabilities, strict=True)),
        size=row["image_size"],
        width=row["image_width"],
        height=row["image_height"],
        format=row["image_format"],
        first_seen=row["image_first_seen"],
        same_bytes=tuple(
            path for path in decisions.paths(connection, digest) if path != own
        ),
        decisions=decisions.history(connection, digest),
        notes=decisions.notes(connection, digest),
    )
