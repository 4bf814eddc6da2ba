"""Sheets come back: what a person edited, what went wrong on the way."""

import codecs
import csv
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FakeClassifier, Photo, scan
from support.inventories import tagged

from tagger.errors import ImportingError, MissingExtraError
from tagger.exchange import DELIMITERS, Style, Table, write_table
from tagger.exchange.corrections import Comparison, compare
from tagger.exchange.sheets import BadRow
from tagger.inventory import Inventory
from tagger.inventory.columns import COLUMNS, PRODUCT_COLUMNS
from tagger.inventory.records import Answer, Decision, DecisionKind, Selection
from tagger.records import Format, ImageFile, Policy, UnreadableImage

Edit = Callable[[list[dict[str, str]]], object]


def exported(
    inventory: Inventory,
    as_format: Format = Format.CSV,
    delimiter: str = ",",
    *,
    raw: bool = False,
) -> io.BytesIO:
    stream = io.BytesIO()
    table = Table(COLUMNS, inventory.rows(COLUMNS))
    write_table(table, stream, as_format, Style(delimiter, raw=raw))
    stream.seek(0)
    return stream


def sheet_of(inventory: Inventory, *, raw: bool = False) -> list[dict[str, str]]:
    text = exported(inventory, raw=raw).getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def text_of(
    rows: list[dict[str, str]], delimiter: str = ",", line_end: str = "\r\n"
) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(rows[0]), delimiter=delimiter, lineterminator=line_end
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def saved(rows: list[dict[str, str]], delimiter: str = ",") -> io.BytesIO:
    return io.BytesIO(text_of(rows, delimiter).encode())


def workbook(rows: list[dict[str, object]], title: str = "inventory") -> io.BytesIO:
    """Save a sheet as Excel does, behind a sheet of the person's own."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "notes"
    sheet = book.create_sheet(title, 0 if title != "inventory" else 1)
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    stream = io.BytesIO()
    book.save(stream)
    stream.seek(0)
    return stream


def edited_workbook(stream: io.BytesIO, edits: list[dict[str, str]]) -> io.BytesIO:
    """Edit cells of an exported XLSX file; the others stay as they are."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(stream)
    columns = {cell.value: cell.column for cell in book.active[1]}
    for line, edit in enumerate(edits, 2):
        for name, text in edit.items():
            book.active.cell(line, columns[name]).value = text
    edited = io.BytesIO()
    book.save(edited)
    edited.seek(0)
    return edited


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


def test_a_digest_that_looks_like_a_number_is_recognised(inventory: Inventory) -> None:
    likely = tagged(1, 0.9)
    number = replace(
        likely, image=replace(likely.image, digest="1234567890" * 6 + "12e4")
    )
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        recording.record(Path("/shop"), [(ImageFile("1.jpg", 1, 2), number)], {}, {})
    rows = sheet_of(inventory)
    assert rows[0]["digest"].startswith("'")
    rows[0]["tag"] = "Bag"

    assert len(compare(saved(rows), inventory).corrections) == 1


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
        saved([*rows, rows[0] | {"root": "/else"}]).getvalue()
        + b'a,"b" c\r\n'
        + b"x," * 16
        + b"y\r\n"
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
        "17 cells for 16 columns",
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


def test_a_delimiter_is_recognised_unless_it_is_given(stocked: Inventory) -> None:
    rows = sheet_of(stocked)
    rows[0]["tag"] = "Sandal"

    for delimiter in DELIMITERS:
        for option in (None, delimiter):
            data = codecs.BOM_UTF8 + saved(rows, delimiter).getvalue()
            found = compare(io.BytesIO(data), stocked, delimiter=option)
            assert found.corrections[0].line == 2
    with pytest.raises(ImportingError, match="separated by tabs: leave out"):
        compare(saved(rows, "\t"), stocked, delimiter=";")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\r\n", "\r").encode(),
        lambda text: text.replace("\r\n", "\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: b"sep=;\r\n" + text.replace(",", ";").encode(),
        lambda text: b"sep=,\r\n" + text.encode(),
        lambda text: re.sub(",+\r\n", "\r\n", text).encode(),
        lambda text: text.replace("\r\n", ",,\r\n").encode(),
        lambda text: text.replace("path,tag", " Path , TAG ", 1).encode(),
    ],
    ids=[
        "cr", "lf", "utf-16", "utf-16-be", "unicode text", "sep", "sep comma",
        "ragged", "wide", "header",
    ],
)  # fmt: skip
def test_a_sheet_is_read_however_a_program_saved_it(
    stocked: Inventory, change: Callable[[str], bytes]
) -> None:
    rows = sheet_of(stocked)
    for row in rows:
        if "bag" in row["path"]:
            row["tag"] = "Sandal"

    found = compare(io.BytesIO(change(text_of(rows))), stocked)

    assert (found.bad, found.ignored, found.unchanged) == ((), None, 3)
    assert [(one.path, one.tag) for one in found.corrections] == [("bag.png", "Sandal")]


