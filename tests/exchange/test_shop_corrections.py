"""Tags that were corrected in a shop come back, for all photographs of a product."""

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import Tagger, refused

from tagger.exchange.corrections import Comparison, compare
from tagger.exchange.products import joined_products
from tagger.exchange.shop import Shop, ShopProduct
from tagger.exchange.shopify import SHOPIFY
from tagger.exchange.woocommerce import WOOCOMMERCE
from tagger.inventory import Inventory
from tagger.records import FASHION_LABELS

pytestmark = pytest.mark.usefixtures("stock")

PATTERN = r"(?P<item>.)[^.]*\."
"""Finds l, p and t: palette.png and plain.bmp are one product."""


def saved(tagger: Tagger, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    target = tagger.folder / "edited.csv"
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return target


def exported(tagger: Tagger, as_format: str) -> list[dict[str, str]]:
    done = tagger("export", "-f", as_format, "--undecided", "--item-pattern", PATTERN)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout, newline="")))


KEY = {"shopify": "URL handle", "woocommerce": "SKU"}


def product(rows: list[dict[str, str]], item: str) -> dict[str, str]:
    return next(row for row in rows if item in {row.get("URL handle"), row.get("SKU")})


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("as_format", KEY)
def test_all_photographs_of_a_product_get_the_corrected_tag(
    tagger: Tagger, as_format: str, delimiter: str
) -> None:
    rows = exported(tagger, as_format)
    product(rows, "p")["Tags"] = "summer, coat"
    sheet = saved(tagger, rows, delimiter)
    before = tagger.rows()

    done = tagger("import", sheet, "--reviewer", "anna")
    after = tagger.rows()
    again = tagger("import", sheet)

    assert done.returncode == 0, done.stderr
    changed = {path for path, row in after.items() if row["tag"] != before[path]["tag"]}
    assert changed == {"palette.png", "plain.bmp"}
    assert {after[path]["tag"] for path in changed} == {"Coat"}
    assert {after[path]["reviewer"] for path in changed} == {"anna"}
    assert "0 corrected" in again.stdout


def test_an_export_of_the_shop_itself_is_read(tagger: Tagger) -> None:
    exported(tagger, "shopify")
    sheet = tagger.folder / "products_export.csv"
    sheet.write_text(
        "\ufeffHandle,Title,Body (HTML),Vendor,Tags,Variant SKU,Image Src\r\n"
        'p,Blazer,"<p>soft,\nwarm</p>",Acme,"new, Coat",1,https://a/1.jpg\r\n'
        "p,,,,,2,https://a/2.jpg\r\n",
        encoding="utf-8",
        newline="",
    )

    done = tagger("import", sheet)

    assert done.returncode == 0, done.stderr
    assert "2 corrected" in done.stdout


@pytest.mark.parametrize("as_format", KEY)
@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ("Sneeker", "no tag 'Sneeker': did you mean 'Sneaker'?"),
        ("", "the tags are empty"),
        ("Coat, Bag", "it has the tags Coat and Bag: leave one"),
    ],
)
def test_a_row_that_cannot_be_imported_is_named_with_its_line(
    tagger: Tagger, as_format: str, tags: str, says: str
) -> None:
    rows = exported(tagger, as_format)
    row = product(rows, "p")
    row["Tags"] = tags
    sheet = saved(tagger, rows)
    before = tagger.rows()

    done = tagger("import", sheet)

    assert done.returncode == 1
    assert f"line {rows.index(row) + 2}: {KEY[as_format]} 'p': {says}" in done.stderr
    assert tagger.rows() == before


@pytest.mark.parametrize("as_format", KEY)
def test_a_product_that_is_not_there_is_named(tagger: Tagger, as_format: str) -> None:
    rows = exported(tagger, as_format)
    product(rows, "p").update({KEY[as_format]: "q", "Tags": "Coat"})

    done = tagger("import", saved(tagger, rows))

    assert done.returncode == 1
    assert f"no product in the inventory has the {KEY[as_format]} 'q'" in done.stderr


def test_what_a_person_decided_is_not_replaced(tagger: Tagger) -> None:
    rows = exported(tagger, "shopify")
    product(rows, "p")["Tags"] = "Coat"
    assert tagger("import", saved(tagger, rows)).returncode == 0
    product(rows, "p")["Tags"] = "Bag"
    before = tagger.rows()

    done = tagger("import", saved(tagger, rows))

    assert done.returncode == 1
    assert "a person decided Coat" in done.stderr
    assert tagger.rows() == before


def test_without_an_item_pattern_the_command_that_saves_one_is_named(
    tagger: Tagger,
) -> None:
    sheet = saved(tagger, [{"SKU": "p", "Name": "p", "Tags": "Coat"}])

    assert "--item-pattern" in refused(tagger, "import", sheet)


def test_the_import_of_a_sheet_does_not_load_the_products() -> None:
    code = "import sys, tagger.exchange.corrections; print('numpy' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


@pytest.fixture(scope="module")
def shelf(
    stocked: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inventory]:
    path = tmp_path_factory.mktemp("shelf") / "inventory.db"
    shutil.copy(stocked / "inventory.db", path)
    with Inventory(path) as inventory:
        inventory.set_item_pattern(inventory.roots(), PATTERN)
        yield inventory


@given(
    st.dictionaries(st.sampled_from("lpt"), st.sampled_from(FASHION_LABELS)),
    st.sampled_from([SHOPIFY, WOOCOMMERCE]),
    st.lists(st.sampled_from(["sale", "=1+1", 'a "b"', "2026"]), max_size=2),
)
def test_every_correction_comes_back_and_nothing_else(
    shelf: Inventory,
    tags: dict[str, str],
    shop: Shop,
    others: list[str],
) -> None:
    rows = [dict(shop.cells(ShopProduct(item, tag))) for item, tag in tags.items()]
    for row in rows:
        row["Tags"] = ",".join([*others, row["Tags"]])
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(shop.cells(ShopProduct("x", "Bag"))))
    writer.writeheader()
    writer.writerows(rows)

    found: Comparison = compare(io.BytesIO(stream.getvalue().encode()), shelf)

    assert found.bad == ()
    assert {one.path: one.tag for one in found.corrections} == {
        photograph.item.path: tags[one.product.item]
        for one in joined_products(shelf)
        if one.product.item in tags and one.product.tag != tags[one.product.item]
        for photograph in one.photographs
    }
