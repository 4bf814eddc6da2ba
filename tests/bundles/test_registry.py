"""What comes from outside is looked into; what was chosen is used."""

import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.program import Tagger
from typer.testing import CliRunner

from tagger.bundles.adapted import adapted_folder
from tagger.bundles.bundle import (
    DEFAULT_BUNDLE,
    Bundle,
    added_folder,
    choice_file,
    chosen,
    default_bundle,
    find_bundle,
    load_bundle,
    models_folder,
    sha256_of,
)
from tagger.bundles.classifier import BundleClassifier
from tagger.bundles.inspection import inspect_untrusted
from tagger.bundles.registry import Place, add, installed_bundles, use
from tagger.cli import app
from tagger.errors import ModelError
from tagger.inventory import Inventory
from tagger.labels import OTHER
from tagger.records import (
    Adaptation,
    Outcome,
    Runtime,
)
from tagger.training.architectures import ARCHITECTURES

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def boots(tmp_path: Path) -> Path:
    """A bundle from elsewhere: the articles' network under another name."""
    folder = shutil.copytree(
        models_folder() / "three-block", tmp_path / "from" / "boots"
    )
    edit_card(folder, lambda card: card.update(name="boots"))
    return folder


def edit_card(folder: Path, change: Change) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def edit_keras(folder: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Change the members of the Keras file, and let the card know the new file."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    digest = sha256_of(path)
    edit_card(folder, lambda card: card["files"].update({"model.keras": digest}))


def config_changed(change: Change) -> Callable[[dict[str, bytes]], object]:
    def edit(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()

    return edit


def layer(number: int, **fields: object) -> Callable[[dict[str, bytes]], object]:
    return config_changed(lambda c: c["config"]["layers"][number].update(fields))


def weights_changed(
    change: Callable[[h5py.File], object],
) -> Callable[[dict[str, bytes]], object]:
    def edit(members: dict[str, bytes]) -> None:
        stream = io.BytesIO(members["model.weights.h5"])
        with h5py.File(stream, "r+") as file:
            change(file)
        members["model.weights.h5"] = stream.getvalue()

    return edit


def invoke(*arguments: object) -> str:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, catch_exceptions=False).stdout


def test_what_nobody_chose_is_what_came_with_tagger() -> None:
    assert default_bundle().card.name == DEFAULT_BUNDLE
    (default,) = (one for one in installed_bundles() if one.default)
    assert (default.name, default.place) == (DEFAULT_BUNDLE, Place.TAGGER)


def test_a_bundle_is_added_chosen_and_used(tagger: Tagger, boots: Path) -> None:
    (boots / "curves.png").touch()

    told = tagger("model", "add", boots)
    assert told.returncode == 0
    assert "checked: the files match the SHA-256 sums" in told.stdout
    assert "Conv2D, Dense" in told.stdout
    assert "241,546 parameters" in told.stdout
    assert "left out: curves.png" in told.stdout
    shutil.rmtree(boots)
    assert tagger("model", "use", "boots").stdout.startswith("your scans now use boots")

    (tagger.folder / "pictures").mkdir()
    shutil.copy(
        models_folder().parent / "sample_images" / "tiny.png",
        tagger.folder / "pictures",
    )
    tagger("scan", "pictures")
    assert {row["model"] for row in tagger.rows().values()} == {"boots"}
    assert "Network boots, chosen" in tagger("status").stdout
    assert json.loads(tagger("status", "--json").stdout)["network"] == "boots"
    shown = json.loads(tagger("model", "show", "--json").stdout)
    assert (shown["name"], shown["default"]) == ("boots", True)
    warned = tagger("model", "use", "shops", TAGGER_MODEL="three-block")
    assert "scans use three-block instead" in warned.stderr
    listed = json.loads(tagger("model", "list", "--json").stdout)["networks"]
    assert [(one["name"], one["from"], one["default"]) for one in listed] == [
        ("shops", "tagger", True),
        ("three-block", "tagger", False),
        ("boots", "added", False),
    ]


def test_adding_twice_changes_nothing_and_a_namesake_is_refused(boots: Path) -> None:
    assert add(boots).new
    assert not add(boots).new
    edit_card(boots, lambda card: card["files"].update({"notes.txt": "0" * 64}))
    (boots / "notes.txt").write_text("other")
    digest = sha256_of(boots / "notes.txt")
    edit_card(boots, lambda card: card["files"].update({"notes.txt": digest}))

    with pytest.raises(ModelError, match="another network boots: remove"):
        add(boots)
    assert [path.name for path in added_folder().iterdir()] == ["boots"]


def test_a_folder_anywhere_can_be_chosen_and_is_missed(
    boots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(boots.parent)
    use("boots")
    monkeypatch.chdir("/")

    assert default_bundle().card.name == "boots"
    (default,) = (one for one in installed_bundles() if one.default)
    assert (default.name, default.place) == (str(boots), Place.FOLDER)
    assert json.loads(invoke("model", "list", "--json"))["networks"][-1]["default"]
    shutil.rmtree(boots)
    with pytest.raises(ModelError, match=r"no bundle at .*'tagger model use shops'"):
        default_bundle()
    assert "no bundle at" in invoke("model", "list")


@pytest.mark.parametrize("text", ["", "[]", "{}", "\xff", "[" * 99_999])
def test_a_damaged_choice_is_told(text: str) -> None:
    choice_file().parent.mkdir(parents=True)
    choice_file().write_text(text, encoding="latin-1")

    with pytest.raises(ModelError, match="does not say which network"):
        default_bundle()
    use(DEFAULT_BUNDLE)
    assert default_bundle().card.name == DEFAULT_BUNDLE


def test_the_card_is_told_in_plain_words() -> None:
    shown = invoke("model", "show", "three-block")

    assert "241,546 parameters" in shown
    assert "not recognised" in shown
    assert "from a confidence of 0.75" in shown
    assert "recognises pictures without a catalogue item" in invoke("model", "show")


def zipped(folder: Path, target: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"{inside}{path.name}")
    return target


@pytest.mark.parametrize("inside", ["", "boots/", "./"])
def test_a_zip_of_a_bundle_is_added(boots: Path, tmp_path: Path, inside: str) -> None:
    added = add(zipped(boots, tmp_path / "boots.zip", inside))

    assert added.bundle.folder == added_folder() / "boots"
    assert added.bundle.card == load_bundle(boots).card
    assert find_bundle("boots").folder == added.bundle.folder


@pytest.mark.parametrize("packing", ["", "gz", "xz"])
def test_a_tar_of_a_bundle_is_added(boots: Path, tmp_path: Path, packing: str) -> None:
    with tarfile.open(tmp_path / "boots.tar", f"w:{packing}") as archive:  # type: ignore[call-overload]
        archive.add(boots, "boots")

    assert add(tmp_path / "boots.tar").new


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../evil", r"'\.\./evil' leaves the bundle's folder"),
        ("/etc/evil", "leaves the bundle's folder"),
        ("a/b/evil", "leaves the bundle's folder"),
        ("C:evil", "leaves the bundle's folder"),
        ("a\\..\\evil", "leaves the bundle's folder"),
        ("evil.py", r"it contains 'evil\.py'"),
        ("\x1b[31m", r"it contains '\\x1b\[31m'"),
        ("elsewhere/card.json", "more than a bundle"),
        ("card.json", "more than a bundle"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_holds_anything_else_is_refused(
    boots: Path, tmp_path: Path, name: str, says: str
) -> None:
    source = zipped(boots, tmp_path / "boots.zip")
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(name, "evil")

    with pytest.raises(ModelError, match=says):
        add(source)

    assert not list(added_folder().iterdir())
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_pipes_of_an_archive_are_refused(
    boots: Path, tmp_path: Path, kind: bytes
) -> None:
    with tarfile.open(tmp_path / "boots.tar", "w") as archive:
        member = tarfile.TarInfo("card.json")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
        archive.add(boots / "model.keras", "model.keras")
    with zipfile.ZipFile(tmp_path / "boots.zip", "w") as zipped_link:
        link = zipfile.ZipInfo("card.json")
        link.external_attr = 0o120777 << 16
        zipped_link.writestr(link, "/etc/passwd")

    with pytest.raises(ModelError, match=r"'card\.json' is not a plain file"):
        add(tmp_path / "boots.tar")
    with pytest.raises(ModelError, match=r"'card\.json' is a link"):
        add(tmp_path / "boots.zip")


def test_what_is_no_archive_is_named(boots: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    whole = zipped(boots, tmp_path / "boots.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[:5000] + bytes(90) + whole[5090:])
    (tmp_path / "empty").mkdir()

    for name, says in (
        ("text", "neither a folder nor a zip or tar"),
        ("absent", "does not exist"),
        ("half.zip", "cannot be unpacked"),
        ("empty", "it has no card.json"),
    ):
        with pytest.raises(ModelError, match=says):
            add(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.update(name="../up"), "the name '../up' is refused"),
        (
            lambda card: card.update(name="\x1b[31m"),
            r"the name '\\x1b\[31m' is refused",
        ),
        (lambda card: card.update(name="shops"), "came with tagger"),
        (lambda card: card.update(views=3), "it takes 28x28x1, its card says 28x28x3"),
        (lambda card: card["labels"].append("Hat"), "10 outputs, its card 11 labels"),
        (lambda card: card["files"].update({"../x": "0"}), "files outside its folder"),
        (lambda card: card.update(files=3), "is not a model card"),
        (lambda card: card["files"].update({"x": "0"}), r"x does not exist"),
    ],
)
def test_a_card_that_lies_is_refused(boots: Path, change: Change, says: str) -> None:
    edit_card(boots, change)

    with pytest.raises(ModelError, match=says):
        add(boots)

    assert not list(added_folder().iterdir())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"views": 3}, "model.keras is refused: it takes 28x28x1, its card says"),
        ({"preparing": "views1-0"}, "card.json"),
        ({"labels": ["Hat", "Scarf"]}, "the network has 10 outputs, its card 2 labels"),
        ({"files": {"model.keras": "0" * 64, "model.tflite": "0"}}, "model.keras is"),
    ],
)
def test_a_refusal_names_what_was_to_be_added(
    boots: Path, tmp_path: Path, fields: dict[str, Any], says: str, *, packed: bool
) -> None:
    edit_card(boots, lambda card: card.update(fields))
    source = zipped(boots, tmp_path / "boots.zip") if packed else boots

    with pytest.raises(ModelError) as refused:
        add(source)

    assert says in str(refused.value)
    assert str(source) in str(refused.value)
    assert ".add-" not in str(refused.value)


