"""What leaves the tool and comes back, by its command line.

Most commands run in this process, which is a second cheaper each; where a stream, a
shell or a missing library matters, the real program runs in its own.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.inventories import raw
from support.program import Tagger, in_a_terminal

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.records import FASHION_LABELS

pytestmark = pytest.mark.usefixtures("stock")


def refused(tagger: Tagger, *arguments: object, status: int = 2, **env: str) -> str:
    """Run what must be refused with one line."""
    message = tagger.fails(*arguments, status=status, prefix=(), **env)
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--columns", "path,tags"), "no column 'tags': did you mean 'tag'?"),
        (("--tag", "sneeker"), "unknown tag 'sneeker': did you mean 'Sneaker'?"),
        (("--tag", "Not a catalogue item"), "'reason ~ \"not a catalogue item\"'"),
        (("--root", "/srv"), "/srv is not a scanned folder"),
        (("--where", "konfidence < 1"), "did you mean 'confidence'?"),
        (("--where", "confidence"), "cannot read the filter"),
        (("--since", "99"), "there is no run 99"),
        (("--since", "yesterday"), "is not a date"),
        (("-o", "out.cvs"), "'.cvs': did you mean '.csv'?"),
        (("--by-item",), "--item-pattern"),
        (("--by-item", "--changed"), "--changed"),
        (("--by-item", "--item-pattern", "x"), "no group"),
        (("--by-item", "--item-pattern", "(?P<item>x)", "--state", "tagged"), "column"),
        (("--item-pattern", "(?P<item>x)"), "needs --by-item"),
    ],
)
def test_an_export_of_what_there_is_not_is_refused(
    tagger: Tagger, arguments: tuple[str, ...], says: str
) -> None:
    assert says in refused(tagger, "export", *arguments)


def test_an_export_is_of_what_was_asked_for(tagger: Tagger, stocked: Path) -> None:
    def paths(*arguments: object) -> list[str]:
        done = tagger("export", "--columns", "path", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[1:]

    assert len(paths()) == 4
    assert paths("--where", 'path ~ ".png"') == ["palette.png", "tiny.png"]
    assert paths("--state", "missing") == []
    assert len(paths("--state", "tagged", "--state", "missing")) == 4
    assert paths("--by-person") == []
    assert len(paths("--by-machine", "--root", stocked / "pictures")) == 4
    assert len(paths("--since", "last-run")) == len(paths("--since", "1")) == 4
    assert paths("--since", "2999-01-01") == []
    every_tag = [word for tag in FASHION_LABELS for word in ("--tag", tag.lower())]
    assert len(paths(*every_tag)) == 4


def test_what_is_no_catalogue_item_is_exported_as_the_message_says(
    tagger: Tagger,
) -> None:
    with Inventory(tagger.folder / "inventory.db") as inventory:
        first, *_ = inventory.items()
        inventory.decide(
            first.digest or "",
            DecisionKind.NOT_CATALOGUE,
            tag=None,
            reviewer="anna",
        )

    found = tagger(
        "export", "--where", 'reason ~ "not a catalogue item"', "-f", "jsonl"
    )

    assert [json.loads(line)["path"] for line in found.stdout.splitlines()] == [
        first.path
    ]


def test_a_dash_is_the_output(program: Tagger) -> None:
    sheet, dashed = program("export"), program("export", "-o", "-")
    page = program("report", "-o", "-")

    assert dashed.stdout == sheet.stdout
    assert page.stdout.startswith("<!doctype html>")
    assert not (program.folder / "-").exists()


def test_the_ending_chooses_the_format(tagger: Tagger) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    heads = {}
    for ending in ("csv", "json", "jsonl", "parquet", "xlsx"):
        done = tagger("export", "-o", f"out.{ending}")
        assert (done.returncode, done.stderr) == (0, "")
        heads[ending] = (tagger.folder / f"out.{ending}").read_bytes()[:9]

    assert heads == {
        "csv": b"root,path",
        "json": b'{"format"',
        "jsonl": b'{"root": ',
        "parquet": b"PAR1" + heads["parquet"][4:],
        "xlsx": b"PK\x03\x04" + heads["xlsx"][4:],
    }
    assert "cannot be shown on a terminal" in in_a_terminal(
        tagger.command("export", "-f", "xlsx"), tagger
    )


def test_a_format_without_its_extra_is_one_line(program: Tagger) -> None:
    tagger = program
    (tagger.folder / "pyarrow.py").write_text("raise ImportError")
    old = tagger.folder / "out.parquet"
    old.write_text("old")

    path = os.pathsep.join([str(tagger.folder), os.environ.get("PYTHONPATH", "")])
    message = tagger.fails("export", "-o", old, PYTHONPATH=path)

    assert "pip install 'tagger[parquet]'" in message
    assert old.read_text() == "old"


def test_a_disk_that_is_full_is_told(tagger: Tagger) -> None:
    message = refused(tagger, "export", "-o", "/dev/full", status=1)

    assert message == "error: cannot write /dev/full: No space left on device\n"


def test_what_changed_is_exported_once(tagger: Tagger) -> None:
    def changed(*arguments: str) -> int:
        return len(tagger("export", "--changed", *arguments).stdout.splitlines()) - 1

    assert [changed(), changed(), changed("--mark", "books")] == [4, 0, 4]
    refused(tagger, "export", "--changed", "-o", "absent/out.csv", status=1)
    with Inventory(tagger.db) as inventory:
        digest = next(inventory.items()).digest
        assert digest
        inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="anna")
    refused(tagger, "export", "--changed", "-o", "absent/out.csv", status=1)

    assert [changed(), changed()] == [1, 0]


def test_a_product_is_one_row_and_its_pattern_is_kept(tagger: Tagger) -> None:
    pattern = r"(?P<item>.)[^.]*\."

    first = tagger("export", "--by-item", "--item-pattern", pattern)
    again = tagger("export", "--by-item")

    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert [(row["item"], row["photographs"]) for row in rows] == [
        ("l", "1"),
        ("p", "2"),
        ("t", "1"),
    ]
    assert again.stdout == first.stdout
    chosen = tagger("export", "--by-item", "--where", "photographs > 1", "-f", "jsonl")
    assert json.loads(chosen.stdout)["item"] == "p"
    listed = json.loads(tagger("roots", "list", "--json").stdout)
    assert listed["item_pattern"] == pattern
    assert "(?P<item>.)" in tagger("roots", "list").stdout
    forgotten = refused(tagger, "export", "--by-item", "--item-pattern", "", status=2)
    assert "needs a product key in each path" in forgotten
    assert json.loads(tagger("roots", "list", "--json").stdout)["item_pattern"] is None


def edit(tagger: Tagger, **tags: str) -> Path:
    """Export, and give some pictures other tags, as in a spreadsheet."""
    target = tagger.folder / "edited.csv"
    tagger("export", "-o", target)
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["tag"] = tags.get(row["path"].partition(".")[0], row["tag"])
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def test_corrections_come_back(tagger: Tagger) -> None:
    sheet = edit(tagger, tiny="Bag", palette="Coat")

    dry = tagger("import", sheet, "--dry-run")
    before = tagger.rows()
    done = tagger("import", sheet, "--reviewer", "anna")
    after = tagger.rows()

    assert dry.returncode == done.returncode == 0
    assert "2 would change, 2 unchanged" in dry.stdout
    assert {row["decided_by"] for row in before.values()} == {"machine"}
    assert "2 changed, 2 unchanged" in done.stdout
    assert (after["tiny.png"]["tag"], after["palette.png"]["tag"]) == ("Bag", "Coat")
    assert after["tiny.png"]["reviewer"] == "anna"
    with raw(tagger.db) as connection, closing(connection.cursor()) as cursor:
        kept = cursor.execute("SELECT length(prepared) FROM decision").fetchall()
    assert kept == [(28 * 28 * 3,)] * 2
    assert "0 changed, 4 unchanged" in tagger("import", edit(tagger)).stdout


def test_nothing_is_taken_in_unless_all_is_well(tagger: Tagger) -> None:
    sheet = edit(tagger, tiny="Bag", palette="Cot")

    done = tagger("import", sheet)
    dry = tagger("import", sheet, "--dry-run")
    undecided = tagger.rows()
    skipped = tagger("import", sheet, "--skip-bad")

    assert done.returncode == dry.returncode == 1
    warning, error = done.stderr.splitlines()
    assert warning == (
        f"warning: {sheet}, line 3: palette.png: no tag 'Cot': did you mean 'Coat'?"
    )
    assert error.startswith("error: 1 row cannot be imported, so nothing was")
    assert "1 would change" in dry.stdout
    assert {row["decided_by"] for row in undecided.values()} == {"machine"}
    assert skipped.returncode == 0
    assert tagger.rows()["tiny.png"]["tag"] == "Bag"


def test_a_file_that_is_no_sheet_is_one_line(tagger: Tagger) -> None:
    sheet = tagger.folder / "sheet.csv"
    for data in (b"\x89PNG", b"path;tag;updated_at\r\n", b"", b"path,tag\n\0"):
        sheet.write_bytes(data)
        assert f"{sheet}, line " in refused(tagger, "import", sheet, status=1)
    assert "No such file" in refused(tagger, "import", "absent.csv", status=1)
    assert "Is a directory" in refused(tagger, "import", tagger.folder, status=1)
    assert "give one character" in refused(tagger, "import", sheet, "--delimiter", "ab")


@pytest.mark.skipif(shutil.which("soffice") is None, reason="no LibreOffice here")
def test_a_sheet_survives_libreoffice(tagger: Tagger, tmp_path: Path) -> None:
    names = [
        "=cmd|' /C calc'!A0.jpg", "00123", "00123.jpg", "шапка.jpg", "帽子١٢.jpg",
        "two\nlines.jpg", "'quoted.jpg", "-5", "1e5", "MAR10", '"q",x', "@x", "x\\xff",
    ]  # fmt: skip
    with raw(tagger.db) as connection, connection:
        for number, name in enumerate(names):
            connection.execute(
                "INSERT INTO image (root_id, path, digest, state, reason, flagged, "
                "flag_reason, first_seen, updated_at) VALUES "
                "(1, ?, ?, 'unreadable', '', 0, '', ?, ?)",
                (name, f"{number:064}", *["2026-01-02T03:04:05.000006Z"] * 2),
            )
    tagger("export", "-o", "sheet.csv")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    for source, kind, folder in (
        ("sheet.csv", "xlsx", "excel"),
        ("excel/sheet.xlsx", "csv", "back"),
    ):
        convert = ["soffice", profile, "--headless", "--convert-to", kind]
        subprocess.run(
            [*convert, "--outdir", folder, source],
            cwd=tagger.folder,
            check=True,
            capture_output=True,
            timeout=120,
        )
    back = tagger.folder / "back" / "sheet.csv"

    def cells(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as stream:
            shares = ("confidence", "margin")
            return [
                {
                    name: str(float(cell)) if name in shares and cell else cell
                    for name, cell in row.items()
                }
                for row in csv.DictReader(stream)
            ]

    assert cells(back) == cells(tagger.folder / "sheet.csv")
    assert {"'" + name for name in ("00123", "-5", "1e5")} < {
        row["path"] for row in cells(back)
    }
    assert f"0 decided, {len(names) + 4} as they" in tagger("import", back).stdout


def test_runs_are_listed_and_shown_again(tagger: Tagger, stocked: Path) -> None:
    tagger("scan", stocked / "pictures", "--exclude", "*.bmp")

    listed = tagger("runs")
    shown = tagger("runs", "show")
    told = json.loads(tagger("runs", "show", 1, "--json").stdout)

    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["run", "2", "1"]
    assert [
        json.loads(line)["id"] for line in tagger("runs", "--json").stdout.splitlines()
    ] == [2, 1]
    assert "Run 2" in shown.stdout
    options = {" ".join(line.split()) for line in shown.stdout.splitlines()}
    assert {"exclude *.bmp", "include none", "retry-errors no", "settle 0"} <= options
    assert str(stocked / "pictures") in shown.stdout
    assert (told["id"], told["counts"]["new"]) == (1, 4)
    assert "there is no run 7" in refused(tagger, "runs", "show", 7)


def test_runs_of_an_empty_inventory(tagger: Tagger) -> None:
    empty = tagger.folder / "empty.db"
    Inventory(empty).__exit__()

    assert tagger("runs", "--db", empty).stdout == "No scan yet\n"
    assert "no runs yet" in refused(tagger, "runs", "show", "--db", empty)


def test_a_report_is_put_in_place_whole(tagger: Tagger) -> None:
    done = tagger("report", "-o", "report.html")
    missing = refused(tagger, "report", "-o", "absent/report.html", status=1)

    page = (tagger.folder / "report.html").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "cannot write" in missing


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


def test_a_file_of_settings_that_is_named_must_be_there(tagger: Tagger) -> None:
    assert "cannot read" in refused(tagger, "status", TAGGER_CONFIG="absent.toml")


def completed(tagger: Tagger, shell: str, line: str, **env: str) -> str:
    """Return what a shell is offered at the end of a line."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    done = subprocess.run(
        [Path(sys.executable).with_name("tagger")],
        cwd=tagger.folder,
        env=tagger.environment
        | asked
        | {"_TAGGER_COMPLETE": f"complete_{shell}"}
        | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_offered_tags(program: Tagger, shell: str) -> None:
    offered = completed(program, shell, "tagger export --tag S")

    assert "Sneaker" in offered
    assert "Bag" not in offered


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


