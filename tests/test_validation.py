"""Checks of parsed TOML and JSON: what they take, how they name what they refuse."""

import json
import math
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from tagger.validation import Positive, Share, convert, read_json


class Part(Struct, rename="kebab", forbid_unknown_fields=True):
    at_most: int = 0
    weights: dict[str, Share] = {}


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    rates: Annotated[list[Positive], Meta(max_length=2)] = field(default_factory=list)
    on: bool = False


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "must be a table, not a list"),
        ({}, "name is missing"),
        ({"name": None}, "name: must be a text, not nothing"),
        ({"name": "x", "on": 1}, "on: must be true or false, not a whole number"),
        ({"name": "x", "parts": {}}, "parts: must be a list, not a table"),
        ({"name": "x", "parts": [{"more": 1}]}, "parts[0]: more is an unknown key"),
        ({"name": "x", "parts": [{"at-most": 1.5}]}, "parts[0].at-most: must be a who"),
        ({"name": "x", "parts": [{"at-most": True}]}, "parts[0].at-most: must be a wh"),
        ({"name": "x", "parts": [{"weights": {"a": 2}}]}, "parts[0].weights (a value)"),
        ({"name": "x", "rates": [1, 0]}, "rates[1]: must be a number above 0"),
        ({"name": "x", "rates": [math.inf]}, "rates[0]: must be a number of at most"),
        ({"name": "x", "rates": [1, 1, 1]}, "rates: must be a list of length"),
    ],
)
def test_what_is_refused_is_named_in_words(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*[`$])") as refused:
        convert(value, Whole)

    assert str(refused.value).startswith(says)


@given(st.floats())
def test_a_share_is_a_number_from_0_to_1(number: float) -> None:
    if 0 <= number <= 1:
        assert convert(number, Share) == number
    else:
        with pytest.raises(ValueError, match="must be a number"):
            convert(number, Share)


@given(st.integers(-(2**70), 2**70))
def test_a_whole_number_is_a_number(number: int) -> None:
    assert convert(number, float) == float(number)
    assert convert(number, int) == number


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 99_999, b'{"a":' * 99_999, b"3"]
)
def test_what_is_no_json_of_the_kind_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(content, Whole)


def test_json_of_older_versions_may_hold_what_is_no_number() -> None:
    found = read_json(json.dumps({"a": math.nan}).encode(), dict[str, float])

    assert math.isnan(found["a"])
