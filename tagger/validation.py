"""Convert parsed TOML and JSON to typed values, and name the key that is wrong.

The one place for checks of types, ranges and unknown keys; msgspec makes them from the
annotations of a type. Checks that concern several keys are beside the type itself.
"""

import json
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Share = Annotated[float, Meta(ge=0, le=1)]
"""A number in [0, 1]; NaN is refused."""

Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
"""A finite number above 0."""

_PLAIN_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "`int`": "a whole number",
        "`float`": "a number",
        "`bool`": "true or false",
        "`str`": "a text",
        "`array`": "a list",
        "`object`": "a table",
        "`null`": "nothing",
        "`datetime`": "a date and time",
        " of length >= ": " of length at least ",
        " >= ": " of at least ",
        " <= ": " of at most ",
        " > ": " above ",
        " < ": " below ",
    }
)
"""Plain words by msgspec's names of types and limits."""

_SENTENCES: Final = (
    (re.compile(r"Object missing required field `(.+)`"), r"\1 is missing"),
    (re.compile(r"Object contains unknown field `(.+)`"), r"\1 is an unknown key"),
    (re.compile(r"Expected (.+), got (.+)"), r"must be \1, not \2"),
    (re.compile(r"Expected (.+)"), r"must be \1"),
    (re.compile(r"Invalid (?:enum )?value (.+)"), r"must not be \1"),
)
"""Sentences by msgspec's, which begin with the key if that is missing or unknown."""


def convert(value: object, kind: type[T]) -> T:
    """Convert a parsed value to a type: a Struct, a dataclass, a list of numbers.

    Only a whole number becomes another type, if a number is wanted. Raises ValueError
    with a sentence that names the key and what it must be.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_plain(str(error))) from error


def read_json(content: bytes, kind: type[T]) -> T:
    """Parse JSON and convert it to a type, as `convert` does.

    Raises ValueError, too, if it is not JSON or nested too deeply. The parser is
    Python's, which takes NaN: cards of older versions may have it as a measure.
    """
    try:
        parsed = json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return convert(parsed, kind)


def _plain(message: str) -> str:
    """Put a message such as "Expected `int`, got `str` - at `$.a.b[0]`" into words."""
    what, _, place = message.partition(" - at `$")
    place = place.removesuffix("`").removeprefix(".").replace("[...]", " (a value)")
    for pattern, words in _SENTENCES:
        if match := pattern.fullmatch(what):
            what = match.expand(words)
            break
    for name, words in _PLAIN_WORDS.items():
        what = what.replace(name, words)
    return f"{place}: {what}" if place else what
