"""The history of one path: its item, its decisions and its events."""

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, select

from tagger.inventory.decisions import history, notes
from tagger.inventory.mapping import item, prediction, read_labels, unpack
from tagger.inventory.records import PathEvent, PathHistory
from tagger.inventory.tables import EVENT, IMAGE, MODEL, PREDICTION, ROOT, VIEW
from tagger.storage import Location, location
from tagger.system.paths import roots_above
from tagger.text import spellings


def possible_places(
    connection: Connection, path: Location
) -> Iterator[tuple[int, str, str]]:
    """Yield the places that an absolute path may name, the innermost root first.

    Each as root id, root, and the path under it, in every spelling of its accents.
    """
    rows = connection.execute(select(ROOT.c.id, ROOT.c.path))
    ids = {location(row.path): row.id for row in rows}
    for root, inside in reversed(roots_above(path, ids)):
        for relative in spellings(inside.as_posix()):
            yield ids[root], str(root), relative


def path_history(
    connection: Connection, root_id: int, root: str, path: str
) -> PathHistory | None:
    """Return the history of a path under a root; None if it was never seen."""
    image = (
        connection.execute(
            select(IMAGE).where(IMAGE.c.root_id == root_id, IMAGE.c.path == path)
        )
        .mappings()
        .first()
    )
    if image is None:
        return None
    row = connection.execute(
        select(VIEW).where(VIEW.c.root == root, VIEW.c.path == path)
    )
    rows = connection.execute(
        select(PREDICTION, MODEL.c.labels)
        .join(MODEL)
        .where(PREDICTION.c.id == image["prediction_id"])
    )
    predicted = rows.mappings().first()
    labels = read_labels(connection, predicted["labels"]) if predicted else ()
    return PathHistory(
        item=item(row.mappings().one()),
        probabilities=(
            dict(zip(labels, prediction(predicted).probabilities, strict=True))
            if predicted
            else {}
        ),
        before_mix=(
            dict(
                zip(
                    predicted["labels"],
                    unpack(predicted["probabilities"]),
                    strict=True,
                )
            )
            if predicted and predicted["adjusted"]
            else {}
        ),
        preparing=predicted["preparing"] if predicted else None,
        width=image["width"],
        height=image["height"],
        format=image["format"],
        size=image["size"],
        same_bytes=_same_bytes(connection, image),
        events=tuple(_events(connection, image)),
    )


def _same_bytes(connection: Connection, image: RowMapping) -> tuple[str, ...]:
    if image["digest"] is None:
        return ()
    query = (
        select(ROOT.c.path.label("root"), IMAGE.c.path)
        .join(ROOT, ROOT.c.id == IMAGE.c.root_id)
        .where(IMAGE.c.digest == image["digest"], IMAGE.c.id != image["id"])
        .order_by(ROOT.c.path, IMAGE.c.path)
    )
    # The same file may be an item of a root and of another root inside it.
    own_path = _absolute(connection, image)
    paths = (f"{row.root}/{row.path}" for row in connection.execute(query))
    return tuple(path for path in paths if path != own_path)


def _absolute(connection: Connection, image: RowMapping) -> str:
    root = connection.scalar(select(ROOT.c.path).where(ROOT.c.id == image["root_id"]))
    return f"{root}/{image['path']}"


def _events(connection: Connection, image: RowMapping) -> list[PathEvent]:
    """Gather the events of a path from runs, decisions and notes, oldest first."""
    events = [PathEvent(image["first_seen"], "first seen", "")]
    query = select(EVENT.c.at, EVENT.c.kind, EVENT.c.detail).where(
        EVENT.c.image_id == image["id"]
    )
    rows = connection.execute(query.order_by(EVENT.c.id))
    events += [PathEvent(*row) for row in rows]
    if image["digest"] is not None:
        for made in history(connection, image["digest"]):
            tag, by = made.answer.tag or "", made.reviewer
            kind = made.answer.kind.value
            events.append(PathEvent(made.decided_at, kind, tag, by, made.source))
            if made.undone_at:
                events.append(PathEvent(made.undone_at, "undone", tag, by))
        events += [
            PathEvent(note.written_at, "note", note.text, note.reviewer)
            for note in notes(connection, image["digest"])
        ]
    return sorted(events, key=lambda event: event.at)
