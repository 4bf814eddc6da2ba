"""A template of the user writes any other format, and its faults have a line."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import Tagger, refused

from tagger.errors import InventoryBusyError
from tagger.exchange import Table, restored
from tagger.exchange.template import RowTemplate
from tagger.inventory.columns import Column, Kind

pytestmark = pytest.mark.usefixtures("stock")


def template(tagger: Tagger, text: str) -> Path:
    path = tagger.folder / "shop.j2"
    path.write_text(text)
    return path


def test_a_template_gets_the_rows_of_the_export(tagger: Tagger) -> None:
    made = template(
        tagger,
        '{"items": [\n{% for row in rows %}\n{{ row | tojson }}'
        "{{ ',' if not loop.last }}\n{% endfor %}\n]}\n",
    )
    arguments = ("--columns", "path,tag,confidence", "--where", 'path ~ "png"')

    done = tagger("export", "--template", made, *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    lines = tagger("export", "-f", "jsonl", *arguments).stdout.splitlines()
    assert json.loads(done.stdout)["items"] == [json.loads(line) for line in lines]


def test_a_template_gets_products_too_and_only_changed_ones(tagger: Tagger) -> None:
    made = template(tagger, "{% for row in rows %}\n{{ row.item }}\n{% endfor %}\n")
    products = ("--by-item", "--item-pattern", r"(?P<item>.)[^.]*\.")

    def exported(*arguments: object) -> str:
        return tagger("export", "--template", made, *products, *arguments).stdout

    assert exported() == "l\np\nt\n"
    assert [exported("--changed"), exported("--changed")] == ["l\np\nt\n", ""]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_the_filter_for_csv_quotes_and_protects(texts: list[str]) -> None:
    made = RowTemplate(Path(__file__).parents[1] / "golden" / "shops" / "sheet.j2")
    stream = io.BytesIO()
    column = Column("tag", Kind.TEXT, "")

    assert made.write(Table([column], [[text] for text in texts]), stream) == len(texts)

    read = list(csv.reader(io.StringIO(stream.getvalue().decode(), newline="")))
    assert [restored(cell) for (cell,) in read[1:]] == texts


@pytest.mark.parametrize(
    ("text", "says", "status"),
    [
        ("x\n{% for row in rows %}\n{{ row.tga }}\n{% endfor %}", "line 3: ", 1),
        ("x\n\n{{ rows | list | length / 0 }}", "line 3: ", 1),
        ("x\n{{ nothing }}", "line 2: 'nothing' is undefined", 1),
        ("{{ ''.__class__.__mro__ }}", "line 1: access to attribute", 1),
        ("{% for row in rows %}{% do %}{% endfor %}", "line 1: ", 2),
        ("x\n{% include 'other' %}", "line 2: ", 1),
        ("x\n{{ 7 | nofilter }}", "line 2: No filter named 'nofilter'", 2),
        ("x\n{% for row in rows %}", "line 2: ", 2),
    ],
)
@pytest.mark.parametrize("output", [("-o", "out.txt"), ()])
def test_a_fault_of_a_template_is_one_line_and_writes_nothing(
    tagger: Tagger, text: str, says: str, status: int, output: tuple[str, ...]
) -> None:
    old = tagger.folder / "out.txt"
    old.write_text("old")

    message = refused(
        tagger, "export", "--template", template(tagger, text), *output, status=status
    )

    assert f"shop.j2, {says}" in message
    assert old.read_text() == "old"
    assert [path.name for path in tagger.folder.glob("*out.txt*")] == ["out.txt"]


def test_a_fault_of_the_inventory_is_not_one_of_the_template(tagger: Tagger) -> None:
    made = RowTemplate(
        template(tagger, "{% for row in rows %}{{ row.tag }}{% endfor %}")
    )

    def rows() -> Iterator[list[str]]:
        yield ["Bag"]
        raise InventoryBusyError("somebody writes")

    with pytest.raises(InventoryBusyError, match=r"^somebody writes$"):
        made.write(Table([Column("tag", Kind.TEXT, "")], rows()), io.BytesIO())


def test_a_disk_that_is_full_is_one_line(tagger: Tagger) -> None:
    made = template(tagger, "{% for row in rows %}{{ row.path }}{% endfor %}")

    message = refused(tagger, "export", "--template", made, "-o", "/dev/full", status=1)

    assert "cannot write /dev/full: No space left on device" in message


def test_a_template_that_cannot_be_read_is_named(tagger: Tagger) -> None:
    latin = tagger.folder / "latin.j2"
    latin.write_bytes(b"\xe9")

    def says(*arguments: object) -> str:
        return refused(tagger, "export", "--template", *arguments)

    assert "cannot read absent.j2" in says("absent.j2")
    assert "is not UTF-8" in says(latin)
    assert "leave out --format" in says(latin, "-f", "csv")
