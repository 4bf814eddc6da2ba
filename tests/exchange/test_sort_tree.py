"""`tagger sort`: a tree that follows the tags, and pictures that stay."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from support import SAMPLES, FakeClassifier, Photo, Scan, mounted, scan
from support.program import Tagger, in_a_terminal, refused, without_dac_override

from tagger.exchange.manifest import NAME
from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.records import Policy

KILLS = int(os.environ.get("TAGGER_TEST_KILLS", "6"))
LINKS = pytest.mark.parametrize("link", ["hard", "symbolic", "copy"])


def decide(inventory: Inventory, path: str, tag: str | None) -> None:
    (item,) = (one for one in inventory.items() if one.path == path)
    kind = DecisionKind.CORRECT if tag else DecisionKind.NOT_CATALOGUE
    inventory.decide(item.digest or "", kind, tag=tag, reviewer="anna")


def files(tree: Path) -> dict[str, bytes]:
    """The files of a tree with their content, less our manifest."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and path.name != NAME
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "tree"


@pytest.fixture
def decided(inventory: Inventory, photo: Photo, run: Scan) -> Inventory:
    """Four pictures that a person decided, and one that waits."""
    names = {"a.png": "Bag", "b.png": "Bag", "new/c.png": "Coat", "new/d.png": "Shirt"}
    for number, name in enumerate([*names, "waits.png"]):
        photo(name, 30 + 40 * number)
    run(policy=Policy(1.0))
    for name, tag in names.items():
        decide(inventory, name, tag)
    return inventory


@pytest.fixture
def sources(decided: Inventory, shop: Path) -> dict[str, bytes]:
    assert decided.count() == 5
    return files(shop)


@LINKS
def test_the_tree_follows_the_tags_and_the_pictures_stay(
    tagger: Tagger,
    decided: Inventory,
    sources: dict[str, bytes],
    shop: Path,
    tree: Path,
    link: str,
) -> None:
    def sort(*more: object) -> str:
        done = tagger("sort", tree, "--link", link, *more)
        assert done.returncode == 0, done.stderr
        assert files(shop) == sources
        return done.stdout

    assert sort().startswith("4 pictures sorted, 0 removed")
    expected = {
        "Bag/a.png": sources["a.png"],
        "Bag/b.png": sources["b.png"],
        "Coat/new/c.png": sources["new/c.png"],
        "Shirt/new/d.png": sources["new/d.png"],
    }
    assert files(tree) == expected
    assert (tree / "Bag/a.png").is_symlink() == (link == "symbolic")
    assert (tree / "Bag/a.png").samefile(shop / "a.png") == (link != "copy")
    before = {path: path.lstat().st_ctime_ns for path in tree.rglob("*.png")}
    assert sort().startswith("0 pictures sorted, 0 removed from the tree, 4 right")
    assert {path: path.lstat().st_ctime_ns for path in tree.rglob("*.png")} == before

    decide(decided, "new/c.png", "Dress")
    decide(decided, "a.png", None)
    assert sort().startswith("1 pictures sorted, 2 removed from the tree, 2 right")
    assert list(files(tree)) == ["Bag/b.png", "Dress/new/c.png", "Shirt/new/d.png"]
    assert not (tree / "Coat").exists()

    assert sort("--undecided").startswith("1 pictures sorted")
    sort("--by", "{name}")
    assert list(files(tree)) == ["b.png", "c.png", "d.png"]
    assert [path.name for path in tree.iterdir() if path.is_dir()] == []
    sort("--tag", "Shirt")
    assert list(files(tree)) == ["Shirt/new/d.png"]


@LINKS
def test_a_dry_run_does_nothing(
    tagger: Tagger, sources: dict[str, bytes], tree: Path, link: str
) -> None:
    done = tagger("sort", tree, "--link", link, "--dry-run")

    assert "+ Bag/a.png\n" in done.stdout
    assert "4 pictures would be sorted" in done.stdout
    assert not tree.exists()
    assert sources


@LINKS
def test_what_others_put_there_stays(
    tagger: Tagger, decided: Inventory, sources: dict[str, bytes], tree: Path, link: str
) -> None:
    (tree / "Bag").mkdir(parents=True)
    (tree / "Bag/a.png").write_text("mine")
    (tree / "Bag/notes.txt").write_text("mine")

    done = tagger("sort", tree, "--link", link)
    assert done.returncode == 3
    assert "a.png would be Bag/a.png, where another file is" in done.stderr

    (tree / "Coat/new/c.png").unlink()
    (tree / "Coat/new/c.png").write_text("mine, too")
    (tree / "Shirt/note").write_text("mine")
    for name in ("b.png", "new/c.png", "new/d.png"):
        decide(decided, name, None)
    assert tagger("sort", tree, "--link", link).returncode == 3
    assert files(tree) == {
        "Bag/a.png": b"mine",
        "Bag/notes.txt": b"mine",
        "Coat/new/c.png": b"mine, too",
        "Shirt/note": b"mine",
    }
    assert sources


