"""Sort pictures into a tree of folders by their tags, by links or copies.

The pictures stay where they are. A later run brings the tree up to date, and deletes
only what an earlier run made: the manifest in the tree names it.
"""

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from tagger.errors import ExportError, LockedError, RequestError
from tagger.exchange.in_force import in_force
from tagger.exchange.manifest import Entry, Link, Manifest
from tagger.exchange.naming import Pattern
from tagger.inventory import Inventory
from tagger.inventory.columns import Condition
from tagger.inventory.product_key import compile_patterns
from tagger.storage import Location, RemotePath, is_within, location
from tagger.system.paths import real_file, shop_of
from tagger.system.signals import Interruption
from tagger.text import comparable

_LOCK: Final = ".tagger-sort.lock"
_NO_LINKS: Final = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of a link that every other link in this place would meet, too."""

_NO_MORE_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class Sorted(StrEnum):
    """What became of a file of the tree."""

    MADE = "made"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class SortRequest:
    """Which pictures to sort, by which pattern, and by which links.

    With `undecided` pictures whose tag waits for a person are sorted, too. A `dry_run`
    makes and deletes nothing.
    """

    tree: Path
    by: Pattern
    link: Link = Link.HARD
    conditions: Sequence[Condition] = ()
    undecided: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class SortReporting:
    """What is called with a change of the tree, and with what is left out and why."""

    changed: Callable[[Sorted, str], None] = lambda _what, _path: None
    left_out: Callable[[Location, str], None] = lambda _path, _why: None


class _LeftOutError(Exception):
    """A picture that cannot be sorted; the text says why."""


def sort_tree(
    inventory: Inventory,
    request: SortRequest,
    reporting: SortReporting,
    interruption: Interruption,
) -> Counter[Sorted]:
    """Bring a tree up to date; return how many files came to what.

    Raises RequestError if the tree and a scanned folder are in each other, LockedError
    if another run works in the tree, and ExportError if nothing can be made in it.
    """
    patterns = compile_patterns(inventory.item_patterns())
    if request.by.needs_item and not patterns:
        raise RequestError(
            "--by {item} needs a product key in each path: save an item pattern with "
            r"'tagger export --by-item --item-pattern REGEX'"
        )
    tree = real_file(request.tree)
    _check_apart(tree, inventory.roots())
    counts: Counter[Sorted] = Counter()
    with (
        _in_tree(tree, request),
        Manifest.opened(tree, write=not request.dry_run) as manifest,
    ):
        sorting = _Sorting(request, reporting, manifest, tree)
        for done in sorting.all(inventory, patterns):
            counts[done] += 1
            interruption.check()
    return counts


def _check_apart(tree: Path, roots: Sequence[str]) -> None:
    for root in roots:
        place = location(root)
        if isinstance(place, RemotePath):
            continue
        real = real_file(place)
        if tree.is_relative_to(real) or real.is_relative_to(tree):
            where = "in" if tree.is_relative_to(real) else "around"
            raise RequestError(
                f"{tree} lies {where} the scanned folder {root}, whose scans would "
                "find each picture twice: name a folder elsewhere"
            )


@contextmanager
def _in_tree(tree: Path, request: SortRequest) -> Iterator[None]:
    """Make the folder of the tree and lock it; a dry run only looks."""
    if request.dry_run:
        yield
        return
    from filelock import FileLock, Timeout  # noqa: PLC0415  only a sort needs it

    try:
        tree.mkdir(parents=True, exist_ok=True)
        lock = FileLock(tree / _LOCK, fallback_to_soft=False)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LockedError(
            f"another 'tagger sort' works in {tree}: run again when it has ended"
        ) from error
    except OSError as error:
        raise ExportError(f"cannot write into {tree}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            (tree / _LOCK).unlink()


@dataclass(slots=True)
class _Sorting:
    """One run."""

    request: SortRequest
    reporting: SortReporting
    manifest: Manifest
    tree: Path
    _taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The taken paths and their sources, by the path as Windows compares it."""

    _absent: dict[str, bool] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    """Folders that are there, and are no links."""

    def all(
        self, inventory: Inventory, patterns: Mapping[str, re.Pattern[str]]
    ) -> Iterator[Sorted]:
        """Make what is wanted, then delete what is not; yield what became of each."""
        for item in inventory.items(self.request.conditions):
            elsewhere = bool(shop_of(item.root))  # merged from another shop
            if elsewhere or not in_force(item, undecided=self.request.undecided):
                continue
            source = location(item.root, item.path)
            if isinstance(source, RemotePath):
                self._absent[item.root] = True
                continue
            to = self.request.by.path_of(item, patterns)
            try:
                self._take(to, str(source))
                if self._is_absent(item.root):
                    continue  # a disk that is not plugged in: its files stay
                done = self._bring(to, source)
            except _LeftOutError as error:
                self.reporting.left_out(source, str(error))
                done = Sorted.LEFT_OUT
            except OSError as error:
                done = self._failed(source, error)
            yield done
        for root in [root for root, absent in self._absent.items() if absent]:
            place = location(root)
            why = "is not there: is the disk plugged in?"
            if isinstance(place, RemotePath):
                why = "is in a store: a tree is made of pictures on a disk"
            self.reporting.left_out(place, why)
            yield Sorted.LEFT_OUT
        yield from self._remove_others()

    def _take(self, to: str, source: str) -> None:
        """Take a path, or explain which picture has it."""
        # Windows and macOS compare names without case; so the tree can go there.
        _, first = self._taken.setdefault(comparable(to), (to, source))
        if first != source:
            raise _LeftOutError(
                f"would be {to}, as {first}: add {{root}} or {{path}} to --by"
            )

    def _is_absent(self, root: str) -> bool:
        if root not in self._absent:
            self._absent[root] = not Path(root).is_dir()
        return self._absent[root]

    def _bring(self, to: str, source: Path) -> Sorted:
        """Make one file of the tree, if it is not there already."""
        real = real_file(source)
        try:
            status = real.stat()
        except FileNotFoundError as error:
            raise _LeftOutError("is not there any more: scan again") from error
        kind = self.request.link
        entry = Entry(
            to,
            str(source),
            kind,
            *(status.st_size, status.st_mtime_ns, status.st_ino),
        )
        place = self.tree / to
        self._check_folder(to)
        if os.path.lexists(place):
            known = self.manifest.made(to)
            if known is None:
                raise _LeftOutError(f"would be {to}, where another file is: move that")
            if known == entry:
                return Sorted.UNCHANGED
        if not self.request.dry_run:
            self._make_folder(to)
            self.manifest.note(entry)
            _make(entry, real, place)
        self.reporting.changed(Sorted.MADE, to)
        return Sorted.MADE

    def _check_folder(self, to: str) -> None:
        """Refuse a folder of the tree that is a link, for it leads elsewhere."""
        for folder in self._above(to):
            if folder in self._folders:
                continue
            place = self.tree / folder
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise _LeftOutError(
                    f"would be {to}, but {folder} is no folder: move that"
                )

    def _make_folder(self, to: str) -> None:
        for folder in self._above(to):
            if folder not in self._folders:
                place = self.tree / folder
                if not place.exists():
                    self.manifest.note_folder(folder)
                    place.mkdir()
                self._folders.add(folder)

    @staticmethod
    def _above(to: str) -> list[str]:
        """Return the folders above a path of the tree, the outermost first."""
        return [str(one) for one in reversed(PurePosixPath(to).parents[:-1])]

    def _failed(self, source: Location, error: OSError) -> Sorted:
        """Report one failure; raise ExportError if every other would fail, too."""
        if error.errno in _NO_LINKS and self.request.link is not Link.COPY:
            raise ExportError(
                f"cannot make {self.request.link} links in {self.tree} "
                f"({error.strerror}): add --link copy, or --link symbolic"
            ) from error
        if error.errno in _NO_MORE_ROOM:
            raise ExportError(
                f"cannot write into {self.tree}: {error.strerror}; what is there is "
                "whole: make room, and run again"
            ) from error
        self.reporting.left_out(source, f"cannot be sorted: {error.strerror}")
        return Sorted.LEFT_OUT

    def _remove_others(self) -> Iterator[Sorted]:
        """Delete what earlier runs made and nothing asks for any more."""
        absent = [location(root) for root, gone in self._absent.items() if gone]
        for entry in list(self.manifest.entries.values()):
            if self._taken.get(comparable(entry.to)) == (entry.to, entry.source):
                continue
            if any(is_within(location(entry.source), root) for root in absent):
                continue
            if done := self._remove(entry):
                yield done
        if not self.request.dry_run:
            self._remove_empty_folders()

    def _remove(self, entry: Entry) -> Sorted | None:
        """Delete a file that was made; leave one alone that is another by now."""
        place = self.tree / entry.to
        if any((self.tree / one).is_symlink() for one in self._above(entry.to)):
            return None
        made = self.manifest.made(entry.to)
        if not self.request.dry_run:
            _draft_of(place).unlink(missing_ok=True)  # what a kill left behind
        if made is None:
            if not self.request.dry_run:
                del self.manifest.entries[entry.to]
            return None
        if made.link is Link.HARD and _is_last(made, place):
            self.reporting.left_out(
                place,
                "is the last name of a deleted picture: move it or delete it",
            )
            return Sorted.LEFT_OUT
        if not self.request.dry_run:
            try:
                place.unlink()
            except OSError as error:
                return self._failed(place, error)
            del self.manifest.entries[entry.to]
        self.reporting.changed(Sorted.REMOVED, entry.to)
        return Sorted.REMOVED

    def _remove_empty_folders(self) -> None:
        used = {folder for to in self.manifest.entries for folder in self._above(to)}
        for folder in sorted(self.manifest.folders - used, reverse=True):
            with suppress(OSError):  # others have put something there
                (self.tree / folder).rmdir()
            self.manifest.folders.discard(folder)


def _is_last(entry: Entry, place: Path) -> bool:
    """Whether a hard link is all that is left of a picture."""
    return place.stat().st_nlink == 1 and not os.path.lexists(entry.source)


def _make(entry: Entry, real: Path, place: Path) -> None:
    """Make a link or a copy under another name, then put it in its place."""
    draft = _draft_of(place)
    draft.unlink(missing_ok=True)
    try:
        if entry.link is Link.HARD:
            os.link(real, draft)
        elif entry.link is Link.SYMBOLIC:
            draft.symlink_to(entry.source)
        else:
            shutil.copyfile(real, draft)
            shutil.copystat(real, draft)
        draft.replace(place)
    finally:
        # A rename of one name of a file to another one of it does nothing.
        draft.unlink(missing_ok=True)


def _draft_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.tagger-draft")
