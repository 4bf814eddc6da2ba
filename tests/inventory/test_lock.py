"""One scan at a time: the lock, who holds it, and who waits for it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import SAMPLES, Photo
from support.program import Tagger, begun, without_dac_override

from tagger.errors import EXIT_LOCKED, InventoryError, LockedError
from tagger.inventory import scan_in_progress, scan_lock

pytestmark = pytest.mark.sqlite_only("the lock is a file beside the inventory")


def test_a_second_scan_meets_a_lock_that_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "inventory.db"

    with scan_lock(path) as dead:
        assert dead is None
        with pytest.raises(LockedError, match=rf"pid {os.getpid()} on .*, since 20"):
            scan_lock(path).__enter__()
        holder = scan_in_progress(path)
        assert holder is not None
        assert holder.pid == os.getpid()

    assert scan_in_progress(path) is None
    with scan_lock(path) as dead:
        assert dead is None


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 9000, b"[" * 9000]
)
def test_a_lock_file_that_says_anything_is_no_hindrance(
    tmp_path: Path, note: bytes
) -> None:
    (tmp_path / "inventory.db.lock").write_bytes(note)

    with scan_lock(tmp_path / "inventory.db") as dead:
        assert dead is None


def test_what_is_no_inventory_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes\n" * 99)

    with pytest.raises(InventoryError, match="not a SQLite database"):
        scan_lock(tmp_path / "notes.txt").__enter__()

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "closed"])
def test_a_lock_file_that_cannot_be_used_is_named(
    tagger: Tagger, program: Tagger, shop: Path, photo: Photo, kind: str
) -> None:
    lock = tagger.db.with_name("inventory.db.lock")
    photo()
    tagger("scan", shop)
    lock.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    elif kind == "link":
        lock.symlink_to("absent/lock")
    else:
        lock.touch(mode=0o000)

    limits = without_dac_override()
    message = program.fails("scan", shop, prefix=limits)

    assert str(lock) in message
    assert ("chmod g+rw" if kind == "closed" else "remove it") in message
    assert program("status", prefix=limits).returncode == 0


def test_two_scans_at_once_are_one_scan_and_exit_status_11(
    tagger: Tagger, program: Tagger, large_shop: Path
) -> None:
    first = begun(program, large_shop)

    second = tagger.fails("scan", large_shop, status=EXIT_LOCKED)
    told = tagger("scan", large_shop, "--log-format", "json")
    shown = tagger("status")

    assert second.count("\n") == 1
    assert second.startswith(
        f"error: another scan, or 'tagger model adapt', is writing to {tagger.db} (pid"
    )
    assert str(first.pid) in second
    assert told.returncode == EXIT_LOCKED
    assert told.stderr == ""
    last = json.loads(told.stdout.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", EXIT_LOCKED)
    assert f"still running (pid {first.pid}" in shown.stdout
    first.kill()
    first.communicate()

    assert "killed" in tagger("status").stdout
    mended = tagger("scan", SAMPLES, "--exclude", "*")
    assert f"the previous scan (pid {first.pid}" in mended.stdout


def test_a_scan_waits_for_another_when_asked(
    program: Tagger, large_shop: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(SAMPLES / "tiny.png", few)
    first = begun(program, large_shop)
    second = subprocess.Popen(
        program.command("scan", few, "--wait-lock", "2m", "--json"),
        env=program.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate()

    output, _ = second.communicate(timeout=60)

    assert second.returncode == 0
    assert json.loads(output)["new"] == 1


def test_an_inventory_has_one_lock_by_all_its_names(tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "inventory.db")

    with scan_lock(tmp_path / "inventory.db"):
        assert scan_in_progress(link)
        with pytest.raises(LockedError), scan_lock(link):
            pass
    assert list(link.parent.iterdir()) == [link]
