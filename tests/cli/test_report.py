"""`tagger report`: one page, put in place whole."""

import pytest
from support.program import Tagger, refused

pytestmark = pytest.mark.usefixtures("stock")


def test_a_report_is_put_in_place_whole(tagger: Tagger) -> None:
    done = tagger("report", "-o", "report.html")
    missing = refused(tagger, "report", "-o", "absent/report.html", status=1)

    page = (tagger.folder / "report.html").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "cannot write" in missing
