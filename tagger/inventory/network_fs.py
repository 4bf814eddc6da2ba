"""Detect a network file system below a path."""

from pathlib import Path
from typing import Final

from tagger.system.paths import real_file

NETWORK: Final = frozenset(
    {
        "9p",
        "afs",
        "afpfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "webdav",
    }
)
"""Types of file systems that several machines share. SQLite's write-ahead log needs
shared memory between all its users, so an inventory in use cannot be on one of them:
https://sqlite.org/wal.html, "Overview", the disadvantages."""


def network_file_system(path: Path) -> str:
    """Return the type of the network file system of `path`; "" on a local disk.

    Also "" if the mounts cannot be listed.
    """
    import psutil  # noqa: PLC0415  only a scan needs it

    real = real_file(path)
    try:
        mounts = psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return ""
    above = [mount for mount in mounts if real.is_relative_to(mount.mountpoint)]
    if not above:
        return ""
    nearest = max(above, key=lambda mount: len(mount.mountpoint))
    shared = nearest.fstype in NETWORK or "remote" in nearest.opts.split(",")
    return str(nearest.fstype or "remote") if shared else ""
