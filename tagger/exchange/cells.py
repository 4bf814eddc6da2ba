r"""Convert values to text, and protect texts from spreadsheets.

A spreadsheet runs a cell that begins like a formula, and converts one that looks like a
number or a date: `00123` loses its zeros. `neutral` puts an apostrophe before such a
text, which spreadsheets read as "text". A text that already begins with an apostrophe
gets another, so that `restored` returns the same text.

The beginnings of a formula are those of the library defusedcsv and of OWASP's page on
CSV injection (https://owasp.org/www-community/attacks/CSV_Injection), full-width forms
included. defusedcsv also changes the inside of a text, which could not be restored.
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


def neutral(text: str) -> str:
    """Return the text in a form that a spreadsheet shows unchanged."""
    return "'" + text if _TEMPTING.match(text) else text


def neutral_all(texts: Sequence[str]) -> Sequence[str]:
    """Apply `neutral` to each text; faster if no text needs it."""
    matches = list(map(_TEMPTING.match, texts))
    if not any(matches):
        return texts
    return [f"'{text}" if m else text for text, m in zip(texts, matches, strict=True)]


def restored(cell: str) -> str:
    """Undo `neutral`."""
    return cell.removeprefix("'")


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
