"""Write a table of typed rows as CSV, JSON, JSON lines, Parquet or XLSX.

Rows are written in batches of some thousands, so that memory does not grow with them.
"""

import codecs
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from tagger.errors import ExportError, MissingExtraError, RequestError
from tagger.exchange.cells import DELIMITERS, neutral, neutral_all, plain
from tagger.inventory.columns import FORMAT_VERSION, Column, Kind
from tagger.records import Format
from tagger.text import encodable, printable, suggestion

XLSX_MOST_ROWS: Final = 1_048_575
"""Rows under the header of a sheet: Excel's limit of 1,048,576, less one."""

_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
"""Characters that XML 1.0, and so an XLSX sheet, cannot hold. XML turns a carriage
return into a line feed."""

_AT_ONCE = 1000
"""Rows written at a time: more would not fit a processor's cache."""

_ROW_GROUP = 4096
"""Rows that Parquet keeps together."""

_REMEMBERED = 8192
"""Cells whose text is cached: tags, roots and moments repeat."""


SHOP_FORMATS: Final = {Format.SHOPIFY, Format.WOOCOMMERCE}
"""Formats whose columns a shop system prescribes: CSV that `--format` chooses."""

_ENDINGS: Final = {
    f".{name.value}": name for name in Format if name not in SHOP_FORMATS
} | {
    ".ndjson": Format.JSONL,
    ".pq": Format.PARQUET,
}
_BINARY: Final = {Format.PARQUET, Format.XLSX}


@dataclass(frozen=True, slots=True)
class Style:
    """The style of a CSV.

    `delimiter`, one of `DELIMITERS`, is between the cells. `raw` leaves texts as they
    are, `bom` begins with the byte order mark by which Excel recognizes UTF-8, `escape`
    escapes characters that could control a terminal.
    """

    delimiter: str = DELIMITERS[0]
    raw: bool = False
    bom: bool = False
    escape: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, their rows of values, and a function that counts the rows."""

    columns: Sequence[Column]
    rows: Iterable[Sequence[object]]
    count: Callable[[], int] | None = None


def format_of(target: Path | None, asked: Format | None) -> Format:
    """Choose the format: `asked`, else by the file's ending, else CSV.

    Raises RequestError for an unknown ending.
    """
    if asked is not None:
        return asked
    ending = target.suffix.lower() if target else ""
    if not ending:
        return Format.CSV
    if ending not in _ENDINGS:
        near = suggestion(ending, _ENDINGS)
        raise RequestError(
            f"no format has the ending {ending!r}{near} (or use --format)"
        )
    return _ENDINGS[ending]


def write_table(
    table: Table, stream: BinaryIO, as_format: Format, style: Style = Style()
) -> int:
    """Write a table; return the number of its rows.

    Raises MissingExtraError if a library is not installed, ExportError if the format
    cannot hold the table, RequestError if the stream is a terminal and the format is
    binary.
    """
    if as_format in _BINARY:
        if stream.isatty():
            raise RequestError(
                f"{as_format.value} cannot be shown on a terminal: name a file with -o"
            )
        write = _write_parquet if as_format is Format.PARQUET else _write_xlsx
        return write(table, stream)
    # A codecs writer does not own the stream: after a failure it does not flush it.
    text = codecs.getwriter("utf-8")(stream)
    if as_format in SHOP_FORMATS:  # a shop would keep the apostrophes
        style = replace(style, raw=True)
    if as_format is Format.CSV or as_format in SHOP_FORMATS:
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
    """Write RFC 4180: a header, delimiters, CRLF, and quotes only if needed.

    The output equals that of the module `csv`, but is written faster: by columns, so
    that a cell costs one call of C, and a repeated value is quoted once.
    """
    if style.bom:
        text.write("\ufeff")
    joined = style.delimiter.join
    text.write(joined(column.name for column in table.columns) + _END)
    columns = [_cells(column, style) for column in table.columns]
    count = 0
    for chunk in _chunks(table):
        by_column = zip(*chunk, strict=True)
        cells = [
            write(values) for write, values in zip(columns, by_column, strict=True)
        ]
        if len(cells) == 1:  # a reader skips a blank line
            cells = [[cell or '""' for cell in cells[0]]]
        text.write(_END.join(map(joined, zip(*cells, strict=True))) + _END)
        count += len(chunk)
    return count


_END: Final = "\r\n"


def _cells(column: Column, style: Style) -> Callable[[Sequence[object]], Iterable[str]]:
    """Return a function that formats values of a column."""
    neutralised = column.kind is Kind.TEXT and not style.raw
    marks = style.delimiter + '"\r\n'  # a cell with one of these is quoted

    def cell_of(value: object) -> str:
        cell = plain(value)
        if neutralised:
            cell = neutral(cell)
        if style.escape:
            cell = printable(cell)
        if any(mark in cell for mark in marks):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def texts(values: Sequence[Any]) -> Iterable[str]:
        # One test of all texts together: most need neither quotes nor escapes.
        if set(map(type, values)) == {str}:
            together = "".join(values)
            if (
                together.isascii()
                and (together.isprintable() or not style.escape)
                and not any(mark in together for mark in marks)
            ):
                return neutral_all(values) if neutralised else values
        return map(cell_of, values)

    if column.kind is Kind.SHARE:
        return _shares
    return partial(map, _Remembered(cell_of).__getitem__) if column.repeats else texts


def _shares(values: Sequence[object]) -> Iterable[str]:
    absent = set(map(type, values)) != {float}
    return map(plain if absent else _SIX_DECIMALS.__mod__, values)


_SIX_DECIMALS: Final = "%.6f"


class _Remembered(dict[object, str]):
    """A cache of a function's results, faster than lru_cache."""

    def __init__(self, function: Callable[[object], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, value: object) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = result = self._function(value)
        return result


def _write_json(table: Table, text: codecs.StreamWriter, *, lines: bool) -> int:
    """Write one object a line; unless `lines`, in an object with the version."""
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
    """Open a temporary file that is copied to the stream if the block succeeds.

    Parquet needs a position, which a pipe does not have. A zip archive (XLSX) whose
    stream failed would try to write again when it is closed.
    """
    with tempfile.TemporaryFile() as draft:
        yield draft
        draft.seek(0)
        shutil.copyfileobj(draft, stream)


def _as_arrow(value: object) -> object:
    return encodable(str(value)) if isinstance(value, str) else value


_WIDTH: Final = 14
_WIDTHS: Final = {"root": 20, "path": 36, "reason": 44, "machine_tag": 22}
"""Widths of the columns of a sheet, in characters of its font."""


def _write_xlsx(table: Table, stream: BinaryIO) -> int:
    """Write one sheet; texts become text cells, never formulas."""
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
    with closing(sheet):  # deletes its temporary file, after a failure, too
        sheet.freeze_panes = "A2"
        for number, column in enumerate(table.columns, start=1):
            width = _WIDTHS.get(column.name, _WIDTH)
            sheet.column_dimensions[get_column_letter(number)].width = width
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
    """Escape control characters, which a sheet cannot hold.

    A moment becomes a text as in a CSV: a date of a sheet has no time zone.
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
