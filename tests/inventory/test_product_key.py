"""Which product a photograph shows, by its path."""

import pytest

from tagger.inventory.product_key import compile_pattern, product_key


@pytest.mark.parametrize(
    ("pattern", "key"),
    [(r"(?P<item>\d+)_", "77"), (r"/(\d+)", "77"), (r"(z)", ""), (r"7(x)?", "")],
)
def test_the_key_of_a_product(pattern: str, key: str) -> None:
    assert product_key(compile_pattern(pattern), "x/77_1.jpg") == key
