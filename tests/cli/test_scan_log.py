"""What a scan says while it runs: in lines, as objects, or nothing."""

import json
import re
from pathlib import Path

from support import Photo, many
from support.program import Tagger, in_a_terminal


def test_a_good_night_says_when_it_began_and_ended(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)

    done = tagger("scan", shop)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    dated = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d "
    for line, text in zip(
        lines,
        [
            "scan of ",
            "found 3 new",
            "in these folders: 3 tagged, [0-3] waiting for review, 0 unreadable",
            r"done in \d+\.\d s, exit status 0",
        ],
        strict=True,
    ):
        assert re.match(dated + text, line), line


def test_a_quiet_scan_speaks_only_of_trouble(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    good = tagger("scan", shop, "--quiet")
    as_object = tagger("scan", shop, "--quiet", "--json")
    shown = in_a_terminal(tagger.command("scan", shop, "--quiet"), tagger)
    objects = tagger("scan", shop, "--quiet", "--log-format", "json")
    (shop / "bad.jpg").write_bytes(b"no picture")
    bad = tagger("scan", shop, "--quiet")

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (as_object.stdout, objects.stdout, shown) == ("", "", "")
    assert bad.returncode == 3
    assert "bad.jpg: not a picture" in bad.stdout
    assert "exit status 3" in bad.stdout


def test_the_last_object_holds_the_counts_and_the_exit_status(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    many(photo, 3)
    (shop / "bad.jpg").write_bytes(b"no picture")

    done = tagger("scan", shop, "--log-format", "json")
    failed = tagger("scan", "absent", "--log-format", "json")
    plainly = tagger("scan", "absent", "--json")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == failed.stderr == ""
    assert [one["event"] for one in told] == ["began", "unreadable", "done"]
    assert {"time", "level", "message"} <= set(told[0])
    last = told[-1]
    assert (last["new"], last["unreadable"], last["exit_code"]) == (4, 1, 3)
    last = json.loads(failed.stdout.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", 1)
    assert json.loads(plainly.stdout)["exit_code"] == 1
    assert plainly.stderr.startswith("error: ")
