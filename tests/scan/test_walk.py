import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.errors import FolderError
from tagger.records import ImageFile
from tagger.scan.walk import Rules, check_root, walk

RULES = Rules(endings=(".jpg", ".png"), foreign={".heic"})


def listing(root: Path, rules: Rules = RULES) -> dict[str, str]:
    """What the walk says of each path: "read", or the reason why not."""
    found = list(walk(root, rules))
    assert len({entry.path for entry in found}) == len(found)
    return {
        entry.path: "read" if isinstance(entry, ImageFile) else entry.reason
        for entry in found
    }


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_pictures_are_found_to_the_bottom_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a/z.PNG", "a/b/c.jpg", "c/d.jpg", "notes.txt", "plain")

    assert listing(tmp_path) == {
        "b.jpg": "read",
        "notes.txt": "its name ends in .txt",
        "plain": "its name has no ending",
        "a/z.PNG": "read",
        "a/b/c.jpg": "read",
        "c/d.jpg": "read",
    }
    assert list(walk(tmp_path, RULES)) == list(walk(tmp_path, RULES))


def test_a_picture_of_a_foreign_format_says_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "phone.HEIC")

    assert "save it as JPEG" in listing(tmp_path)["phone.HEIC"]


def test_patterns_choose_and_leave_out(tmp_path: Path) -> None:
    touch(tmp_path, "A.JPG", "a.png", "Thumbs/a.jpg", "new/old/a.jpg", "new/a.jpg")
    rules = Rules((".jpg", ".png"), (), ("*.jpg",), ("thumbs", "new/old/*"))

    assert listing(tmp_path, rules) == {
        "A.JPG": "read",
        "a.png": "not included by *.jpg",
        "Thumbs": "excluded by thumbs",
        "new/a.jpg": "read",
        "new/old/a.jpg": "excluded by new/old/*",
    }


def test_patterns_match_under_the_folder_that_is_walked_and_under_the_root(
    tmp_path: Path,
) -> None:
    touch(tmp_path, *(f"photos/{name}/a.jpg" for name in ("new", "old", "raw")))
    touch(tmp_path, "old/b.jpg")
    rules = replace(RULES, exclude=("old/*", "photos/raw/*"))
    chosen = replace(RULES, include=("new/*.jpg",))

    assert listing(tmp_path, replace(rules, folder="photos")) == {
        "photos/new/a.jpg": "read",
        "photos/old/a.jpg": "excluded by old/*",
        "photos/raw/a.jpg": "excluded by photos/raw/*",
    }
    assert listing(tmp_path, rules)["photos/old/a.jpg"] == "read"
    assert listing(tmp_path, replace(chosen, folder="photos")) == {
        "photos/new/a.jpg": "read",
        "photos/old/a.jpg": "not included by new/*.jpg",
        "photos/raw/a.jpg": "not included by new/*.jpg",
    }


def test_hidden_things_are_left_out_whole(tmp_path: Path) -> None:
    touch(tmp_path, "._a.jpg", ".cache/b.jpg")

    assert set(listing(tmp_path)) == {"._a.jpg", ".cache"}


def test_links_are_followed_to_files_inside_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root, "real.jpg", "folder/x.jpg")
    touch(tmp_path, "outside.jpg")
    (root / "inside.jpg").symlink_to(root / "real.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "loop").symlink_to(root)
    (root / "self.jpg").symlink_to(root / "self.jpg")
    (root / "broken.jpg").symlink_to(root / "nothing.jpg")

    assert listing(root) == {
        "real.jpg": "read",
        "inside.jpg": "read",
        "folder/x.jpg": "read",
        "out.jpg": "a link out of the folder",
        "loop": "a link to a folder is not followed",
        "self.jpg": "a link that leads nowhere",
        "broken.jpg": "a link that leads nowhere",
    }


def test_special_files_are_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "to-pipe.jpg").symlink_to(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.jpg"))

        assert listing(tmp_path) == {
            "pipe.jpg": "a named pipe is not read",
            "s.jpg": "a socket is not read",
            "to-pipe.jpg": "a named pipe is not read",
        }


def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"new\nline.jpg", b"\x1b[31mred.jpg", b"'q\".jpg"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")

    assert {os.fsencode(path) for path in listing(tmp_path)} == set(names)


def test_the_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_234_567_890))

    (found,) = walk(tmp_path, RULES)

    assert isinstance(found, ImageFile)
    assert (found.stamp.size, found.stamp.mtime_ns) == (1, 1_234_567_890)


def test_what_vanishes_during_the_walk_is_not_there(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "b.jpg")
    entries = walk(tmp_path, RULES)
    assert next(entries).path == "b.jpg"
    (tmp_path / "a" / "x.jpg").unlink()
    (tmp_path / "a").rmdir()

    assert list(entries) == []


@pytest.mark.parametrize("name", ["absent", "file.jpg"])
def test_a_root_that_is_no_folder_is_an_error_that_names_it(
    tmp_path: Path, name: str
) -> None:
    touch(tmp_path, "file.jpg")

    with pytest.raises(FolderError, match=name):
        check_root(tmp_path / name)
