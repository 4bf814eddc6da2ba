"""What a network says of a picture, when it is none of the tags.

`prediction.other` is the probability that a picture has none of the tags, `kind` the
kind that it then most probably shows ("skirt"), or "" for "not a catalogue item". If
`other` is above the confidence of the best tag, that is the network's answer: the view
`inventory`, the counts and the queue show it, and no longer the best of the improbable
tags. `decision_in_force` holds the newest decision about a content that is not undone.

The state of an item that a person called "not a catalogue item" is "tagged" in the
view, as its file is: "ignored" is for files that are not read. The column `no_tag` is
new, and the last one.
"""

import json
from collections.abc import Iterator

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ROWS = 10_000
"""Predictions brought up to date at a time."""

_ANSWER = """CASE
    WHEN {row}.other <= {row}.confidence THEN {row}.tag
    WHEN {row}.kind = '' THEN 'not a catalogue item'
    ELSE 'no tag: ' || {row}.kind
  END"""

_SURE = "max({row}.confidence, {row}.other)"
_MARGIN = """CASE
    WHEN {row}.other > {row}.confidence THEN {row}.other - {row}.confidence
    ELSE {row}.margin
  END"""

_IN_FORCE = """
CREATE VIEW decision_in_force AS
SELECT
  id, digest, kind, tag, reviewer, decided_at, prepared, preparing, source, machine_tag
FROM decision
WHERE undone_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM decision AS later
  WHERE later.digest = decision.digest AND later.undone_at IS NULL
    AND (later.decided_at, later.id) > (decision.decided_at, decision.id)
)
"""

_VIEW = f"""
CREATE VIEW inventory AS
SELECT
  root.path AS root,
  image.path AS path,
  CASE
    WHEN decision.id IS NOT NULL THEN decision.tag
    WHEN prediction.other <= prediction.confidence THEN prediction.tag
  END AS tag,
  {_SURE.format(row="prediction")} AS confidence,
  image.flagged AND image.state = 'tagged' AND decision.id IS NULL AS flagged,
  CASE
    WHEN image.state <> 'tagged' THEN image.reason
    WHEN decision.id IS NULL THEN image.flag_reason
    WHEN decision.kind = 'not-a-catalogue-item' THEN 'not a catalogue item'
    ELSE ''
  END AS reason,
  CASE
    WHEN decision.id IS NOT NULL THEN 'person'
    WHEN prediction.id IS NOT NULL THEN 'machine'
  END AS decided_by,
  CASE
    WHEN prediction.other > prediction.confidence THEN prediction.tag
    ELSE prediction.runner_up
  END AS runner_up,
  {_MARGIN.format(row="prediction")} AS margin,
  image.state AS state,
  image.digest AS digest,
  model.name AS model,
  max(image.updated_at, coalesce(decision.decided_at, '')) AS updated_at,
  CASE WHEN prediction.id IS NOT NULL THEN {_ANSWER.format(row="prediction")} END
    AS machine_tag,
  decision.reviewer AS reviewer,
  prediction.other AS no_tag
FROM image
JOIN root ON root.id = image.root_id
LEFT JOIN prediction ON prediction.id = image.prediction_id
LEFT JOIN model ON model.id = prediction.model_id
LEFT JOIN decision_in_force AS decision ON decision.digest = image.digest
"""

_WAITS = f"""
  SELECT image.id, image.digest,
    {_SURE.format(row="prediction")}, {_MARGIN.format(row="prediction")}
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
"""

_ENTER = f"INSERT INTO waiting (image_id, digest, confidence, margin) {_WAITS}"


def _answer_of(image: str) -> str:
    """Return the expression for the answer about an image's row, "" without one."""
    answer = _ANSWER.format(row="prediction")
    return (
        f"coalesce((SELECT {answer} FROM prediction\n"
        f"    WHERE prediction.id = {image}.prediction_id), '')"
    )


_ONE_LESS = f"""
  UPDATE counted SET number = number - 1
  WHERE root_id = old.root_id AND state = old.state AND flagged = old.flagged
    AND tag = {_answer_of("old")};
  DELETE FROM counted WHERE root_id = old.root_id AND number = 0;
"""

_ONE_MORE = f"""
  INSERT INTO counted (root_id, state, tag, flagged, number)
  VALUES (new.root_id, new.state, {_answer_of("new")}, new.flagged, 1)
  ON CONFLICT (root_id, state, tag, flagged) DO UPDATE SET number = number + 1;
"""