lambda_layer = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wE="}}},
    "registered_name": None,
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (layer(2, **lambda_layer), "a layer of the kind Lambda|asks for __lambda__"),
        (layer(2, class_name="TorchModuleWrapper"), "of the kind TorchModuleWrapper"),
        (layer(2, module="os", class_name="system"), "it asks for system of os"),
        (layer(2, registered_name="mine>Conv2D"), "it asks for mine>Conv2D"),
        (layer(2, module=None), "it asks for Conv2D of None"),
        (
            layer(0, config={"batch_shape": [None, 32, 32, 1]}),
            "it takes 32x32x1, its card says 28x28x1",
        ),
        (layer(0, config={}), "it takes something else, its"),
        (config_changed(lambda c: c.clear()), "it takes something else"),
        (
            lambda m: m.update({"config.json": b"[]"}),
            r"config\.json cannot be read.*not a list",
        ),
        (lambda m: m.update({"config.json": b"{"}), r"config\.json cannot be read"),
        (lambda m: m.update({"evil.pkl": b""}), r"it contains evil\.pkl"),
        (lambda m: m.pop("model.weights.h5"), r"it lacks model\.weights\.h5"),
        (lambda m: m.update({"model.weights.h5": b"no HDF5"}), "not a Keras 3 archive"),
        (
            weights_changed(lambda f: f.update({"x": h5py.ExternalLink("/x.h5", "/")})),
            "its weights contain a link",
        ),
        (
            weights_changed(
                lambda f: f.create_dataset("x", (3,), "u1", external=[("/x", 0, 3)])
            ),
            "its weights are outside",
        ),
    ],
)
def test_a_keras_file_that_could_do_more_than_arithmetic_is_refused(
    boots: Path, change: Callable[[dict[str, bytes]], object], says: str
) -> None:
    edit_keras(boots, change)

    with pytest.raises(ModelError, match=says):
        add(boots)


