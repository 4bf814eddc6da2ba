"""Move or forget scanned folders.

The functions take a connection; their caller opens the transaction.
"""

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    select,
    true,
    update,
)

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
from tagger.storage import Location, is_within, location
from tagger.system.paths import shop_of


def move(connection: Connection, old: Location, new: Location) -> int:
    """Record a root's new path; return the number of its items.

    Raises InventoryError if `old` is not a root here, if `new` overlaps another root,
    or if none of the root's pictures is in `new`.
    """
    from tagger.storage.listing import holds_any  # noqa: PLC0415  for this alone

    root_id = _known(connection, old)
    if shop := shop_of(str(old)):
        raise InventoryError(
            f"{old} is a folder of the shop {shop}: move it there, then run "
            "'tagger inventory merge' with its inventory"
        )
    for other in connection.scalars(select(ROOT.c.path)):
        place = location(other)
        if other != str(old) and (is_within(new, place) or is_within(place, new)):
            raise InventoryError(
                f"{new} is scanned already, as {other}: there is nothing to move, "
                "since decisions follow the content of the pictures"
            )
    here = IMAGE.c.root_id == root_id
    pictures = select(IMAGE.c.path).where(here, IMAGE.c.digest.is_not(None))
    paths = list(connection.scalars(pictures))
    if paths and not holds_any(new, paths):
        raise InventoryError(
            f"none of the {len(paths):,} pictures of {old} is in {new}: "
            "is it the right folder?"
        )
    connection.execute(update(ROOT).where(ROOT.c.id == root_id).values(path=str(new)))
    connection.execute(update(IMAGE).where(here).values(updated_at=now()))
    in_root = select(func.count()).where(VIEW.c.root == str(new))
    return connection.scalar(in_root) or 0


def forget(connection: Connection, root: Location) -> Forgotten:
    """Delete a root with its images, their histories and its tallies in runs.

    Records about content stay. Raises InventoryError if it is not a root.
    """
    root_id = _known(connection, root)
    here = IMAGE.c.root_id == root_id
    digests = select(IMAGE.c.digest).where(here, IMAGE.c.digest.is_not(None))
    decided = select(func.count()).where(DECISION.c.digest.in_(digests), is_standing())
    pictures = select(func.count()).select_from(digests.subquery())
    counts = Forgotten(  # counted now, while the rows still exist
        pictures=connection.scalar(pictures) or 0,
        decisions=connection.scalar(decided) or 0,
    )
    delete_images(connection, here)
    drop(connection, root_id)
    return counts


def delete_images(connection: Connection, which: ColumnElement[bool]) -> int:
    """Delete images with their histories; return their number."""
    images = select(IMAGE.c.id).where(which)
    connection.execute(delete(EVENT).where(EVENT.c.image_id.in_(images)))
    return connection.execute(delete(IMAGE).where(which)).rowcount


def elsewhere(connection: Connection) -> list[int]:
    """Return the ids of the roots of other shops, which no scan here reads."""
    rows = connection.execute(select(ROOT.c.id, ROOT.c.path))
    return [row.id for row in rows if shop_of(row.path)]


def here(connection: Connection) -> ColumnElement[bool]:
    """Return the condition that an image is of this shop: its file is to be found here.

    It is not one NOT IN list, which a statement for many rows cannot have.
    """
    return and_(true(), *(IMAGE.c.root_id != other for other in elsewhere(connection)))


def drop(connection: Connection, root_id: int) -> None:
    """Delete the row of a root without images, and its tallies in runs.

    SQLite may reuse the id: a new root would then take over the tallies of this one.
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


def _known(connection: Connection, root: Location) -> int:
    """Return the id of a root; InventoryError, with the known roots, if unknown."""
    ids = {
        row.path: row.id for row in connection.execute(select(ROOT.c.id, ROOT.c.path))
    }
    if str(root) not in ids:
        known = ", ".join(sorted(ids)) or "none"
        raise InventoryError(
            f"{root} is not a scanned folder (scanned folders: {known})"
        )
    return int(ids[str(root)])
