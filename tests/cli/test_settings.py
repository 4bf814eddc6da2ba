"""Where the value of an option comes from."""

import json

import pytest
from support.program import Tagger, refused

pytestmark = pytest.mark.usefixtures("stock")


def test_the_command_line_beats_the_environment_beats_the_file(
    tagger: Tagger,
) -> None:
    below = tagger.folder / "a" / "b"
    below.mkdir(parents=True)
    (tagger.folder / "tagger.toml").write_text(
        'db = "inventory.db"\nlimit = 3\n[export]\ncolumns = "tag"\n'
        '[scan]\nexclude = ["x", "y"]\n[runs.show]\njson = true\n'
    )
    del tagger.environment["TAGGER_DB"]
    tagger.folder = below

    def header(*arguments: str, **env: str) -> str:
        return tagger("export", *arguments, prefix=(), **env).stdout.splitlines()[0]

    assert header() == "tag"
    assert header(TAGGER_EXPORT_COLUMNS="path") == "path"
    assert header("--columns", "state", TAGGER_EXPORT_COLUMNS="path") == "state"
    assert header(TAGGER_CONFIG="", TAGGER_DB="../../inventory.db").startswith("root,")
    assert json.loads(tagger("runs", "show").stdout)["id"] == 1
    told = json.loads(
        tagger("config", "show", "--json", TAGGER_EXPORT_COLUMNS="path").stdout
    )
    found = {one["key"]: (one["value"], one["from"]) for one in told["settings"]}
    assert told["file"] == str(below.parents[1] / "tagger.toml")
    assert found["export.columns"] == ("path", "TAGGER_EXPORT_COLUMNS")
    assert found["export.db"] == (str(below.parents[1] / "inventory.db"), "file")
    assert found["scan.exclude"] == ("x, y", "file")
    assert found["runs.limit"] == (3, "file")
    assert found["scan.batch-size"] == (64, "default")
    shown = tagger("config", "show", TAGGER_DB="x.db").stdout
    assert "TAGGER_DB" in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tresholt = 1", "unknown key 'tresholt': did you mean 'threshold'?"),
        ("[scan]\ncolumns = 'x'", "[scan]: unknown key 'columns'"),
        ("[scna]\nx = 1", "unknown key 'scna': did you mean 'scan'?"),
        ("[runs.shov]\nx = 1", "[runs]: unknown key 'shov'"),
        ("calibrate = 1", "'calibrate' is a command"),
        ("scan = 1", "'scan' is a command: write its options under [scan]"),
        ("db = ['a', 'b']", "'db' takes one value"),
        ("[export]\ncolumns = {a = 1}", "'columns' takes one value"),
        ("x = = 1", "is not valid TOML"),
        ("\xff", "is not valid TOML"),
    ],
)
def test_a_file_of_settings_with_a_fault_is_named(
    tagger: Tagger, text: str, says: str
) -> None:
    (tagger.folder / "tagger.toml").write_bytes(text.encode("latin-1"))

    message = refused(tagger, "status")

    assert says in message
    assert str(tagger.folder / "tagger.toml") in message


@pytest.mark.parametrize(
    "url", ["postgresql:/anna:swordfish@h/x", "mysql://anna:swordfish@h/x"]
)
def test_a_misspelt_url_in_a_file_is_refused_unseen(tagger: Tagger, url: str) -> None:
    (tagger.folder / "tagger.toml").write_text(f"db = '{url}'\n")
    del tagger.environment["TAGGER_DB"]

    message = refused(tagger, "status")

    assert "tagger.toml" in message
    assert "postgresql://user@host/name" in message
    assert "swordfish" not in message


def test_a_file_of_settings_that_is_named_must_be_there(tagger: Tagger) -> None:
    assert "cannot read" in refused(tagger, "status", TAGGER_CONFIG="absent.toml")


def test_a_variable_that_is_nearly_ours_is_warned_of(tagger: Tagger) -> None:
    tagger.environment |= {"TAGGER_STATUS_AS_JSON": "1", "TAGGER_HOME": "/"}

    quiet = tagger("status")
    warned = tagger("status", TAGGER_BD="x", TAGGER_SCAN_TRESHOLD="0.1")

    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert (warned.returncode, warned.stdout) == (0, quiet.stdout)
    assert warned.stderr.splitlines() == [
        "warning: no option reads TAGGER_BD: did you mean TAGGER_DB?",
        (
            "warning: no option reads TAGGER_SCAN_TRESHOLD: "
            "did you mean TAGGER_SCAN_THRESHOLD?"
        ),
    ]