@pytest.mark.parametrize("content", [b"\x80\x04pickle", b"\x89HDF\r\n\x1a\n", b""])
def test_old_files_of_keras_and_pickles_are_refused(
    boots: Path, content: bytes
) -> None:
    (boots / "model.keras").write_bytes(content)
    digest = sha256_of(boots / "model.keras")
    edit_card(boots, lambda card: card["files"].update({"model.keras": digest}))

    with pytest.raises(ModelError, match="not a Keras 3 archive"):
        add(boots)


def test_a_changed_byte_is_refused(boots: Path) -> None:
    content = bytearray((boots / "model.tflite").read_bytes())
    content[99] ^= 1
    (boots / "model.tflite").write_bytes(content)

    with pytest.raises(ModelError, match="is not the file its card describes"):
        add(boots)


def test_the_bundled_networks_would_be_trusted() -> None:
    for folder in models_folder().glob("*/"):
        bundle = load_bundle(folder)
        contents = inspect_untrusted(bundle)
        assert contents.parameters == bundle.card.training["parameters"]
        assert "Conv2D" in contents.layers
        assert (OTHER in bundle.card.labels) == (bundle.card.name == "shops")


def test_a_network_of_another_shape_is_refused_wherever_it_is_used(boots: Path) -> None:
    edit_card(boots, lambda card: card.update(views=3))
    batch = np.zeros((1, 28, 28, 3), np.uint8)

    with pytest.raises(ModelError, match="takes 28x28x1, its card says 28x28x3"):
        BundleClassifier(load_bundle(boots)).classify(batch)


