"""Which product a photograph shows, by its path: one rule for export, review and adapt.

A pattern is a regular expression that is searched in the path under a scanned folder.
Its group `item`, else its first group, is the key of the product within that folder.
"""

import re

from tagger.errors import RequestError


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern; RequestError where it is not valid or has no group."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise RequestError(f"--item-pattern {text!r}: {error}") from error
    if not pattern.groups:
        raise RequestError(
            f"--item-pattern {text!r} has no group (?P<item>…), as in "
            r"'(?P<item>[^_/]+)_\d+\.jpg'"
        )
    return pattern


def product_key(pattern: re.Pattern[str], path: str) -> str:
    """Return the key of the product that a path shows; "" where it shows none."""
    found = pattern.search(path)
    if found is None:
        return ""
    return found["item" if "item" in pattern.groupindex else 1] or ""
