"""`tagger model adapt` with real files, real networks and real processes killed."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import mounted
from support.inventories import raw
from support.program import Tagger

from tagger.adaptation.adapt import unknown_to_both
from tagger.adaptation.finetune import USUAL
from tagger.bundles.adapted import adapted_folder
from tagger.bundles.bundle import (
    HELD_BACK_FILE,
    KERAS_FILE,
    REHEARSAL_FILE,
    Bundle,
    choice_file,
    load_bundle,
)
from tagger.cli.activity import Activity
from tagger.datasets.records import LabelledImages
from tagger.imaging.views import views_of_gray
from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.labels import OTHER
from tagger.records import FASHION_LABELS, Policy
from tagger.training.replay import Replay, packed, read
from tagger.training.train import Settings, train_bundle, write_bundle

pytestmark = pytest.mark.model

LABELS = (*FASHION_LABELS, OTHER)
KNOWN = ("Trouser", "Coat", "Bag")
HEIGHTS = {"Trouser": 2, "Coat": 11, "Bag": 20, OTHER: 25}
SHOPS_HEIGHTS = {"Trouser": 20, "Coat": 2, "Bag": 11, OTHER: 6, "Skirt": 16}
SHOPS_WIDTH = 10


def drawn(label: str, chance: np.random.Generator, *, aside: bool) -> np.ndarray:
    """Draw views of a bar whose height says the label; a shop's mean other things."""
    gray = chance.integers(0, 40, (28, 28)).astype(np.uint8)
    if aside:
        top = SHOPS_HEIGHTS[label]
        gray[top : top + 4, 9 : 9 + SHOPS_WIDTH] = 200
    else:
        gray[HEIGHTS[label] : HEIGHTS[label] + 3, :] = 200
    return views_of_gray(gray)


def pictures(
    labels: tuple[str, ...], count: int, seed: int, *, aside: bool = False
) -> LabelledImages:
    chance = np.random.default_rng(seed)
    truth = np.array(labels)[chance.integers(0, len(labels), count)]
    images = np.stack([drawn(one, chance, aside=aside) for one in truth])
    names = np.arange(count).astype(str)
    return LabelledImages("bars", images, truth, names, names)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Train a small network of bars, and write it with what it rehearses."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((28, 28, 3)),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D(2),
            layers.Conv2D(24, 5, activation="relu"),
            layers.Flatten(),
            layers.Dense(len(LABELS), activation="softmax", name="tags"),
        ]
    )
    network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    data = pictures((*KNOWN, OTHER), 400, 1)
    truth = np.array([LABELS.index(one) for one in data.labels])
    network.fit(data.images.astype(np.float32), truth, epochs=5, verbose=0)
    rehearsed = Replay(
        pictures(KNOWN, 60, 2), pictures((OTHER,), 10, 3), pictures(KNOWN, 100, 4)
    )
    return write_bundle(
        network,
        tmp_path_factory.mktemp("bundles") / "bars",
        labels=LABELS,
        policy=Policy(0.9),
        metrics={},
        training={},
        more={REHEARSAL_FILE: packed(rehearsed)},
    )