def test_a_shell_is_offered_columns_roots_runs_and_moments(program: Tagger) -> None:
    assert "path,tag" in completed(program, "bash", "tagger export --columns path,ta")
    assert "pictures" in completed(program, "bash", "tagger export --root /")
    assert "last-run" in completed(program, "bash", "tagger export --since l")
    assert completed(program, "bash", "tagger runs show ") == "1\n"


def test_completion_without_an_inventory_offers_what_it_can(program: Tagger) -> None:
    for env in ({"TAGGER_DB": "/absent/x.db"}, {"TAGGER_CONFIG": "/absent"}):
        assert "Bag" in completed(program, "bash", "tagger export --tag B", **env)


def test_every_command_has_a_manual_page(tagger: Tagger) -> None:
    done = tagger("man", "-o", "man1")

    pages = {path.stem: path.read_text() for path in (tagger.folder / "man1").iterdir()}
    assert (done.returncode, done.stdout) == (0, "")
    assert tagger("man", "runs", "show").stdout == pages["tagger-runs-show"]
    assert {"tagger", "tagger-export", "tagger-import"} <= set(pages)
    assert r"\-\-item\-pattern" in pages["tagger-export"]
    assert "TAGGER_EXPORT_COLUMNS" in pages["tagger-export"]
    assert ".SH EXAMPLE" in pages["tagger-scan"]
    assert "EXIT STATUS" in pages["tagger"]
    assert "did you mean 'tagger runs show'" in refused(tagger, "man", "runs", "shov")
    if shutil.which("groff"):
        for path in (tagger.folder / "man1").iterdir():
            shown = subprocess.run(
                ["groff", "-man", "-ww", "-Tutf8", path],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
            )
            assert shown.stderr == ""
