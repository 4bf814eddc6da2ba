"""What goes with a bundle to rehearse: packed and read again, drawn from the recipe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import write_idx, write_labelled_samples

from tagger.bundles.bundle import REHEARSAL_FILE, Bundle, default_bundle
from tagger.datasets.records import LabelledImages
from tagger.errors import ModelError
from tagger.imaging.views import views_of_gray
from tagger.training.recipe import read_recipe
from tagger.training.replay import Replay, gather, packed, read


def some(count: int, seed: int) -> LabelledImages:
    chance = np.random.default_rng(seed)
    gray = chance.integers(0, 256, (count, 28, 28), np.uint8)
    images = np.array([views_of_gray(one) for one in gray], np.uint8)
    labels = np.array(["Shirt", "Coat"])[chance.integers(0, 2, count)]
    return LabelledImages("some", images.reshape(-1, 28, 28, 3), *(labels,) * 3)


def bundle_with(folder: Path, content: bytes) -> Bundle:
    (folder / REHEARSAL_FILE).write_bytes(content)
    card = replace(default_bundle().card, files={REHEARSAL_FILE: ""})
    return Bundle(folder, card)


def test_what_is_packed_is_read_again(tmp_path: Path) -> None:
    told = Replay(some(20, 1), some(0, 2), some(10, 3))
    found = read(bundle_with(tmp_path, packed(told)))

    for part in ("arrays", "photographs", "test"):
        before, after = getattr(told, part), getattr(found, part)
        np.testing.assert_array_equal(before.images, after.images)
        assert before.labels.tolist() == after.labels.tolist()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read(bundle_with(tmp_path, content))


def test_labels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    data = some(20, 1)
    short = replace(data, labels=data.labels[:3])

    with pytest.raises(ModelError, match="not prepared images with one label each"):
        read(bundle_with(tmp_path, packed(Replay(short, data, data))))


def test_the_default_bundle_brings_enough_and_nothing_of_a_shop() -> None:
    found = read(default_bundle())

    assert len(found.test) >= 1000
    assert set(found.test.labels.tolist()) == set(found.arrays.labels.tolist())
    assert default_bundle().folder.joinpath(REHEARSAL_FILE).stat().st_size < 1_600_000


def test_a_recipe_says_what_is_rehearsed(tmp_path: Path) -> None:
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    chance = np.random.default_rng(1)
    for part, count in (("train", 60), ("t10k", 40)):
        images = chance.integers(0, 256, (count, 28, 28), np.uint8)
        write_idx(arrays / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(
            arrays / f"{part}-labels-idx1-ubyte.gz",
            np.arange(count, dtype=np.uint8) % 10,
        )
    write_labelled_samples(tmp_path / "photographs")
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        """
        architecture = "residual"
        [domains.arrays]
        arrays = "arrays"
        rehearsal = 20
        [domains.photographs]
        photographs = "photographs"
        rehearsal = 3
        [domains.secret]
        photographs = "photographs"
        [[stages]]
        pictures = 128
        rate = 1e-3
        mixture = { arrays = 1.0 }
        """
    )
    found = gather(read_recipe(recipe))

    assert found is not None
    assert list(map(len, (found.arrays, found.photographs, found.test))) == [20, 3, 20]
    assert found.photographs.images.shape == (3, 28, 28, 3)
