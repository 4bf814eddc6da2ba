"""Copy all rows of an inventory into a blank one, whichever databases they are in."""

from typing import Final

from sqlalchemy import insert, select

from tagger.inventory.database import Database
from tagger.inventory.tables import COUNTED, METADATA, WAITING

_AT_ONCE: Final = 5000
"""Rows read and written at a time."""

_BY_TRIGGERS: Final = (COUNTED, WAITING)
"""Tables that triggers fill from the others."""


def copy_rows(source: Database, target: Database) -> None:
    """Copy one snapshot of an inventory; the rows keep their numbers."""
    with source.reading() as there, target.writing() as here:
        for table in METADATA.sorted_tables:
            if table in _BY_TRIGGERS:
                continue
            query = select(table).execution_options(yield_per=_AT_ONCE)
            for part in there.execute(query).mappings().partitions():
                here.execute(insert(table), [dict(row) for row in part])
