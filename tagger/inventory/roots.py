"""The scanned folders: moved to another place, or forgotten.

Functions of a connection; whoever calls them opens the transaction.
"""

import os
from pathlib import Path

from sqlalchemy import Connection, delete, func, select, update

from tagger.errors import InventoryError
from tagger.inventory.mapping import BY_ROOT, now, tallies_by_root
from tagger.inventory.records import Forgotten
from tagger.inventory.tables import (
    DECISION,
    EVENT,
    IMAGE,
    MIX,
    ROOT,
    RUN,
    VIEW,
    is_standing,
)


def move(connection: Connection, old: Path, new: Path) -> int:
    """Say that a root is at another place now; return how many items it has.

    Raises InventoryError where `old` is no root, `new` already has a part in one, or
    none of the root's pictures lies at `new`.
    """
    root_id = _known(connection, old)
    for other in connection.scalars(select(ROOT.c.path)):
        if other != str(old) and (
            new.is_relative_to(other) or Path(other).is_relative_to(new)
        ):
            raise InventoryError(
                f"{new} is scanned already, as {other}: its pictures have "
                "their decisions, which go with their bytes"
            )
    here = IMAGE.c.root_id == root_id
    pictures = select(IMAGE.c.path).where(here, IMAGE.c.digest.is_not(None))
    paths = list(connection.scalars(pictures))
    if paths and not any(os.path.lexists(new / path) for path in paths):
        raise InventoryError(
            f"none of the {len(paths):,} pictures of {old} lies in {new}: "
            "is it the right folder?"
        )
    connection.execute(update(ROOT).where(ROOT.c.id == root_id).values(path=str(new)))
    connection.execute(update(IMAGE).where(here).values(updated_at=now()))
    in_root = select(func.count()).where(VIEW.c.root == str(new))
    return connection.scalar(in_root) or 0


def forget(connection: Connection, root: Path) -> Forgotten:
    """Delete a root with its images, their stories, and what runs read there.

    All that is keyed by bytes stays. Raises InventoryError where it is no root.
    """
    root_id = _known(connection, root)
    here = IMAGE.c.root_id == root_id
    digests = select(IMAGE.c.digest).where(here, IMAGE.c.digest.is_not(None))
    decided = select(func.count()).where(DECISION.c.digest.in_(digests), is_standing())
    pictures = select(func.count()).select_from(digests.subquery())
    told = Forgotten(
        pictures=connection.scalar(pictures) or 0,
        decisions=connection.scalar(decided) or 0,
    )
    images = select(IMAGE.c.id).where(here)
    connection.execute(delete(EVENT).where(EVENT.c.image_id.in_(images)))
    connection.execute(delete(IMAGE).where(here))
    drop(connection, root_id)
    return told


def drop(connection: Connection, root_id: int) -> None:
    """Delete the row of a root without images, and what runs read there.

    The next root may be given its id: what was read here would be taken for that
    one's.
    """
    runs = select(RUN.c.id, RUN.c.counts).where(RUN.c.counts.is_not(None))
    for run_id, counts in connection.execute(runs).all():
        tallies = dict(tallies_by_root(counts))
        if tallies.pop(str(root_id), None) is not None:
            connection.execute(
                update(RUN)
                .where(RUN.c.id == run_id)
                .values(counts=counts | {BY_ROOT: tallies})
            )
    connection.execute(delete(MIX).where(MIX.c.root_id == root_id))
    connection.execute(delete(ROOT).where(ROOT.c.id == root_id))


def _known(connection: Connection, root: Path) -> int:
    """Return the id of a root; InventoryError, with those there are, where none."""
    ids = {
        row.path: row.id for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
    }
    if str(root) not in ids:
        shown = ", ".join(sorted(ids)) or "none"
        raise InventoryError(f"{root} is no scanned folder (those are: {shown})")
    return int(ids[str(root)])
