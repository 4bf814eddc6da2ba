"""Recognise a path with blanks that was typed without quotes."""

import os
from collections.abc import Sequence


def unquoted(words: Sequence[str]) -> str:
    """Return the existing path that consecutive words make with blanks; "" if none.

    The shell splits /srv/My photos into two words, and the first names nothing.
    """
    for first, word in enumerate(words):
        if word.startswith("-") or os.path.exists(word):  # noqa: PTH110
            continue
        for end in range(first + 2, len(words) + 1):
            path = " ".join(words[first:end])
            if os.path.exists(path):  # noqa: PTH110  Path() fails on odd characters
                return path
    return ""


def advice(words: Sequence[str]) -> str:
    """Say which path needs quotes; "" if none of the words make a path."""
    path = unquoted(words)
    return f'the path "{path}" needs quotes' if path else ""
