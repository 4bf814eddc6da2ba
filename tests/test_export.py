import csv
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import ExportError
from tagger.export import COLUMNS, write_csv, write_csv_file
from tagger.records import DecidedBy, Item, State

PROMISED = (
    "root", "path", "tag", "confidence", "flagged", "reason", "decided_by",
    "runner_up", "margin", "state", "digest", "model", "updated_at",
)  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
shares = st.none() | st.floats(0, 1)
items = st.builds(
    Item,
    root=texts,
    path=texts,
    tag=st.none() | texts.filter(bool),
    confidence=shares,
    flagged=st.booleans(),
    reason=texts,
    decided_by=st.none() | st.sampled_from(DecidedBy),
    runner_up=st.none() | texts.filter(bool),
    margin=shares,
    state=st.sampled_from(State),
    digest=st.none() | st.just("d" * 64),
    model=st.none() | texts.filter(bool),
    updated_at=st.datetimes(timezones=st.just(UTC)),
    machine_tag=st.none(),
    reviewer=st.none() | texts.filter(bool),
)


@given(st.lists(items, max_size=4))
def test_what_is_written_is_read_again(written: list[Item]) -> None:
    stream = io.StringIO(newline="")

    assert write_csv(written, stream) == len(written)

    stream.seek(0)
    rows = list(csv.DictReader(stream))
    assert len(rows) == len(written)
    for row, item in zip(rows, written, strict=True):
        assert row["path"] == item.path
        assert row["reason"] == item.reason
        assert (row["tag"] or None) == item.tag
        assert row["flagged"] == str(item.flagged).lower()
        assert row["state"] == item.state
        assert datetime.fromisoformat(row["updated_at"]) == item.updated_at
        if item.confidence is None:
            assert row["confidence"] == ""
        else:
            assert float(row["confidence"]) == pytest.approx(item.confidence, abs=1e-6)


def test_the_first_columns_are_the_promised_ones() -> None:
    assert COLUMNS[: len(PROMISED)] == PROMISED
    assert tuple(field.name for field in fields(Item)) == COLUMNS


def test_a_name_that_is_no_utf8_is_written_escaped() -> None:
    stream = io.StringIO(newline="")
    item = Item(
        "/shop", "caf\udce9.jpg", None, None, False, "", None, None, None,
        State.MISSING, None, None, datetime(2026, 1, 2, tzinfo=UTC), None, None,
    )  # fmt: skip

    write_csv([item], stream)

    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert row["path"] == "caf\\xe9.jpg"
    assert row["updated_at"] == "2026-01-02T00:00:00Z"


def failing() -> Iterator[Item]:
    raise OSError(28, "No space left on device")
    yield


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")

    with pytest.raises(ExportError, match="No space left"):
        write_csv_file(failing(), target)

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_export_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_csv_file([], tmp_path / "new.csv")
    finally:
        os.umask(old)
    (tmp_path / "kept.csv").touch(mode=0o600)
    write_csv_file([], tmp_path / "kept.csv")

    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "kept.csv").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")

    write_csv_file([], tmp_path / "link.csv")

    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("root,path,tag")


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        write_csv_file([], pipe)

        assert read.result(timeout=10).startswith("root,path,tag")
    assert pipe.is_fifo()
