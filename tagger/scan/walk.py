"""List the picture files under a root, and the reason for each skipped path.

Opens no file except `.taggerignore`, so that a pipe, a device or a link to itself
cannot hang or harm a scan.
"""

import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tagger.errors import FolderError
from tagger.records import (
    FARTHEST_NS,
    Below,
    FileStamp,
    ImageFile,
    Listed,
    SkippedFile,
    State,
    kept_time,
)
from tagger.scan.exclude import (
    IGNORE_FILE,
    IgnoreFile,
    ignored_by,
    may_be_resized,
    original_of,
    read_ignore_file,
)
from tagger.storage import Location, RemotePath
from tagger.storage.listing import Lister, by_name, lister
from tagger.system.paths import as_spelt
from tagger.text import comparable

if TYPE_CHECKING:
    from tagger.storage.protocol import Entry, Stated


@dataclass(frozen=True, slots=True)
class Rules:
    """Which paths are read: those with a picture's ending, as the patterns allow.

    The paths are all under the root, or all in one `folder` of it. `endings` are in
    lower case, with their dot. A pattern (`*.jpg`, `thumbs`, `old/*`) is matched
    case-insensitively against the name. A pattern with a slash is matched against the
    path from the folder and the path from the root, because a scanned folder may later
    become part of a larger one. `*` also matches slashes. A path is read if it matches
    any of `include` (or that is empty) and none of `exclude`; an excluded folder is not
    entered, nor one that matches `exclude_folders`. Files that look like resized copies
    of a file beside them are read only with `resized`. Links out of the root are
    followed only with `follow_links`.
    """

    endings: tuple[str, ...]
    foreign: Collection[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    exclude_folders: Sequence[str] = ()
    resized: bool = False
    follow_links: bool = False
    folder: str = ""

    def matches(self, path: str, name: str, pattern: str) -> bool:
        """Whether a pattern matches a path under the root with this name."""
        # Cameras write .JPG where people write .jpg.
        pattern = comparable(pattern.rstrip("/"))
        subjects = [name]
        if "/" in pattern:
            subjects = [path.removeprefix(f"{self.folder}/"), path]
        return any(fnmatchcase(comparable(subject), pattern) for subject in subjects)


def check_root(folder: Location) -> Location:
    """Return the folder as an absolute path; FolderError if it cannot be listed."""
    root = as_spelt(folder)
    try:
        if isinstance(root, RemotePath):
            root.check_folder()
            return root
        with os.scandir(root):
            return root
    except FileNotFoundError as error:
        raise FolderError(f"{root} does not exist") from error
    except NotADirectoryError as error:
        raise FolderError(f"{root} is a file: name the folder it is in") from error
    except OSError as error:
        raise FolderError(f"cannot read {root}: {error.strerror}") from error


def walk(
    root: Location, rules: Rules, pause: Callable[[], None] = lambda: None
) -> Iterator[Listed]:
    """Yield every path under `root` (or the rules' folder), in the order of names.

    Paths are relative to the root in both cases. A folder is yielded only if it is not
    entered. Links to files inside the root are followed; with `follow_links` also links
    out of it. No folder outside is entered twice, so a walk always ends. `pause` is
    called now and then while a store lists its files, and may raise.
    """
    links = _Links(root, follow=rules.follow_links)
    entries_of = lister(root, rules.folder, pause)
    try:
        above = _ignore_files_above(root, rules.folder)
    except (OSError, ValueError) as error:
        yield _not_entered(rules.folder or ".", error)
        return
    waiting = [(rules.folder, above)]
    while waiting:
        folder, ignore_files = waiting.pop()
        entered = _enter(root, folder, entries_of)
        if isinstance(entered, SkippedFile):
            yield entered
            continue
        children, ignore_file = entered
        ignore_files += ignore_file
        look_for_copies = not rules.resized and may_be_resized(
            " ".join([entry.name for entry in children])
        )
        deeper = []
        for entry in children:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                listed = _look(entry, path, rules, links)
            except FileNotFoundError:
                continue
            except OSError as error:
                listed = _unreadable(path, error)
            if ignore_files:
                listed = _unless_ignored(listed, path, ignore_files)
            if listed is None:
                deeper.append((path, ignore_files))
            elif look_for_copies and isinstance(listed, ImageFile):
                yield _unless_resized(listed, entry.name, _Names(children), rules)
            else:
                yield listed
        waiting.extend(reversed(deeper))


class _Names(Container[str]):
    """The names of a folder's entries, which are sorted by name."""

    def __init__(self, entries: "Sequence[Entry]") -> None:
        self._entries = entries

    def __contains__(self, name: object) -> bool:
        at = bisect_left(self._entries, str(name), key=by_name)
        return at < len(self._entries) and self._entries[at].name == name


def _enter(
    root: Location, folder: str, entries_of: Lister
) -> "tuple[Sequence[Entry], tuple[IgnoreFile, ...]] | SkippedFile":
    """List a folder by name, and read its ignore file, if it has one."""
    children: Sequence[Entry] = []
    try:
        children = entries_of(folder)
        if IGNORE_FILE not in _Names(children):
            return children, ()
        return children, (read_ignore_file(root / folder / IGNORE_FILE, folder),)
    except FileNotFoundError:
        return children, ()  # the folder or the file was deleted a moment ago
    except (OSError, ValueError) as error:
        return _not_entered(folder or ".", error)


def _ignore_files_above(root: Location, folder: str) -> tuple[IgnoreFile, ...]:
    """Read the ignore files of the folders between a root and a folder in it."""
    found: tuple[IgnoreFile, ...] = ()
    parts = PurePosixPath(folder).parts
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        path = root / above / IGNORE_FILE
        if path.exists():
            found += (read_ignore_file(path, above),)
    return found


def _unless_ignored(
    listed: Listed | None, path: str, ignore_files: Sequence[IgnoreFile]
) -> Listed | None:
    """Leave a folder (None) or a picture out if an ignore file says so."""
    if isinstance(listed, SkippedFile):
        return listed
    pattern = ignored_by(ignore_files, path, is_folder=listed is None)
    if not pattern:
        return listed
    reason = f"left out by {IGNORE_FILE}: {pattern}"
    return SkippedFile(path, State.IGNORED, reason, below=Below.LEFT_OUT)


def _unless_resized(
    file: ImageFile, name: str, beside: Container[str], rules: Rules
) -> Listed:
    """Leave a picture out if it is a resized copy of a file beside it."""
    original = original_of(name, beside, rules.endings)
    if not original:
        return file
    reason = f"a resized copy of {original}"
    return SkippedFile(file.path, State.IGNORED, reason, file.stamp)


def _not_entered(folder: str, error: OSError | ValueError) -> SkippedFile:
    """Report a folder that cannot be listed, or whose ignore file cannot be read."""
    if isinstance(error, OSError):
        return _unreadable(folder, error)
    reason = f"its {IGNORE_FILE} cannot be used: {error}"
    return SkippedFile(folder, State.UNREADABLE, reason, below=Below.UNSEEN)


class _Links:
    """Decides which links of one walk are followed."""

    def __init__(self, root: Location, *, follow: bool) -> None:
        # A store has no links, so nothing asks for its root.
        real = os.path.realpath(root) if isinstance(root, Path) else ""
        self._real_root = Path(real)
        self._follow = follow
        self._entered: list[Path] = []

    def refusal_of_file(self, target: Path) -> str:
        """Return why a link to a file is not followed; empty if it is."""
        if self._follow or target.is_relative_to(self._real_root):
            return ""
        return "a link out of the folder"

    def refusal_of_folder(self, target: Path) -> str:
        """Return why a link to a folder is not followed; empty if it is, this once.

        Folders inside the root, or inside an entered one, are walked there already. A
        folder that contains one of these would be walked in circles.
        """
        if not self._follow:
            return "a link to a folder is not followed"
        for walked in (self._real_root, *self._entered):
            if target.is_relative_to(walked) or walked.is_relative_to(target):
                return f"a link to a folder that is walked as {walked}"
        self._entered.append(target)
        return ""


def _look(entry: "Entry", path: str, rules: Rules, links: _Links) -> Listed | None:
    """Classify an entry; None for a folder to enter. OSError if it cannot be read."""
    if entry.is_symlink():
        return _look_behind_link(entry, path, rules, links)
    if reason := _left_out(path, entry.name, rules):
        return SkippedFile(path, State.IGNORED, reason, below=Below.LEFT_OUT)
    if entry.is_dir(follow_symlinks=False):
        return _folder(path, entry.name, rules)
    return _file(path, entry.name, entry.stat(follow_symlinks=False), rules)


def _look_behind_link(
    entry: "Entry", path: str, rules: Rules, links: _Links
) -> Listed | None:
    try:
        target = Path(entry.path).resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError):  # RuntimeError: a link loop, before Python 3.13
        reason = "a link that leads nowhere"
        return SkippedFile(path, State.IGNORED, reason, below=Below.NOWHERE)
    if reason := _left_out(path, entry.name, rules):
        return SkippedFile(path, State.IGNORED, reason, below=Below.LEFT_OUT)
    is_folder = stat.S_ISDIR(status.st_mode)
    refusal = links.refusal_of_folder if is_folder else links.refusal_of_file
    if reason := refusal(target):
        return SkippedFile(path, State.IGNORED, reason, below=Below.LINKED)
    if is_folder:
        return _folder(path, entry.name, rules)
    return _file(path, entry.name, status, rules)


