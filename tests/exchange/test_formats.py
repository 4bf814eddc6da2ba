"""Tables of the inventory in every format, read again by who reads such files."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import pytest
from defusedcsv import csv as defused
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import ExportError, MissingExtraError, RequestError, Stopped
from tagger.exchange import (
    DELIMITERS,
    Style,
    Table,
    format_of,
    formats,
    neutral,
    restored,
    write_table,
)
from tagger.inventory.columns import COLUMNS, Column, Kind
from tagger.inventory.records import DecidedBy, Item
from tagger.records import Format, State
from tagger.system.atomic import atomic_write

PROMISED = (
    "root", "path", "tag", "confidence", "flagged", "reason", "decided_by",
    "runner_up", "margin", "state", "digest", "model", "updated_at", "machine_tag",
    "reviewer",
    "no_tag",
)  # fmt: skip
NAMES = tuple(column.name for column in COLUMNS)
values = attrgetter(*NAMES)

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
    machine_tag=st.none() | texts.filter(bool),
    reviewer=st.none() | texts.filter(bool),
)


def written(
    rows: Sequence[Sequence[object]],
    as_format: Format,
    columns: Sequence[Column] = COLUMNS,
    delimiter: str = ",",
    **style: bool,
) -> bytes:
    stream = io.BytesIO()
    assert write_table(
        Table(columns, rows), stream, as_format, Style(delimiter, **style)
    ) == len(rows)
    return stream.getvalue()


def sheet(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@given(st.lists(items, max_size=4), st.sampled_from(["raw", "neutral"]))
def test_what_is_written_as_csv_is_read_again(listed: list[Item], how: str) -> None:
    raw = how == "raw"
    rows = sheet(written([values(item) for item in listed], Format.CSV, raw=raw))

    assert len(rows) == len(listed)
    for row, item in zip(rows, listed, strict=True):
        texts = row if raw else {name: restored(cell) for name, cell in row.items()}
        assert texts["path"] == item.path
        assert texts["reason"] == item.reason
        assert (texts["tag"] or None) == item.tag
        assert texts["flagged"] == str(item.flagged).lower()
        assert texts["state"] == item.state
        assert datetime.fromisoformat(row["updated_at"]) == item.updated_at
        if item.confidence is None:
            assert row["confidence"] == ""
        else:
            assert float(row["confidence"]) == pytest.approx(item.confidence, abs=1e-6)


@given(
    st.lists(
        st.tuples(
            st.none() | texts | st.sampled_from(["a.jpg", "b,c", 'say "d"', "\r", "0"]),
            texts,
            shares,
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
    st.sampled_from(["raw", "neutral"]),
    st.sampled_from(DELIMITERS),
)
def test_a_csv_is_to_the_byte_what_the_library_writes(
    rows: list[tuple[str | None, str, float | None]],
    width: int,
    how: str,
    delimiter: str,
) -> None:
    columns = [COLUMNS[NAMES.index(name)] for name in ("path", "tag", "confidence")]
    told = io.StringIO()
    writer = csv.writer(told, delimiter=delimiter)
    writer.writerow(column.name for column in columns[:width])
    for path, tag, share in rows:
        cells = [path or "", tag]
        cells = cells if how == "raw" else [neutral(cell) for cell in cells]
        number = "" if share is None else f"{share:.6f}"
        writer.writerow([*cells, number][:width])

    listed = [row[:width] for row in rows]
    raw = how == "raw"
    ours = written(listed, Format.CSV, columns[:width], delimiter, raw=raw)

    assert ours.decode() == told.getvalue()


@given(st.lists(items, max_size=4))
def test_json_and_json_lines_hold_the_values_themselves(listed: list[Item]) -> None:
    rows = [values(item) for item in listed]
    whole = json.loads(written(rows, Format.JSON))
    lines = written(rows, Format.JSONL).decode().split("\n")

    assert (whole["format"], whole["version"]) == ("tagger inventory", 2)
    assert whole["items"] == [json.loads(line) for line in lines if line]
    assert [row["confidence"] for row in whole["items"]] == [
        item.confidence for item in listed
    ]
    assert [row["path"] for row in whole["items"]] == [item.path for item in listed]
    assert [row["flagged"] for row in whole["items"]] == [
        item.flagged for item in listed
    ]


@given(st.lists(items, max_size=4))
def test_parquet_holds_the_values_in_their_types(listed: list[Item]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(
        io.BytesIO(written([values(item) for item in listed], Format.PARQUET))
    )

    rows = table.to_pylist()
    assert [tuple(row.values()) for row in rows] == [values(item) for item in listed]
    assert tuple(table.column_names) == NAMES
    assert table.schema.metadata[b"tagger.format_version"] == b"2"


def test_a_sheet_holds_texts_as_texts() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    paths = ["=1+1", "#N/A", "00123", "шапка.jpg", "two\nlines", "'quoted", "x\x1b[31m"]
    item = Item(
        "/shop", "", "Bag", 0.5, True, "", DecidedBy.MACHINE, "Coat", 0.25,
        State.TAGGED, "d" * 64, "net", datetime(2026, 1, 2, tzinfo=UTC), "Bag", None,
    )  # fmt: skip
    rows = [(item.root, path, *values(item)[2:]) for path in paths]

    book = openpyxl.load_workbook(io.BytesIO(written(rows, Format.XLSX)))

    header, *found = book.active.iter_rows()
    assert tuple(cell.value for cell in header) == NAMES
    assert [row[1].value for row in found] == [*paths[:-1], "x\\x1b[31m"]
    assert {row[1].data_type for row in found} == {"s"}
    assert (found[0][3].value, found[0][4].value) == (0.5, True)
    assert found[0][12].value == "2026-01-02T00:00:00Z"
    assert book.active.auto_filter.ref == "A1:P8"
    widths = book.active.column_dimensions
    assert widths["B"].width > widths["K"].width  # a path is read, a digest is not


def test_more_rows_than_a_sheet_holds_are_refused_before_they_are_read() -> None:
    pytest.importorskip("openpyxl")

    def rows() -> Iterator[Sequence[object]]:
        raise AssertionError
        yield ()

    table = Table(COLUMNS, rows(), lambda: 1_048_576)

    with pytest.raises(ExportError, match="1,048,576 rows are more than a sheet holds"):
        write_table(table, io.BytesIO(), Format.XLSX)


def test_a_sheet_that_grows_too_long_on_the_way_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(formats, "XLSX_MOST_ROWS", 2)

    with pytest.raises(ExportError, match="--where"):
        written([("x",)] * 3, Format.XLSX, COLUMNS[:1])


@pytest.mark.parametrize(
    ("extra", "package"), [("parquet", "pyarrow"), ("xlsx", "openpyxl")]
)
def test_an_extra_that_is_absent_is_named(
    monkeypatch: pytest.MonkeyPatch, extra: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(MissingExtraError, match=rf"-m pip install {package}$"):
        written([], Format(extra))


@given(st.text())
def test_a_neutral_text_is_restored(text: str) -> None:
    assert restored(neutral(text)) == text


risky = st.text(st.sampled_from("=+-@|%\uff1d,;\t\r\n'\"a1"), max_size=12)


@given(risky)
def test_a_risky_text_is_restored(text: str) -> None:
    assert restored(neutral(text)) == text


@given(
    st.lists(st.tuples(risky, risky), min_size=1, max_size=3),
    st.sampled_from(DELIMITERS),
    st.sampled_from(DELIMITERS),
)
def test_no_cell_is_a_formula_wherever_a_sheet_splits(
    rows: list[tuple[str, str]], delimiter: str, splits: str
) -> None:
    data = written(rows, Format.CSV, COLUMNS[1:3], delimiter).decode()

    for row in csv.reader(io.StringIO(data, newline=""), delimiter=splits):
        for cell in row:
            assert not cell.startswith(tuple("=+-@%\uff1d"))


@given(st.text())
def test_what_defusedcsv_would_change_is_neutral(text: str) -> None:
    stream = io.StringIO()
    defused.writer(stream).writerow([text])
    plain = io.StringIO()
    csv.writer(plain).writerow([text])

    # It replaces "|" only behind its apostrophe, so a change is an apostrophe. Ours
    # may be more: a sheet that splits "||" at bars begins a cell with the second one.
    assert stream.getvalue() == plain.getvalue() or neutral(text).startswith("'")


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\uff1d1",
        "%1", "|x",
        "'x", "00123", "1e5", "12.5", "1/2", "2026-01-31", "10:30", "MAR10", "1-Dec",
        "3 jan 2026", "TRUE", "$5", "(12)",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_change_is_marked_as_text(text: str) -> None:
    assert neutral(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["", "shoe.jpg", "2024/a-1.jpg", "T-shirt/top", "d" * 64, "Ankle boot", "a=1"],
)
def test_what_a_spreadsheet_leaves_alone_is_left_alone(text: str) -> None:
    assert neutral(text) == text


def test_negative_numbers_stay_numbers() -> None:
    share = Column("x", Kind.SHARE, "")

    assert written([(-0.5,)], Format.CSV, [share]) == b"x\r\n-0.500000\r\n"


def test_excel_is_told_the_encoding_where_asked() -> None:
    column = COLUMNS[1:2]

    assert written([("é",)], Format.CSV, column, bom=True)[:3] == b"\xef\xbb\xbf"
    assert written([("é",)], Format.CSV, column) == "path\r\né\r\n".encode()


def test_the_columns_are_the_promised_ones() -> None:
    assert NAMES == PROMISED
    assert tuple(field.name for field in fields(Item)) == NAMES


def test_a_name_that_is_no_utf8_is_written_escaped() -> None:
    for as_format in (Format.CSV, Format.JSONL):
        assert b"caf\\" in written([("caf\udce9.jpg",)], as_format, COLUMNS[1:2])


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        (None, None, Format.CSV),
        ("a", None, Format.CSV),
        ("a.CSV", None, Format.CSV),
        ("a.ndjson", None, Format.JSONL),
        ("a.parquet", None, Format.PARQUET),
        ("a.csv", Format.JSON, Format.JSON),
    ],
)
def test_the_format_is_that_of_the_ending(
    name: str | None, asked: Format | None, expected: Format
) -> None:
    assert format_of(None if name is None else Path(name), asked) is expected


def test_an_ending_that_is_no_format_is_named_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"'.xslx': did you mean '.xlsx'"):
        format_of(Path("a.xslx"), None)


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (OSError(28, "No space left"), ExportError(), "cannot write .*No space left"),
        (Stopped(15), Stopped(15), "15"),
        (RequestError("x"), RequestError(), "x"),
    ],
)
def test_a_failed_export_leaves_the_old_file(
    tmp_path: Path, error: BaseException, expected: BaseException, says: str
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")

    def fail() -> None:
        with atomic_write(target) as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(type(expected), match=says):
        fail()

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def write_bytes(target: Path) -> None:
    with atomic_write(target) as stream:
        stream.write(b"root,path,tag")


def test_an_export_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new.csv")
    finally:
        os.umask(old)
    (tmp_path / "kept.csv").touch(mode=0o600)
    write_bytes(tmp_path / "kept.csv")

    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "kept.csv").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")

    write_bytes(tmp_path / "link.csv")

    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("root,path,tag")


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text)
        write_bytes(pipe)

        assert read.result(timeout=10).startswith("root,path,tag")
    assert pipe.is_fifo()
