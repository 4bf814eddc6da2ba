"""Make foreign text safe to show, compare names, and suggest names."""

import math
from collections.abc import Iterable

_MOST_NAMED = 24
"""The most names that a suggestion lists."""

_WORD = 3
"""Fewest characters that may stand for a longer name."""


def printable(text: str) -> str:
    r"""Escape characters that a terminal would obey or hide.

    A newline becomes `\n`, an escape `\x1b`, a right-to-left mark `\u200f`, and a byte
    of a file name that is not UTF-8 `\xff`. The result is one line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def encodable(text: str) -> str:
    r"""Escape only lone surrogates: a byte that is not UTF-8 becomes `\xff`."""
    if text.isascii():
        return text
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def comparable(name: str) -> str:
    """Return a name in the form in which names are compared: without case, composed.

    macOS writes é as two characters (NFD), people type one (NFC), and cameras write
    .JPG. Names are stored as they are, and compared in this form. The order of the
    steps is that of Unicode's canonical caseless match (The Unicode Standard, D145).
    """
    if name.isascii():
        return name.lower()
    from unicodedata import normalize  # noqa: PLC0415  few names need it

    return normalize("NFC", normalize("NFD", name).casefold())


def composed(name: str) -> str:
    """Return a name in composed form (NFC), where upper and lower case matter."""
    if name.isascii():
        return name
    from unicodedata import normalize  # noqa: PLC0415

    return normalize("NFC", name)


def spellings(name: str) -> tuple[str, ...]:
    """Return a name as given, composed (NFC) and decomposed (NFD), each form once.

    To find a name where `comparable` cannot be computed of all that is searched: in a
    database, or on a disk.
    """
    if name.isascii():
        return (name,)
    from unicodedata import normalize  # noqa: PLC0415

    return tuple(dict.fromkeys((name, normalize("NFC", name), normalize("NFD", name))))


def as_typed(path: object) -> str:
    """Return a path as it is typed in a command: in quotes if it has blanks."""
    return f'"{path}"' if " " in str(path) else str(path)


def nearest(name: str, known: Iterable[str], *, alike: float = 0.6) -> str:
    """Return the most similar known name, ignoring case; "" if none is similar.

    A single name that begins with `name` comes first: T-shirt/top for "T-shirt".
    `alike` is the least similarity, as `difflib` measures it, from 0 to 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415  needed for mistakes only

    by_case = {known_name.casefold(): known_name for known_name in known}
    longer = [key for key in by_case if key.startswith(name.casefold())]
    if len(longer) == 1 and len(name) >= _WORD:
        return by_case[longer[0]]
    near = get_close_matches(name.casefold(), by_case, n=1, cutoff=alike)
    return by_case[near[0]] if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ": did you mean X?" for the most similar known name.

    If none is similar, list the known names, unless they are too many to read.
    """
    names = list(known)
    if near := nearest(name, names):
        return f": did you mean {near!r}?"
    return f"; available: {', '.join(names)}" if 0 < len(names) <= _MOST_NAMED else ""


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  an undecodable byte, from os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def two_decimals(share: float) -> str:
    """Format a share of 0..1, rounded down.

    So a confidence below a threshold never looks equal to it.
    """
    return f"{math.floor(share * 100 + 1e-6) / 100:.2f}"
