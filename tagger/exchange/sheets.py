"""Read the rows of a sheet: CSV as spreadsheet programs save it, or XLSX.

CSV is UTF-8, or UTF-16 with a byte order mark. Cells are separated by a comma, a
semicolon, a tab or a bar, recognised by the header. A first line `sep=;` may name the
separator; empty cells may be missing at the end of a row; lines end with LF, CRLF or
CR. Formulas of an XLSX file are not evaluated: its last saved values are read.
"""

import csv
import io
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import BinaryIO, Final

from tagger.errors import ImportingError, MissingExtraError
from tagger.exchange.cells import DELIMITERS, plain
from tagger.text import suggestion

NEEDED: Final = ("path", "tag", "updated_at")
OPTIONAL: Final = ("root", "confirmed")
"""Columns besides those of an export that an import reads."""

_LONGEST_LINE: Final = 1 << 20
"""Characters; a line of an export has some hundreds, a cell at most thousands."""

_MOST_ROWS: Final = 1 << 20
"""Rows of an XLSX sheet: the limit of Excel."""

_MOST_UNPACKED: Final = 1 << 29
"""Bytes of an XLSX file's unpacked parts but its sheets, which are read by rows."""

_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a sheet: its first line, and its cells by column."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be imported, and why."""

    line: int
    reason: str


_Cells = tuple[int, list[str]] | BadRow
"""The first line of a row with its cells, or a row that cannot be read."""


def is_xlsx(stream: BinaryIO) -> bool:
    """Whether a stream at its beginning is a zip archive, as XLSX files are."""
    return _head(stream) == b"PK\x03\x04"


Headers = Sequence[Sequence[str]]
"""Headers of other sheets, as their column names in lower case."""


def read_sheet(
    stream: BinaryIO, delimiter: str | None = None, others: Headers = ()
) -> Iterator[Row | BadRow]:
    """Yield the rows of a CSV or XLSX file; `delimiter` None is recognised.

    The names of columns are in lower case. A header has the columns `NEEDED`, or those
    of one of the `others`. Raises ImportingError, with the line if
    there is one, for another file, and MissingExtraError for XLSX without openpyxl.
    """
    if is_xlsx(stream):
        return _rows(_xlsx_cells(stream), others)
    return _rows(_csv_cells(stream, delimiter, others), others)


def _head(stream: BinaryIO) -> bytes:
    if isinstance(stream, io.BufferedReader):  # perhaps of a pipe
        return stream.peek(4)[:4]
    head = stream.read(4)
    stream.seek(0)
    return head


def _rows(table: Iterator[_Cells], others: Headers) -> Iterator[Row | BadRow]:
    header: list[str] | None = None
    for found in table:
        if isinstance(found, BadRow):
            yield found
            continue
        line, cells = found
        if header is None:
            header = [name.strip().casefold() for name in cells]
            _check_header(header, line, others)
        elif any(cells[len(header) :]):
            yield BadRow(line, f"{len(cells)} cells for {len(header)} columns")
        elif any(cells):
            missing = [""] * (len(header) - len(cells))
            yield Row(line, dict(zip(header, cells + missing, strict=False)))
    if header is None:
        raise ImportingError("line 1: the file is empty")


def _check_header(header: Sequence[str], line: int, others: Headers) -> None:
    if "photographs" in header and "digest" not in header:
        raise ImportingError(
            f"line {line}: each row is a product, which has several pictures: import a "
            "sheet of 'tagger export' without --by-item"
        )
    other = next((names for names in others if {*names} <= {*header}), None)
    for column in NEEDED if other is None else ():
        if column not in header:
            near = suggestion(column, filter(None, header))
            raise ImportingError(
                f"line {line}: no column {column!r}{near}; export path, tag and "
                "updated_at"
            )
    for column in (*NEEDED, *OPTIONAL, *(other or ())):
        if header.count(column) > 1:
            raise ImportingError(f"line {line}: column {column!r} occurs twice")


def _csv_cells(
    stream: BinaryIO, delimiter: str | None, others: Headers
) -> Iterator[_Cells]:
    lines = _lines(stream)
    first, before = next(lines, ""), 0
    if named := _SEPARATOR_LINE.fullmatch(first):
        delimiter = delimiter or named[1]
        first, before = next(lines, ""), 1
    if not first:
        return
    likely = _delimiter(first, others)
    separator = delimiter or likely
    if delimiter and likely != delimiter:
        _check_separated(first, delimiter, likely, others)
    reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + before + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(line, str(error))


