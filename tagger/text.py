"""Text from outside, made fit to be shown."""

from collections.abc import Iterable

_MOST_NAMED = 24


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or hide: controls, marks, stray bytes.

    A newline becomes `\n`, an escape `\x1b`, a right-to-left mark `\u200f`, and a byte
    of a file name that is no UTF-8 `\xff`. The result is one line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def encodable(text: str) -> str:
    r"""Escape only what no encoding holds: a byte that is no UTF-8 becomes `\xff`."""
    if text.isascii():
        return text
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def nearest(name: str, known: Iterable[str], *, alike: float = 0.6) -> str:
    """Return the nearest of the known names, in any case; empty where none is near.

    Near is at least so `alike`, as `difflib` measures it, from 0 to 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415  only for who mistyped

    by_case = {known_name.casefold(): known_name for known_name in known}
    near = get_close_matches(name.casefold(), by_case, n=1, cutoff=alike)
    return by_case[near[0]] if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ": did you mean X?" for the nearest of the known names.

    Where none is near they are all named, if there are not too many to read.
    """
    names = list(known)
    if near := nearest(name, names):
        return f": did you mean {near!r}?"
    return f": there are {', '.join(names)}" if 0 < len(names) <= _MOST_NAMED else ""


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  a stray byte, from os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
