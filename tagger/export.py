"""Write the inventory as CSV for other programs and for spreadsheets.

The format is RFC 4180 in UTF-8 with a header. The columns are those of `records.Item`
in their order; new ones are only ever added at the end.
"""

import csv
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from tagger.errors import ExportError
from tagger.records import Item
from tagger.text import encodable, printable

COLUMNS: Final = tuple(field.name for field in fields(Item))


def write_csv(items: Iterable[Item], stream: TextIO, *, escape: bool = False) -> int:
    """Write a header and one line an item; return the number of items.

    `escape` writes names as they can be shown, for a stream that is a terminal.
    """
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    count = 0
    for item in items:
        cells = [_cell(getattr(item, name)) for name in COLUMNS]
        writer.writerow(map(printable, cells) if escape else cells)
        count += 1
    return count


def write_csv_file(items: Iterable[Item], target: Path) -> int:
    """Write the CSV to a file, whole or not at all; return the number of items.

    It is written beside the file and then put in its place; a link stays a link. What
    is no file (a pipe, a device) is written to as it is. Raises ExportError where
    that cannot be done; a file is then as it was.
    """
    target = target.resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="") as stream:
                return write_csv(items, stream)
        return _replace(items, target)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror}") from error


def _replace(items: Iterable[Item], target: Path) -> int:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            count = write_csv(items, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(_permissions(target))
        draft.replace(target)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return count


def _permissions(target: Path) -> int:
    """Return those of the file that is replaced, else those of any new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _cell(value: object) -> str:
    """Write true and false, six decimals, ISO 8601 in UTC, and nothing for None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else encodable(str(value))
