r"""Convert values to text, and protect texts from spreadsheets.

A spreadsheet runs a cell that begins like a formula, and converts one that looks like a
number or a date: `00123` loses its zeros. `neutral` puts an apostrophe before such a
text, which spreadsheets read as "text". A text that already begins with an apostrophe
gets another, so that `restored` returns the same text.

The beginnings of a formula are those of the library defusedcsv and of OWASP's page on
CSV injection (https://owasp.org/www-community/attacks/CSV_Injection), full-width forms
included.

A spreadsheet may split a line elsewhere than at the delimiter of the file: where the
language of the system has a decimal comma, Excel splits at semicolons. Quotes do not
help then, since they are no longer at the beginning of a cell. So `neutral` also puts
an apostrophe inside a text, between such a character and the beginning of a formula:
`a;=1+1` becomes `a;'=1+1`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tagger.text import encodable

_MONTH: Final = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*+"
# Possessive quantifiers (`+`) prevent backtracking: a name of 200 digits stays fast.
_TEMPTING: Final = re.compile(
    rf"""['=+\-@|%\t\r\n\uff1d\uff0b\uff0d\uff20]  # a formula, or a mark
    | (?=[\s.,:/%()$€£-]*\d)[\d\s.,:/%()$€£-]++(e[+-]?\d+)?\s*\Z  # a number, a date
    | {_MONTH}[\s./-]*+\d++\s*\Z
    | \d++[\s./-]*+{_MONTH}([\s./-]*+\d++)?\s*\Z
    | (true|false)\s*\Z""",
    re.VERBOSE | re.IGNORECASE,
)

DELIMITERS: Final = (",", ";", "\t", "|")
"""Characters between the cells of a sheet; the first is the usual one."""

_SPLITS: Final = r"[,;\t|\r\n]"
_FORMULA: Final = r"(?=['\"]*+[=+\-@|%\uff1d\uff0b\uff0d\uff20])"
_RUN: Final = re.compile(_FORMULA + r"|[\t\r\n]")
_INNER: Final = re.compile(f"({_SPLITS}){_FORMULA}")
_INNER_NEUTRAL: Final = re.compile(f"({_SPLITS})'{_FORMULA}")


def neutral(text: str) -> str:
    """Return the text in a form that a spreadsheet shows and does not run."""
    inner = _INNER.sub(r"\1'", text)
    return "'" + inner if _TEMPTING.match(text) else inner


def neutral_all(texts: Sequence[str]) -> Sequence[str]:
    """Apply `neutral` to each text; faster if no text needs it."""
    if any(map(_TEMPTING.match, texts)) or _INNER.search("\0".join(texts)):
        return list(map(neutral, texts))
    return texts


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text, or a part of it, as a formula."""
    return bool(_RUN.match(text) or _INNER.search(text))


def restored(cell: str) -> str:
    """Undo `neutral`."""
    return _INNER_NEUTRAL.sub(r"\1", cell.removeprefix("'"))


def plain(value: object) -> str:
    """Format a value: true or false, six decimals, ISO 8601 in UTC, "" for None."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)
