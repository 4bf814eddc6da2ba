"""Settings of Sphinx for the documentation site: `poe site` builds it.

The source folder is the checkout, so that the pages of `docs/` and the README files of
other folders link to each other as they do on GitHub, and Sphinx checks each link.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tagger.version import __version__

project = "tagger"
author = "the authors of tagger"
copyright = author  # noqa: A001  Sphinx chose the name
version = release = __version__

extensions = ["myst_parser"]
include_patterns = [
    "docs/*.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "models/README.md",
    "sample_images/README.md",
]
exclude_patterns = [".*", "build", "dist", "tagger", "tests", "**/__pycache__"]
root_doc = "docs/index"
nitpicky = True
smartquotes = False  # it would make a dash of the two hyphens of an option

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block", "colon_fence"]
suppress_warnings = [
    "toc.not_included",  # the files of other folders: a link leads to each
]

html_theme = "furo"
html_title = f"tagger {release}"
html_static_path: list[str] = []
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]
html_show_sourcelink = False
html_copy_source = False
html_domain_indices = False
html_use_index = False
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif"},
    "dark_css_variables": {"font-stack": "system-ui, sans-serif"},
}


def setup(app: "Sphinx") -> None:
    """Improve each page when Furo has finished it."""
    app.connect("html-page-context", _help_keyboards_and_screen_readers, priority=900)


def _help_keyboards_and_screen_readers(
    _app: "Sphinx", _page: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """Make wide blocks focusable, to scroll by keys, and give headings a level."""
    context["body"] = context.get("body", "").replace("<pre>", '<pre tabindex="0">')
    tree = context.get("furo_navigation_tree", "")
    level = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    context["furo_navigation_tree"] = level
