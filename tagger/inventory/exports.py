"""Rows for exports: those changed under a mark, and photographs of products.

A mark stores a fingerprint of each exported row. A row counts as changed if its
fingerprint differs, so neither clocks nor the cause of the change matter.
"""

import json
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select

from tagger.inventory.columns import PROBABILITIES, Column, Condition
from tagger.inventory.database import Database
from tagger.inventory.dialects import upsert
from tagger.inventory.filters_sql import meeting
from tagger.inventory.mapping import item, kind_tags, unpack
from tagger.inventory.records import Item
from tagger.inventory.tables import (
    EXPORTED,
    IMAGE,
    MODEL,
    POLICY,
    PREDICTION,
    ROOT,
    VIEW,
)
from tagger.labels import reading
from tagger.records import Policy

_AT_ONCE: Final = 4096


@dataclass(slots=True)
class ChangedRows:
    """The rows that changed since the last export under a mark, by root and path.

    Iterate over them, then call `keep`: only then do they count as exported. Until then
    a row needs 16 bytes of memory.
    """

    database: Database
    mark: str
    columns: Sequence[Column]
    where: Sequence[Condition]
    _images: "array[int]" = field(default_factory=lambda: array("q"))
    _fingerprints: "array[int]" = field(default_factory=lambda: array("q"))

    def __iter__(self) -> Iterator[Sequence[Any]]:
        query = (
            select(VIEW, IMAGE.c.id.label("image_id"), EXPORTED.c.fingerprint)
            .join(ROOT, ROOT.c.path == VIEW.c.root)
            .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
            .outerjoin(
                EXPORTED,
                (EXPORTED.c.image_id == IMAGE.c.id) & (EXPORTED.c.mark == self.mark),
            )
            .where(meeting(self.where))
            .order_by(VIEW.c.root, VIEW.c.path)
        )
        names = [column.name for column in VIEW.c]
        chosen = [names.index(column.name) for column in self.columns]
        some = query.execution_options(yield_per=_AT_ONCE)
        with self.database.reading() as connection, connection.execute(some) as rows:
            for *values, image_id, before in rows:
                fingerprint = _fingerprint(values)
                if fingerprint != before:
                    self._images.append(image_id)
                    self._fingerprints.append(fingerprint)
                    yield [values[at] for at in chosen]

    def keep(self) -> None:
        """Store the rows as exported."""
        pairs = zip(self._images, self._fingerprints, strict=True)
        _keep(self.database, self.mark, pairs)


@dataclass(frozen=True, slots=True)
class ProductRow:
    """The values of one product, and the path of its first photograph."""

    root: str
    path: str
    values: Sequence[object]


@dataclass(slots=True)
class ChangedProducts:
    """The products whose values changed since the last export under a mark.

    As with `ChangedRows`, `keep` lets those that were taken count as exported. The
    fingerprint of a product is kept with its first photograph.
    """

    database: Database
    mark: str
    products: Sequence[ProductRow]
    _taken: list[tuple[int, int]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        query = (
            select(ROOT.c.path, IMAGE.c.path, IMAGE.c.id, EXPORTED.c.fingerprint)
            .join(IMAGE, IMAGE.c.root_id == ROOT.c.id)
            .outerjoin(
                EXPORTED,
                (EXPORTED.c.image_id == IMAGE.c.id) & (EXPORTED.c.mark == self.mark),
            )
        )
        first = {(product.root, product.path) for product in self.products}
        with self.database.reading() as connection:
            known = {
                (root, path): (image, before)
                for root, path, image, before in connection.execute(query)
                if (root, path) in first
            }
        for product in self.products:
            fingerprint = _fingerprint(product.values)
            image, before = known.get((product.root, product.path), (None, None))
            if fingerprint != before:
                if image is not None:
                    self._taken.append((image, fingerprint))
                yield product.values

    def keep(self) -> None:
        """Store the products as exported."""
        _keep(self.database, self.mark, self._taken)


def _keep(database: Database, mark: str, exported: Iterable[tuple[int, int]]) -> None:
    """Store the fingerprints of images under a mark."""
    # A scan may have deleted some images meanwhile: the select skips them.
    present: Select[*tuple[Any, ...]] = select(
        bindparam("mark"), IMAGE.c.id, bindparam("fingerprint")
    ).where(IMAGE.c.id == bindparam("image_id"))
    pairs = iter(exported)
    with database.writing() as connection:
        statement = upsert(connection.dialect.name, EXPORTED).from_select(
            ["mark", "image_id", "fingerprint"], present
        )
        statement = statement.on_conflict_do_update(
            index_elements=[EXPORTED.c.mark, EXPORTED.c.image_id],
            set_={"fingerprint": statement.excluded.fingerprint},
        )
        while part := list(islice(pairs, _AT_ONCE)):
            connection.execute(
                statement,
                [
                    {"mark": mark, "image_id": image, "fingerprint": value}
                    for image, value in part
                ],
            )


def _fingerprint(values: Sequence[object]) -> int:
    """Return a signed 64-bit hash of the values; collisions are very unlikely."""
    text = repr(values).encode("utf-8", "surrogatepass")
    (value,) = struct.unpack("<q", blake2b(text, digest_size=8).digest())
    return int(value)


@dataclass(frozen=True, slots=True)
class Photograph:
    """An item with its labels and probabilities; both empty without a prediction.

    `damaged`: the file lacks parts of the picture.
    """

    item: Item
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    damaged: bool = False


def photographs(
    connection: Connection, where: Sequence[Condition]
) -> Iterator[Photograph]:
    """Yield matching items with their probabilities, by root and path."""
    networks = connection.execute(select(MODEL.c.id, MODEL.c.labels))
    tags = kind_tags(connection)
    labels = {row.id: reading(row.labels, tags).labels for row in networks}
    in_use = func.coalesce(PREDICTION.c.adjusted, PREDICTION.c.probabilities)
    query = (
        select(
            VIEW,
            PREDICTION.c.model_id,
            PREDICTION.c.damaged,
            in_use.label("probabilities"),
        )
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .where(meeting(where))
        .order_by(VIEW.c.root, VIEW.c.path)
    )
    with connection.execute(query.execution_options(yield_per=_AT_ONCE)) as rows:
        for row in rows.mappings():
            yield Photograph(
                item(row),
                labels.get(row["model_id"], ()),
                unpack(row["probabilities"]),
                bool(row["damaged"]),
            )


def rows_with_probabilities(
    connection: Connection, columns: Sequence[Column], where: Sequence[Condition]
) -> Iterator[Sequence[Any]]:
    """Yield the values of columns, one of them `PROBABILITIES`, by root and path."""
    for photograph in photographs(connection, where):
        yield [
            _as_json(photograph)
            if column is PROBABILITIES
            else getattr(photograph.item, column.name)
            for column in columns
        ]


def _as_json(photograph: Photograph) -> str | None:
    if not photograph.probabilities:
        return None
    pairs = zip(photograph.labels, photograph.probabilities, strict=True)
    return json.dumps({label: round(value, 6) for label, value in pairs})


def policies(connection: Connection) -> Mapping[str, Policy]:
    """Return the policy in force for each network, by the network's name."""
    rows = connection.execute(
        select(
            MODEL.c.name,
            POLICY.c.threshold,
            POLICY.c.margin,
            POLICY.c.tags,
        )
        .join(MODEL, MODEL.c.id == POLICY.c.model_id)
        .order_by(POLICY.c.id)
    )
    # The newest policy of a network comes last, and replaces the others.
    return {name: Policy(*rest) for name, *rest in rows}
