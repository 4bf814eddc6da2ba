"""Export the inventory to other programs, and import what comes back."""

from tagger.exchange.cells import DELIMITERS, neutral, restored
from tagger.exchange.formats import Style, Table, format_of, write_table

__all__ = [
    "DELIMITERS",
    "Style",
    "Table",
    "format_of",
    "neutral",
    "restored",
    "write_table",
]
