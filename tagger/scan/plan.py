"""Compare the folders with the inventory: which files are read, skipped, missing."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from tagger.errors import FolderError
from tagger.imaging.formats import FOREIGN_PICTURES, FORMATS
from tagger.inventory import Former, Inventory, Recording, StateChange
from tagger.records import (
    Below,
    ImageFile,
    KnownFile,
    Listed,
    SkippedFile,
    State,
)
from tagger.scan.file_queue import FileQueue
from tagger.scan.pipeline import (
    Result,
)
from tagger.scan.records import (
    ScanOptions,
)
from tagger.scan.walk import Rules, absolute, check_root, walk
from tagger.system.signals import Interruption


@dataclass(frozen=True, slots=True)
class Place:
    """What is scanned: a root, or of a root what lies in one `folder` of it.

    `seen` says that something was known of it before, `absent` why it cannot be listed,
    where it cannot.
    """

    root: Path
    folder: str = ""
    seen: bool = False
    absent: str = ""

    @property
    def path(self) -> Path:
        """The folder that is walked."""
        return self.root / self.folder


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done in one place, from what lies there and what is known.

    `vanished` are the known paths that are not there now; a file found elsewhere with
    the same bytes takes its row out of them. `linked` are those of them that may be
    where a link leads, with why that is not followed. `empty` says that no picture is
    there.
    """

    place: Place
    known: Mapping[str, KnownFile]
    to_read: FileQueue = field(default_factory=FileQueue)
    to_skip: list[SkippedFile] = field(default_factory=list)
    to_change: list[StateChange] = field(default_factory=list)
    to_forget: list[KnownFile] = field(default_factory=list)
    vanished: dict[str, KnownFile] = field(default_factory=dict)
    unchanged: int = 0
    ignored: int = 0
    linked: dict[str, str] = field(default_factory=dict)
    empty: bool = False

    @property
    def root(self) -> Path:
        """The root that the place belongs to."""
        return self.place.root


Formers = dict[str, list[tuple[Plan, str]]]


def check_folders(folders: Sequence[Path]) -> None:
    """Raise FolderError unless every folder can be listed: a scan's first needs."""
    for folder in folders:
        check_root(folder)


def holds_pictures(folder: Path) -> bool:
    """Whether a scan would find a picture in a folder, or could not look everywhere."""
    return any(
        isinstance(entry, ImageFile) or entry.below is Below.UNSEEN
        for entry in walk(folder, Rules(endings=tuple(FORMATS)))
    )


def places_of(folders: Sequence[Path], inventory: Inventory) -> list[Place]:
    """Find the root that each folder belongs to, and whether it can be listed."""
    named = list(dict.fromkeys(absolute(folder) for folder in folders))
    known = [Path(root) for root in inventory.roots()]
    places = {path: _place(path, known, inventory) for path in named}
    return [place for path, place in places.items() if not _inside(path, named)]


def _place(path: Path, known: Sequence[Path], inventory: Inventory) -> Place:
    owners = [root for root in known if path.is_relative_to(root)]
    root = min(owners, key=lambda owner: len(owner.parts), default=path)
    folder = "" if root == path else path.relative_to(root).as_posix()
    seen = inventory.knows(root, folder)
    try:
        check_root(path)
    except FolderError as error:
        # What has never been seen is a slip of the pen, what has is a disk unplugged.
        if not seen:
            raise
        return Place(root, folder, seen, str(error))
    return Place(root, folder, seen)


def _inside(path: Path, others: Iterable[Path]) -> bool:
    return any(path != other and path.is_relative_to(other) for other in others)


def plan_place(
    place: Place, recording: Recording, options: ScanOptions, stop: Interruption
) -> Plan:
    """Walk one place and plan what is to be done there.

    Raises Stopped between two parts of the walk when a signal has asked for it.
    """
    known = recording.known(place.root, place.folder)
    if place.absent:
        # Nothing goes missing; but what is found elsewhere now has moved there.
        vanished = {path: row for path, row in known.items() if row.digest}
        return Plan(place, known, vanished=vanished, empty=True)
    rules = Rules(
        endings=tuple(FORMATS),
        foreign=FOREIGN_PICTURES,
        include=options.include,
        exclude=options.exclude,
        follow_links=options.follow_links,
        folder=place.folder,
    )
    return _plan(place, _listed(walk(place.root, rules), stop), known, options)


def _listed(walked: Iterator[Listed], stop: Interruption) -> list[Listed]:
    """Take in all that was found, in parts, for a signal to be answered in between."""
    listing: list[Listed] = []
    while part := list(islice(walked, 1000)):
        listing += part
        stop.check()
    return listing


