"""Write rows by a template of the user, in the language of Jinja2.

The template is rendered once and gets `rows`, which it goes through itself. Each row
has the columns of the export. It runs in Jinja2's sandbox: a template from a colleague
can read the rows, and nothing else. Rows are read while the template runs, so that
memory does not grow with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from tagger.errors import ExportError, RequestError, TaggerError
from tagger.exchange.cells import neutral, plain
from tagger.exchange.formats import Table
from tagger.text import encodable

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

_NAMELESS: Final = "<template>"
"""What Jinja2 calls a template that it does not read from a file."""

_AT_ONCE: Final = 1000
"""Pieces of text that are joined and written at a time."""


class RowTemplate:
    """A template that was read and compiled."""

    def __init__(self, path: Path) -> None:
        """Read a template; RequestError, with the line, if it is not valid."""
        from jinja2 import TemplateSyntaxError  # noqa: PLC0415  takes 0.1 s

        self.path = path
        try:
            text = path.read_bytes().decode("utf-8-sig")
            self._template: Template = _environment().from_string(text)
        except OSError as error:
            raise RequestError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RequestError(f"{path} is not UTF-8: save it as UTF-8") from error
        except TemplateSyntaxError as error:
            why = f"{path}, line {error.lineno}: {error.message}"
            raise RequestError(why) from error

    def write(self, table: Table, stream: BinaryIO) -> int:
        """Write what the template makes of the rows; return how many it read.

        Raises ExportError, with the line of the template, if that fails.
        """
        rows = _Rows(table)
        pieces = self._template.stream(rows=rows)
        pieces.enable_buffering(_AT_ONCE)
        while True:
            try:
                piece = next(pieces, None)
            except TaggerError:  # of the inventory
                raise
            except Exception as error:
                line = _line_of(error)
                if line is None:  # not the template's fault
                    raise
                raise ExportError(
                    f"{self.path}, line {line}: {_one_line(error)}"
                ) from error
            if piece is None:
                return rows.count
            stream.write(encodable(piece).encode())


class _Rows:
    """The rows of a table as mappings, once; counts them."""

    def __init__(self, table: Table) -> None:
        self.count = 0
        self._names = [column.name for column in table.columns]
        self._rows = iter(table.rows)

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for row in self._rows:
            self.count += 1
            yield dict(zip(self._names, _readable(row), strict=True))


def _readable(row: Sequence[object]) -> Iterator[object]:
    for value in row:
        yield plain(value) if isinstance(value, datetime) else value


def _environment() -> "SandboxedEnvironment":
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        autoescape=False,
        undefined=StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csv"] = _csv
    return environment


def _csv(value: object) -> str:
    """Return a cell of a CSV: quoted, and not to be run as a formula."""
    text = plain(value)
    text = neutral(text) if isinstance(value, str) else text
    return '"' + text.replace('"', '""') + '"'


def _line_of(error: BaseException) -> int | None:
    """Return the line of the template in which an error occurred."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _NAMELESS:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
