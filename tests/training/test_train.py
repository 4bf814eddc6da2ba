import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import write_idx
from typer.testing import CliRunner

from tagger.bundles.bundle import load_bundle
from tagger.bundles.classifier import BundleClassifier
from tagger.cli import app
from tagger.datasets.load import load
from tagger.datasets.records import numbered
from tagger.errors import DataError, ModelError, TrainingError
from tagger.policy.calibration import accuracy
from tagger.records import FASHION_LABELS
from tagger.training import train
from tagger.training.architectures import ARCHITECTURES, Schedule
from tagger.training.train import Settings, train_bundle


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small set in the form of Fashion-MNIST."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_part(folder, "train", 640)
    write_part(folder, "t10k", 100)
    return folder


@pytest.mark.model
def test_a_network_is_trained_written_and_found_to_have_learnt(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "bars"
    told = CliRunner().invoke(
        app,
        [
            "model",
            "train",
            str(data),
            "-o",
            str(folder),
            "--epochs",
            "12",
            "--vary",
            "mirror",
            "--seed",
            "3",
        ],
        catch_exceptions=False,
    )

    assert told.exit_code == 0
    assert "epoch 12/12" in told.stdout
    assert told.stderr == f"{data} (train): 576 images to learn from, 64 held back\n"
    bundle = load_bundle(folder)
    test = load(str(data), "test")
    rows = BundleClassifier(bundle).classify(test.images)
    found = accuracy(rows, numbered(test, FASHION_LABELS))
    assert found > 0.5
    assert bundle.card.name == "bars"
    assert bundle.card.labels == FASHION_LABELS
    assert bundle.card.metrics["fashion_mnist_test_accuracy"] == pytest.approx(found)
    assert bundle.card.training["parameters"] == 241_546
    assert bundle.card.training["seed"] == 3
    assert len(bundle.card.training["curves"]) == 12
    assert [path.name for path in folder.parent.iterdir()] == ["bars"]


def test_a_folder_that_is_no_bundle_is_not_written_over(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()

    with pytest.raises(ModelError, match="is not a bundle"):
        train_bundle(str(data), tmp_path / "mine", Settings(epochs=1))

    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.model
def test_fewer_images_than_a_batch_are_trained_with(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_part(data, "train", 24)
    bundle = train_bundle(str(data), tmp_path / "few", Settings(epochs=1))

    assert capfd.readouterr() == ("", "")
    assert len(bundle.card.training["curves"]) == 1


def test_one_group_cannot_be_trained_with(tmp_path: Path) -> None:
    pictures(tmp_path, {"Coat": 3, "Bag": 3}, group="one")

    with pytest.raises(DataError, match="two or more groups"):
        train_bundle(str(tmp_path), tmp_path / "bundle", Settings(epochs=1))


@pytest.mark.model
def test_training_again_replaces_the_bundle_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bars"
    first = train_bundle(str(data), folder, Settings(epochs=1, seed=1))
    monkeypatch.chdir(folder)  # where its owner looks at it, and trains the next
    second = train_bundle(str(data), Path(), Settings(epochs=1, seed=2))

    assert first.card.digest != second.card.digest
    assert load_bundle(folder).card == second.card
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["bars"]


@pytest.mark.model
def test_an_interrupted_training_goes_on_to_the_same_network(
    data: Path, tmp_path: Path
) -> None:
    def interrupt(epoch: int, *_: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    settings = Settings(epochs=4, variation="mirror", patient=True)
    whole = train_bundle(str(data), tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        train_bundle(str(data), tmp_path / "parts", settings, interrupt)
    told: list[int] = []
    parts = train_bundle(
        str(data), tmp_path / "parts", settings, lambda epoch, *_: told.append(epoch)
    )

    assert told == [3, 4]
    for former, later in zip(
        whole.card.training["curves"], parts.card.training["curves"], strict=True
    ):
        assert former == pytest.approx(later, abs=1e-4)


@pytest.mark.model
def test_another_training_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    (tmp_path / "bars.training").mkdir()
    (tmp_path / "bars.training" / "state.json").write_text('{"key": "another"}')

    with pytest.raises(TrainingError, match="checkpoint of another training"):
        train_bundle(str(data), tmp_path / "bars", Settings(epochs=1))


@pytest.mark.model
def test_a_training_is_not_gone_on_with_on_other_labels(
    data: Path, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_bundle(str(data), tmp_path / "bars", Settings(epochs=2), interrupt)
    labels = data / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[8:] = bytes((one + 3) % 10 for one in content[8:])
    labels.write_bytes(gzip.compress(bytes(content)))

    with pytest.raises(TrainingError, match="checkpoint of another training"):
        train_bundle(str(data), tmp_path / "bars", Settings(epochs=2))


@pytest.mark.model
def test_a_training_is_not_gone_on_with_when_others_are_held_back(
    tmp_path: Path,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    shop, settings = tmp_path / "shop", Settings("two-conv", epochs=2)
    pictures(shop, {"Coat": 12, "Bag": 12})
    with pytest.raises(KeyboardInterrupt):
        train_bundle(str(shop), tmp_path / "mine", settings, interrupt)
    table = (shop / "labels.csv").read_text().splitlines()
    rows = [f"{row}pair {number // 2}" for number, row in enumerate(table[1:])]
    (shop / "labels.csv").write_text("\n".join([table[0], *rows]))

    with pytest.raises(TrainingError, match="checkpoint of another training"):
        train_bundle(str(shop), tmp_path / "mine", settings)


def test_what_is_asked_for_is_varied_from_the_first_pass_on() -> None:
    asked = train._schedule(Settings("one-conv", variation="mirror"))  # noqa: SLF001

    assert (asked.variation, asked.plain) == ("mirror", 0)
    assert train._schedule(Settings("one-conv")).plain > 0  # noqa: SLF001


@pytest.mark.model
def test_a_loss_that_is_no_number_ends_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = replace(ARCHITECTURES["one-conv"], schedule=Schedule(3, 64, 0.1, rate=1e30))
    monkeypatch.setattr(train, "ARCHITECTURES", {**ARCHITECTURES, "one-conv": wild})

    says = r"the loss is nan in pass [12].*wild\.training: remove it and try a lower"
    with pytest.raises(TrainingError, match=says):
        train_bundle(str(data), tmp_path / "wild", Settings("one-conv"))

    assert not (tmp_path / "wild").exists()


@pytest.mark.model
def test_a_shop_may_train_tags_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "kurtas"
    pictures(folder, {"Kurta": 30, "Sari": 30})
    with pytest.raises(DataError, match=r"are not tags: 60 \(Kurta, Sari\)"):
        train_bundle(str(folder), tmp_path / "mine", Settings(epochs=1))

    bundle = train_bundle(
        str(folder), tmp_path / "mine", Settings(epochs=2), custom_tags=True
    )

    assert bundle.card.labels == ("Kurta", "Sari")
    told = CliRunner().invoke(
        app, ["predict", str(folder / "Kurta-1.png"), "--model", str(tmp_path / "mine")]
    )
    assert told.exit_code == 0
    assert "Kurta" in told.stdout


@pytest.mark.model
def test_vgg19_without_its_weights_says_where_they_are(
    data: Path, tmp_path: Path
) -> None:
    absent = Settings("vgg19", weights=tmp_path / "absent.h5")

    with pytest.raises(TrainingError, match="download vgg19_weights"):
        train_bundle(str(data), tmp_path / "vgg", absent)

    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_weights_are_for_vgg19_alone(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="only vgg19 takes --weights"):
        ARCHITECTURES["strided"].make(10, tmp_path / "some.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x"], "give either DATA or --recipe"),
        (["data", "--recipe", "r.toml", "-o", "x"], "give either DATA or --recipe"),
        (["data", "-o", "x", "--seed", "5000000000"], "Invalid value for '--seed'"),
        (["data", "--arch", "lenet", "-o", "x"], "lenet is not one of residual"),
    ],
)
def test_a_wrong_command_line_is_told(arguments: list[str], message: str) -> None:
    told = CliRunner().invoke(app, ["model", "train", *arguments])

    assert told.exit_code == 2
    assert message in " ".join(told.stderr.replace("│", "").split())


def test_the_residual_network_is_trained_by_a_recipe_only(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="by a recipe"):
        train_bundle(str(data), tmp_path / "x", Settings("residual"))


def write_part(folder: Path, part: str, count: int) -> None:
    """Write bars whose place is their label, in noise, as Fashion-MNIST is written."""
    chance = np.random.default_rng(1)
    labels = chance.integers(0, 10, count).astype(np.uint8)
    images = chance.integers(0, 40, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label] = 230
    write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
    write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


def pictures(folder: Path, counts: dict[str, int], group: str = "") -> None:
    """Write rectangles on white, wide for the first label and high for the others."""
    folder.mkdir(exist_ok=True)
    lines = ["file,label,group"]
    for place, (label, count) in enumerate(counts.items()):
        for number in range(count):
            picture = Image.new("L", (60, 60), 255)
            size = (40 + number % 10, 12) if place == 0 else (12, 40 + number % 10)
            picture.paste(40, (5, 5, 5 + size[0], 5 + size[1]))
            name = f"{label}-{number}.png"
            picture.save(folder / name)
            lines.append(f"{name},{label},{group}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