def _plan(
    place: Place,
    listing: Sequence[Listed],
    known: Mapping[str, KnownFile],
    options: ScanOptions,
) -> Plan:
    """Compare what is listed with what is known, one path after another."""
    plan = Plan(place, known)
    now = time.time()
    unchanged = ignored = met = 0
    tagged = State.TAGGED  # looked up once: of a million files most take this branch
    for entry in listing:
        row = known.get(entry.path)
        met += row is not None
        if isinstance(entry, SkippedFile):
            ignored += _plan_skipped(plan, entry, row)
        elif row and row.current and row.state is tagged and row.is_of(entry):
            unchanged += 1
        else:
            unchanged += _plan_file(plan, entry, row, options, now)
    if met < len(known):  # every known path that was met was listed: the rest was not
        _account_for_unlisted(plan, listing)
    empty = not any(isinstance(entry, ImageFile) for entry in listing)
    return replace(plan, unchanged=unchanged, ignored=ignored, empty=empty)


def _plan_skipped(plan: Plan, entry: SkippedFile, row: KnownFile | None) -> bool:
    """Plan for a path that is not read; return whether it counts as ignored."""
    if row and entry.below is Below.NOWHERE and not _never_a_picture(row):
        plan.vanished[entry.path] = row  # a disk behind links is unplugged
        return False
    if row is None or (row.state, row.reason) != (entry.state, entry.reason):
        plan.to_skip.append(entry)
    return entry.state is State.IGNORED


def _plan_file(
    plan: Plan, file: ImageFile, row: KnownFile | None, options: ScanOptions, now: float
) -> bool:
    """Plan for a picture file; return whether nothing has to be done about it."""
    if row is None or _must_be_read(file, row, options):
        if _settled(file, now, options.settle):
            plan.to_read.add(file)
        else:
            reason = f"changed less than {options.settle:g} s before the scan"
            plan.to_skip.append(_unsettled(file, reason))
        return False
    if row.state in {State.MISSING, State.IGNORED}:
        plan.to_change.append(StateChange(row, State.TAGGED, "", "returned"))
        return False
    return True


def _settled(file: ImageFile, now: float, settle: float) -> bool:
    """Whether a file was not changed of late.

    A time far in the future is no news: a clock has jumped, or a camera's is wrong.
    """
    return abs(now - file.mtime_ns / 1e9) >= settle


def _unsettled(file: ImageFile, reason: str) -> SkippedFile:
    return SkippedFile(file.path, State.UNSETTLED, reason, file.stamp)


def _must_be_read(file: ImageFile, row: KnownFile, options: ScanOptions) -> bool:
    if not row.is_of(file) or row.state is State.UNSETTLED:
        return True
    if row.state is State.UNREADABLE:
        # Where not even the bytes could be had, a permission was in the way: a change
        # of that leaves the file's own time as it was. Bytes that were had have a
        # digest, even those that crashed their decoder.
        return options.retry_errors or row.digest is None
    return not row.current


def _account_for_unlisted(plan: Plan, listing: Sequence[Listed]) -> None:
    """Sort out the known paths that are not listed.

    A note about what was not read (a folder left out, a pipe, a text file) goes with
    its reason; only what was once a picture can be missing. What lies in a folder that
    could not be listed keeps its state: nobody has looked. What lies in a folder that
    is left out is ignored for the folder's reason. The rest has vanished; what a link
    stands for today may have moved to where it leads.
    """
    listed = {entry.path for entry in listing}
    closed = {e.path: e for e in listing if isinstance(e, SkippedFile)}
    for path in sorted(plan.known.keys() - listed):
        row = plan.known[path]
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        above = next((closed[p] for p in parents if p in closed), None)
        below = above.below if above else Below.GONE
        if above and below is Below.LEFT_OUT:
            if row.reason != above.reason:
                plan.to_change.append(_ignored(row, above.reason))
        elif below is not Below.UNSEEN:
            if _never_a_picture(row):
                plan.to_forget.append(row)
                continue
            plan.vanished[path] = row
            if above and below is Below.LINKED:
                plan.linked[path] = above.reason


def _ignored(row: KnownFile, reason: str) -> StateChange:
    return StateChange(row, State.IGNORED, reason, "ignored")


def _never_a_picture(row: KnownFile) -> bool:
    unread = {State.IGNORED, State.UNSETTLED}
    return row.digest is None and (row.state in unread or row.stamp is None)


def pictures_of(known: Mapping[str, KnownFile]) -> dict[str, KnownFile]:
    """Return the known paths that were pictures, and there, when last looked at."""
    return {
        path: row
        for path, row in known.items()
        if row.state is not State.MISSING and not _never_a_picture(row)
    }


def formers_of(plans: Sequence[Plan]) -> Formers:
    """Find, by digest, the files that are gone from where they were."""
    formers: Formers = {}
    for plan in plans:
        for path, row in plan.vanished.items():
            if row.digest is not None:
                formers.setdefault(row.digest, []).append((plan, path))
    return formers


def take_former(result: Result, formers: Formers) -> Former | None:
    """Return where a file's content lay before it moved, and take it off the list."""
    waiting = formers.get(result.digest or "")
    if not waiting:
        return None
    plan, path = waiting.pop(0)
    return Former(plan.root, path, plan.vanished.pop(path))