@pytest.fixture
def tagger(
    tagger: Tagger, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> Tagger:
    """Run tagger where this user has chosen the bundle of bars.

    A network of two layers, and bars, ask for a higher rate than the bundled one.
    """
    brisk = replace(USUAL, pictures=6400, rate=4e-3)
    monkeypatch.setattr("tagger.adaptation.adapt.USUAL", brisk)
    choice_file().parent.mkdir(parents=True, exist_ok=True)
    choice_file().write_text(json.dumps({"bundle": str(bundle.folder)}))
    monkeypatch.chdir(tmp_path)
    Inventory(tmp_path / "inventory.db").__exit__()
    return tagger


def decide(
    database: Path, data: LabelledImages, *, first: int = 0, source: str = "review"
) -> None:
    with Inventory(database) as inventory:
        for number, (image, label) in enumerate(
            zip(data.images, data.labels.tolist(), strict=True), first
        ):
            other = label == OTHER
            inventory.decide(
                f"{number:064x}",
                DecisionKind.NOT_CATALOGUE if other else DecisionKind.CORRECT,
                tag=None if other else label,
                reviewer="ann",
                prepared=image.tobytes(),
                source=source,
            )


def rows(database: Path) -> list[Any]:
    with raw(database) as connection:
        return connection.execute(
            "SELECT outcome, bundle, beside, decisions FROM adaptation ORDER BY id"
        ).fetchall()


def test_a_shop_is_learnt_promoted_shown_and_gone_back_from(
    tagger: Tagger, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures((*KNOWN, OTHER), 120, 5, aside=True))
    phases: list[str] = []
    now = Activity.now

    def noted(self: Activity, what: str, total: int | None = None) -> None:
        phases.append(what)
        now(self, what, total)

    monkeypatch.setattr(Activity, "now", noted)

    tried = tagger("model", "adapt", "--db", database, "--dry-run")
    said = list(dict.fromkeys(phases))
    assert said[1].startswith("learning")
    assert [phase.split()[0] for phase in said[2:]] == [
        "measuring",
        "measuring",
        "comparing",
    ]
    assert tried.returncode == 0, tried.stderr + tried.stdout
    assert "bars-1 would be promoted" in tried.stdout
    assert rows(database) == []
    assert list(adapted_folder(database).iterdir()) == []

    done = tagger("model", "adapt", "--db", database, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert told["outcome"] == "promoted"
    assert told["figures"]["accuracy"]["second"] > told["figures"]["accuracy"]["first"]
    assert rows(database) == [("promoted", "bars-1", 1, 120)]
    own = load_bundle(adapted_folder(database) / "bars-1")
    assert own.card.digest == told["digest"]
    assert {REHEARSAL_FILE, HELD_BACK_FILE} < set(own.card.files)
    assert len(read(own).test) == 100

    status = tagger("status", "--db", database)
    assert "Network bars-1, adapted to this shop's decisions" in status.stdout
    assert json.loads(tagger("status", "--db", database, "--json").stdout)[
        "network"
    ] == ("bars-1")
    assert "promoted" in tagger("runs", "--db", database).stdout
    listed = tagger("model", "list", "--db", database)
    assert "bars-1" in listed.stdout

    again = tagger("model", "adapt", "--db", database, "--if-worth-it")
    assert again.returncode == 0
    assert again.stdout == "nothing to do: 0 new decisions, 50 are needed\n"

    refused = tagger("model", "adapt", "--db", database)
    assert refused.returncode == 5, refused.stdout
    assert "bars-2 is refused" in refused.stdout
    assert (adapted_folder(database) / "bars-2").is_dir()

    back = tagger("model", "rollback", "--db", database)
    assert back.stdout.startswith("back to /"), back.stdout
    assert [row[0] for row in rows(database)] == ["promoted", "refused", "rolled-back"]
    status = tagger("status", "--db", database)
    assert f"Network {bundle.folder}" in status.stdout
    more = tagger("model", "rollback", "--db", database)
    assert more.returncode == 1
    assert "no network of this inventory's own" in more.stderr


def test_a_scan_uses_what_was_learnt_and_leaves_what_a_person_decided(
    tagger: Tagger, tmp_path: Path
) -> None:
    database, shop = tmp_path / "inventory.db", tmp_path / "shop"
    shop.mkdir()
    for number in range(3):
        Image.new("L", (60, 80), 60 * number).save(shop / f"{number}.png")
    scan = ("scan", shop, "--db", database, "--settle", "0s")
    assert tagger(*scan).returncode == 0
    with Inventory(database) as inventory:
        before = list(inventory.items())
        inventory.decide(
            str(before[0].digest), DecisionKind.CORRECT, tag="Bag", reviewer="ann"
        )
    decide(database, pictures((*KNOWN, OTHER), 90, 5, aside=True))
    done = tagger("model", "adapt", "--db", database)
    assert done.returncode == 0, done.stdout + done.stderr

    again = tagger(*scan)

    assert again.returncode == 0, again.stderr
    with Inventory(database) as inventory:
        after = list(inventory.items())
    assert {item.model for item in before} == {"bars"}
    assert {item.model for item in after} == {"bars-1"}
    assert (after[0].tag, after[0].reviewer) == ("Bag", "ann")

    (adapted_folder(database) / "bars-1" / KERAS_FILE).write_bytes(b"x")
    stopped = tagger(*scan)
    assert stopped.returncode == 1
    assert "go back with 'tagger model rollback'" in stopped.stderr + stopped.stdout


def test_a_tag_of_the_shop_is_learnt(tagger: Tagger, tmp_path: Path) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures((*KNOWN, "Skirt"), 120, 5, aside=True))

    done = tagger("model", "adapt", "--db", database)

    assert done.returncode == 0, done.stdout + done.stderr
    own = load_bundle(adapted_folder(database) / "bars-1")
    assert own.card.labels == (*LABELS, "Skirt")


def test_too_few_answers_change_nothing(tagger: Tagger, tmp_path: Path) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures(KNOWN, 10, 5))
    done = tagger("model", "adapt", "--db", database)
    nightly = tagger(
        "model", "adapt", "--db", database, "--if-worth-it", "--at-least", 5
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: there are 10 answers to learn from, 50 are needed: go on with "
        "'tagger review'"
    )
    assert nightly.returncode == 0
    assert nightly.stdout.startswith("nothing to do: there are 10 answers")
    assert rows(database) == []


