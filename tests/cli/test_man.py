"""`tagger man`: a page for every command."""

import shutil
import subprocess

import pytest
from support.program import Tagger, refused

pytestmark = pytest.mark.usefixtures("stock")


def test_every_command_has_a_manual_page(tagger: Tagger) -> None:
    done = tagger("man", "-o", "man1")

    pages = {path.stem: path.read_text() for path in (tagger.folder / "man1").iterdir()}
    assert (done.returncode, done.stdout) == (0, "")
    assert tagger("man", "runs", "show").stdout == pages["tagger-runs-show"]
    assert {"tagger", "tagger-export", "tagger-import"} <= set(pages)
    assert r"\-\-item\-pattern" in pages["tagger-export"]
    assert "TAGGER_EXPORT_COLUMNS" in pages["tagger-export"]
    assert ".SH EXAMPLE" in pages["tagger-scan"]
    assert "EXIT STATUS" in pages["tagger"]
    assert "did you mean 'tagger runs show'" in refused(tagger, "man", "runs", "shov")
    if shutil.which("groff"):
        for path in (tagger.folder / "man1").iterdir():
            shown = subprocess.run(
                ["groff", "-man", "-ww", "-Tutf8", path],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
            )
            assert shown.stderr == ""
