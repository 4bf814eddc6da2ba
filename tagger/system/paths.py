"""Find out what a path leads to: the file behind a link, the folder of another name."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Final, overload

from tagger.storage import Location, RemotePath, is_within
from tagger.text import spellings

_OF_SHOP: Final = re.compile(
    r"([A-Za-z0-9][\w.-]+):(?=/(?!/)|\\|[A-Za-z]:|[a-z][a-z0-9+.-]*://)", re.ASCII
)
"""The beginning of a root of another shop: `paris:/srv`, `paris:C:\\`, `paris:s3://…`.
A Windows drive has one letter, and two slashes follow the scheme of an address."""


def shop_of(path: str) -> str:
    """Return the shop that a root, or a path in it, belongs to; "" for one here."""
    match = _OF_SHOP.match(path)
    return match[1] if match else ""


def in_shop(shop: str, root: str) -> str:
    """Return the name that another inventory gives to a root of this shop."""
    return f"{shop}:{re.sub('^//+', '/', root)}"


def is_shop(name: str) -> bool:
    """Whether a text can name a shop."""
    return name != "" and shop_of(in_shop(name, "/")) == name


@overload
def as_spelt(path: Path) -> Path: ...


@overload
def as_spelt(path: Location) -> Location: ...


def as_spelt(path: Location) -> Location:
    """Return the absolute path, without dots, as the disk spells it; links stay.

    A person may type a composed é where macOS wrote two characters. A path in a store
    stays as it is. A path in another shop is as its inventory names it, unless there
    is such a file here.
    """
    if isinstance(path, RemotePath):
        return path
    if shop_of(str(path)) and not os.path.lexists(path):
        return path
    path = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:]:
        there = (found / name for name in spellings(part))
        found = next(filter(os.path.lexists, there), found / part)
    return found


def real_file(path: Path) -> Path:
    """Return the absolute path of the file that a path leads to, through all links."""
    return Path(os.path.realpath(path))


def beside(path: Path, ending: str) -> Path:
    """Return the file or folder that stands beside a file, named after it.

    Beside the file itself, not beside a link to it: all names of a file share it.
    """
    file = real_file(path)
    return file.with_name(file.name + ending)


def roots_above(
    path: Location, roots: Iterable[Location]
) -> Sequence[tuple[Location, PurePath]]:
    """Return the roots that an absolute path lies in, the outermost first.

    Each with the path from there. The names decide; if no name fits, the folders do: a
    link and a bind mount lead to the same folder, with the same device and inode. In a
    store only names decide.
    """
    roots = list(roots)
    named: list[tuple[Location, PurePath]] = [
        (root, path.relative_to(str(root))) for root in roots if is_within(path, root)
    ]
    if named or isinstance(path, RemotePath):
        return sorted(named, key=lambda pair: len(pair[0].parts))
    known: dict[object, Path] = {}
    for root in roots:
        if isinstance(root, RemotePath):
            continue
        known.setdefault(_identity(root), root)
    known.pop(None, None)
    for name in (path, real_file(path)):
        above = [*reversed(name.parents), name]
        found = [(known.get(_identity(folder)), folder) for folder in above]
        if same := [(root, name.relative_to(folder)) for root, folder in found if root]:
            return same
    return []


def same_folder(one: Location, other: Location) -> bool:
    """Whether two paths lead to one folder; False if either is not there."""
    if isinstance(one, RemotePath) or isinstance(other, RemotePath):
        return one == other
    identity = _identity(one)
    return identity is not None and identity == _identity(other)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None if the path is not there, or has no inode."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None
