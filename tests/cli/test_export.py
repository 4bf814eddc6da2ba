"""`tagger export`: what was asked for, in the format that was asked for."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from support.program import Tagger, in_a_terminal, refused

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.records import FASHION_LABELS, NOT_CATALOGUE

pytestmark = pytest.mark.usefixtures("stock")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--columns", "path,tags"), "no column 'tags': did you mean 'tag'?"),
        (("--tag", "sneeker"), "unknown tag 'sneeker': did you mean 'Sneaker'?"),
        (("--tag", "Not a catalogue item"), "'reason ~ \"not a catalogue item\"'"),
        (("--root", "/srv"), "/srv is not a scanned folder"),
        (("--where", "konfidence < 1"), "did you mean 'confidence'?"),
        (("--where", "confidence"), "cannot read the filter"),
        (("--since", "99"), "there is no run 99"),
        (("--since", "yesterday"), "is not a date"),
        (("-o", "out.cvs"), "'.cvs': did you mean '.csv'?"),
        (("--by-item",), "--item-pattern"),
        (("--by-item", "--since", "1"), "--since"),
        (("--format", "shopify"), "--item-pattern"),
        (("--format", "woocommerce", "--item-pattern", "x"), "no group"),
        (("--format", "shopify", "--columns", "tag"), "leave out --columns"),
        (("--format", "shopify", "--image-url", "x"), "must begin with https://"),
        (("--undecided",), "need --format"),
        (("--by-item", "--item-pattern", "x"), "no group"),
        (("--by-item", "--item-pattern", "(none such)"), "nothing was saved"),
        (("--by-item", "--item-pattern", "(?P<item>x)", "--state", "tagged"), "column"),
        (("--item-pattern", "(?P<item>x)"), "needs --by-item"),
        (("--delimiter", "x"), "give , ; | or tab"),
        (("--delimiter", "ab"), "give one character"),
    ],
)
def test_an_export_of_what_there_is_not_is_refused(
    tagger: Tagger, arguments: tuple[str, ...], says: str
) -> None:
    assert says in refused(tagger, "export", *arguments)


def test_an_export_is_of_what_was_asked_for(tagger: Tagger, stocked: Path) -> None:
    def paths(*arguments: object) -> list[str]:
        done = tagger("export", "--columns", "path", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[1:]

    assert len(paths()) == 4
    assert paths("--where", 'path ~ ".png"') == ["palette.png", "tiny.png"]
    assert paths("--state", "missing") == []
    assert len(paths("--state", "tagged", "--state", "missing")) == 4
    assert paths("--by-person") == []
    assert len(paths("--by-machine", "--root", stocked / "pictures")) == 4
    assert len(paths("--since", "last-run")) == len(paths("--since", "1")) == 4
    assert paths("--since", "2999-01-01") == []
    every_tag = [word for tag in FASHION_LABELS for word in ("--tag", tag.lower())]
    no_tag = paths("--where", 'tag = ""')
    assert len(paths(*every_tag)) == 4 - len(no_tag)
    assert no_tag == paths("--where", f'machine_tag = "{NOT_CATALOGUE}"')


def test_what_is_no_catalogue_item_is_exported_as_the_message_says(
    tagger: Tagger,
) -> None:
    with Inventory(tagger.folder / "inventory.db") as inventory:
        first, *_ = inventory.items()
        inventory.decide(
            first.digest or "",
            DecisionKind.NOT_CATALOGUE,
            tag=None,
            reviewer="anna",
        )

    found = tagger(
        "export", "--where", 'reason ~ "not a catalogue item"', "-f", "jsonl"
    )

    assert [json.loads(line)["path"] for line in found.stdout.splitlines()] == [
        first.path
    ]


@pytest.mark.parametrize(
    ("option", "delimiter"), [(";", ";"), ("tab", "\t"), ("\\t", "\t"), ("|", "|")]
)
def test_a_delimiter_can_be_chosen(
    program: Tagger, option: str, delimiter: str
) -> None:
    usual, chosen = program("export"), program("export", "--delimiter", option)

    assert list(csv.reader(io.StringIO(chosen.stdout), delimiter=delimiter)) == list(
        csv.reader(io.StringIO(usual.stdout))
    )
    assert chosen.stdout.startswith(f"root{delimiter}path{delimiter}tag")


def test_a_dash_is_the_output(program: Tagger) -> None:
    sheet, dashed = program("export"), program("export", "-o", "-")
    page = program("report", "-o", "-")

    assert dashed.stdout == sheet.stdout
    assert page.stdout.startswith("<!doctype html>")
    assert not (program.folder / "-").exists()


def test_the_ending_chooses_the_format(tagger: Tagger) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    heads = {}
    for ending in ("csv", "json", "jsonl", "parquet", "xlsx"):
        done = tagger("export", "-o", f"out.{ending}")
        assert (done.returncode, done.stderr) == (0, "")
        heads[ending] = (tagger.folder / f"out.{ending}").read_bytes()[:9]

    assert heads == {
        "csv": b"root,path",
        "json": b'{"format"',
        "jsonl": b'{"root": ',
        "parquet": b"PAR1" + heads["parquet"][4:],
        "xlsx": b"PK\x03\x04" + heads["xlsx"][4:],
    }
    assert "cannot be shown on a terminal" in in_a_terminal(
        tagger.command("export", "-f", "xlsx"), tagger
    )


def test_a_format_without_its_extra_is_one_line(program: Tagger) -> None:
    tagger = program
    (tagger.folder / "pyarrow.py").write_text("raise ImportError")
    old = tagger.folder / "out.parquet"
    old.write_text("old")

    path = os.pathsep.join([str(tagger.folder), os.environ.get("PYTHONPATH", "")])
    message = tagger.fails("export", "-o", old, PYTHONPATH=path)

    assert "-m pip install pyarrow" in message
    assert old.read_text() == "old"


def test_a_disk_that_is_full_is_told(tagger: Tagger) -> None:
    message = refused(tagger, "export", "-o", "/dev/full", status=1)

    assert message == "error: cannot write /dev/full: No space left on device\n"


def test_what_changed_is_exported_once(tagger: Tagger) -> None:
    def changed(*arguments: str) -> int:
        return len(tagger("export", "--changed", *arguments).stdout.splitlines()) - 1

    assert [changed(), changed(), changed("--mark", "books")] == [4, 0, 4]
    refused(tagger, "export", "--changed", "-o", "absent/out.csv", status=1)
    with Inventory(tagger.db) as inventory:
        digest = next(inventory.items()).digest
        assert digest
        inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    refused(tagger, "export", "--changed", "-o", "absent/out.csv", status=1)

    assert [changed(), changed()] == [1, 0]


def test_a_product_is_one_row_and_its_pattern_is_kept(tagger: Tagger) -> None:
    pattern = r"(?P<item>.)[^.]*\."

    first = tagger("export", "--by-item", "--item-pattern", pattern)
    again = tagger("export", "--by-item")

    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert [(row["item"], row["photographs"]) for row in rows] == [
        ("l", "1"),
        ("p", "2"),
        ("t", "1"),
    ]
    assert again.stdout == first.stdout
    chosen = tagger("export", "--by-item", "--where", "photographs > 1", "-f", "jsonl")
    assert json.loads(chosen.stdout)["item"] == "p"
    listed = json.loads(tagger("roots", "list", "--json").stdout)
    assert listed["item_pattern"] == pattern
    assert "(?P<item>.)" in tagger("roots", "list").stdout
    forgotten = refused(tagger, "export", "--by-item", "--item-pattern", "", status=2)
    assert "needs a product key in each path" in forgotten
    assert json.loads(tagger("roots", "list", "--json").stdout)["item_pattern"] is None


def test_an_export_is_put_in_place_whole(tagger: Tagger) -> None:
    target = tagger.folder / "out.csv"
    target.write_text("old")

    done = tagger("export", "-o", target)

    assert (done.returncode, done.stdout) == (0, "")
    content = target.read_bytes()
    assert content.decode().replace("\r\n", "\n") == tagger("export").stdout
    assert content.count(b"\r\n") == 5
    assert [p.name for p in tagger.folder.iterdir() if ".csv" in p.name] == ["out.csv"]


def test_an_export_that_cannot_be_written_says_so(tagger: Tagger) -> None:

    message = tagger.fails("export", "-o", tagger.folder / "absent" / "out.csv")

    assert "cannot write" in message
