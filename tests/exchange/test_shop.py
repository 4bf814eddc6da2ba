"""What a shop system gets is what its documentation allows, and says what was meant."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import GOLDEN
from support.program import Tagger, refused
from support.shops import Imported, imported_by_shopify, imported_by_woocommerce

from tagger.exchange import Table, write_table
from tagger.exchange.cells import is_formula
from tagger.exchange.shop import Shop, ShopProduct, UnholdableError
from tagger.exchange.shopify import SHOPIFY
from tagger.exchange.woocommerce import WOOCOMMERCE
from tagger.inventory import Inventory
from tagger.inventory.columns import Column, Kind
from tagger.inventory.records import DecisionKind
from tagger.records import Format

Importer = Callable[[str], dict[str, Imported]]
EVERY: list[tuple[Shop, Format, Importer]] = [
    (SHOPIFY, Format.SHOPIFY, imported_by_shopify),
    (WOOCOMMERCE, Format.WOOCOMMERCE, imported_by_woocommerce),
]
pytestmark = pytest.mark.usefixtures("stock")

PATTERN = r"(?P<item>[a-z]+)\."

usual = st.sampled_from(["00123", "Bag", "Shoes > Boots", "2026-01-02", "true", "-1"])
hostile = (
    usual
    | st.text(
        st.sampled_from("aB1 -_=+@|%,;\"'\\<>&.\t\r\n\0\u00e9\uff1d\ud800")
        | st.characters(),
        max_size=12,
    )
    | st.text("x", min_size=90, max_size=260)
)


def written(cells: dict[str, str], as_format: Format) -> str:
    columns = [Column(name, Kind.TEXT, "", repeats=False) for name in cells]
    stream = io.BytesIO()
    write_table(Table(columns, [list(cells.values())]), stream, as_format)
    return stream.getvalue().decode()


@given(hostile, hostile, hostile, st.sampled_from(EVERY))
def test_what_is_written_is_read_as_it_was_meant_or_refused(
    item: str, tag: str, category: str, system: tuple[Shop, Format, Importer]
) -> None:
    shop, as_format, imported = system
    try:
        cells = dict(shop.cells(ShopProduct(item, tag, category)))
    except UnholdableError:
        return

    text = written(cells, as_format)
    ((identifier, product),) = imported(text).items()

    assert identifier == shop.identify(item)
    assert product.title == item
    assert product.tags == (tag,)
    assert tuple(shop.tags_of(cells["Tags"])) == product.tags
    assert not any(
        is_formula(cell) and not cell.startswith("'") for cell in cells.values()
    )


@pytest.mark.parametrize(("shop", "as_format", "imported"), EVERY)
@pytest.mark.parametrize("tag", ["Ankle boot", "T-shirt/top", 'the "big" one', "Röcke"])
def test_usual_tags_are_held(
    shop: Shop, as_format: Format, imported: Importer, tag: str
) -> None:
    cells = dict(shop.cells(ShopProduct("A-12", tag, "Shoes > Boots")))

    ((_, product),) = imported(written(cells, as_format)).items()

    assert (product.tags, product.categories) == ((tag,), (("Shoes", "Boots"),))


def test_a_formula_is_guarded_where_the_importer_undoes_it() -> None:
    cells = WOOCOMMERCE.cells(ShopProduct("1", "=1+1"))

    assert cells["Tags"] == "'=1+1"
    with pytest.raises(UnholdableError, match="formula"):
        SHOPIFY.cells(ShopProduct("1", "=1+1"))


@pytest.fixture
def stocked_shop(tagger: Tagger) -> Tagger:
    """Let a person have decided on two of the four pictures."""
    with Inventory(tagger.db) as inventory:
        for item in inventory.items():
            tag = {"tiny.png": "Bag", "lossy.webp": "Ankle boot"}.get(item.path)
            if tag:
                inventory.decide(
                    item.digest or "", DecisionKind.CORRECT, tag=tag, reviewer="anna"
                )
    return tagger


def settings(tagger: Tagger, text: str) -> None:
    (tagger.folder / "tagger.toml").write_text(text)


TABLE = (
    '[shop-categories]\nBag = "Apparel & Accessories > Handbags"\n'
    '"ankle boot" = "Apparel & Accessories > Shoes"\n'
    '[shop-types]\nBag = "Handbag"\n"Ankle boot" = "Boot"\n'
)
ARGUMENTS = ("--item-pattern", PATTERN, "--image-url", "https://example.com/shop/")


@pytest.mark.parametrize(("as_format", "imported"), [row[1:] for row in EVERY])
def test_an_export_for_a_shop_is_as_the_golden_file(
    stocked_shop: Tagger,
    request: pytest.FixtureRequest,
    as_format: Format,
    imported: Importer,
) -> None:
    settings(stocked_shop, TABLE)
    golden = GOLDEN / "shops" / f"{as_format}.csv"
    target = stocked_shop.folder / "out.csv"

    done = stocked_shop(
        "export", "-f", as_format, "-o", target, "--by-person", *ARGUMENTS
    )
    content = target.read_bytes().decode()
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(content, newline="")

    assert (done.returncode, done.stderr) == (0, "")
    assert content == golden.read_bytes().decode()
    products = imported(content)
    assert {key: product.tags for key, product in products.items()} == {
        "lossy": ("Ankle boot",),
        "tiny": ("Bag",),
    }
    assert products["tiny"].images == ("https://example.com/shop/tiny.png",)
    assert products["tiny"].categories == (("Apparel & Accessories", "Handbags"),)


@pytest.mark.parametrize(("shop", "as_format", "imported"), EVERY)
def test_a_key_of_digits_keeps_its_zeros_and_gets_no_apostrophe(
    stocked_shop: Tagger,
    stocked: Path,
    shop: Shop,
    as_format: Format,
    imported: Importer,
) -> None:
    other = stocked_shop.folder / "other"
    other.mkdir()
    picture = (stocked / "pictures" / "tiny.png").read_bytes()
    (other / "00123_1.png").write_bytes(picture)
    stocked_shop("scan", other)

    done = stocked_shop(
        *("export", "-f", as_format, "--root", other),
        *("--item-pattern", r"(?P<item>\d+)_"),
    )

    assert {*imported(done.stdout)} == {"00123"}
    assert f"{shop.identifier}," in done.stdout


def test_a_product_that_waits_is_exported_on_request_only(stocked_shop: Tagger) -> None:
    with Inventory(stocked_shop.db) as inventory:
        waiting = {
            item.path.partition(".")[0]
            for item in inventory.items()
            if item.flagged and item.tag
        }
    assert waiting

    def exported(*arguments: str) -> set[str]:
        done = stocked_shop(
            "export", "-f", "woocommerce", "--item-pattern", PATTERN, *arguments
        )
        return {*imported_by_woocommerce(done.stdout)}

    assert not exported() & waiting
    assert exported("--undecided") - exported() == waiting


def test_a_file_without_a_key_is_left_out_and_named(stocked_shop: Tagger) -> None:
    done = stocked_shop(
        "export", "-f", "shopify", "--item-pattern", r"(?P<item>ti.*)\."
    )

    assert done.returncode == 0
    assert {*imported_by_shopify(done.stdout)} == {"tiny"}
    assert "lossy.webp" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("as_format", ["shopify", "woocommerce"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[shop-categories]\nBagg = "x"', "no tag 'Bagg': did you mean 'Bag'?"),
        ('[shop-categories]\nBag = "x"', "has no line for 'Ankle boot'"),
        ("[shop-categories]\nBag = 1", "'Bag' needs a text in quotes"),
        ('shop-types = "x"', "write its lines under [shop-types]"),
        ('[shop-type]\nBag = "x"', "did you mean 'shop-types'?"),
    ],
)
def test_a_table_that_does_not_fit_is_named(
    stocked_shop: Tagger, as_format: str, text: str, says: str
) -> None:
    settings(stocked_shop, text)

    assert says in refused(
        stocked_shop, "export", "-f", as_format, "--item-pattern", PATTERN
    )


def test_two_products_with_one_handle_are_named_and_nothing_is_written(
    stocked_shop: Tagger, stocked: Path
) -> None:
    old = stocked_shop.folder / "out.csv"
    old.write_text("old")
    # "tiny.p" and "tiny-p" would be one handle.
    with Inventory(stocked_shop.db) as inventory:
        second = next(item for item in inventory.items() if item.path == "tiny.png")
    other = stocked_shop.folder / "other"
    other.mkdir()
    (other / "tiny.png").write_bytes((stocked / "pictures" / "tiny.png").read_bytes())
    stocked_shop("scan", other)

    message = refused(
        stocked_shop,
        *("export", "-f", "shopify", "--item-pattern", PATTERN, "-o", old),
        status=1,
    )

    assert "'tiny'" in message
    assert second.root in message
    assert str(other) in message
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "as_format", "says"),
    [
        ("x" * 101, "woocommerce", "at most 100 characters"),
        ("<b>", "woocommerce", "would change this SKU"),
        ("=1+1", "woocommerce", "formula"),
        ("靴", "shopify", "letters or digits"),
        ("=1+1", "shopify", "formula"),
    ],
)
def test_a_name_that_a_shop_cannot_hold_is_one_line(
    stocked_shop: Tagger, stocked: Path, name: str, as_format: str, says: str
) -> None:
    other = stocked_shop.folder / "other"
    other.mkdir()
    picture = (stocked / "pictures" / "tiny.png").read_bytes()
    (other / f"{name}_1.png").write_bytes(picture)
    stocked_shop("scan", other)

    message = refused(
        stocked_shop,
        *("export", "-f", as_format, "--root", other),
        *("--item-pattern", r"(?P<item>.+)_\d\."),
        status=1,
    )

    assert says in message
    assert f"{name}_1.png" in message


@pytest.mark.parametrize("arguments", [("-f", "shopify"), ("--by-item",)])
def test_products_that_changed_are_exported_once(
    stocked_shop: Tagger, arguments: tuple[str, ...]
) -> None:
    def changed(*more: object) -> int:
        done = stocked_shop(
            "export", *arguments, "--changed", "--item-pattern", PATTERN, *more
        )
        return len(done.stdout.splitlines()) - 1

    number = changed("--mark", "other")
    assert number >= 2
    assert [changed(), changed()] == [number, 0]
    refused(
        stocked_shop, "export", *arguments, "--changed", "-o", "absent/x.csv", status=1
    )
    with Inventory(stocked_shop.db) as inventory:
        digest = next(i.digest for i in inventory.items() if i.path == "tiny.png")
        inventory.decide(digest or "", DecisionKind.CORRECT, tag="Coat", reviewer="a")
    refused(
        stocked_shop, "export", *arguments, "--changed", "-o", "absent/x.csv", status=1
    )
    assert [changed(), changed()] == [1, 0]