def test_a_network_of_another_shape_is_not_chosen_for_every_scan(
    boots: Path, tagger: Tagger
) -> None:
    edit_card(boots, lambda card: card.update(views=3))

    assert "takes 28x28x1" in tagger.fails("model", "use", boots)
    assert chosen() is None


@pytest.mark.model
@pytest.mark.parametrize("name", sorted({*ARCHITECTURES} - {"vgg19"}))
def test_networks_of_every_architecture_can_be_passed_on(
    name: str, tmp_path: Path
) -> None:
    import keras

    network = ARCHITECTURES[name].build(10)
    network.save(tmp_path / "model.keras")
    views = int(network.input_shape[-1])
    card = replace(
        find_bundle("three-block").card, views=views, files={"model.keras": ""}
    )

    contents = inspect_untrusted(Bundle(tmp_path, card))

    assert contents.parameters == network.count_params()
    assert set(contents.layers) >= {"Conv2D", "Dense"}
    assert keras.__version__.startswith("3.")


@pytest.mark.model
def test_keras_refuses_another_shape_too(boots: Path) -> None:
    edit_card(boots, lambda card: card.update(views=3))
    batch = np.zeros((1, 28, 28, 3), np.uint8)

    with pytest.raises(ModelError, match="takes 28x28x1, its card says 28x28x3"):
        BundleClassifier(load_bundle(boots), Runtime.KERAS).classify(batch)


