"""What an export under a mark has seen already, and what the photographs of a root say.

A mark remembers a fingerprint of each row as it was written, so that "changed" means
that the row differs, whatever the clock says and however the change came about.
"""

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.inventory.columns import Column, Condition
from tagger.inventory.database import Database
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
    """The rows that differ from what was exported under a mark, by root and path.

    Iterate over them, then `keep` them: only then are they taken for exported. What is
    remembered of a row until then is 16 bytes.
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
        with self.database.reading() as connection:
            rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
            for *values, image_id, before in rows:
                fingerprint = _fingerprint(values)
                if fingerprint != before:
                    self._images.append(image_id)
                    self._fingerprints.append(fingerprint)
                    yield [values[at] for at in chosen]

    def keep(self) -> None:
        """Remember the rows as exported."""
        # A scan may have forgotten some meanwhile: what is gone is not selected.
        there: Select[*tuple[Any, ...]] = select(
            bindparam("mark"), IMAGE.c.id, bindparam("fingerprint")
        ).where(IMAGE.c.id == bindparam("image_id"))
        statement = upsert(EXPORTED).from_select(
            ["mark", "image_id", "fingerprint"], there
        )
        statement = statement.on_conflict_do_update(
            index_elements=[EXPORTED.c.mark, EXPORTED.c.image_id],
            set_={"fingerprint": statement.excluded.fingerprint},
        )
        pairs = zip(self._images, self._fingerprints, strict=True)
        with self.database.writing() as connection:
            while some := list(islice(pairs, _AT_ONCE)):
                connection.execute(
                    statement,
                    [
                        {"mark": self.mark, "image_id": image, "fingerprint": value}
                        for image, value in some
                    ],
                )


def _fingerprint(values: Sequence[object]) -> int:
    """Return 64 bits that differ when the values do, all but surely."""
    told = repr(values).encode("utf-8", "surrogatepass")
    (value,) = struct.unpack("<q", blake2b(told, digest_size=8).digest())
    return int(value)


@dataclass(frozen=True, slots=True)
class Photograph:
    """An item with all that its network said of it; nothing where it said nothing."""

    item: Item
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]


def photographs(
    connection: Connection, where: Sequence[Condition]
) -> Iterator[Photograph]:
    """Yield items that meet conditions with all that was said, by root and path."""
    networks = connection.execute(select(MODEL.c.id, MODEL.c.labels))
    tags = kind_tags(connection)
    labels = {row.id: reading(row.labels, tags).labels for row in networks}
    said = func.coalesce(PREDICTION.c.adjusted, PREDICTION.c.probabilities)
    query = (
        select(VIEW, PREDICTION.c.model_id, said.label("said"))
        .join(ROOT, ROOT.c.path == VIEW.c.root)
        .join(IMAGE, (IMAGE.c.root_id == ROOT.c.id) & (IMAGE.c.path == VIEW.c.path))
        .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .where(meeting(where))
        .order_by(VIEW.c.root, VIEW.c.path)
    )
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    for row in rows.mappings():
        known = labels.get(row["model_id"], ())
        yield Photograph(item(row), known, unpack(row["said"]))


def policies(connection: Connection) -> Mapping[str, Policy]:
    """Return the policy in force for each network, by its name."""
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
    return {name: Policy(*rest) for name, *rest in rows}
