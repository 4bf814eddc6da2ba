"""Damaged files are tagged, but never accepted without a person."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image
from support import SAMPLES
from support.inventories import raw
from support.program import Tagger

from tagger.bundles.bundle import default_bundle
from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind


def jpeg(**options: object) -> bytes:
    """A sneaker that the network is sure of."""
    stream = io.BytesIO()
    Image.open(SAMPLES / "sneaker-side-view.jpg").save(stream, "JPEG", **options)
    return stream.getvalue()


def with_hole(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 400 :]


def cut_and_closed(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10] + b"\xff\xd9"


def mpo(data: bytes) -> bytes:
    stream = io.BytesIO()
    picture = Image.open(io.BytesIO(data))
    picture.save(stream, "MPO", save_all=True, append_images=[picture])
    return stream.getvalue()


def cmyk() -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).convert("CMYK").save(stream, "JPEG")
    return stream.getvalue()


DAMAGED = {
    "hole.jpg": with_hole(jpeg()),
    "closed.jpg": cut_and_closed(jpeg()),
    "progressive.jpg": cut_and_closed(jpeg(progressive=True)),
    "restarts.jpg": with_hole(jpeg(restart_marker_rows=2)),
    "fine.jpg": with_hole(jpeg(quality=97)),
    "cmyk.jpg": with_hole(cmyk()),
    "mpo.jpg": with_hole(jpeg()) + mpo(jpeg())[:200],
}


@pytest.fixture
def damaged(shop: Path) -> Path:
    for name, data in DAMAGED.items():
        (shop / name).write_bytes(data)
    (shop / "whole.jpg").write_bytes(jpeg())
    return shop


def waiting(tagger: Tagger) -> set[str]:
    return {name for name, row in tagger.rows().items() if row["flagged"] == "true"}


def accept_all(tagger: Tagger, shop: Path, *options: str) -> None:
    tagger("scan", shop, "--threshold", "0", *options)


def test_damaged_files_are_tagged_and_flagged_at_any_threshold(
    tagger: Tagger, damaged: Path
) -> None:
    accept_all(tagger, damaged)

    rows = tagger.rows()
    for name in DAMAGED:
        assert rows[name]["state"] == "tagged"
        assert rows[name]["tag"]
        assert rows[name]["flagged"] == "true"
        assert rows[name]["reason"].startswith("damaged file")
    assert rows["whole.jpg"]["flagged"] == "false"


def test_no_later_decision_of_the_policy_accepts_them(
    tagger: Tagger, damaged: Path
) -> None:
    tagger("scan", damaged)
    accept_all(tagger, damaged)  # nothing is read: all is decided again

    assert waiting(tagger) == set(DAMAGED)

    mapped = tagger("tags", "map", "skirt", "Dress")
    assert mapped.returncode == 0, mapped.stderr
    # Predictions are now adjusted to it.
    accept_all(tagger, damaged)

    assert waiting(tagger) == set(DAMAGED)


def test_no_audit_or_certificate_counts_them(tagger: Tagger, damaged: Path) -> None:
    accept_all(tagger, damaged)
    network = default_bundle().card.identity

    with Inventory(tagger.db) as inventory:
        candidates = inventory.undecided(network.digest, 0.0)
        audit = inventory.draw_audit(50, "anna", least=0.01)

    assert len(candidates) == 1  # the whole one
    assert audit is not None
    assert audit.accepted == 1


def test_no_network_learns_from_them(tagger: Tagger, damaged: Path) -> None:
    accept_all(tagger, damaged)
    digests = {name: row["digest"] for name, row in tagger.rows().items()}

    with Inventory(tagger.db) as inventory:
        for name in ("hole.jpg", "whole.jpg"):
            inventory.decide(
                digests[name], DecisionKind.CORRECT, tag="Sandal", reviewer="anna"
            )
        (learnt,) = inventory.reviews().reviewed

    assert learnt.digest == digests["whole.jpg"]
    assert "hole.jpg" not in waiting(tagger)  # a person may decide


def test_they_are_counted_and_reported(tagger: Tagger, damaged: Path) -> None:
    tagger("scan", damaged)

    status = json.loads(tagger("status", "--json").stdout)
    shown = " ".join(tagger("status").stdout.split())
    report = damaged.parent / "report.html"
    tagger("report", "-o", report)

    assert status["damaged"] == len(DAMAGED)
    assert f"{len(DAMAGED)} damaged files" in shown
    assert f"<dt>damaged files</dt><dd>{len(DAMAGED)}</dd>" in report.read_text()


def test_a_check_names_them(tagger: Tagger, damaged: Path) -> None:
    tagger("scan", damaged)

    done = tagger("check", "--sample", 0)
    found = json.loads(tagger("check", "--sample", 0, "--json").stdout)

    assert done.returncode == 3
    assert "replace the damaged files" in done.stdout
    assert {Path(path).name for path in found["files_damaged"]} == set(DAMAGED)


def test_a_check_finds_what_an_older_version_took_for_whole(
    tagger: Tagger, damaged: Path
) -> None:
    accept_all(tagger, damaged)
    (damaged / "copy.jpg").write_bytes(DAMAGED["hole.jpg"])
    accept_all(tagger, damaged)
    with raw(tagger.db) as connection:
        connection.execute("UPDATE prediction SET damaged = 0")
        connection.execute("UPDATE image SET flagged = 0, flag_reason = ''")
        connection.commit()

    found = json.loads(tagger("check", "--all", "--json").stdout)

    assert {Path(path).name for path in found["files_damaged"]} == {
        *DAMAGED,
        "copy.jpg",
    }

    os.utime(damaged / "hole.jpg")
    accept_all(tagger, damaged)

    assert waiting(tagger) == {"hole.jpg", "copy.jpg"}


def test_a_whole_file_in_its_place_is_accepted(tagger: Tagger, damaged: Path) -> None:
    accept_all(tagger, damaged)
    (damaged / "hole.jpg").write_bytes(jpeg(quality=80))

    accept_all(tagger, damaged)

    assert waiting(tagger) == set(DAMAGED) - {"hole.jpg"}