@pytest.fixture
def own(tagger: Tagger) -> Path:
    """A network beside the inventory that was refused there: nobody uses it yet."""
    folder = shutil.copytree(
        models_folder() / "three-block", adapted_folder(tagger.db) / "shops-1"
    )
    edit_card(folder, lambda card: card.update(name="shops-1"))
    record(tagger, folder, Outcome.REFUSED)
    return folder


def record(tagger: Tagger, folder: Path, outcome: Outcome) -> None:
    """Let the inventory, made where there is none, know what befell a network."""
    digest = load_bundle(folder).card.digest
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    row = Adaptation(0, moment, outcome, folder.name, True, digest, "", 9, 9, {}, "so")
    with Inventory(tagger.db) as inventory:
        inventory.record_adaptation(row)


def used(tagger: Tagger, *arguments: object) -> str:
    """Return when the card that is shown says that it is used."""
    told = tagger("model", "show", *arguments)
    assert told.returncode == 0, told.stderr
    name, *_ = told.stdout.split("\n")
    words = " ".join(told.stdout.split())
    return f"{name.strip()}: {words.partition(' used ')[2].partition(' Measured')[0]}"


def test_an_inventorys_own_network_is_shown_and_listed_with_its_folder(
    tagger: Tagger, own: Path
) -> None:
    listed = tagger("model", "list").stdout
    assert re.search(r"shops-1 +refused \d{4}-\d\d-\d\d", listed)
    assert f"stored in {own.parent}" in "".join(listed.splitlines())
    (told,) = json.loads(tagger("model", "list", "--json").stdout)["own"]
    assert told["folder"] == str(own)

    only = r"shops-1: only if its folder is named; refused \d{4}-\d\d-\d\d"
    assert re.fullmatch(only, used(tagger, "shops-1"))
    assert used(tagger, own) == used(tagger, "shops-1")
    assert used(tagger) == "shops: by default"
    assert "there is no network shops-1" in tagger.fails(
        "model", "show", "shops-1", TAGGER_DB="other.db"
    )
    for command in (
        ("scan", ".", "--model", "shops-1"),
        ("model", "evaluate", "shops-1", ".", "-o", "e"),
    ):
        assert f"you can also give a folder, such as {own}\n" in tagger.fails(*command)
    assert "such as" not in tagger.fails("scan", ".", "--model", "shops-2")


def test_without_a_name_the_network_is_shown_that_scans_use(
    tagger: Tagger, own: Path
) -> None:
    record(tagger, own, Outcome.PROMOTED)
    here = f"by default for scans into {tagger.db}, to which it is adapted"

    assert used(tagger) == used(tagger, "shops-1") == f"shops-1: {here}"
    assert used(tagger, "shops") == (
        f"shops: by default, except shops-1 for scans into {tagger.db}"
    )
    assert used(tagger, "three-block") == "three-block: only if it is named"
    told = json.loads(tagger("model", "show", "--json").stdout)
    assert (told["name"], told["default"], told["in_force"]) == ("shops-1", False, True)
    told = json.loads(tagger("model", "show", "shops", "--json").stdout)
    assert (told["default"], told["in_force"]) == (True, False)
    warned = tagger("model", "show", TAGGER_MODEL="three-block")
    assert "scans use three-block instead" in warned.stderr

    (own / "model.keras").write_text("other")
    assert "go back with 'tagger model rollback'" in tagger.fails("model", "show")
    assert used(tagger, "shops").startswith("shops: by default, except shops-1")


def test_networks_are_looked_at_before_the_first_scan(tagger: Tagger) -> None:
    assert tagger("model", "list").returncode == 0
    assert used(tagger) == "shops: by default"
    assert not tagger.db.exists()

    for verb in ("list", "show"):
        assert "create it with" in tagger.fails("model", verb, "--db", tagger.db)
