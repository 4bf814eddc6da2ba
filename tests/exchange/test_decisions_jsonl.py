"""Decisions as JSON lines: what a damaged line is told."""

import io
import json

import pytest

from tagger.errors import DecisionsError
from tagger.exchange.decisions_jsonl import read_lines


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"version": []}, "version"),
        ({"version": {}}, "version"),
        ({"version": 3}, "version 3 .*upgrade tagger"),
        ({"version": 2, "digest": 3}, "digest"),
        ({"version": 2, "digest": "0" * 64, "record": ["note"]}, "record"),
        ({"version": 2, "digest": "0" * 64, "record": "note", "text": 7}, "text"),
    ],
)
def test_a_damaged_line_is_named_with_its_key(
    fields: dict[str, object], named: str
) -> None:
    lines = io.BytesIO(b"\n" + json.dumps(fields).encode())

    with pytest.raises(DecisionsError, match=rf"^file, line 2: .*{named}"):
        list(read_lines(lines, "file"))
