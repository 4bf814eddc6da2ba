import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tagger.bundles.bundle import load_bundle
from tagger.datasets.records import LabelledImages
from tagger.errors import TrainingError
from tagger.imaging.views import views_of_gray
from tagger.labels import OTHER
from tagger.records import Policy
from tagger.training import architectures
from tagger.training.checkpoint import Checkpoint
from tagger.training.mixture import LABELS, Domain
from tagger.training.recipe import Materials, Recipe, Source, Stage
from tagger.training.schedule import cosine_with_warm_up
from tagger.training.step_loop import LEAST_RATE, WARM_UP, Progress, fit
from tagger.training.train import finish

SIZE = 16
"""Pictures a step; a network this size learns bars from a few hundred."""


def bars(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gray arrays with a bar whose place is the label, and the labels."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 10, count)
    arrays = chance.integers(0, 40, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(arrays, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label] = 230
    return arrays, labels


BLOCKS = ((8, 1), (8, 2))
"""A residual network of two narrow blocks: TensorFlow prepares it in a third of the
time of the bundled one, and bars need no more."""


@pytest.fixture(autouse=True)
def _narrow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "BLOCKS", BLOCKS)


@pytest.fixture
def materials() -> Materials:
    noise = np.random.default_rng(2).integers(0, 256, (20, 96, 96, 3)).astype(np.uint8)
    others = np.full(20, LABELS.index(OTHER))
    held, truth = bars(60, 3)
    names = np.arange(60).astype(str)
    return Materials(
        {"bars": Domain(1, *bars(400, 1)), "noise": Domain(1, noise, others)},
        {
            "bars": LabelledImages(
                "held",
                np.stack([views_of_gray(image) for image in held]),
                np.array(LABELS)[truth],
                names,
                names,
            )
        },
        noise[:0, ..., 0],
    )


def recipe(tmp_path: Path, *pictures: int) -> Recipe:
    mixtures = {"bars": 1.0}, {"bars": 0.8, "noise": 0.2}
    return Recipe(
        name="bars",
        digest="d",
        folder=tmp_path,
        architecture="residual",
        domains={"bars": Source(arrays="bars"), "noise": Source(things="noise")},
        stages=tuple(
            Stage(count, 2e-3, mixture)
            for count, mixture in zip(pictures, mixtures, strict=True)
        ),
        batch_size=SIZE,
    )


@pytest.mark.model
def test_a_network_learns_by_a_recipe_and_becomes_a_bundle(
    materials: Materials, tmp_path: Path
) -> None:
    told: list[Progress] = []
    short = recipe(tmp_path, 40 * SIZE, 20 * SIZE)
    network = fit(short, materials, tmp_path / "state", told.append)
    bundle = finish(network, short, materials, tmp_path / "bundle")

    assert [progress.step for progress in told] == list(range(1, 61))
    assert {progress.steps for progress in told} == {60}
    assert told[-1].loss < told[0].loss
    assert bundle.card.labels == LABELS
    assert bundle.card.training["recipe_digest"] == "d"
    assert 0.25 <= bundle.card.training["temperature"] <= 4
    assert set(bundle.card.metrics) == {"bars_accuracy", "bars_calibration_error"}
    lines = list(
        csv.DictReader((tmp_path / "state" / "curves.csv").read_text().splitlines())
    )
    assert [line["step"] for line in lines] == ["60"]
    assert load_bundle(tmp_path / "bundle").card == bundle.card


@pytest.mark.model
def test_a_recipe_may_give_the_policy(materials: Materials, tmp_path: Path) -> None:
    careful = structs.replace(
        recipe(tmp_path, SIZE, SIZE), policy=Policy(0.93, tags={"Coat": 1})
    )
    network = fit(careful, materials, tmp_path / "state")

    bundle = finish(network, careful, materials, tmp_path / "bundle")

    assert bundle.card.policy == Policy(0.93, tags={"Coat": 1})


def stop_after(step: int) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return watch


@pytest.mark.model
def test_an_interrupted_training_goes_on_to_the_same_network(
    materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.training.step_loop.KEPT_EVERY", 0.0)
    short = recipe(tmp_path, 6 * SIZE, 6 * SIZE)
    whole = fit(short, materials, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(short, materials, tmp_path / "parts", stop_after(4))
    with pytest.raises(KeyboardInterrupt):
        fit(short, materials, tmp_path / "parts", stop_after(9))
    steps: list[int] = []
    parts = fit(
        short, materials, tmp_path / "parts", lambda now: steps.append(now.step)
    )

    assert steps == [9, 10, 11, 12]
    for weight, same in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(weight, same, atol=1e-4)


@pytest.mark.model
def test_the_curves_of_an_interrupted_training_are_those_of_an_undisturbed_one(
    materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.training.step_loop.KEPT_EVERY", 0.0)
    short = recipe(tmp_path, 6 * SIZE, 2 * SIZE)
    told: list[Progress] = []
    fit(short, materials, tmp_path / "whole", told.append)
    with pytest.raises(KeyboardInterrupt):
        fit(short, materials, tmp_path / "parts", stop_after(5))
    later: list[Progress] = []
    fit(short, materials, tmp_path / "parts", later.append)

    assert [progress.step for progress in later] == [5, 6, 7, 8]
    means = [progress.loss for progress in told[4:]]
    assert [progress.loss for progress in later] == pytest.approx(means, abs=1e-3)


@pytest.mark.model
def test_a_training_that_was_stopped_at_once_begins_again(
    materials: Materials, tmp_path: Path
) -> None:
    short = recipe(tmp_path, 2 * SIZE, SIZE)
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fit(short, materials, tmp_path / "state", stop_after(1))
    fit(short, materials, tmp_path / "state", lambda now: steps.append(now.step))

    assert steps == [1, 2, 3]


def relabelled(materials: Materials) -> Materials:
    bars = materials.domains["bars"]
    labels = np.roll(bars.labels, 1)
    return replace(
        materials, domains={**materials.domains, "bars": replace(bars, labels=labels)}
    )


def with_another_picture(materials: Materials) -> Materials:
    bars = materials.domains["bars"]
    pictures = bars.pictures.copy()
    pictures[0] = 255 - pictures[0]
    return replace(
        materials,
        domains={**materials.domains, "bars": replace(bars, pictures=pictures)},
    )


def with_fewer_held_back(materials: Materials) -> Materials:
    held = materials.held_back["bars"]
    return replace(materials, held_back={"bars": held.take(np.arange(59))})


@pytest.mark.model
@pytest.mark.parametrize(
    "changed", [relabelled, with_another_picture, with_fewer_held_back]
)
def test_a_training_is_not_gone_on_with_on_other_materials(
    materials: Materials,
    tmp_path: Path,
    changed: Callable[[Materials], Materials],
) -> None:
    short = recipe(tmp_path, 3 * SIZE, SIZE)
    with pytest.raises(KeyboardInterrupt):
        fit(short, materials, tmp_path / "state", stop_after(1))

    with pytest.raises(TrainingError, match="checkpoint of another training"):
        fit(short, changed(materials), tmp_path / "state")


@pytest.mark.model
def test_a_loss_that_is_no_number_ends_the_training(
    materials: Materials, tmp_path: Path
) -> None:
    wild = recipe(tmp_path, 40 * SIZE, SIZE)
    wild = structs.replace(
        wild, stages=(structs.replace(wild.stages[0], rate=1e30), wild.stages[1])
    )

    with pytest.raises(TrainingError, match=r"at step \d+.*state: remove it and lower"):
        fit(wild, materials, tmp_path / "state")


@pytest.mark.model
def test_what_is_kept_is_whole_and_its_own(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    kept = Checkpoint(tmp_path, "mine")
    assert kept.load() == (None, {})
    kept.save(network, 1, {"step": 1})
    kept.save(network, 2, {"step": 2})

    _, note = kept.load()
    assert note["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "network-2.keras",
        "state.json",
    ]
    with pytest.raises(TrainingError, match="checkpoint of another training"):
        Checkpoint(tmp_path, "yours").load()
    (tmp_path / "network-2.keras").write_bytes(b"half")
    with pytest.raises(TrainingError, match="checkpoint that cannot be read"):
        kept.load()


@pytest.mark.model
def test_a_state_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"cannot create .*mine: Not a directory"):
        Checkpoint(tmp_path / "file" / "mine", "key").save(network, 0, {})
    kept = Checkpoint(tmp_path / "x.training", "key")
    network.save = lambda path: (_ for _ in ()).throw(OSError(28, f"full: {path}"))
    with pytest.raises(OSError, match="full"):
        kept.save(network, 0, {})

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_the_rate_rises_falls_and_never_ends(step: int, done: float) -> None:
    rate = partial(cosine_with_warm_up, warm_up=WARM_UP, floor=LEAST_RATE)
    share = rate(step, done)

    assert 0 < share <= 1 + LEAST_RATE
    assert share <= rate(step + 1, done)
    assert share >= rate(step, 1)


KILLED = f"""
import os, signal, sys
from pathlib import Path
from tagger.training import architectures, step_loop
from tagger.training.recipe import read_recipe
from tagger.training.train import train_by_recipe

architectures.BLOCKS = {BLOCKS}
step_loop.KEPT_EVERY = 0.0
die_at = int(sys.argv[2])

def watch(progress):
    print(progress.step, flush=True)
    if progress.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

train_by_recipe(read_recipe(Path(sys.argv[1])), Path("bundle"), watch)
"""


@pytest.mark.model
def test_a_killed_training_by_recipe_goes_on(tmp_path: Path) -> None:
    from support import write_idx

    for part, count in (("train", 80),):
        arrays, labels = bars(count, 1)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", arrays)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    (tmp_path / "mine.toml").write_text(
        'architecture = "residual"\nbatch-size = 16\n'
        '[domains.bars]\narrays = "."\nheld-back = 0.2\n'
        "[[stages]]\npictures = 160\nrate = 1e-3\nmixture = { bars = 1 }\n"
    )

    def run(die_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, "mine.toml", str(die_at)],
            cwd=tmp_path,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )

    killed = run(6)
    note = json.loads((tmp_path / "bundle.training" / "state.json").read_text())
    finished = run(0)

    assert killed.returncode == -signal.SIGKILL
    assert note["step"] == 5
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["6", "7", "8", "9", "10"]
    assert load_bundle(tmp_path / "bundle").card.labels == LABELS
    assert (tmp_path / "bundle" / "curves.csv").exists()
    assert not (tmp_path / "bundle.training").exists()
