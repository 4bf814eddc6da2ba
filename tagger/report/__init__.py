"""Render a report of an inventory as one self-contained HTML page."""

from tagger.report.page import render

__all__ = ["render"]
