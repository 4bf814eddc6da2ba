"""The shop systems, by the format that writes their product CSV."""

from collections.abc import Mapping
from typing import Final

from tagger.exchange.shop import Shop
from tagger.exchange.shopify import SHOPIFY
from tagger.exchange.woocommerce import WOOCOMMERCE
from tagger.records import Format

SHOPS: Final[Mapping[Format, Shop]] = {
    Format.SHOPIFY: SHOPIFY,
    Format.WOOCOMMERCE: WOOCOMMERCE,
}
