"""The command line with an inventory on a PostgreSQL server."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from support import SAMPLES
from support.postgres import Server
from support.program import Inside, Tagger, in_a_terminal, refused

from tagger.bundles.adapted import adapted_folder
from tagger.system.database_url import DatabaseUrl

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def scanned(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tagger]:
    """An inventory on a server with a few pictures; the tests only read it."""
    folder = tmp_path_factory.mktemp("scanned")
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in ("tiny.png", "palette.png", "lossy.webp", "plain.bmp"):
        shutil.copy(SAMPLES / name, pictures)
    url = server.blank()
    tagger = Inside(folder)
    tagger.use(DatabaseUrl(url.secret + "&password=swordfish"))
    done = tagger("scan", pictures)
    assert done.returncode == 0, done.stderr
    yield tagger
    server.drop(url)


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "status --json",
        "status --max-age 1h",
        "roots list",
        "runs",
        "runs show",
        "check",
        "explain pictures/tiny.png",
        "tags list",
        "tags suggest",
        "decisions export out.jsonl",
        "model list",
        "model show",
        "predict pictures/tiny.png",
        "config show",
        "config show --json",
        "report -o report.html",
        "export -o tags.csv",
        "scan pictures --dry-run",
        "scan pictures",
    ],
)
def test_commands_work_as_with_a_file_and_show_no_password(
    scanned: Tagger, command: str
) -> None:
    done = scanned(*command.split())

    assert done.returncode == 0, done.stderr
    assert "swordfish" not in done.stdout + done.stderr
    for file in scanned.folder.glob("*.*"):
        assert "swordfish" not in file.read_text(encoding="utf-8")


def test_what_is_for_files_names_the_tool_of_the_server(scanned: Tagger) -> None:
    assert "pg_dump" in refused(scanned, "backup", "copy.db")
    assert "pg_restore" in refused(scanned, "restore", "copy.db")


def test_a_dry_run_writes_nothing(scanned: Tagger, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "skateboard.jpg", tmp_path)

    told = scanned("scan", tmp_path, "--dry-run", "--json")

    assert json.loads(told.stdout)["new"] == 1
    assert str(tmp_path) not in scanned("roots", "list").stdout


def test_the_inventory_of_a_file_is_merged_into_one_on_a_server(
    server: Server, scanned: Tagger, stocked: Path
) -> None:
    url = server.blank()
    here = Inside(scanned.folder)
    here.use(url)

    for new in (4, 0):
        merge = ("inventory", "merge", stocked / "inventory.db", "--shop", "paris")
        told = here(*merge, "--json")

        assert told.returncode == 0, told.stderr
        (shop,) = json.loads(told.stdout)["shops"]
        assert (shop["items"], shop["added"]) == (4, new)
    assert here("check").returncode == 0
    server.drop(url)


def test_a_dump_is_a_backup(server: Server, scanned: Tagger) -> None:
    assert isinstance(scanned.place, DatabaseUrl)
    url = server.blank()
    dump = subprocess.run(
        [server.programs / "pg_dump", "--format=custom", scanned.place.secret],
        capture_output=True,
        check=True,
    )
    subprocess.run(
        [server.programs / "pg_restore", "--dbname", url.secret],
        input=dump.stdout,
        check=True,
    )
    restored = Inside(scanned.folder)
    restored.use(url)

    assert restored("export").stdout == scanned("export").stdout
    assert restored("check").returncode == 0
    assert restored("scan", "pictures", "--json").returncode == 0
    server.drop(url)


def test_a_person_decides_in_a_review(scanned: Tagger) -> None:
    before = json.loads(scanned("status", "--json").stdout)

    done = scanned("review", "--plain", "--reviewer", "anna", answers="Bag\nq\n")

    assert done.returncode == 0, done.stderr
    after = json.loads(scanned("status", "--json").stdout)
    assert after["flagged"] == before["flagged"] - 1
    assert scanned("check").returncode == 0


def test_folders_are_completed_from_the_server(scanned: Tagger) -> None:
    path = scanned.folder / "pictures"
    asked = {
        "_TAGGER_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "tagger export --root /",
    }

    done = subprocess.run(
        [Path(sys.executable).with_name("tagger")],
        env=scanned.environment | asked,
        capture_output=True,
        text=True,
        check=False,
    )

    assert str(path) in done.stdout


def test_a_terminal_shows_the_next_step(scanned: Tagger) -> None:
    command = [sys.executable, "-m", "tagger", "status"]

    shown = in_a_terminal(command, scanned)

    assert "tagger review" in shown
    assert "swordfish" not in shown


def test_the_url_may_be_in_the_settings_file(scanned: Tagger, tmp_path: Path) -> None:
    assert isinstance(scanned.place, DatabaseUrl)
    (tmp_path / "tagger.toml").write_text(f'db = "{scanned.place.secret}"\n')
    here = Inside(tmp_path)
    del here.environment["TAGGER_DB"]

    assert here("roots", "list").stdout == scanned("roots", "list").stdout


def test_networks_of_a_server_are_in_the_users_folder(scanned: Tagger) -> None:
    assert isinstance(scanned.place, DatabaseUrl)
    folder = adapted_folder(scanned.place)

    other = DatabaseUrl("postgresql://anna@db/shop")
    same = DatabaseUrl("postgresql://ben:word@db:5432/shop")
    assert adapted_folder(other) == adapted_folder(same) != folder
    assert not folder.exists()


def test_without_the_driver_the_message_has_the_command(scanned: Tagger) -> None:
    with patch.dict(sys.modules, {"psycopg": None}):
        message = scanned.fails("status")

    assert "psycopg[binary]" in message
    assert "pip install" in message


def test_a_file_needs_nothing_of_the_server(tagger: Tagger, program: Tagger) -> None:
    loaded = (
        "import sys; from tagger.cli import app\n"
        "try: app(['status'])\n"
        "except BaseException: pass\n"
        "print([m for m in sys.modules if 'psycopg' in m or 'postgres' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded],
        env=program.environment | {"TAGGER_DB": str(tagger.db)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "[]"
