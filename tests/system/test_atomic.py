"""Drafts: the next content of a file, with all that the file had."""

import os
from pathlib import Path

import pytest

from tagger.system.atomic import Draft


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    return path


def test_a_file_keeps_its_permissions_and_attributes(file: Path) -> None:
    file.chmod(0o640)
    if hasattr(os, "setxattr"):
        os.setxattr(file, "user.colour", b"red")
    os.utime(file, (1, 1))

    draft = Draft.write(file, [b"n", b"ew"])
    draft.sync()
    assert file.read_bytes() == b"old"
    draft.replace()

    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    if hasattr(os, "getxattr"):
        assert os.getxattr(file, "user.colour") == b"red"
    assert file.stat().st_mtime > 1  # other programs see that it has changed
    assert os.listdir(file.parent) == ["a.jpg"]  # noqa: PTH208  names alone


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="no root")
def test_a_file_that_root_rewrites_keeps_its_owner(file: Path) -> None:
    os.chown(file, 65534, 65534)

    Draft.write(file, [b"new"]).replace()

    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)


def test_a_draft_that_is_discarded_leaves_the_file(file: Path) -> None:
    def pieces() -> "list[bytes]":
        raise OSError(28, "No space left on device")

    Draft.write(file, [b"new"]).discard()
    with pytest.raises(OSError, match="No space"):
        Draft.write(file, (piece for piece in pieces()))

    assert file.read_bytes() == b"old"
    assert len(list(file.parent.iterdir())) == 1


def test_a_draft_that_a_kill_left_is_found(file: Path) -> None:
    Draft.write(file, [b"half"])

    Draft.of(file).discard()

    assert [path.name for path in file.parent.iterdir()] == ["a.jpg"]
