"""Find the product key in a path, for export, review and adapt alike.

An item pattern is a regular expression, searched in the path under a scanned folder.
Its group `item`, or else its first group, is the product key within that folder.
"""

import re
from collections.abc import Mapping

from tagger.errors import RequestError


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile an item pattern; RequestError if it is not valid or has no group."""
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


def compile_patterns(kept: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    """Compile the pattern that each root keeps, as `Inventory.item_patterns` has it."""
    return {root: compile_pattern(text) for root, text in kept.items()}


def product_key(pattern: re.Pattern[str], path: str) -> str:
    """Return the product key in a path; "" if the pattern does not match."""
    match = pattern.search(path)
    if match is None:
        return ""
    return match["item" if "item" in pattern.groupindex else 1] or ""