def flagged(inventory: Inventory) -> set[str]:
    return {item.path for item in inventory.items() if item.flagged}


@pytest.fixture
def unsure(stocked: Inventory, shop: Path) -> Inventory:
    """An inventory whose four pictures all wait for a person."""
    scan([shop], stocked, FakeClassifier(), Policy(1.0))
    assert len(flagged(stocked)) == 4
    return stocked


@pytest.mark.parametrize(
    "edit",
    [
        {"flagged": "false"},
        {"flagged": "FALSCH"},
        {"flagged": "0"},
        *[
            {"confirmed": word}
            for word in ("yes", "OK", " x ", "1", "true", "ja", "WAHR", "✓")
        ],
    ],
)
def test_a_row_can_confirm_its_tag(unsure: Inventory, edit: dict[str, str]) -> None:
    rows = [row | {"confirmed": ""} for row in sheet_of(unsure)]
    rows[0] |= edit

    found = compare(saved(rows), unsure)
    record(unsure, found)

    (one,) = found.corrections
    assert (one.kind, one.tag) == (DecisionKind.ACCEPT, one.before)
    assert (found.bad, found.ignored, found.unchanged) == ((), None, 3)
    assert len(flagged(unsure)) == 3
    again = compare(saved(rows), unsure)
    assert (again.corrections, again.bad, again.unchanged) == ((), (), 4)


def test_a_word_that_is_neither_yes_nor_no_is_asked_about(unsure: Inventory) -> None:
    rows = [row | {"confirmed": "no"} for row in sheet_of(unsure)]
    rows[1]["confirmed"] = "perhaps"

    found = compare(saved(rows), unsure)

    assert found.corrections == ()
    assert [row.line for row in found.bad] == [3]
    assert "'perhaps'" in found.bad[0].reason


def test_a_flag_that_a_scan_raised_since_the_export_confirms_nothing(
    stocked: Inventory, shop: Path
) -> None:
    before = exported(stocked)
    scan([shop], stocked, FakeClassifier(), Policy(1.0))
    assert len(flagged(stocked)) == 4

    found = compare(before, stocked)

    assert (found.corrections, found.bad, found.unchanged) == ((), (), 4)


def test_a_confirmation_outlives_a_scan(unsure: Inventory, shop: Path) -> None:
    rows = sheet_of(unsure)
    rows[0]["flagged"] = "false"
    scan([shop], unsure, FakeClassifier(), Policy(0.5))
    assert not flagged(unsure)

    (one,) = compare(saved(rows), unsure).corrections

    assert (one.line, one.kind) == (2, DecisionKind.ACCEPT)


def test_edits_of_other_columns_are_named_in_one_place(stocked: Inventory) -> None:
    rows = sheet_of(stocked)
    rows[1]["confidence"] = "1"
    rows[2] |= {"flagged": "true", "reviewer": "me"}
    rows[3]["confidence"] = rows[3]["confidence"].rstrip("0").replace(".", ",")

    found = compare(saved(rows), stocked)

    assert (found.corrections, found.bad, found.unchanged) == ((), (), 4)
    assert found.ignored is not None
    assert set(found.ignored.columns) == {"confidence", "flagged", "reviewer"}
    assert (found.ignored.first_line, found.ignored.rows) == (3, 2)


def decided(found: Comparison) -> list[bool]:
    """Return for each decision whether it is a sample."""
    return [one.sampled for one in found.corrections]