def _folder(path: str, name: str, rules: Rules) -> SkippedFile | None:
    """Return None for a folder to enter, else why it is left out."""
    for pattern in rules.exclude_folders:
        if rules.matches(path, name, pattern):
            reason = f"a folder of thumbnails, snapshots or deleted files: {pattern}"
            return SkippedFile(path, State.IGNORED, reason, below=Below.LEFT_OUT)
    return None


def _file(path: str, name: str, status: "Stated", rules: Rules) -> Listed:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        return SkippedFile(path, State.IGNORED, f"{kind} is not read")
    if reason := _not_included(path, name, rules):
        return SkippedFile(path, State.IGNORED, reason, FileStamp.of(status))
    if not name.lower().endswith(rules.endings):
        return _not_a_picture(path, _ending(name), FileStamp.of(status), rules)
    mtime_ns = status.st_mtime_ns
    if abs(mtime_ns) > FARTHEST_NS:  # rare: a call for each of a million would be slow
        mtime_ns = kept_time(mtime_ns)
    return ImageFile(path, status.st_size, mtime_ns)


_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _left_out(path: str, name: str, rules: Rules) -> str:
    if name[0] == ".":
        return "hidden: its name starts with a dot"
    for pattern in rules.exclude:
        if rules.matches(path, name, pattern):
            return f"excluded by {pattern}"
    return ""


def _not_included(path: str, name: str, rules: Rules) -> str:
    if rules.include and not any(rules.matches(path, name, p) for p in rules.include):
        return f"not included by {' '.join(rules.include)}"
    return ""


def _not_a_picture(
    path: str, ending: str, stamp: FileStamp, rules: Rules
) -> SkippedFile:
    reason = f"its name ends in {ending}" if ending else "its name has no ending"
    foreign = ending if ending in rules.foreign else ""
    if foreign:
        reason = f"{ending} pictures are not read: save it as JPEG or PNG"
    return SkippedFile(path, State.IGNORED, reason, stamp, foreign=foreign)


def _ending(name: str) -> str:
    """Return the ending in lower case with its dot; empty if the name has none.

    The same as pathlib's suffix in a tenth of its time: there may be a million names.
    """
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _unreadable(path: str, error: OSError) -> SkippedFile:
    why = error.strerror or type(error).__name__
    return SkippedFile(path, State.UNREADABLE, why, below=Below.UNSEEN)
