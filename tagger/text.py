"""Text from outside, made fit to be shown."""


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or hide: controls, marks, stray bytes.

    A newline becomes `\n`, an escape `\x1b`, a right-to-left mark `\u200f`, and a byte
    of a file name that is no UTF-8 `\xff`. The result is one line.
    """
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def encodable(text: str) -> str:
    r"""Escape only what no encoding holds: a byte that is no UTF-8 becomes `\xff`."""
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  a stray byte, from os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
