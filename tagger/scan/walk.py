"""Find the picture files under a root, and say of every other path why it is not read.

Never opens a file, so nothing that lies there (a pipe, a device, a link to itself) can
hang or harm a scan.
"""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Rules:
    """Which paths are read: those with a picture's ending that no pattern leaves out.

    Of all under the root, or of what lies in one `folder` of it. `endings` are
    lower-case with their dot. A pattern (`*.jpg`, `thumbs`, `old/*`) is matched in any
    case against the name; when it holds a slash, against the path under the folder and
    that under the root, for a scanned folder may become a part of another. `*` crosses
    folders. A path is read when it matches any of `include` (or there are none) and
    none of `exclude`; an excluded folder is not entered. Links out of the root are
    entered only where `follow_links` says so.
    """

    endings: tuple[str, ...]
    foreign: Collection[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    follow_links: bool = False
    folder: str = ""

    def matches(self, path: str, name: str, pattern: str) -> bool:
        """Whether a pattern is about a path under the root that ends in that name."""
        # Cameras write .JPG where people write .jpg.
        pattern = pattern.rstrip("/").casefold()
        subjects = [name]
        if "/" in pattern:
            subjects = [path.removeprefix(f"{self.folder}/"), path]
        return any(fnmatchcase(subject.casefold(), pattern) for subject in subjects)


def absolute(folder: Path) -> Path:
    """Return the path from the top, without dots; links stay as they were named."""
    return Path(os.path.abspath(folder))  # noqa: PTH100  resolve() would follow links


def check_root(folder: Path) -> Path:
    """Return the folder as an absolute path; FolderError unless it can be listed."""
    root = absolute(folder)
    try:
        with os.scandir(root):
            return root
    except FileNotFoundError as error:
        raise FolderError(f"{root} does not exist") from error
    except NotADirectoryError as error:
        raise FolderError(f"{root} is a file: name the folder it is in") from error
    except OSError as error:
        raise FolderError(f"cannot read {root}: {error.strerror}") from error


def walk(root: Path, rules: Rules) -> Iterator[Listed]:
    """Yield everything under `root`, in the order of names, folder by folder.

    Or what lies in the rules' folder; paths are relative to the root all the same.
    Folders are yielded only where they are not entered. Links are followed to files
    inside the root, and by `follow_links` out of it; no folder outside is entered
    twice, so a walk always ends.
    """
    links = _Links(Path(os.path.realpath(root)), follow=rules.follow_links)
    waiting = [rules.folder]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                children = sorted(entries, key=attrgetter("name"))
        except FileNotFoundError:
            continue  # it was there a moment ago; what it held has vanished with it
        except OSError as error:
            yield _unreadable(folder or ".", error)
            continue
        deeper = []
        for entry in children:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                listed = _look(entry, path, rules, links)
            except FileNotFoundError:
                continue
            except OSError as error:
                listed = _unreadable(path, error)
            if listed is None:
                deeper.append(path)
            else:
                yield listed
        waiting.extend(reversed(deeper))


class _Links:
    """Which links of one walk are followed."""

    def __init__(self, real_root: Path, *, follow: bool) -> None:
        self._real_root = real_root
        self._follow = follow
        self._entered: list[Path] = []

    def refusal_of_file(self, target: Path) -> str:
        """Say why a link to a file is not followed; empty where it is."""
        if self._follow or target.is_relative_to(self._real_root):
            return ""
        return "a link out of the folder"

    def refusal_of_folder(self, target: Path) -> str:
        """Say why a link to a folder is not followed; empty where it is, this once.

        What lies inside the root is walked there, and so is what has been entered. A
        folder that holds the root, or one that was entered, would be walked in circles.
        """
        if not self._follow:
            return "a link to a folder is not followed"
        for walked in (self._real_root, *self._entered):
            if target.is_relative_to(walked) or walked.is_relative_to(target):
                return f"a link to a folder that is walked as {walked}"
        self._entered.append(target)
        return ""


def _look(
    entry: os.DirEntry[str], path: str, rules: Rules, links: _Links
) -> Listed | None:
    """Say what an entry is; None for a folder to enter. OSError where it cannot."""
    if entry.is_symlink():
        return _look_behind_link(entry, path, rules, links)
    if reason := _left_out(path, entry.name, rules):
        return SkippedFile(path, State.IGNORED, reason, below=Below.LEFT_OUT)
    if entry.is_dir(follow_symlinks=False):
        return None
    return _file(path, entry.name, entry.stat(follow_symlinks=False), rules)


def _look_behind_link(
    entry: os.DirEntry[str], path: str, rules: Rules, links: _Links
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
    return None if is_folder else _file(path, entry.name, status, rules)


def _file(path: str, name: str, status: os.stat_result, rules: Rules) -> Listed:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        return SkippedFile(path, State.IGNORED, f"{kind} is not read")
    if reason := _not_a_picture(path, name, rules):
        return SkippedFile(path, State.IGNORED, reason, FileStamp.of(status))
    mtime_ns = status.st_mtime_ns
    if abs(mtime_ns) > FARTHEST_NS:  # as nearly never: a call for each would be felt
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


def _not_a_picture(path: str, name: str, rules: Rules) -> str:
    if rules.include and not any(rules.matches(path, name, p) for p in rules.include):
        return f"not included by {' '.join(rules.include)}"
    if name.lower().endswith(rules.endings):
        return ""
    ending = _ending(name)
    if ending in rules.foreign:
        return f"{ending} pictures are not read: save it as JPEG or PNG"
    return f"its name ends in {ending}" if ending else "its name has no ending"


def _ending(name: str) -> str:
    """Return the ending in lower case with its dot; empty where there is none.

    As pathlib has it, in a tenth of its time: there may be a million of them.
    """
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _unreadable(path: str, error: OSError) -> SkippedFile:
    why = error.strerror or type(error).__name__
    return SkippedFile(path, State.UNREADABLE, why, below=Below.UNSEEN)