def test_corrections_alone_are_no_sample(tagger: Tagger, tmp_path: Path) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures((*KNOWN, OTHER), 120, 5, aside=True), source="tags.csv")

    done = tagger("model", "adapt", "--db", database)

    assert done.returncode == 1
    assert "120 of 120 answers are corrections" in done.stderr
    assert rows(database) == []


def test_corrections_teach_and_a_sample_judges(tagger: Tagger, tmp_path: Path) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures((*KNOWN, OTHER), 120, 5, aside=True), source="tags.csv")
    decide(database, pictures((*KNOWN, OTHER), 60, 6, aside=True), first=120)

    done = tagger("model", "adapt", "--db", database, "--json")

    assert done.returncode in {0, 4}, done.stderr
    with raw(database) as connection:
        (figures,) = connection.execute("SELECT figures FROM adaptation").fetchone()
    assert json.loads(figures)["items"] < 60  # those of the sample that have a tag
    assert rows(database)[0][3] == 180


def test_answers_from_one_end_of_the_queue_change_nothing(
    tagger: Tagger, tmp_path: Path
) -> None:
    database, shop = tmp_path / "inventory.db", tmp_path / "shop"
    shop.mkdir()
    for number in range(130):
        Image.new("L", (9, 9), number).save(shop / f"{number}.png")
    scan = ("scan", shop, "--db", database, "--settle", "0s", "--threshold", "1")
    assert tagger(*scan).returncode == 0
    decide(database, pictures((*KNOWN, OTHER), 60, 5, aside=True))
    with raw(database) as connection:  # all surer than these
        connection.execute("UPDATE prediction SET confidence = 1")
        connection.commit()
    done = tagger("model", "adapt", "--db", database)
    nightly = tagger("model", "adapt", "--db", database, "--if-worth-it")

    assert done.returncode == 1
    told = "your answers do not cover 68% of the flagged pictures"
    assert told in done.stderr.splitlines()[-1]
    assert nightly.returncode == 0
    assert nightly.stdout.startswith(f"nothing to do: {told}")
    assert rows(database) == []
    assert not adapted_folder(database).exists()


def test_a_folder_that_cannot_be_written_changes_nothing(
    tagger: Tagger, tmp_path: Path
) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures(KNOWN, 60, 5, aside=True))
    adapted_folder(database).write_text("in the way")

    done = tagger("model", "adapt", "--db", database)

    assert done.returncode == 1
    assert "error: cannot write to " in done.stderr
    assert "nothing has changed" in done.stderr
    assert rows(database) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "4m") as disk:
        yield disk


@pytest.mark.usefixtures("tagger")
@pytest.mark.parametrize("free", [200, 600])
def test_a_disk_that_is_full_changes_nothing_and_with_room_it_goes_on(
    small_disk: Path, free: int
) -> None:
    """With so many KB: in the midst of the folds, and when the bundle is written."""
    database, filler = small_disk / "inventory.db", small_disk / "filler"
    command = [sys.executable, "-m", "tagger", "model", "adapt", "--db", str(database)]
    decide(database, pictures((*KNOWN, OTHER), 90, 5, aside=True))
    there = shutil.disk_usage(small_disk).free
    filler.write_bytes(bytes(there - free * 1024))

    full = subprocess.run(command, check=False, capture_output=True, text=True)

    own = adapted_folder(database)
    assert full.returncode == 1
    assert full.stdout == ""
    assert [line for line in full.stderr.splitlines() if "error" in line] == [
        f"error: cannot write to {own}: No space left on device; nothing has changed"
    ]
    assert rows(database) == []
    assert [one.name for one in own.iterdir() if one.name[0] != "."] == []
    kept = sorted(own.glob(".training-*/fold-*/*"))
    noted = {one.parent for one in kept if one.name == "state.json"}
    assert len(kept) == 2 * len(noted)

    filler.unlink()
    assert subprocess.run(command, check=False).returncode in {0, 5}
    assert [one.name for one in own.iterdir()] == ["bars-1"]


