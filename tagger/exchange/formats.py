"""One function a format: a table of typed rows becomes a stream of bytes.

Rows are written as they come, some thousands at a time, so memory does not grow with
them. Knows no database and no file names but their endings.
"""

import codecs
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from tagger.errors import ExportError, MissingExtraError, RequestError
from tagger.exchange.cells import neutral, neutral_all, plain
from tagger.inventory.columns import FORMAT_VERSION, Column, Kind
from tagger.records import Format
from tagger.text import encodable, printable, suggestion

XLSX_MOST_ROWS: Final = 1_048_575
"""Rows under the header of a sheet: Excel's limit of 1,048,576, less one."""

_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML 1.0 cannot hold, and so no sheet."""

_AT_ONCE = 1000
"""Rows written at a time: more would not fit a processor's cache."""

_ROW_GROUP = 4096
"""Rows that Parquet keeps together."""

_REMEMBERED = 8192
"""Cells whose text is kept to hand: tags, roots and moments come again and again."""


_ENDINGS: Final = {f".{name.value}": name for name in Format} | {
    ".ndjson": Format.JSONL,
    ".pq": Format.PARQUET,
}
_BINARY: Final = {Format.PARQUET, Format.XLSX}


@dataclass(frozen=True, slots=True)
class Style:
    """How a CSV is written.

    `raw` leaves texts as they are, `bom` begins with the mark by which Excel knows
    UTF-8, `escape` shows names as a terminal may show them.
    """

    raw: bool = False
    bom: bool = False
    escape: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, the rows of values under them, and how many there are to be."""

    columns: Sequence[Column]
    rows: Iterable[Sequence[object]]
    count: Callable[[], int] | None = None


def format_of(target: Path | None, asked: Format | None) -> Format:
    """Choose the format: the one asked for, else by the file's ending, else CSV.

    Raises RequestError for an ending that stands for none.
    """
    if asked is not None:
        return asked
    ending = target.suffix.lower() if target else ""
    if not ending:
        return Format.CSV
    if ending not in _ENDINGS:
        near = suggestion(ending, _ENDINGS)
        raise RequestError(f"no format has the ending {ending!r}{near} (or --format)")
    return _ENDINGS[ending]


def write_table(
    table: Table, stream: BinaryIO, as_format: Format, style: Style = Style()
) -> int:
    """Write a table; return the number of its rows.

    Raises MissingExtraError where a library is not installed, ExportError where a
    format cannot hold the table, RequestError where the stream is a terminal and the
    format no text.
    """
    if as_format in _BINARY:
        if stream.isatty():
            raise RequestError(
                f"{as_format.value} is no text for a terminal: name a file with -o"
            )
        write = _write_parquet if as_format is Format.PARQUET else _write_xlsx
        return write(table, stream)
    # This owns no stream: one whose writing failed is not flushed, or closed, with it.
    text = codecs.getwriter("utf-8")(stream)
    if as_format is Format.CSV:
        count = _write_csv(table, text, style)
    else:
        count = _write_json(table, text, lines=as_format is Format.JSONL)
    stream.flush()
    return count


def _chunks(table: Table, at_once: int = _AT_ONCE) -> Iterator[list[Sequence[object]]]:
    rows = iter(table.rows)
    while chunk := list(islice(rows, at_once)):
        yield chunk


def _write_csv(table: Table, text: codecs.StreamWriter, style: Style) -> int:
    """Write RFC 4180: commas, CRLF, quotes where they must be, and a header.

    To the byte what the module `csv` writes, and sooner: by columns, so that a cell
    costs one call of C, and a value that comes again is quoted once.
    """
    if style.bom:
        text.write("\ufeff")
    text.write(",".join(_quoted(column.name) for column in table.columns) + _END)
    columns = [_cells(column, style) for column in table.columns]
    count = 0
    for chunk in _chunks(table):
        by_column = zip(*chunk, strict=True)
        cells = [
            write(values) for write, values in zip(columns, by_column, strict=True)
        ]
        if len(cells) == 1:  # a blank line would be no row
            cells = [[cell or '""' for cell in cells[0]]]
        text.write(_END.join(map(",".join, zip(*cells, strict=True))) + _END)
        count += len(chunk)
    return count


_END: Final = "\r\n"


def _quoted(cell: str) -> str:
    """Put a cell into quotes where a comma, a quote or an end of line is in it."""
    if any(mark in cell for mark in _MARKS):
        return '"' + cell.replace('"', '""') + '"'
    return cell


_MARKS: Final = ',"\r\n'


def _cells(column: Column, style: Style) -> Callable[[Sequence[object]], Iterable[str]]:
    """Return what writes some values of a column."""
    neutralised = column.kind is Kind.TEXT and not style.raw

    def one(value: object) -> str:
        cell = plain(value)
        if neutralised:
            cell = neutral(cell)
        return _quoted(printable(cell) if style.escape else cell)

    def texts(values: Sequence[Any]) -> Iterable[str]:
        if set(map(type, values)) == {str}:
            together = "".join(values)
            if (
                together.isascii()
                and (together.isprintable() or not style.escape)
                and not any(mark in together for mark in _MARKS)
            ):
                return neutral_all(values) if neutralised else values
        return map(one, values)

    if column.kind is Kind.SHARE:
        return _shares
    return partial(map, _Remembered(one).__getitem__) if column.repeats else texts


def _shares(values: Sequence[object]) -> Iterable[str]:
    absent = set(map(type, values)) != {float}
    return map(plain if absent else _SIX_DECIMALS.__mod__, values)


_SIX_DECIMALS: Final = "%.6f"


class _Remembered(dict[object, str]):
    """What a function returned, by its argument: quicker to ask than an lru_cache."""

    def __init__(self, function: Callable[[object], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, value: object) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = found = self._function(value)
        return found


def _write_json(table: Table, text: codecs.StreamWriter, *, lines: bool) -> int:
    """Write one object a row, a line each; around them an object with the version."""
    names = [column.name for column in table.columns]
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    count = 0
    if not lines:
        head = {"format": "tagger inventory", "version": FORMAT_VERSION}
        text.write(encode(head)[:-1] + ', "items": [')
    for chunk in _chunks(table):
        rows = [
            encode(dict(zip(names, map(_as_json, row), strict=True))) for row in chunk
        ]
        if lines:
            text.write("\n".join(rows) + "\n")
        else:
            text.write((",\n" if count else "\n") + ",\n".join(rows))
        count += len(rows)
    if not lines:
        text.write("\n]}\n")
    return count


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return plain(value)
    return encodable(str(value)) if isinstance(value, str) else value


def _write_parquet(table: Table, stream: BinaryIO) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Parquet", "pyarrow", "parquet") from error
    types: dict[Kind, pa.DataType] = {
        Kind.TEXT: pa.string(),
        Kind.SHARE: pa.float64(),
        Kind.COUNT: pa.int64(),
        Kind.FLAG: pa.bool_(),
        Kind.MOMENT: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(
        [(column.name, types[column.kind]) for column in table.columns],
        metadata={"tagger.format_version": str(FORMAT_VERSION)},
    )
    count = 0
    with (
        _drafted(stream) as draft,
        pq.ParquetWriter(draft, schema, compression="zstd") as writer,
    ):
        for chunk in _chunks(table, _ROW_GROUP):
            columns = [
                [_as_arrow(value) for value in values]
                for values in zip(*chunk, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))
            count += len(chunk)
    return count


@contextmanager
def _drafted(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Open a file that is copied to the stream when the block ends well.

    What is not a file cannot tell its position, which Parquet needs to know, and where
    it cannot be written, whoever writes a zip archive tries again when all is over.
    """
    with tempfile.TemporaryFile() as draft:
        yield draft
        draft.seek(0)
        shutil.copyfileobj(draft, stream)


