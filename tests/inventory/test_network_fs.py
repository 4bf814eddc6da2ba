"""The file system that an inventory lies on."""

from pathlib import Path

import pytest
from support import Photo, Scan

from tagger.inventory import network_fs

pytestmark = pytest.mark.sqlite_only("it is about the disk of the file")


def test_an_inventory_on_a_network_file_system_is_a_warning(
    run: Scan, photo: Photo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import psutil
    from psutil._ntuples import sdiskpart

    photo()
    assert run().warnings == ()
    mounts = [
        sdiskpart("/dev/sda", "/", "ext4", "rw"),
        sdiskpart("server:/shop", str(tmp_path), "nfs4", "rw"),
        sdiskpart("server:/else", "/else", "cifs", "rw"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)

    (warning,) = run().warnings
    assert "network file system (nfs4)" in warning

    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    assert network_fs.network_file_system(tmp_path) == ""
