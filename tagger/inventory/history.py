"""The story of one path: what it is, who said so, and what befell it."""

from sqlalchemy import Connection, RowMapping, select

from tagger.inventory.decisions import history, notes
from tagger.inventory.mapping import item, prediction, read_labels, unpack
from tagger.inventory.records import PathEvent, PathHistory
from tagger.inventory.tables import EVENT, IMAGE, MODEL, PREDICTION, ROOT, VIEW


def path_history(
    connection: Connection, root_id: int, root: str, path: str
) -> PathHistory | None:
    """Return the story of a path under a root; None where it was never seen."""
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
    said = rows.mappings().first()
    labels = read_labels(connection, said["labels"]) if said else ()
    return PathHistory(
        item=item(row.mappings().one()),
        probabilities=(
            dict(zip(labels, prediction(said, labels).probabilities, strict=True))
            if said
            else {}
        ),
        before_mix=(
            dict(zip(said["labels"], unpack(said["probabilities"]), strict=True))
            if said and said["adjusted"]
            else {}
        ),
        preparing=said["preparing"] if said else None,
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
    # The same file may be known under a root and under a folder of that root.
    own = _absolute(connection, image)
    paths = (f"{row.root}/{row.path}" for row in connection.execute(query))
    return tuple(path for path in paths if path != own)


def _absolute(connection: Connection, image: RowMapping) -> str:
    root = connection.scalar(select(ROOT.c.path).where(ROOT.c.id == image["root_id"]))
    return f"{root}/{image['path']}"


def _events(connection: Connection, image: RowMapping) -> list[PathEvent]:
    """Gather what befell a path, oldest first: by the runs and by the reviewers."""
    story = [PathEvent(image["first_seen"], "first seen", "")]
    query = select(EVENT.c.at, EVENT.c.kind, EVENT.c.detail).where(
        EVENT.c.image_id == image["id"]
    )
    story += [PathEvent(*row) for row in connection.execute(query.order_by(EVENT.c.id))]
    if image["digest"] is not None:
        for one in history(connection, image["digest"]):
            what = f"{one.answer.kind} by {one.reviewer}"
            where = "" if one.source == "review" else f" ({one.source})"
            detail = (one.answer.tag or "") + where
            story.append(PathEvent(one.decided_at, what, detail.strip()))
            if one.undone_at:
                story.append(PathEvent(one.undone_at, "decision undone", ""))
        for note in notes(connection, image["digest"]):
            what = f"note by {note.reviewer}"
            story.append(PathEvent(note.written_at, what, note.text))
    return sorted(story, key=lambda event: event.at)