def _delimiter(header: str, others: Headers) -> str:
    """Return the delimiter by which a header has the most of the needed columns."""
    return max(DELIMITERS, key=lambda delimiter: _needed(header, delimiter, others))


def _needed(header: str, delimiter: str, others: Headers) -> int:
    """Count the needed columns of a header whose cells have this delimiter."""
    cells = next(csv.reader([header], delimiter=delimiter), [])
    found = {name.strip().casefold() for name in cells}
    return max(len(found.intersection(names)) for names in (NEEDED, *others))


def _check_separated(header: str, delimiter: str, other: str, others: Headers) -> None:
    if _needed(header, delimiter, others) < _needed(header, other, others):
        name = "tabs" if other == "\t" else repr(other)
        raise ImportingError(
            f"line 1: the cells are separated by {name}: leave out --delimiter"
        )


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a text with their ends, whichever these are."""
    wide = _head(stream)[:2] in {b"\xff\xfe", b"\xfe\xff"}
    text = io.TextIOWrapper(
        stream,
        encoding="utf-16" if wide else "utf-8-sig",
        # Lets lines with errors pass, so that their numbers are known.
        errors="surrogatepass" if wide else "surrogateescape",
        newline="",
    )
    number = 0
    try:
        while line := text.readline(_LONGEST_LINE + 1):
            number += 1
            _check_line(line, number)
            yield line
    except UnicodeDecodeError as error:
        raise ImportingError(
            f"line {number + 1} is not UTF-16: save the sheet as 'CSV UTF-8'"
        ) from error
    finally:
        if not stream.closed:  # else left behind by an error
            text.detach()


def _check_line(line: str, number: int) -> None:
    if len(line) > _LONGEST_LINE:
        raise ImportingError(
            f"line {number} is longer than {_LONGEST_LINE:,} characters: this is not "
            "an export of tagger"
        )
    if "\0" in line:
        raise ImportingError(
            f"line {number} has a NUL byte: save the sheet as CSV in UTF-8, or as XLSX"
        )
    if not line.isascii() and _SURROGATE.search(line):
        raise ImportingError(
            f"line {number} is not UTF-8: save the sheet as 'CSV UTF-8', or as XLSX"
        )


def _xlsx_cells(stream: BinaryIO) -> Iterator[_Cells]:
    """Yield the rows of the sheet "inventory", or of the first one."""
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingExtraError("XLSX", "openpyxl", "xlsx") from error
    try:
        with tempfile.TemporaryFile() as copy, warnings.catch_warnings():
            # About styles and rules that do not matter here.
            warnings.filterwarnings("ignore", module="openpyxl")
            if not stream.seekable():
                shutil.copyfileobj(stream, copy)
                stream = copy
            _check_unpacked(stream)
            book = load_workbook(
                stream, read_only=True, data_only=True, keep_links=False
            )
            with closing(book):
                sheets = {sheet.title: sheet for sheet in book.worksheets}
                sheet = sheets.get("inventory") or next(iter(sheets.values()))
                sheet.reset_dimensions()  # which other programs write wrongly
                yield from _numbered(sheet.iter_rows(values_only=True))
    except ImportingError:
        raise
    except Exception as error:  # openpyxl has no class for damaged files
        raise ImportingError(
            "line 1: this is not a readable XLSX file: save the sheet as XLSX or as "
            "'CSV UTF-8'"
        ) from error


def _check_unpacked(stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as archive:
        unpacked = sum(
            member.file_size
            for member in archive.infolist()
            if "/worksheets/" not in member.filename
        )
    if unpacked > _MOST_UNPACKED:
        raise ImportingError(
            f"line 1: the file unpacks to {unpacked:,} bytes: this is not an export "
            "of tagger"
        )


def _numbered(rows: Iterable[Sequence[object]]) -> Iterator[_Cells]:
    for line, row in enumerate(rows, 1):
        if line > _MOST_ROWS:
            raise ImportingError(f"line {line}: the sheet has more rows than Excel's")
        yield line, [_cell(value) for value in row]


def _cell(value: object) -> str:
    """Return a cell of an XLSX sheet as text, a moment as one in UTC."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat() + "Z"
    return plain(value)
