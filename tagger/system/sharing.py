"""Share files with the group of their folder, like git's `core.sharedRepository=group`.

A folder that its group may write is shared. What tagger makes in it gets the folder's
group, and that group the permissions of the owner, whatever the umask is.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_TO_GROUP: Final = 3
"""Bits between the owner's permissions and the group's."""


def is_shared(folder: Path) -> bool:
    """Whether its group may write a folder; never without POSIX permissions."""
    with suppress(OSError):
        return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWGRP)
    return False


def share(path: Path) -> None:
    """Share a file or folder with the group of its folder, if that folder is shared.

    Does nothing to a link, to what another user owns, and without POSIX permissions.
    """
    with suppress(OSError):
        folder, own = path.absolute().parent.stat(), path.lstat()
        if not is_shared(path.absolute().parent) or stat.S_ISLNK(own.st_mode):
            return
        if own.st_gid != folder.st_gid:
            os.chown(path, -1, folder.st_gid)  # fails for a group of other people
        bits = (own.st_mode & stat.S_IRWXU) >> _TO_GROUP
        if stat.S_ISDIR(own.st_mode):
            bits |= stat.S_ISGID  # so that new files in it get the group too
        if own.st_mode & bits != bits:
            path.chmod(stat.S_IMODE(own.st_mode) | bits)


def share_all(folder: Path) -> None:
    """Share a folder with all that is in it."""
    share(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            share(Path(parent, name))


def what_closes(path: Path) -> str:
    """Say why this user cannot read and write a file, and the next step.

    "" if they can, and if there is no such file.
    """
    try:
        owner = path.stat().st_uid
    except OSError:
        return ""
    if os.access(path, os.R_OK | os.W_OK):
        return ""
    return (
        f"{path} belongs to {_name(owner)}: as this user or as root, run "
        f"'chmod g+rw {path}', and check that its group is yours"
    )


def _name(user_id: int) -> str:
    with suppress(ImportError, KeyError):
        import pwd  # noqa: PLC0415  Windows has none

        return pwd.getpwuid(user_id).pw_name
    return f"user {user_id}"