_TRIGGERS = {
    "waiting_image_inserted": f"""
AFTER INSERT ON image WHEN new.state = 'tagged' AND new.flagged
BEGIN
  {_ENTER} AND image.id = new.id;
END
""",
    "waiting_image_updated": f"""
AFTER UPDATE OF state, flagged, digest, prediction_id ON image
WHEN old.flagged OR new.flagged
BEGIN
  DELETE FROM waiting WHERE image_id = new.id;
  {_ENTER} AND image.id = new.id;
END
""",
    "waiting_decision_changed": f"""
AFTER UPDATE OF undone_at, digest ON decision
BEGIN
  DELETE FROM waiting WHERE digest IN (old.digest, new.digest);
  {_ENTER} AND image.digest IN (old.digest, new.digest);
END
""",
    "waiting_decision_deleted": f"""
AFTER DELETE ON decision
BEGIN
  DELETE FROM waiting WHERE digest = old.digest;
  {_ENTER} AND image.digest = old.digest;
END
""",
    "waiting_prediction_updated": f"""
AFTER UPDATE OF confidence, margin, other ON prediction
WHEN (old.confidence, old.margin, old.other)
  IS NOT (new.confidence, new.margin, new.other)
BEGIN
  UPDATE waiting
  SET confidence = {_SURE.format(row="new")}, margin = {_MARGIN.format(row="new")}
  WHERE image_id IN (SELECT id FROM image WHERE prediction_id = new.id);
END
""",
    "counted_image_inserted": f"AFTER INSERT ON image BEGIN {_ONE_MORE} END",
    "counted_image_updated": f"""
AFTER UPDATE OF root_id, state, flagged, prediction_id ON image
WHEN (old.root_id, old.state, old.flagged, old.prediction_id)
  IS NOT (new.root_id, new.state, new.flagged, new.prediction_id)
BEGIN {_ONE_LESS} {_ONE_MORE} END
""",
    "counted_image_deleted": f"AFTER DELETE ON image BEGIN {_ONE_LESS} END",
    "counted_prediction_updated": f"""
AFTER UPDATE OF tag, confidence, other, kind ON prediction
WHEN {_ANSWER.format(row="old")} <> {_ANSWER.format(row="new")}
BEGIN
  INSERT INTO counted (root_id, state, tag, flagged, number)
  SELECT root_id, state, {_ANSWER.format(row="new")}, flagged, count(*) FROM image
  WHERE prediction_id = new.id GROUP BY root_id, state, flagged
  ON CONFLICT (root_id, state, tag, flagged)
  DO UPDATE SET number = number + excluded.number;
  UPDATE counted SET number = number - (
    SELECT count(*) FROM image
    WHERE prediction_id = new.id AND image.root_id = counted.root_id
      AND image.state = counted.state AND image.flagged = counted.flagged
  )
  WHERE tag = {_ANSWER.format(row="old")};
  DELETE FROM counted WHERE tag = {_ANSWER.format(row="old")} AND number = 0;
END
""",
}


def upgrade() -> None:
    """Compute the new columns from the kept probabilities, then count anew."""
    op.execute("DROP VIEW inventory")
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    op.add_column(
        "prediction",
        sa.Column("other", sa.Float, nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "prediction", sa.Column("kind", sa.Text, nullable=False, server_default="")
    )
    connection = op.get_bind()
    for model_id, labels in connection.execute(sa.text("SELECT id, labels FROM model")):
        _fill(connection, model_id, _read(connection, json.loads(labels)))
    _correct_decisions()
    op.execute("DELETE FROM waiting")
    op.execute(_ENTER)
    op.execute("DELETE FROM counted")
    op.execute(
        "INSERT INTO counted (root_id, state, tag, flagged, number) "
        f"SELECT root_id, state, {_answer_of('image')}, flagged, count(*) FROM image "
        "GROUP BY 1, 2, 3, 4"
    )
    op.execute(_IN_FORCE)
    op.execute(_VIEW)
    for name, rest in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {rest}")


def _read(connection: sa.Connection, labels: list[str]) -> list[str]:
    """Return labels with the shop's tags in place of kinds, as a scan reads them."""
    tags = connection.execute(sa.text("SELECT kind, tag FROM kind_tag"))
    read = list(labels)
    for kind, tag in tags.all():
        if f"other/{kind}" in labels and tag not in read:
            read[labels.index(f"other/{kind}")] = tag
    return read


def _fill(connection: sa.Connection, model_id: int, labels: list[str]) -> None:
    """Compute `other` and `kind` of a model's predictions."""
    columns = [
        column
        for column, label in enumerate(labels)
        if label == "other" or label.startswith("other/")
    ]
    if not columns:
        return
    kinds = [labels[column].removeprefix("other").lstrip("/") for column in columns]
    change = sa.text(
        "UPDATE prediction SET other = :other, kind = :kind WHERE id = :id"
    )
    for ids, packed in _batches(connection, model_id):
        rows = np.frombuffer(b"".join(packed), "<f4").reshape(len(ids), -1)[:, columns]
        other = np.minimum(rows.sum(axis=1, dtype=np.float64), 1.0)
        likeliest = rows.argmax(axis=1)
        connection.execute(
            change,
            [
                {"id": id_, "other": float(share), "kind": kinds[kind]}
                for id_, share, kind in zip(ids, other, likeliest, strict=True)
            ],
        )


def _batches(
    connection: sa.Connection, model_id: int
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Yield the ids of a model's predictions, and their probabilities in use."""
    query = sa.text(
        "SELECT id, coalesce(adjusted, probabilities) FROM prediction "
        "WHERE model_id = :model AND id > :after ORDER BY id LIMIT :most"
    )
    after = 0
    while rows := connection.execute(
        query, {"model": model_id, "after": after, "most": _ROWS}
    ).all():
        yield [row[0] for row in rows], [row[1] for row in rows]
        after = rows[-1][0]


def _correct_decisions() -> None:
    """Write the network's answer, and not its best tag, beside people's decisions."""
    doubted = (
        "FROM prediction WHERE prediction.digest = decision.digest "
        "AND prediction.tag = decision.machine_tag "
        "AND prediction.other > prediction.confidence"
    )
    op.execute(
        f"UPDATE decision SET machine_tag = (SELECT {_ANSWER.format(row='prediction')} "
        f"{doubted} ORDER BY prediction.id DESC LIMIT 1) "
        f"WHERE EXISTS (SELECT 1 {doubted})"
    )


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