def test_a_sheet_with_every_row_decided_is_a_sample(unsure: Inventory) -> None:
    rows = sheet_of(unsure)
    wrong = "Coat" if rows[0]["tag"] == "Bag" else "Bag"
    for row in rows:
        row["flagged"] = "false"
    assert decided(compare(saved(rows), unsure)) == [False] * 4  # nothing was wrong
    rows[0]["tag"] = wrong
    assert decided(compare(saved(rows), unsure)) == [True] * 4
    assert decided(compare(saved(rows[:2]), unsure)) == [True] * 2
    rows[3]["flagged"] = "true"
    assert decided(compare(saved(rows), unsure)) == [False] * 3
    rows[3]["tag"] = "Sandel"
    assert decided(compare(saved(rows), unsure)) == [False] * 3


def test_corrections_alone_are_no_sample(unsure: Inventory) -> None:
    rows = sheet_of(unsure)
    for row in rows:
        row["tag"] = "Coat" if row["tag"] == "Bag" else "Bag"

    assert decided(compare(saved(rows), unsure)) == [False] * 4


def test_all_flagged_rows_are_a_sample_beside_rows_that_nobody_looked_at(
    inventory: Inventory,
) -> None:
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        outcomes = [
            (ImageFile(f"{n}.jpg", 1, 2), tagged(n, 0.5, flagged=n < 3))
            for n in range(5)
        ]
        recording.record(Path("/shop"), outcomes, {}, {})
    rows = {row["path"]: row for row in sheet_of(inventory)}
    rows["0.jpg"]["flagged"] = rows["1.jpg"]["flagged"] = "false"
    rows["2.jpg"]["tag"] = rows["3.jpg"]["tag"] = "Bag"

    found = compare(saved(list(rows.values())), inventory)
    record(inventory, found)

    assert {one.path for one in found.corrections if one.sampled} == {
        "0.jpg", "1.jpg", "2.jpg",
    }  # fmt: skip
    reviews = inventory.reviews()
    assert (len(reviews.reviewed), len(reviews.corrected)) == (4, 1)


@pytest.mark.parametrize(("waiting", "enough"), [(0, True), (1, False)])
def test_fifty_rows_of_a_whole_sheet_are_enough_to_learn_from(
    fill: "Fill", waiting: int, *, enough: bool
) -> None:
    with fill([f"{n}.jpg" for n in range(50 + waiting)]) as inventory:
        rows = sheet_of(inventory)
        for row in rows[waiting:]:
            row["confirmed"] = "x"
        rows[-1]["tag"] = "Bag"
        rows = [{"confirmed": "", **row} for row in rows]
        record(inventory, compare(saved(rows), inventory))

        assert inventory.can_adapt() is enough


def test_rows_decided_before_the_export_leave_the_others_a_sample(
    unsure: Inventory,
) -> None:
    rows = sheet_of(unsure)
    rows[0]["tag"] = "Coat" if rows[0]["tag"] == "Bag" else "Bag"
    record(unsure, compare(saved(rows), unsure))
    since = sheet_of(unsure)
    for sheet in (rows, since):
        sheet[1]["tag"] = "Coat" if sheet[1]["tag"] == "Bag" else "Bag"
        for row in sheet[1:]:
            row["flagged"] = "false"

    assert decided(compare(saved(since), unsure)) == [True] * 3
    # The correction of the same sheet went before: these are mostly right.
    assert decided(compare(saved(rows), unsure)) == [False] * 3


def test_excel_files_come_back(unsure: Inventory) -> None:
    rows: list[dict[str, object]] = [
        {**row, "flagged": True, "confidence": float(row["confidence"])}
        for row in sheet_of(unsure)
    ]
    rows[0]["flagged"] = False
    rows[1]["tag"] = "=1+1"
    for row in rows:
        row["updated_at"] = datetime.fromisoformat(str(row["updated_at"])).replace(
            tzinfo=None
        )

    for title in ("inventory", "Tabelle1"):
        found = compare(workbook(rows, title), unsure)

        assert [one.kind for one in found.corrections] == [DecisionKind.ACCEPT]
        assert [row.line for row in found.bad] == [3]
        assert "the tag is empty" in found.bad[0].reason  # it was not evaluated


def test_an_excel_file_that_unpacks_to_very_much_is_refused(
    stocked: Inventory,
) -> None:
    pytest.importorskip("openpyxl")
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w") as member,
    ):
        for _ in range(513):
            member.write(bytes(1 << 20))
    bomb.seek(0)

    with pytest.raises(ImportingError, match="unpacks to"):
        compare(bomb, stocked)


