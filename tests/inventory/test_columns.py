"""The filter language, and that SQL and Python choose the same rows by it."""

from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FakeClassifier

from tagger.errors import RequestError
from tagger.inventory import Inventory, Tagged
from tagger.inventory.columns import (
    COLUMNS,
    Condition,
    Kind,
    Operator,
    find_columns,
    matches,
    parse_conditions,
)
from tagger.inventory.records import DecisionKind, Item
from tagger.records import (
    ImageFile,
    Prediction,
    PreparedImage,
    UnreadableImage,
    Verdict,
)

NAMES = [
    "a.jpg",
    "B%_.JPG",
    "caf\udce9.jpg",
    "é'; DROP TABLE image --.jpg",
    "z/00.jpg",
    "e\u0301te\u0301.jpg",
]


@pytest.fixture
def stocked(inventory: Inventory) -> Inventory:
    """Return an inventory with items of every kind."""
    import numpy as np

    pixels = np.zeros((28, 28, 3), np.uint8)
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        for root in ("/shop", "/other"):
            outcomes: list[tuple[ImageFile, Tagged | UnreadableImage]] = [
                (
                    ImageFile(name, 1, 2),
                    Tagged(
                        PreparedImage(str(n) * 64, pixels, 9, 9, "PNG"),
                        Prediction("Bag", n / 8, "Coat", n / 16, (0.1,) * 10),
                        Verdict(flagged=n % 2 == 0, reason="Unsure" * (1 - n % 2)),
                    ),
                )
                for n, name in enumerate(NAMES)
            ]
            broken = ImageFile("broken", 1, 2)
            outcomes.append((broken, UnreadableImage("no picture")))
            recording.record(Path(root), outcomes, {}, {})
    inventory.decide("1" * 64, DecisionKind.CORRECT, tag="Dress", reviewer="anna")
    inventory.decide("3" * 64, DecisionKind.NOT_CATALOGUE, tag=None, reviewer="bob")
    return inventory


def conditions() -> st.SearchStrategy[Condition]:
    texts = st.sampled_from(
        ["", "a", "b%", "JPG", "Bag", "Coat", "/shop", "tagged", "é", "\udce9", "'"]
    )
    by_kind: dict[Kind, tuple[st.SearchStrategy[Any], list[Operator]]] = {
        Kind.TEXT: (texts, list(Operator)),
        Kind.SHARE: (
            st.sampled_from([0.0, 0.125, 0.25, 0.3, 1.0]),
            [one for one in Operator if one is not Operator.CONTAINS],
        ),
        Kind.FLAG: (st.booleans(), [Operator.EQUAL, Operator.DIFFERENT]),
        Kind.MOMENT: (
            st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year > 1900),
            [one for one in Operator if one is not Operator.CONTAINS],
        ),
    }
    return st.sampled_from(COLUMNS).flatmap(
        lambda column: st.builds(
            Condition,
            st.just(column.name),
            st.sampled_from(by_kind[column.kind][1]),
            st.lists(by_kind[column.kind][0], min_size=1, max_size=2).map(tuple),
        )
    )


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(conditions(), max_size=2))
def test_sql_and_python_choose_the_same_items(
    stocked: Inventory, asked: list[Condition]
) -> None:
    chosen = list(stocked.items(asked))

    assert chosen == [item for item in stocked.items() if matches(asdict(item), asked)]
    assert stocked.count(asked) == len(chosen)
    assert [tuple(row) for row in stocked.rows(COLUMNS, asked)] == [
        tuple(asdict(item).values()) for item in chosen
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("confidence < 0.2", ["a.jpg", "B%_.JPG"]),
        (
            "confidence>=0.375",
            ["e\u0301te\u0301.jpg", "z/00.jpg", "é'; DROP TABLE image --.jpg"],
        ),
        ('path ~ "drop table"', ["é'; DROP TABLE image --.jpg"]),
        ("path ~ %", ["B%_.JPG"]),
        ("flagged = true and margin <= 0.125", ["a.jpg", "caf\udce9.jpg"]),
        ("tag=dress", []),
        ("tag=Dress AND decided_by = person", ["B%_.JPG"]),
        ('tag = ""', ["broken", "é'; DROP TABLE image --.jpg"]),
        ('model != "" and tag != Bag', ["B%_.JPG", "é'; DROP TABLE image --.jpg"]),
        ("updated_at < 2020-01-01", []),
        ("state = unreadable", ["broken"]),
    ],
)
def test_a_filter_chooses(stocked: Inventory, text: str, paths: list[str]) -> None:
    asked = parse_conditions(text + " and root = /shop", COLUMNS)

    assert sorted(item.path for item in stocked.items(asked)) == sorted(paths)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("konfidence < 0.5", "did you mean 'confidence'"),
        ("confidence < low", "'low' is not a number"),
        ("confidence ~ 5", "is not text"),
        ("flagged = yes", "is not true or false"),
        ("flagged < true", "compare it with = or !="),
        ("updated_at > yesterday", "is not a date"),
        ("updated_at > 0000-01-01", "is not a date"),
        ("", "cannot read the filter"),
        ("tag = ", "cannot read the filter at 'tag ='"),
        ("tag = Bag or tag = Coat", "cannot read the filter"),
        ("tag = Bag and", "cannot read the filter"),
        ('tag = "Ankle', "cannot read the filter"),
        ("1; DROP TABLE image", "cannot read the filter"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parse_conditions(text, COLUMNS)


@given(st.text())
def test_no_text_crashes_the_parser_of_filters(text: str) -> None:
    """Either outcome will do: what is looked for is any other exception."""
    try:
        found = parse_conditions(text, COLUMNS)
    except RequestError as error:
        assert "\n" not in str(error) or "\n" in text  # noqa: PT017
    else:
        assert all(one.column in Item.__slots__ for one in found)


def test_columns_come_in_the_order_asked_for() -> None:
    assert [one.name for one in find_columns(["tag", "path"], COLUMNS)] == [
        "tag",
        "path",
    ]
    with pytest.raises(RequestError, match="no column 'tags': did you mean 'tag'"):
        find_columns(["path", "tags"], COLUMNS)


@pytest.mark.parametrize("typed", ["\u00e9t\u00e9", "e\u0301te\u0301"])
def test_a_name_of_macos_is_found_however_it_is_typed(
    stocked: Inventory, typed: str
) -> None:
    for where in (f"path ~ {typed}", f"path = {typed}.jpg"):
        conditions = parse_conditions(where, COLUMNS)
        found = [item.path for item in stocked.items(conditions)]
        assert found == ["e\u0301te\u0301.jpg"] * 2, "stored as it was"
