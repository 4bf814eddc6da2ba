"""One inventory, two users of one group: nobody locks the other out."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SAMPLES

from tagger.system.sharing import share, share_all

WRITER, READER, GROUP = 52001, 52002, 52100
"""User and group ids without a name; all that the kernel needs."""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can act as two other users",
)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder as the README sets it up: of a common group, with mode 2775."""
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)  # pytest's own folders are closed to other users
        folder = Path(top) / "inventory"
        folder.mkdir()
        os.chown(folder, WRITER, GROUP)
        folder.chmod(0o2775)
        photos = Path(top) / "photos"
        photos.mkdir()
        (photos / "a.png").write_bytes((SAMPLES / "tiny.png").read_bytes())
        yield folder


def as_user(user: int) -> list[str]:
    """Words that run Python as a user whose own group is not the common one.

    The user may read everything, since Python may lie in root's home; but not write.
    """
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv to act as another user")
    who = ["--reuid", str(user), "--regid", str(user), "--groups", str(GROUP)]
    only = "-all,+dac_read_search"
    may = ["--inh-caps", only, "--ambient-caps", only, "--bounding-set", only]
    return ["setpriv", *who, *may, sys.executable, "-B"]


def run_as(
    user: int, folder: Path, *arguments: object, umask: int = 0o022
) -> "subprocess.CompletedProcess[str]":
    """Run the program as a user, with the common inventory."""
    home = folder.parent / f"home-{user}"
    home.mkdir(exist_ok=True)
    os.chown(home, user, user)
    environment = {"HOME": str(home), "TAGGER_DB": str(folder / "inventory.db")}
    return subprocess.run(
        [*as_user(user), "-m", "tagger", *map(str, arguments)],
        umask=umask,
        env=os.environ | environment | {"TAGGER_SETTLE": "0"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def scan(folder: Path, user: int = WRITER) -> "subprocess.CompletedProcess[str]":
    return run_as(user, folder, "scan", folder.parent / "photos")


def succeeded(done: "subprocess.CompletedProcess[str]") -> None:
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("mode", "umask"), [(0o2775, 0o022), (0o770, 0o077)])
def test_another_user_reads_and_the_scan_goes_on(
    common: Path, mode: int, umask: int
) -> None:
    common.chmod(mode)
    photos = common.parent / "photos"
    for user in (WRITER, READER, WRITER):
        succeeded(run_as(user, common, "scan", photos, umask=umask))
        succeeded(run_as(READER, common, "status", umask=umask))
        succeeded(run_as(WRITER, common, "backup", common / "copy.db", umask=umask))
        (photos / "a.png").write_bytes(
            (photos / "a.png").read_bytes() + user.to_bytes(4)
        )
    for file in common.iterdir():
        status = file.stat()
        assert status.st_gid == GROUP, file
        assert stat.S_IMODE(status.st_mode) & 0o060 == 0o060, file


def test_a_reader_in_the_middle_hinders_no_scan(common: Path) -> None:
    """The inventory is of an older tagger: its group may only read it."""
    succeeded(scan(common))
    inventory = common / "inventory.db"
    inventory.chmod(0o644)
    holding = (
        "import sys, tagger.inventory as i, pathlib\n"
        "with i.Inventory(pathlib.Path(sys.argv[1]), create=False) as inventory:\n"
        "    print(len(list(inventory.items())), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    reader = subprocess.Popen(
        [*as_user(READER), "-c", holding, str(inventory)],
        umask=0o022,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env=os.environ | {"HOME": "/"},
    )
    assert reader.stdin
    assert reader.stdout
    try:
        assert reader.stdout.readline() == b"1\n"
        succeeded(scan(common))
    finally:
        reader.communicate(timeout=60)
    succeeded(scan(common))


@pytest.mark.parametrize("name", ["inventory.db-wal", "inventory.db-shm"])
def test_a_file_that_an_older_tagger_left_is_named(common: Path, name: str) -> None:
    succeeded(scan(common))
    left = common / name
    for ending in ("-wal", "-shm"):
        side = common / f"inventory.db{ending}"
        side.touch()
        os.chown(side, WRITER, GROUP)
    os.chown(left, READER, READER)
    left.chmod(0o600)

    done = scan(common)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(left) in done.stderr
    assert str(READER) in done.stderr
    assert "chmod g+rw" in done.stderr
    left.chmod(0o660)
    os.chown(left, READER, GROUP)
    succeeded(scan(common))


def test_a_lock_file_of_another_user_is_named(common: Path) -> None:
    succeeded(scan(common))
    lock = common / "inventory.db.lock"
    os.chown(lock, READER, READER)
    lock.chmod(0o600)

    done = scan(common)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(lock) in done.stderr


def test_a_private_folder_stays_private(common: Path) -> None:
    common.chmod(0o2755)
    succeeded(scan(common))

    for file in common.iterdir():
        assert not file.stat().st_mode & stat.S_IWGRP, file


def test_links_are_left_alone_and_folders_are_shared_whole(common: Path) -> None:
    outside = common.parent / "outside"
    outside.write_text("")
    outside.chmod(0o600)
    models = common / "models"
    (models / "deep").mkdir(parents=True)
    (models / "deep" / "weights").write_text("")
    (models / "link").symlink_to(outside)
    share_all(models)
    share(common / "absent")

    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert (models / "deep").stat().st_mode & 0o2070 == 0o2070
    assert (models / "deep" / "weights").stat().st_mode & 0o060 == 0o060
