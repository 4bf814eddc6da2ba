"""`tagger predict`: what a network says of single pictures."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import SAMPLES
from support.program import Tagger, in_a_terminal

from tagger.bundles.bundle import DEFAULT_BUNDLE, find_bundle, write_card
from tagger.inventory import Inventory
from tagger.records import FASHION_LABELS, Adaptation, Outcome


def test_predict_shows_the_ten_probabilities(tagger: Tagger) -> None:
    shown = tagger("predict", SAMPLES / "tiny.png")
    told = tagger("predict", "--json", SAMPLES / "tiny.png", SAMPLES / "empty.jpg")

    assert shown.returncode == 0
    assert all(label in shown.stdout for label in FASHION_LABELS)
    first, second = map(json.loads, told.stdout.splitlines())
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "does not exist" in tagger.fails("predict", "absent.jpg")
    assert "is a folder" in tagger.fails("predict", SAMPLES)
    assert first["confidence"] == max(first["probabilities"].values())
    assert second["state"] == "unreadable"
    assert told.returncode == 3
    assert not tagger.db.exists()


def test_predict_asks_the_network_that_learnt_here(tagger: Tagger) -> None:
    own = tagger.folder / "inventory.db.models" / "shops-1"
    shutil.copytree(find_bundle(DEFAULT_BUNDLE).folder, own)
    card = replace(find_bundle(DEFAULT_BUNDLE).card, name="shops-1")
    write_card(own, card)
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    row = Adaptation(
        0, moment, Outcome.PROMOTED, "shops-1", True, card.digest, "", 60, 60, {}, ""
    )
    with Inventory(tagger.db) as inventory:
        inventory.record_adaptation(row)

    def network(*options: object, db: Path = tagger.db) -> str:
        asked = ("predict", SAMPLES / "tiny.png", "--json", *options)
        told = tagger(*asked, TAGGER_DB=str(db))
        return str(json.loads(told.stdout)["network"])

    assert network() == "shops-1"
    assert network("--model", "three-block") == "three-block"
    assert network(db=tagger.folder / "to-be-made.db") == DEFAULT_BUNDLE
    absent = tagger.folder / "absent.db"
    assert "no inventory" in tagger.fails(
        "predict", SAMPLES / "tiny.png", "--db", absent
    )
    shown = tagger("predict", SAMPLES / "tiny.png").stdout
    assert shown.endswith("Network shops-1, adapted to this shop's decisions\n")
    shutil.rmtree(own)
    assert "restore" in tagger.fails("predict", SAMPLES / "tiny.png")


@pytest.mark.measured
def test_predict_draws_the_picture_where_there_is_a_terminal(program: Tagger) -> None:
    shown = in_a_terminal(program.command("predict", SAMPLES / "tiny.png"), program)

    assert "▀" in shown
    assert "█" in shown
