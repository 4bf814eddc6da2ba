"""Ignore unreadable files that a person knows about, and undo that.

The functions take a connection; their caller opens the transaction.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from tagger.errors import InventoryError
from tagger.inventory.history import possible_places
from tagger.inventory.mapping import now
from tagger.inventory.tables import EVENT, IMAGE, RUN
from tagger.records import IGNORED_BY_PERSON, State
from tagger.storage import Location


def ignore(connection: Connection, paths: Iterable[Location], person: str) -> None:
    """Give unreadable files the state "ignored" until their content changes.

    Ignoring a file twice changes nothing. Raises InventoryError for any other file.
    """
    for path in paths:
        image = _image(connection, path)
        if _is_ignored(image):
            continue
        if image["state"] is not State.UNREADABLE:
            raise InventoryError(
                f"{path} is {image['state']}, not unreadable: 'tagger scan --exclude' "
                "leaves out pictures that can be read"
            )
        reason = IGNORED_BY_PERSON + image["reason"]
        change = {"state": State.IGNORED, "reason": reason}
        _record(connection, image["id"], change, "ignored", person)


def undo(connection: Connection, paths: Iterable[Location], person: str) -> None:
    """Make ignored files unreadable again; InventoryError for any other file."""
    for path in paths:
        image = _image(connection, path)
        if not _is_ignored(image):
            raise InventoryError(f"{path} was not ignored with 'tagger ignore'")
        reason = image["reason"].removeprefix(IGNORED_BY_PERSON)
        change = {"state": State.UNREADABLE, "reason": reason}
        _record(connection, image["id"], change, "no longer ignored", person)


def _is_ignored(image: RowMapping) -> bool:
    by_person = image["reason"].startswith(IGNORED_BY_PERSON)
    return image["state"] is State.IGNORED and bool(by_person)


def _image(connection: Connection, path: Location) -> RowMapping:
    for root_id, _, relative in possible_places(connection, path):
        query = select(IMAGE).where(
            IMAGE.c.root_id == root_id, IMAGE.c.path == relative
        )
        if image := connection.execute(query).mappings().first():
            return image
    raise InventoryError(
        f"{path} is not in the inventory: 'tagger export --state unreadable' lists "
        "the files that cannot be read"
    )


def _record(
    connection: Connection,
    image_id: int,
    change: Mapping[str, str],
    what: str,
    person: str,
) -> None:
    """Write a new state and its event, which belongs to the newest run."""
    moment = now()
    connection.execute(
        update(IMAGE).where(IMAGE.c.id == image_id).values(**change, updated_at=moment)
    )
    newest = select(func.max(RUN.c.id)).scalar_subquery()
    connection.execute(
        insert(EVENT).values(
            image_id=image_id,
            run_id=newest,
            at=moment,
            kind=what,
            detail=f"by {person}",
        )
    )