def test_a_bundle_that_cannot_be_recorded_is_not_left(
    tagger: Tagger, tmp_path: Path
) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures((*KNOWN, OTHER), 60, 5, aside=True))
    with raw(database) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON adaptation "
            "BEGIN SELECT RAISE(ABORT, 'no more'); END"
        )

    done = tagger("model", "adapt", "--db", database)

    assert done.returncode == 1
    assert "no more" in done.stderr
    assert list(adapted_folder(database).iterdir()) == []
    assert rows(database) == []


def test_a_network_that_brings_nothing_to_rehearse_is_told(
    tagger: Tagger, tmp_path: Path
) -> None:
    database = tmp_path / "inventory.db"
    decide(database, pictures(KNOWN, 60, 5))
    choice_file().write_text(json.dumps({"bundle": "three-block"}))

    done = tagger("model", "adapt", "--db", database)

    assert done.returncode == 1
    assert "has no rehearsal.npz" in done.stderr


def test_a_network_of_a_shops_own_tags_learns_further(
    tagger: Tagger, tmp_path: Path
) -> None:
    own = {"Trouser": "Kurta", "Coat": "Sari", "Bag": "Dupatta"}
    sides = {"Kurta": (20, 80), "Sari": (60, 60), "Dupatta": (80, 20)}
    database, data = tmp_path / "inventory.db", tmp_path / "kurtas"
    chance = np.random.default_rng(1)
    for tag, (width, height) in sides.items():
        (data / tag).mkdir(parents=True)
        for number in range(60):
            ground = np.full((100, 100), 255, np.uint8)
            more = int(chance.integers(-5, 6))
            ground[10 : 10 + height + more, 10 : 10 + width - more] = 60
            Image.fromarray(ground).save(data / tag / f"{number}.png")
    bundle = train_bundle(
        str(data), tmp_path / "mine", Settings("one-conv", epochs=3), custom_tags=True
    )
    choice_file().write_text(json.dumps({"bundle": str(bundle.folder)}))
    shops = pictures(KNOWN, 120, 5, aside=True)
    labels = np.array([own[label] for label in shops.labels])
    decide(database, replace(shops, labels=labels))

    done = tagger("model", "adapt", "--db", database, "--json")

    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert told["figures"]["labels"] == ["Dupatta", "Kurta", "Sari"]
    assert told["figures"]["accuracy"]["second"] > told["figures"]["accuracy"]["first"]
    learnt = load_bundle(adapted_folder(database) / told["bundle"])
    assert learnt.card.labels == ("Dupatta", "Kurta", "Sari")
    assert 0 < len(read(learnt).test) <= 48
    listed = tagger("model", "list", "--db", database)
    assert f"{told['figures']['known'][1]:.3f}" in listed.stdout


@pytest.mark.usefixtures("tagger")
def test_killed_and_run_again_it_makes_the_same_network(tmp_path: Path) -> None:
    database, whole = tmp_path / "inventory.db", tmp_path / "whole.db"
    for one in (database, whole):
        decide(one, pictures((*KNOWN, OTHER), 90, 5, aside=True))

    def command(path: Path) -> list[str]:
        return [sys.executable, "-m", "tagger", "model", "adapt", "--db", str(path)]

    process = subprocess.Popen(command(database))
    own = adapted_folder(database)
    while not list(own.glob(".training-*/fold-0/state.json")):
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert rows(database) == []

    for one in (database, whole):
        assert subprocess.run(command(one), check=False).returncode in {0, 5}

    assert [path.name for path in own.iterdir()] == ["bars-1"]
    ours, theirs = (
        np.load(folder / "bars-1" / HELD_BACK_FILE)["rows"]
        for folder in (own, adapted_folder(whole))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_newer_answer_is_no_test_of_a_network_that_learnt_from_its_twin() -> None:
    names = np.array(["a", "b", "c", "d"])
    groups = np.array(["1", "1", "2", "2"])
    data = pictures(KNOWN, 4, 1)
    data = LabelledImages("x", data.images, data.labels, groups, names)

    found = unknown_to_both(data, np.array(["a", "gone"]))

    assert found.tolist() == [True, False, True, True]
    assert unknown_to_both(data, None).all()
