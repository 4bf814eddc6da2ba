"""A report of an inventory: one page of HTML that needs nothing but itself."""

from tagger.report.page import render

__all__ = ["render"]
