"""Which pictures belong together."""

from pathlib import Path

from PIL import Image
from support import FakeClassifier, Photo, scan

from tagger.inventory import Inventory
from tagger.inventory.product_key import compile_pattern
from tagger.inventory.records import Selection
from tagger.records import Policy
from tagger.review.groups import Groups, fingerprint


def test_products_are_found_by_their_number(
    inventory: Inventory, shop: Path, photo: Photo
) -> None:
    with_stripes = photo("77_2.png")
    stripes = Image.new("L", (80, 60), 255)
    stripes.paste(0, (5, 5, 30, 55))
    stripes.save(with_stripes)
    photo("77_1.png")
    photo("78_1.png", 90)
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    with inventory.reviewing("anna", Selection()) as opened:
        groups = Groups(opened, {str(shop): compile_pattern(r"(?P<item>\d+)_\d+")})
        groups._key(opened.paths(99))  # noqa: SLF001
        by_path = {path: digest for digest, _, path in opened.paths(99)}
        assert groups.alike(by_path["77_1.png"]) == [by_path["77_2.png"]]
        assert groups.alike(by_path["78_1.png"]) == []


def test_a_photograph_made_smaller_keeps_its_fingerprint(photo: Photo) -> None:
    with Image.open(photo("a.png")) as picture:
        whole = fingerprint(picture)
        half = fingerprint(picture.resize((30, 40)))

    assert (whole ^ half).bit_count() <= 2
