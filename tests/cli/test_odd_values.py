"""Odd values for every parameter of every command: one line, and no internal error."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.program import Inside, Tagger, refused

from tagger.bundles.bundle import models_folder
from tagger.cli import app

DOCUMENTED = {0, 1, 2, 3, 4, 5, 11}

HUGE = [0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]
NUMBERS = st.one_of(
    st.sampled_from([str(number) for number in HUGE]),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "٣", "1e999", "9" * 5000, "1_0", "0x1", "-0.0"]),
)
MOMENTS = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment:%Y-%m-%d}"),
    st.sampled_from(["0001-01-01", "9999-12-31", "0000-00-00", "last-run"]),
)
# No test runs as root over "/": all paths lie in the folder of the test.
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0/\\"), max_size=30),
    st.sampled_from(["", " ", "\udcff", "a" * 10_000, "'", '"', "[", "(", "%s"]),
    st.sampled_from(["absent/file", "folder", "notes.txt", "loop", "a" * 300, "-"]),
).filter(lambda text: text.strip() not in {".", ".."})
DURATIONS = st.sampled_from(["0", "99999999999d", "1e9", "-1s", "nan", "9" * 400])
VALUES = st.one_of(NUMBERS, MOMENTS, TEXTS, DURATIONS)

INTERACTIVE = {"--install-completion", "--show-completion", "--help"}


@cache
def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def collect(name: str, command: Any) -> None:  # noqa: ANN401
        children = getattr(command, "commands", {})
        for word, child in children.items():
            collect(f"{name} {word}".strip(), child)
        if not children:
            found[name] = command

    collect("", typer.main.get_command(app))
    return found


def kind(param: Any) -> st.SearchStrategy[str]:  # noqa: ANN401
    """Return values of a parameter, some of its own kind and some of any."""
    described = str(param.type_descriptor).lower()
    own = {"int": NUMBERS, "float": NUMBERS, "datetime": MOMENTS, "path": TEXTS}
    of_its_kind = (values for name, values in own.items() if name in described)
    return st.one_of(next(of_its_kind, VALUES), VALUES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Path:
    """A folder with an inventory, and with files that are of no use."""
    folder = tmp_path_factory.mktemp("odd")
    shutil.copy(stocked / "inventory.db", folder / "inventory.db")
    (folder / "folder").mkdir()
    (folder / "notes.txt").write_text("no picture, no model, no inventory\n")
    (folder / "loop").symlink_to("loop")
    return folder


EXTREMES = ["", "0", "9" * 19, "9" * 30, "0001-01-01", "nan"]


def parameters(name: str) -> list[Any]:
    return [
        param
        for param in commands()[name].params
        if not getattr(param, "is_flag", False) and not set(param.opts) & INTERACTIVE
    ]


def check(place: Path, name: str, chosen: Any, value: str) -> None:  # noqa: ANN401
    """Give one parameter a value, and what else is required a name that is absent."""
    options, arguments = [], []
    for param in parameters(name):
        if param is not chosen and not param.required:
            continue
        given_value = value if param is chosen else "absent"
        if param.param_type_name == "option":
            options.append(f"{param.opts[-1]}={given_value}")
        else:
            arguments.append(given_value)
    tagger = Inside(place)
    tagger.environment["HOME"] = str(place)

    # Raises what would be an internal error.
    done = tagger(*name.split(), *options, "--", *arguments)

    assert done.returncode in DOCUMENTED
    if done.returncode == 1:
        assert done.stderr.splitlines()[-1].startswith(("error: ", "Aborted"))
    assert done.stderr or done.returncode not in {1, 2}
    assert "Traceback" not in done.stderr


NAMES = sorted(name for name in commands() if parameters(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_extreme_value_is_an_internal_error(place: Path, name: str) -> None:
    for chosen in parameters(name):
        for value in EXTREMES:
            check(place, name, chosen, value)


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_value_of_a_parameter_is_an_internal_error(
    place: Path, name: str, data: st.DataObject
) -> None:
    chosen = data.draw(st.sampled_from(parameters(name)))
    check(place, name, chosen, data.draw(kind(chosen)))


@pytest.mark.parametrize("number", ["0", "-1", "9" * 19, "9" * 30])
def test_a_run_that_cannot_be_is_no_run(
    tagger: Tagger, stock: None, number: str
) -> None:
    del stock
    assert "no run" in refused(tagger, "runs", "show", "--", number)
    if number[0] != "-":
        assert "no run" in refused(tagger, "export", "--since", number)


def test_as_many_runs_as_one_likes(tagger: Tagger, stock: None) -> None:
    del stock
    assert tagger("runs", "--limit", "9" * 30).stdout == tagger("runs").stdout


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima", "UTC"])
def test_the_first_and_the_last_day_are_days(
    program: Tagger, stock: None, day: str, zone: str
) -> None:
    del stock
    exported = program("export", "--since", day, TZ=zone)
    reviewed = program("review", "--plain", "--since", day, TZ=zone)

    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout.count("\n") == (5 if day.startswith("0") else 1)
    assert reviewed.returncode == 0


DECISION = {
    "record": "decision",
    "version": 2,
    "digest": "0" * 64,
    "kind": "correct",
    "tag": "Bag",
    "machine_tag": None,
    "reviewer": "ana",
    "decided_at": "2026-11-22T03:00:00Z",
    "source": "review",
    "undone_at": None,
    "prepared": None,
    "preparing": None,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(categories=["L", "Cs", "N"]), max_size=5)
    | st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(sorted(DECISION)), value=JSON)
def test_any_json_in_a_decision_is_taken_or_refused(
    place: Path, name: str, value: object
) -> None:
    tagger = Inside(place)
    line = json.dumps(DECISION | {name: value})
    (place / "decisions.jsonl").write_text(line)

    done = tagger("decisions", "import", "decisions.jsonl")

    assert done.returncode in {0, 1}
    assert done.returncode == 0 or "line 1" in done.stderr
    again = tagger("decisions", "export", "out.jsonl")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_number_too_long_for_python_is_refused(tagger: Tagger, stock: None) -> None:
    del stock
    (tagger.folder / "odd.jsonl").write_text('{"version": ' + "9" * 5000 + "}")
    assert "line 1" in refused(tagger, "decisions", "import", "odd.jsonl", status=1)


@pytest.mark.parametrize("columns", ["0", "00", "", "1", "-5", "x"])
def test_any_width_shows_the_status(program: Tagger, stock: None, columns: str) -> None:
    del stock
    done = program("status", COLUMNS=columns)
    assert (done.returncode, done.stderr) == (0, "")
    assert "".join(done.stdout.split()).count("Inventory") == 1


@pytest.mark.parametrize("into", ["pipe", "file"])
def test_the_standard_output_may_be_named_as_a_file(
    program: Tagger, stock: None, into: str
) -> None:
    del stock
    target = program.folder / "all.txt"
    target.write_text("what was before\n")
    command = program.command("export", "-o", "/dev/stdout")
    with target.open("ab") as stream:
        done = subprocess.run(
            command,
            env=program.environment,
            stdout=subprocess.PIPE if into == "pipe" else stream,
            stderr=subprocess.PIPE,
            check=False,
        )
    shown = done.stdout.decode() if into == "pipe" else target.read_text()

    assert (done.returncode, done.stderr) == (0, b"")
    for line in program("export").stdout.splitlines():
        assert line in shown
    assert target.read_text().startswith("what was before\n")


def test_settings_may_begin_with_a_byte_order_mark(tagger: Tagger, stock: None) -> None:
    del stock
    settings_file = tagger.folder / "tagger.toml"
    settings_file.write_bytes(b"\xef\xbb\xbf[export]\ncolumns = 'path'\n")
    assert tagger("export").stdout.splitlines()[0] == "path"
    settings_file.write_text("a = " + "9" * 5000)
    assert str(settings_file) in refused(tagger, "export")


def test_a_bundle_may_be_zipped_on_a_mac(tmp_path: Path, tagger: Tagger) -> None:
    bundle = models_folder() / "three-block"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        card = json.loads((bundle / "card.json").read_text())
        card["name"] = "from-a-mac"
        archive.writestr("bundle/card.json", json.dumps(card))
        for name in card["files"]:
            archive.write(bundle / name, f"bundle/{name}")
            archive.writestr(f"__MACOSX/bundle/._{name}", b"icon")
        archive.writestr("bundle/.DS_Store", b"icon")
        archive.writestr("__MACOSX/._bundle", b"icon")
    (tmp_path / "bundle.zip").write_bytes(content.getvalue())

    done = tagger("model", "add", "bundle.zip", XDG_DATA_HOME=str(tmp_path / "data"))

    assert (done.returncode, done.stderr) == (0, "")
    assert "from-a-mac" in done.stdout


def test_help_is_whole_without_docstrings() -> None:
    def shown(*words: str, level: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "tagger", *words, "--help"],
            env=os.environ | {"PYTHONOPTIMIZE": level, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    for words in ((), ("scan",), ("roots", "move"), ("model", "train")):
        assert shown(*words, level="2") == shown(*words, level="")
