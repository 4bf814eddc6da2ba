"""Sheets come back: what a person edited, what went wrong on the way."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FakeClassifier, Photo, scan
from support.inventories import tagged

from tagger.errors import ImportingError
from tagger.exchange import Style, Table, write_table
from tagger.exchange.corrections import BadRow, Comparison, compare
from tagger.inventory import Inventory
from tagger.inventory.columns import COLUMNS
from tagger.inventory.records import Answer, Decision, DecisionKind, Selection
from tagger.records import Format, ImageFile, Policy, UnreadableImage

Edit = Callable[[list[dict[str, str]]], object]


def sheet_of(inventory: Inventory, *, raw: bool = False) -> list[dict[str, str]]:
    stream = io.BytesIO()
    table = Table(COLUMNS, inventory.rows(COLUMNS))
    write_table(table, stream, Format.CSV, Style(raw=raw))
    text = io.StringIO(stream.getvalue().decode(), newline="")
    return list(csv.DictReader(text))


def saved(rows: list[dict[str, str]], delimiter: str = ",") -> io.BytesIO:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return io.BytesIO(text.getvalue().encode())


def record(inventory: Inventory, found: Comparison) -> None:
    inventory.correct(
        found.corrections, reviewer="anna", source="fixed.csv", prepared={}
    )


@pytest.fixture
def stocked(inventory: Inventory, shop: Path, photo: Photo) -> Inventory:
    for number, name in enumerate(["bag.png", "coat.png", "=cmd.png", "00123.png"]):
        photo(name, shade=30 + 50 * number)
    scan([shop], inventory, FakeClassifier(), Policy(0.5))
    return inventory


def edited(inventory: Inventory, **tags: str) -> io.BytesIO:
    """Return a sheet in which paths that contain a name have another tag."""
    rows = sheet_of(inventory)
    for row in rows:
        for name, tag in tags.items():
            if name in row["path"]:
                row["tag"] = tag
    return saved(rows)


def test_only_rows_that_differ_become_decisions(stocked: Inventory) -> None:
    found = compare(edited(stocked, bag="sandal", cmd="Not a catalogue item"), stocked)

    by_path = {one.path: one for one in found.corrections}
    assert found.bad == ()
    assert found.unchanged == 2
    assert (by_path["bag.png"].tag, by_path["bag.png"].kind) == (
        "Sandal",
        DecisionKind.CORRECT,
    )
    assert by_path["=cmd.png"].kind is DecisionKind.NOT_CATALOGUE
    record(stocked, found)
    items = {item.path: item for item in stocked.items()}
    assert (items["bag.png"].tag, items["bag.png"].reviewer) == ("Sandal", "anna")
    assert items["=cmd.png"].reason == "not a catalogue item"


def test_a_sheet_comes_back_without_a_difference(stocked: Inventory) -> None:
    first = compare(edited(stocked, bag="Sandal", coat="not a catalogue item"), stocked)
    record(stocked, first)

    again = compare(saved(sheet_of(stocked)), stocked)

    assert (again.corrections, again.bad, again.unchanged) == ((), (), 4)


def test_going_back_to_what_the_network_said_accepts_it(stocked: Inventory) -> None:
    said = {item.path: item.tag for item in stocked.items()}["bag.png"] or ""
    record(stocked, compare(edited(stocked, bag="Sandal"), stocked))

    (one,) = compare(edited(stocked, bag=said), stocked).corrections

    assert one.kind is DecisionKind.ACCEPT


def test_a_row_decided_since_the_export_is_stale(stocked: Inventory) -> None:
    sheet = edited(stocked, bag="Sandal")
    (digest,) = [i.digest for i in stocked.items() if i.path == "bag.png"]
    assert digest
    stocked.decide(digest, DecisionKind.CORRECT, tag="Dress", reviewer="bob")

    found = compare(sheet, stocked)

    assert found.corrections == ()
    assert found.bad == (BadRow(4, "bag.png: decided since the export: Dress by bob"),)


def test_what_was_taken_back_can_be_corrected_in_a_sheet_of_after_that(
    stocked: Inventory,
) -> None:
    (digest,) = [i.digest for i in stocked.items() if i.path == "bag.png"]
    assert digest
    taken_back = stocked.decide(
        digest, DecisionKind.CORRECT, tag="Dress", reviewer="bob"
    )
    with stocked.reviewing("bob", Selection()) as opened:
        opened.undo([taken_back])

    found = compare(edited(stocked, bag="Sandal"), stocked)

    assert found.bad == ()
    assert [one.tag for one in found.corrections] == ["Sandal"]


def test_an_older_decision_that_came_later_is_not_the_one_in_force(
    stocked: Inventory,
) -> None:
    (digest,) = [i.digest for i in stocked.items() if i.path == "bag.png"]
    assert digest
    stocked.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    older = datetime.now(UTC) - timedelta(days=1)
    answer = Answer(digest, DecisionKind.NOT_CATALOGUE, None)
    stocked.merge_decisions([Decision(0, answer, "ben", older, "review", None)])

    found = compare(edited(stocked, bag="not a catalogue item"), stocked)

    assert [one.kind for one in found.corrections] == [DecisionKind.NOT_CATALOGUE]


def test_what_only_the_network_changed_is_no_edit(stocked: Inventory) -> None:
    rows = sheet_of(stocked)
    for row in rows:
        row["machine_tag"] = row["tag"] = "Dress"  # what an older network said

    found = compare(saved(rows), stocked)

    assert (found.corrections, found.unchanged) == ((), 4)


def test_a_picture_that_changed_since_is_not_decided(
    stocked: Inventory, shop: Path, photo: Photo
) -> None:
    sheet = edited(stocked, bag="Sandal")
    photo("bag.png", shade=200)
    scan([shop], stocked, FakeClassifier(), Policy(0.5))

    (bad,) = compare(sheet, stocked).bad

    assert "the picture has changed since the export" in bad.reason


def test_bad_rows_are_told_with_their_lines(stocked: Inventory) -> None:
    with stocked.recording(FakeClassifier().identity, options={}) as recording:
        never = [
            (ImageFile("x.jpg", 1, 2), UnreadableImage("denied")),
            (ImageFile("y.jpg", 0, 2), UnreadableImage("empty", digest="0" * 64)),
        ]
        recording.record(Path(stocked.roots()[0]), never, {}, {})
    rows = sheet_of(stocked)
    by_path = {row["path"]: row for row in rows}
    by_path["bag.png"]["tag"] = "Sandel"
    by_path["coat.png"]["tag"] = ""
    by_path["00123.png"]["path"] = "absent.png"
    by_path["'=cmd.png"] |= {"tag": "Dress", "updated_at": "soon"}
    by_path["x.jpg"]["tag"] = by_path["y.jpg"]["tag"] = "Dress"
    data = (
        saved([*rows, rows[0] | {"root": "/else"}]).getvalue() + b'a,"b" c\r\nx,y\r\n'
    )

    bad = compare(io.BytesIO(data), stocked).bad

    assert [row.line for row in bad] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    told = " | ".join(row.reason for row in bad)
    assert told.count("it is unreadable and was never read as a picture") == 2
    for reason in (
        "no tag 'Sandel': did you mean 'Sandal'?",
        "the tag is empty",
        "no picture 'absent.png'",
        "'soon' is not a date",
        "never read",
        "no scanned folder '/else'",
        "expected after",
        "2 cells for 15 columns",
    ):
        assert reason in told


def test_the_same_bytes_get_one_decision(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    for name in ("one.png", "two.png", "three.png"):
        photo(name)
    scan([shop], inventory, FakeClassifier(), Policy(0.5))

    agreed = compare(edited(inventory, one="Dress", two="Dress"), inventory)
    split = compare(edited(inventory, one="Dress", two="Bag"), inventory)

    assert len(agreed.corrections) == 1
    assert (len(split.corrections), len(split.bad)) == (1, 1)
    assert "line 2 gives the same content" in split.bad[0].reason


def test_one_root_need_not_be_named(stocked: Inventory) -> None:
    rows = [
        {name: row[name] for name in ("path", "tag", "updated_at")}
        for row in sheet_of(stocked)
    ]
    rows[0]["tag"] = "Sandal"

    assert len(compare(saved(rows), stocked).corrections) == 1


def test_other_delimiters_and_marks_are_read_when_said(stocked: Inventory) -> None:
    rows = sheet_of(stocked)
    rows[0]["tag"] = "Sandal"
    data = b"\xef\xbb\xbf" + saved(rows, ";").getvalue()

    assert compare(io.BytesIO(data), stocked, delimiter=";").corrections[0].line == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "line 1: the file is empty"),
        (b"path;tag;updated_at\r\n", "separated by ';'"),
        (b"path\ttag\tupdated_at\r\n", "separated by tabs"),
        (b"path,tags,updated_at\r\n", "no column 'tag': did you mean 'tags'"),
        (b"path,tag,tag,updated_at\r\n", "'tag' occurs twice"),
        (b"path,tag\r\n", "no column 'updated_at'"),
        (b"path,tag,updated_at\r\na,b\xe9,c\r\n", "line 2 is not UTF-8"),
        ("path,tag,updated_at\r\n".encode("utf-16"), "line 1"),
        (b"path,tag,updated_at\r\na,b\r\nc,\0,d\r\n", "line 3 has a NUL byte"),
        (b"path,tag,updated_at" + b",x" * 1_000_000, "line 1 is longer than"),
        (b"path,tag,updated_at\r\n" + b"a," * 1_000_000, "line 2 is longer than"),
        (b"\x89PNG\r\n\x1a\n", "line 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_sheet_is_told_with_the_line(
    stocked: Inventory, data: bytes, says: str
) -> None:
    with pytest.raises(ImportingError, match=says) as caught:
        compare(io.BytesIO(data), stocked)

    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([b"", b"path,tag,updated_at\n"]))
def test_any_bytes_are_compared_or_refused(
    stocked: Inventory, data: bytes, head: bytes
) -> None:
    try:
        found = compare(io.BytesIO(head + data), stocked)
    except ImportingError:
        return
    assert not found.corrections


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.binary(min_size=1, max_size=20)
        .filter(lambda name: not set(name) & set(b"/\0") and name not in {b".", b".."})
        .map(lambda name: name.decode("utf-8", "surrogateescape")),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    how=st.sampled_from(["raw", "neutral"]),
)
def test_every_name_finds_its_item_again(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], how: str
) -> None:
    raw = how == "raw"
    with Inventory(tmp_path_factory.mktemp("names") / "inventory.db") as inventory:
        with inventory.recording(FakeClassifier().identity, options={}) as recording:
            recording.record(
                Path("/shop"),
                [
                    (ImageFile(name, 1, 2), tagged(n, 0.9))
                    for n, name in enumerate(names)
                ],
                {},
                {},
            )
        rows = sheet_of(inventory, raw=raw)
        for row in rows:
            row["tag"] = "Bag"

        found = compare(saved(rows), inventory, raw=raw)

    assert found.bad == ()
    assert sorted(one.path for one in found.corrections) == sorted(names)