def test_a_picture_that_was_deleted_or_rewritten_is_followed(
    tagger: Tagger, sources: dict[str, bytes], shop: Path, tree: Path, run: Scan
) -> None:
    tagger("sort", tree)
    tagger("write-tags", "--into-files")

    assert tagger("sort", tree).stdout.startswith("4 pictures sorted")
    assert (tree / "Bag/a.png").samefile(shop / "a.png")

    (shop / "a.png").unlink()
    last = tagger("sort", tree)
    assert last.returncode == 3
    assert "a.png is not there any more: scan again" in last.stderr
    run(policy=Policy(1.0), max_missing=1.0)
    kept = tagger("sort", tree)
    assert kept.returncode == 3
    assert f"{tree}/Bag/a.png is the last name of a deleted picture" in kept.stderr
    assert (tree / "Bag/a.png").exists()
    (tree / "Bag/a.png").unlink()
    assert tagger("sort", tree).returncode == 0
    assert sources


def test_two_pictures_with_one_name_are_named(
    tagger: Tagger, decided: Inventory, photo: Photo, run: Scan, tree: Path
) -> None:
    photo("other/A.png", 250)
    run(policy=Policy(1.0))
    decide(decided, "other/A.png", "Bag")

    done = tagger("sort", tree, "--by", "{tag}/{name}")

    assert done.returncode == 3
    assert "other/A.png would be Bag/A.png, as" in done.stderr
    assert len(files(tree)) == 4


def test_products_have_their_folders(
    tagger: Tagger, decided: Inventory, tree: Path
) -> None:
    assert "item pattern" in refused(tagger, "sort", tree, "--by", "{item}/{name}")
    decided.set_item_pattern(decided.roots(), r"(?P<item>[ac])\.png")

    tagger("sort", tree, "--by", "{item}/{tag}/{name}")

    assert list(files(tree)) == [
        "a/Bag/a.png",
        "b/Bag/b.png",
        "c/Coat/c.png",
        "d/Shirt/d.png",
    ]


@pytest.mark.parametrize("where", [".", "inside", "..", "link"])
def test_a_tree_in_a_scanned_folder_or_around_it_is_refused(
    tagger: Tagger, sources: dict[str, bytes], shop: Path, tmp_path: Path, where: str
) -> None:
    (tmp_path / "elsewhere").symlink_to(shop)
    target = tmp_path / "elsewhere/x" if where == "link" else shop / where

    assert "scanned folder" in refused(tagger, "sort", target)
    assert files(shop) == sources