def test_an_excel_file_without_openpyxl_says_what_to_install(
    stocked: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = exported(stocked, Format.XLSX)
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(MissingExtraError, match="pip install openpyxl"):
        compare(data, stocked)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "line 1: the file is empty"),
        (b"path;tag;when\r\n", "no column 'updated_at'"),
        (b"sep=;\r\npath,tag,updated_at\r\n", "separated by ','"),
        (b"path,tags,updated_at\r\n", "no column 'tag': did you mean 'tags'"),
        (b"path,tag,tag,updated_at\r\n", "'tag' occurs twice"),
        (b"path,tag\r\n", "no column 'updated_at'"),
        (b"path,tag,updated_at\r\na,b\xe9,c\r\n", "line 2 is not UTF-8"),
        ("path,tag,updated_at\r\n".encode("utf-16-le"), "line 1 has a NUL byte"),
        (codecs.BOM_UTF16_LE + b"path", "line 1: no column"),
        (codecs.BOM_UTF16_LE + b"p\0a", "line 1 is not UTF-16"),
        (b"PK\3\4 a zip", "not a readable XLSX file"),
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


names = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.text(st.sampled_from("=,;\t|'\"\r\n\x01a1-"), max_size=8).map(str.encode),
    )
    .filter(lambda name: name and not set(name) & set(b"/\0"))
    .filter(lambda name: name not in {b".", b".."})
    .map(lambda name: name.decode("utf-8", "surrogateescape")),
    min_size=1,
    max_size=4,
    unique=True,
)
ways = st.sampled_from(
    [(Format.CSV, delimiter, raw) for delimiter in DELIMITERS for raw in (True, False)]
    + [(Format.XLSX, ",", False)]
)


@pytest.fixture(scope="module")
def fill(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[list[str]], "AbstractContextManager[Inventory]"]:
    @contextmanager
    def filled(paths: list[str]) -> Iterator[Inventory]:
        with Inventory(tmp_path_factory.mktemp("names") / "inventory.db") as inventory:
            with inventory.recording(FakeClassifier().identity, options={}) as written:
                outcomes = [
                    (ImageFile(path, 1, 2), tagged(n, 0.9))
                    for n, path in enumerate(paths)
                ]
                written.record(Path("/shop"), outcomes, {}, {})
            yield inventory

    return filled


Fill = Callable[[list[str]], AbstractContextManager[Inventory]]


@settings(max_examples=50, deadline=None)
@given(names=names, way=ways)
def test_what_was_not_edited_decides_nothing(
    fill: Fill, names: list[str], way: tuple[Format, str, bool]
) -> None:
    as_format, delimiter, raw = way
    if as_format is Format.XLSX:
        pytest.importorskip("openpyxl")
    with fill(names) as inventory:
        data = exported(inventory, as_format, delimiter, raw=raw)

        found = compare(data, inventory, raw=raw)

    assert (found.corrections, found.bad, found.ignored) == ((), (), None)
    assert found.unchanged == len(names)


@settings(max_examples=50, deadline=None)
@given(names=names, way=ways, data=st.data())
def test_every_edited_cell_comes_back(
    fill: Fill,
    names: list[str],
    way: tuple[Format, str, bool],
    data: st.DataObject,
) -> None:
    as_format, delimiter, raw = way
    edit = st.sampled_from([{}, {"tag": "Bag"}, {"flagged": "false"}])
    edits = [data.draw(edit) for _ in names]
    with fill(names) as inventory:
        if as_format is Format.XLSX:
            stream = edited_workbook(exported(inventory, as_format), edits)
        else:
            listed = zip(sheet_of(inventory, raw=raw), edits, strict=True)
            stream = saved([row | edit for row, edit in listed], delimiter)

        found = compare(stream, inventory, raw=raw)
        paths = [item.path for item in inventory.items()]

    assert (found.bad, found.ignored) == ((), None)
    assert {one.path: one.kind for one in found.corrections} == {
        path: DecisionKind.CORRECT if "tag" in edited else DecisionKind.ACCEPT
        for path, edited in zip(paths, edits, strict=True)
        if edited
    }


def test_a_sheet_of_products_is_refused(stocked: Inventory) -> None:
    header = ",".join(column.name for column in PRODUCT_COLUMNS)

    with pytest.raises(ImportingError, match="by-item"):
        compare(io.BytesIO(header.encode()), stocked)
