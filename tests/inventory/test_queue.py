"""The order in which what waits is shown."""

import shutil
from pathlib import Path

import pytest
from support import FakeClassifier, Photo, photo_with_other_bytes, scan

from tagger.inventory import Inventory
from tagger.inventory.records import Order, Selection
from tagger.records import Policy


@pytest.mark.parametrize("waiting", [49, 50])
def test_where_little_waits_the_least_sure_comes_first(
    inventory: Inventory, shop: Path, photo: Photo, waiting: int
) -> None:
    photo_with_other_bytes(waiting, photo, shop)
    for path in list(shop.iterdir()):
        shutil.copy(path, shop / f"copy of {path.name}")
    scan([shop], inventory, FakeClassifier(), Policy(1.0))

    found = inventory.best_order(Selection())
    assert found is (Order.RANDOM if waiting == 50 else Order.CONFIDENCE)
    assert inventory.best_order(Selection(tag="Bag")) is Order.CONFIDENCE
