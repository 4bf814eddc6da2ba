"""`tagger status`: the inventory at a glance."""

import json
from pathlib import Path

from support.program import Tagger


def test_the_status_tells_what_is_there(tagger: Tagger, pictures: Path) -> None:
    tagger("scan", pictures)

    told = json.loads(tagger("status", "--json").stdout)
    shown = tagger("status").stdout

    assert told["states"] == {"tagged": 3}
    assert told["roots"] == {str(pictures): 3}
    assert told["last_run"]["exit_code"] == 0
    assert "Last scan: run 1" in shown
