import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagger.bundles.bundle import (
    DEFAULT_BUNDLE,
    find_bundle,
    load_bundle,
    models_folder,
    sha256_of,
)
from tagger.errors import ModelError
from tagger.labels import OTHER
from tagger.records import (
    FASHION_LABELS,
    PREPARING,
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(models_folder() / DEFAULT_BUNDLE, tmp_path / "bundle")


def test_the_bundled_network_is_found_by_name_and_by_folder(copy: Path) -> None:
    by_name = find_bundle(DEFAULT_BUNDLE)
    by_folder = find_bundle(str(copy))

    assert by_name.card == by_folder.card
    assert by_name.card.labels[:11] == (*FASHION_LABELS, OTHER)
    assert by_name.card.tags == FASHION_LABELS
    assert len(by_name.card.prior) == len(by_name.card.labels)
    assert by_name.card.preparing == PREPARING
    assert by_name.card.digest == sha256_of(by_name.keras_file)
    assert 0 < by_name.card.policy.threshold < 1


def test_a_bundle_in_the_current_folder_is_found_by_its_plain_name(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)

    assert find_bundle("bundle").folder == Path("bundle")


@pytest.mark.parametrize("name", ["model.keras", "model.tflite"])
def test_a_changed_byte_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)

    with pytest.raises(ModelError, match=rf"{name} is not the file its card"):
        load_bundle(copy)


def test_an_absent_file_is_named(copy: Path) -> None:
    (copy / "model.tflite").unlink()

    with pytest.raises(ModelError, match=r"cannot read .*model\.tflite"):
        load_bundle(copy)


def test_an_absent_bundle_is_named() -> None:
    with pytest.raises(ModelError, match="no network absent: 'tagger model list'"):
        find_bundle("absent")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.pop("labels"), "labels"),
        (lambda card: card.update(labels=["one"]), "two or more"),
        (lambda card: card.update(labels=["one", "one"]), "no label twice"),
        (lambda card: card.update(labels=["one", "other"]), "two or more tags"),
        (lambda card: card.update(views=4), "views: must be .* at most 3"),
        (lambda card: card["files"].pop("model.tflite"), "lacks model.tflite"),
        (lambda card: card["files"].update({"../x": "0"}), "own folder"),
        (lambda card: card.update(image_side=32), "32 pixels"),
        (lambda card: card["policy"].update(what=1), "policy: what is an unknown key"),
        (
            lambda card: card.update(policy={"threshold": 2}),
            "policy.threshold: .*at most 1",
        ),
        (
            lambda card: card.update(policy={"threshold": "x"}),
            "policy.threshold: .*number, not a text",
        ),
        (
            lambda card: card.update(policy={"threshold": float("nan")}),
            "policy.threshold: .*at least 0",
        ),
        (lambda card: card.update(labels="abcdefghij"), "labels: must be a list"),
        (lambda card: card.update(labels=["a", "\x1b[31m"]), "labels must be a list"),
        (lambda card: card.update(files=3), "files: must be a table"),
        (lambda card: card.update(preparing="other"), "preprocessing other"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(
    copy: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    card = json.loads((copy / "card.json").read_text())
    change(card)
    (copy / "card.json").write_text(json.dumps(card))

    with pytest.raises(ModelError, match=says):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["no json", "[]", '"text"', "\xff", "[" * 99_999])
def test_a_card_of_nonsense_is_refused(copy: Path, text: str) -> None:
    (copy / "card.json").write_text(text, encoding="latin-1")

    with pytest.raises(ModelError, match="not a model card"):
        load_bundle(copy)
