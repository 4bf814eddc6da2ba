r"""Values as text, and texts that a spreadsheet leaves alone.

A spreadsheet runs a cell that begins like a formula, and turns one that looks like a
number or a date into one: `00123` loses its zeros. Such a text is written with an
apostrophe before it, the mark of spreadsheets for "text". A text that already begins
with one gets another, so that `restored` finds the very text again.

What begins like a formula is what the library defusedcsv and OWASP's page on CSV
injection (https://owasp.org/www-community/attacks/CSV_Injection) name, full-width forms
too. Unlike defusedcsv nothing inside a text is changed, or it could not be restored.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tagger.text import encodable

_MONTH: Final = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*+"
# Nothing is tried twice (`+` after a quantifier): a name of 200 digits costs no more.
_TEMPTING: Final = re.compile(
    rf"""['=+\-@|%\t\r\n\uff1d\uff0b\uff0d\uff20]  # a formula, or a mark
    | (?=[\s.,:/%()$€£-]*\d)[\d\s.,:/%()$€£-]++(e[+-]?\d+)?\s*\Z  # a number, a date
    | {_MONTH}[\s./-]*+\d++\s*\Z
    | \d++[\s./-]*+{_MONTH}([\s./-]*+\d++)?\s*\Z
    | (true|false)\s*\Z""",
    re.VERBOSE | re.IGNORECASE,
)


def neutral(text: str) -> str:
    """Return the text so that a spreadsheet shows it and does nothing else."""
    return "'" + text if _TEMPTING.match(text) else text


def neutral_all(texts: Sequence[str]) -> Sequence[str]:
    """Return what `neutral` makes of each text; sooner, where it leaves them alone."""
    found = list(map(_TEMPTING.match, texts))
    if not any(found):
        return texts
    return [f"'{text}" if it else text for text, it in zip(texts, found, strict=True)]


def restored(cell: str) -> str:
    """Return the text that `neutral` was given."""
    return cell.removeprefix("'")


def plain(value: object) -> str:
    """Write true and false, six decimals, ISO 8601 in UTC, and nothing for None."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)