def test_a_link_in_the_tree_is_not_followed(
    tagger: Tagger, sources: dict[str, bytes], tmp_path: Path, tree: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tree.mkdir()
    (tree / "Bag").symlink_to(other)

    done = tagger("sort", tree)

    assert done.returncode == 3
    assert done.stderr.count("Bag is no folder") == 2
    assert list(other.iterdir()) == []
    assert sources


def test_a_tree_that_cannot_be_made_is_one_line(
    tagger: Tagger, program: Tagger, sources: dict[str, bytes], tree: Path
) -> None:
    tree.write_text("a file")
    assert str(tree) in tagger.fails("sort", tree)
    tree.unlink()
    tree.mkdir(mode=0o555)
    assert str(tree) in program.fails("sort", tree, prefix=without_dac_override())
    tree.chmod(0o755)
    (tree / NAME).write_text('{"tagger sort": 1}\n{"nonsense": 1}\n')
    assert "damaged" in tagger.fails("sort", tree)
    (tree / NAME).write_text('{"tagger sort": 2}\n')
    assert "upgrade" in tagger.fails("sort", tree)
    assert sources


@LINKS
def test_another_disk(
    tagger: Tagger, sources: dict[str, bytes], tmp_path: Path, link: str
) -> None:
    with mounted(tmp_path / "disk", "200k") as disk:
        if link == "hard":
            message = tagger.fails("sort", disk / "tree")
            assert "--link copy" in message
            assert files(disk) == {}
        else:
            assert tagger("sort", disk / "tree", "--link", link).returncode == 0
            assert len(files(disk)) == 4
    assert sources


def test_a_disk_that_fills_in_the_middle_is_one_line(
    tagger: Tagger, inventory: Inventory, pictures: Path, tmp_path: Path
) -> None:
    for number in range(8):
        data = (SAMPLES / "sneaker-grey.jpg").read_bytes() + bytes([number])
        (pictures / f"{number}.jpg").write_bytes(data)
    assert tagger("scan", pictures).returncode == 0
    with mounted(tmp_path / "disk", "100k") as disk:
        message = tagger.fails("sort", disk, "--link", "copy", "--undecided")

        assert "No space left" in message
        assert all(
            path.read_bytes() == (pictures / path.name).read_bytes()
            for path in disk.rglob("*.*")
            if path.is_file() and path.name != NAME
        )
    assert inventory.count() == 11


def test_a_root_that_is_gone_keeps_its_part_of_the_tree(
    tagger: Tagger, sources: dict[str, bytes], shop: Path, tree: Path
) -> None:
    tagger("sort", tree)
    shop.rename(shop.with_name("unplugged"))

    done = tagger("sort", tree)

    assert done.returncode == 3
    assert done.stderr == f"warning: {shop} is not there: is the disk plugged in?\n"
    assert len(files(tree)) == 4
    assert sources


def test_names_of_any_bytes_and_of_windows(
    tagger: Tagger, inventory: Inventory, shop: Path, run: Scan, tree: Path
) -> None:
    names = {
        os.fsdecode(b"caf\xe9.png"): os.fsdecode(b"caf\xe9.png"),
        "a:b?.png": "a_b_.png",
        "con.png": "_con.png",
        "dots...png": "dots...png",
        "é.png": "é.png",
    }
    for number, name in enumerate(names):
        data = (SAMPLES / "tiny.png").read_bytes()
        (shop / name).write_bytes(data + bytes([number]))
    run(policy=Policy(0.0))

    assert tagger("sort", tree, "--by", "{name}", "--undecided").returncode == 0

    assert sorted(files(tree)) == sorted(names.values())
    assert tagger("sort", tree, "--by", "{name}", "--undecided").stdout.startswith("0 ")
    assert inventory.count() == 5


def test_the_last_line_in_a_terminal_is_the_next_step(
    tagger: Tagger, sources: dict[str, bytes], tree: Path
) -> None:
    shown = in_a_terminal(tagger.command("sort", tree, "--dry-run"), tagger)

    assert shown.splitlines()[-1].startswith("\x1b[2mNext: 'tagger sort")
    assert sources


@pytest.mark.usefixtures("stock")
def test_what_a_kill_left_of_the_manifest_is_removed(
    tagger: Tagger, tree: Path
) -> None:
    tree.mkdir()
    (tree / f".{NAME}.ab_12345").write_text("half")
    (tree / f".{NAME}.mine.txt.old").write_text("mine")

    assert tagger("sort", tree).returncode == 0
    assert not (tree / f".{NAME}.ab_12345").exists()
    assert (tree / f".{NAME}.mine.txt.old").exists()


def test_a_kill_loses_nothing_and_the_next_run_ends_it(program: Tagger) -> None:
    """Killed for real, at random moments, while a tree is made and changed."""
    shop, tree = program.folder / "shop", program.folder / "tree"
    shop.mkdir()
    data = (SAMPLES / "tiny.png").read_bytes()
    for number in range(400):
        (shop / f"{number}.png").write_bytes(data + number.to_bytes(4))
    with Inventory(program.db) as inventory:
        scan([shop], inventory, FakeClassifier(), Policy(0.0))
    old = files(shop)
    tree.mkdir()
    (tree / "mine.txt").write_text("mine")
    chance, stages = random.Random(20261128), set()  # noqa: S311
    for number in range(KILLS):
        by = ["{tag}/{name}", "{name}", "x/{tag}-{name}"][number % 3]
        words = ("sort", tree, "--by", by, "--link", ["copy", "hard"][number // 3 % 2])
        before = set(files(tree))
        process = subprocess.Popen(
            program.command(*words), env=program.environment, stdout=subprocess.DEVNULL
        )
        untouched = (tree / NAME).stat().st_ino if (tree / NAME).exists() else 0
        while process.poll() is None and untouched == inode(tree / NAME):
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        process.wait()
        stages.add(len(set(files(tree)) ^ before))
        assert files(shop) == old
        assert (tree / "mine.txt").read_text() == "mine"

        done = program(*words)

        assert done.returncode == 0, done.stderr
        found = files(tree)
        assert found.pop("mine.txt") == b"mine"
        assert sorted(found.values()) == sorted(old.values())
    print(f"{KILLS} kills at {len(stages)} stages")  # noqa: T201


def inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0
