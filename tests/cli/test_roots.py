"""`tagger roots`: moved to another place, or forgotten."""

import json
import shutil
from pathlib import Path

from support import Photo, many
from support.inventories import raw
from support.program import Tagger, in_a_terminal

from tagger.inventory import Inventory, scan_lock
from tagger.inventory.records import DecisionKind


def test_a_root_moves_with_its_decisions(
    tagger: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    many(photo, 3)
    tagger("scan", shop)
    with Inventory(tagger.db) as inventory:
        item = next(inventory.items())
        assert item.digest
        inventory.decide(item.digest, DecisionKind.CORRECT, tag="Bag", reviewer="x")
    mounted = tmp_path / "mounted"
    shop.rename(mounted)
    assert "not found" in tagger("roots", "list").stdout

    moved = tagger("roots", "move", shop, mounted)
    again = json.loads(tagger("scan", mounted, "--json").stdout)

    assert (moved.returncode, again["unchanged"], again["new"]) == (0, 3, 0)
    row = tagger.rows()[item.path]
    assert (row["root"], row["tag"]) == (str(mounted), "Bag")
    (told,) = map(json.loads, tagger("roots", "list", "--json").stdout.splitlines())
    assert (told["path"], told["items"], told["there"]) == (str(mounted), 3, True)


def test_a_root_is_not_moved_to_a_wrong_place(
    tagger: Tagger, shop: Path, photo: Photo, tmp_path: Path
) -> None:
    photo()
    (tmp_path / "empty").mkdir()
    tagger("scan", shop)
    move = ("roots", "move")

    assert "none of the 1 pictures" in tagger.fails(*move, shop, tmp_path / "empty")
    assert "is not a scanned folder" in tagger.fails(*move, tmp_path / "empty", shop)
    assert "does not exist" in tagger.fails(*move, shop, tmp_path / "absent")
    shutil.copytree(shop, tmp_path / "other")
    tagger("scan", tmp_path / "other")
    assert "is scanned already" in tagger.fails(*move, shop, tmp_path / "other")
    assert "is scanned already" in tagger.fails(*move, shop, tmp_path)


def test_a_folder_that_is_gone_for_good_is_forgotten(
    tagger: Tagger, shop: Path, photo: Photo
) -> None:
    photo("gone/a.png")
    photo("gone/b.png", shade=90)
    photo("here/c.png", shade=140)
    tagger("scan", shop / "gone", shop / "here")
    with Inventory(tagger.db) as inventory:
        digest = next(one.digest for one in inventory.items() if one.path == "a.png")
        assert digest
        inventory.decide(digest, DecisionKind.CORRECT, tag="Bag", reviewer="x")
    away = (shop / "gone").rename(shop.parent / "away")
    with raw(tagger.db) as connection, connection:
        connection.execute("UPDATE root SET scanned_at = '2026-01-01T00:00:00.0Z'")
    warned = tagger("scan", shop / "gone", shop / "here")
    ways = [f"'taggerroots{way}{shop}/gone" for way in ("move", "forget")]
    for told in (warned.stderr, tagger("status").stdout):
        unwrapped = "".join(told.split())
        assert 0 < unwrapped.find(ways[0]) < unwrapped.find(ways[1])
    assert "not been seen whole" in tagger("status", "--max-age", "26h").stderr

    done = tagger("roots", "forget", shop / "gone")

    assert (done.returncode, done.stderr) == (0, "")
    assert "with 2 pictures; 1 decision about them kept" in done.stdout
    assert "remove it from your scan commands" in done.stdout
    assert tagger("status", "--max-age", "26h").returncode == 0
    assert set(tagger.rows()) == {"c.png"}
    assert f"{shop}/gone" not in tagger("roots", "list").stdout
    tagger("report", "-o", "report.html")
    assert "b.png" not in (tagger.folder / "report.html").read_text()
    assert tagger("check", "--all").returncode == 0
    assert tagger("scan", shop / "here").returncode == 0
    assert tagger("scan", shop / "gone").returncode == 1

    away.rename(shop / "gone")
    again = json.loads(tagger("scan", shop / "gone", "--json").stdout)

    assert (again["new"], again["classified"], again["drift"]) == (2, 0, [])
    assert tagger.rows()["a.png"]["tag"] == "Bag"
    assert tagger.rows()["a.png"]["decided_by"] == "person"


def test_what_is_there_is_forgotten_only_when_asked_twice(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo
) -> None:
    photo("deep/a.png")
    tagger("scan", shop)
    forget = ("roots", "forget")

    assert "is not a scanned folder" in tagger.fails(*forget, shop / "deep")
    assert f"(scanned folders: {shop})" in tagger.fails(*forget, shop / "deep", "--yes")
    assert "folder name is empty" in tagger.fails(*forget, "", status=2)
    assert "still has pictures" in tagger.fails(*forget, shop)
    with scan_lock(program.db):
        assert "another scan" in program.fails(*forget, shop, "--yes", status=11)
    asking = program.command(*forget, shop)
    shown = in_a_terminal(asking, program, b"n\n")
    assert "still has pictures" in shown
    assert "Aborted" in shown
    assert set(tagger.rows()) == {"deep/a.png"}

    shown = in_a_terminal(asking, program, b"y\n")

    assert "forgotten, with 1 picture" in shown
    assert tagger.rows() == {}
    tagger("scan", shop)
    assert tagger(*forget, shop, "--yes").returncode == 0
    assert (shop / "deep" / "a.png").exists()
