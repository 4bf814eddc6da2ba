"""Leave out bins, thumbnails, snapshots and resized copies of photographs.

Names of folders that file servers make, resized copies beside their original, and what
a file `.taggerignore` names. The patterns of `--exclude` are in `walk.Rules`.
"""

import codecs
import os
import re
import stat
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tagger.storage import Location
from tagger.text import composed

if TYPE_CHECKING:  # 30 ms, and few folders have an ignore file
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

DEFAULT_EXCLUDE: Final = (
    "@eaDir",  # Synology: thumbnails and metadata
    "#recycle",  # Synology: the bin of a share
    "#snapshot",
    "@Recycle",  # QNAP: the bin of a share
    "@Recently-Snapshot",
    "$RECYCLE.BIN",  # Windows
    "RECYCLER",
    "System Volume Information",
    "Network Trash Folder",  # macOS on file servers
    "Temporary Items",
    "__MACOSX",  # macOS: what Finder adds to a ZIP archive
    "lost+found",  # Linux: what a repair of the file system found
    "~snapshot",  # NetApp
)
"""Names of folders that are not entered, in any case of letters. Those that start with
a dot (.Trash-1000, .thumbnails, .snapshot, .zfs, .git, .@__thumb) are hidden, and
hidden folders are never entered."""

IGNORE_FILE: Final = ".taggerignore"
"""Name of a file with patterns of paths to leave out, in the syntax of .gitignore."""

_MOST_BYTES: Final = 2**20
"""Largest ignore file that is read."""

_RESIZED: Final = re.compile(
    r"(?P<stem>.+?)"
    r"(?:[-_]\d{2,5}x\d{0,5}(?:_crop_\w+)?(?:@\dx)?|-scaled|-rotated)"
    r"(?P<ending>\.\w+)",
)
"""Name of a copy that shop software makes: WordPress and WooCommerce write
`name-150x150.jpg`, `name-scaled.jpg` and `name-rotated.jpg` beside `name.jpg`
(`wp_get_attachment_image_src`, `wp_create_image_subsizes` in its documentation),
Shopify's files are called `name_150x150.jpg`."""


def may_be_resized(names: str) -> bool:
    """Whether a name, or one of many joined names, may be that of a resized copy.

    A quick look for letters that most folders of a million pictures do not have.
    """
    return "x" in names or "-scaled." in names or "-rotated." in names


def original_of(name: str, beside: Container[str], endings: Sequence[str]) -> str:
    """Return which of the names `beside` it a file is a resized copy of, else "".

    A copy may have another ending than its original, one of `endings`. A copy whose
    original is gone is a picture like any other.
    """
    match = _RESIZED.fullmatch(name) if may_be_resized(name) else None
    if match is None:
        return ""
    for stem in (match["stem"], f"{match['stem']}-scaled"):
        for ending in (match["ending"], *endings):
            if f"{stem}{ending}" in beside and f"{stem}{ending}" != name:
                return f"{stem}{ending}"
    return ""


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """The patterns of an ignore file, and the `folder` under the root that it is in.

    Each pattern stands beside its line.
    """

    folder: str
    patterns: tuple[tuple[str, "GitIgnoreSpecPattern"], ...]

    def verdict(self, path: str, *, is_folder: bool) -> tuple[bool | None, str]:
        """Return whether a path is left out, and the pattern; None if none matches.

        `path` is relative to the root and lies below `folder`. As in Git, the last
        pattern that matches decides.
        """
        below = path.removeprefix(f"{self.folder}/") if self.folder else path
        below = composed(below)
        for line, pattern in reversed(self.patterns):
            if _matches(line, pattern, below, is_folder=is_folder):
                return pattern.include, line
        return None, ""


def _matches(
    line: str, pattern: "GitIgnoreSpecPattern", path: str, *, is_folder: bool
) -> bool:
    """Whether a pattern matches a path, and not only a folder that the path is in.

    The walk asks about a folder before the paths in it, but `pathspec` also matches a
    path by its beginning, up to a folder.
    """
    if line.endswith("**"):  # what is in a folder, and not the folder
        return pattern.match_file(path) is not None
    subject = f"{path}/" if is_folder else path
    found = pattern.match_file(subject)
    return found is not None and found.match.end() == len(subject)


def read_ignore_file(path: Location, folder: str) -> IgnoreFile:
    """Read an ignore file that lies in `folder`, relative to the root.

    Raises OSError if it cannot be read, and ValueError, with the reason in words, if
    it is not a list of patterns.
    """
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415

    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would hang the scan
        raise ValueError("it is not a regular file")
    if status.st_size > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES // 2**20} MB")
    text = os.fsdecode(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    patterns = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            patterns.append((line.strip(), GitIgnoreSpecPattern(composed(line))))
        except (ValueError, re.error) as error:
            raise ValueError(f"line {number} is not a pattern: {line}") from error
    return IgnoreFile(folder, tuple(patterns))


def ignored_by(files: Sequence[IgnoreFile], path: str, *, is_folder: bool) -> str:
    """Return the pattern that leaves a path out, "" if none does.

    As in Git, the last matching pattern of the innermost file decides.
    """
    for file in reversed(files):
        left_out, pattern = file.verdict(path, is_folder=is_folder)
        if left_out is not None:
            return pattern if left_out else ""
    return ""