def _as_arrow(value: object) -> object:
    return encodable(str(value)) if isinstance(value, str) else value


def _write_xlsx(table: Table, stream: BinaryIO) -> int:
    """Write one sheet, a cell of text for each text: nothing in it is a formula."""
    try:
        from openpyxl import Workbook  # noqa: PLC0415  an extra
        from openpyxl.cell import Cell, WriteOnlyCell  # noqa: PLC0415
        from openpyxl.styles import Font  # noqa: PLC0415
        from openpyxl.utils import get_column_letter  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("XLSX", "openpyxl", "xlsx") from error
    if table.count is not None:
        _check_sheet(table.count())
    book = Workbook(write_only=True)
    sheet = book.create_sheet("inventory")

    def text(value: str) -> Cell:
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"  # else "=…" is a formula, and "#N/A" an error
        return cell

    header = [text(column.name) for column in table.columns]
    for cell in header:
        cell.font = Font(bold=True)
    count = 0
    with closing(sheet):  # what it keeps on the disk goes, however this ends
        sheet.freeze_panes = "A2"
        sheet.append(header)
        for chunk in _chunks(table):
            count += len(chunk)
            _check_sheet(count)
            for row in chunk:
                sheet.append([_in_sheet(_as_excel(value), text) for value in row])
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}{count + 1}"
    with _drafted(stream) as draft:
        book.save(draft)
    return count


def _in_sheet(value: object, text: Callable[[str], object]) -> object:
    mistaken = isinstance(value, str) and value.startswith(("=", "#"))
    return text(str(value)) if mistaken else value


def _as_excel(value: object) -> object:
    """Write texts as they are, but for controls, which no sheet can hold.

    A moment stays the text that it is in a CSV: a sheet's own has no zone.
    """
    if isinstance(value, datetime):
        return plain(value)
    if isinstance(value, str):
        return _UNWRITABLE.sub(lambda found: printable(found[0]), encodable(value))
    return value


def _check_sheet(rows: int) -> None:
    if rows > XLSX_MOST_ROWS:
        raise ExportError(
            f"{rows:,} rows are more than a sheet holds ({XLSX_MOST_ROWS:,}): export "
            "CSV or Parquet, or choose fewer with --root, --tag or --where"
        )
