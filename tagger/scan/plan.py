"""Plan a scan: find what changed, and which files to read, skip or mark missing."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePosixPath

from tagger.errors import FolderError
from tagger.imaging.formats import ENDINGS, FOREIGN_PICTURES
from tagger.inventory import Former, Inventory, Recording, StateChange
from tagger.records import (
    Below,
    FileStamp,
    ImageFile,
    KnownFile,
    Listed,
    SkippedFile,
    State,
)
from tagger.scan.file_queue import FileQueue
from tagger.scan.pipeline import Result
from tagger.scan.records import ScanOptions
from tagger.scan.walk import Rules, check_root, walk
from tagger.storage import Location, is_within, location
from tagger.system.paths import as_spelt, roots_above, same_folder, shop_of
from tagger.system.signals import Interruption


@dataclass(frozen=True, slots=True)
class Place:
    """The subject of a scan: a root, or one `folder` in it.

    `seen` is true if the inventory already knows files of it. `absent` is the reason
    why it cannot be listed; empty if it can.
    """

    root: Location
    folder: str = ""
    seen: bool = False
    absent: str = ""

    @property
    def path(self) -> Location:
        """The folder that is walked."""
        return self.root / self.folder


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a scan in one place, from its files and the inventory's rows.

    `vanished` are the known paths that are not there now. When a file with the same
    content is found elsewhere, its row is taken out of them. `linked` are vanished
    paths that may lie behind a link, with the reason why the link is not followed.
    `foreign` counts pictures in formats that are not read, by their ending. `closed`
    are paths that the system refused to show, mostly folders, unless a person ignored
    that. `empty` is true if there is no picture.
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
    foreign: Counter[str] = field(default_factory=Counter)
    closed: list[SkippedFile] = field(default_factory=list)
    empty: bool = False

    @property
    def root(self) -> Location:
        """The root that the place belongs to."""
        return self.place.root

    def unsettled(self) -> list[SkippedFile]:
        """Return the files that changed just before, or while, they were to be read."""
        return [entry for entry in self.to_skip if entry.state is State.UNSETTLED]


Formers = dict[str, list[tuple[Plan, str]]]


def check_folders(folders: Sequence[Location]) -> None:
    """Raise FolderError unless every folder can be listed; for a first scan."""
    for folder in folders:
        check_root(folder)


def holds_pictures(folder: Location) -> bool:
    """Whether a scan finds a picture in a folder, or cannot list all of it."""
    return any(
        isinstance(entry, ImageFile) or entry.below is Below.UNSEEN
        for entry in walk(folder, Rules(endings=ENDINGS))
    )


def places_of(folders: Sequence[Location], inventory: Inventory) -> list[Place]:
    """Find the root that each folder belongs to, and whether it can be listed."""
    roots = [location(root) for root in inventory.roots()]
    places: dict[Location, Place] = {}
    for path in dict.fromkeys(as_spelt(folder) for folder in folders):
        place = _place(path, [*roots, *(p.root for p in places.values())], inventory)
        places.setdefault(place.path, place)
    return [place for path, place in places.items() if not _inside(path, places)]


def other_names(
    folders: Sequence[Location], places: Sequence[Place], roots: Sequence[Location]
) -> Iterator[str]:
    """Say which folders have another name in the inventory, or two names there."""
    for path in dict.fromkeys(as_spelt(folder) for folder in folders):
        if any(is_within(path, place.root) for place in places):
            continue
        for root, inside in roots_above(path, [place.root for place in places])[:1]:
            yield (
                f"{path} is the same folder as {root / inside}: its pictures are "
                f"listed under {root}"
            )
    for place in places:
        for root in roots:
            if root != place.root and same_folder(root, place.root):
                yield (
                    f"{root} is the same folder as {place.root}, so its pictures are "
                    f"listed twice: keep one with 'tagger roots forget {root}'"
                )


def _place(path: Location, known: Sequence[Location], inventory: Inventory) -> Place:
    if shop := shop_of(str(path)):
        if shop not in {shop_of(str(root)) for root in known}:
            raise FolderError(
                f"{path} is no folder, and no shop {shop} is known here: write two "
                f"slashes for a store, {shop}://BUCKET/FOLDER"
            )
        raise FolderError(
            f"{path} is a folder of the shop {shop}: scan it there, then run "
            "'tagger inventory merge' with its inventory"
        )
    root, inside = next(iter(roots_above(path, known)), (path, PurePosixPath()))
    folder = inside.as_posix() if inside.parts else ""
    seen = inventory.knows(root, folder)
    try:
        check_root(root / folder)
    except FolderError as error:
        # An unknown folder is a typing error, a known one an unplugged disk.
        if not seen:
            raise
        return Place(root, folder, seen, str(error))
    return Place(root, folder, seen)


def _inside(path: Location, others: Iterable[Location]) -> bool:
    return any(path != other and is_within(path, other) for other in others)


def plan_place(
    place: Place, recording: Recording, options: ScanOptions, stop: Interruption
) -> Plan:
    """Walk one place and plan the work there.

    Raises Stopped between two parts of the walk if a signal is pending.
    """
    known = recording.known(place.root, place.folder)
    if place.absent:
        # No file goes missing; but one that is found elsewhere now has moved there.
        vanished = {path: row for path, row in known.items() if row.digest}
        return Plan(place, known, vanished=vanished, empty=True)
    rules = Rules(
        endings=ENDINGS,
        foreign=FOREIGN_PICTURES,
        include=options.include,
        exclude=options.exclude,
        exclude_folders=options.default_exclude,
        resized=options.resized,
        follow_links=options.follow_links,
        folder=place.folder,
    )
    return _plan(
        place, _listed(walk(place.root, rules, stop.check), stop), known, options
    )


def _listed(walked: Iterator[Listed], stop: Interruption) -> list[Listed]:
    """Collect the listing in parts, and check for a signal after each."""
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
    """Compare the listing with the known rows, one path after another."""
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
    if met < len(known):  # some known paths are not in the listing
        _account_for_unlisted(plan, listing)
    empty = not any(isinstance(entry, ImageFile) for entry in listing)
    return replace(plan, unchanged=unchanged, ignored=ignored, empty=empty)


def _plan_skipped(plan: Plan, entry: SkippedFile, row: KnownFile | None) -> bool:
    """Plan a path that is not read; return whether it counts as ignored."""
    if row and row.acknowledged and entry.state is not State.UNSETTLED:
        return True  # what a person said outlasts a folder that is closed or excluded
    if row and entry.below is Below.NOWHERE and not _never_a_picture(row):
        plan.vanished[entry.path] = row  # a picture behind a link whose disk is gone
        return False
    if entry.below is Below.UNSEEN:
        plan.closed.append(entry)
    if entry.foreign:
        plan.foreign[entry.foreign] += 1
    if row is None or (row.state, row.reason) != (entry.state, entry.reason):
        plan.to_skip.append(entry)
    return entry.state is State.IGNORED


def _plan_file(
    plan: Plan, file: ImageFile, row: KnownFile | None, options: ScanOptions, now: float
) -> bool:
    """Plan a picture file; return whether it is unchanged."""
    if row is None or _must_be_read(file, row, options):
        if _settled(file, now, options.settle):
            plan.to_read.add(file)
        else:
            reason = f"changed less than {options.settle:g} s before the scan"
            plan.to_skip.append(_unsettled(file, reason))
        return False
    if row.state in {State.MISSING, State.IGNORED} and not row.acknowledged:
        plan.to_change.append(StateChange(row, State.TAGGED, "", "returned"))
        return False
    return True


def _settled(file: ImageFile, now: float, settle: float) -> bool:
    """Whether a file has not changed for `settle` seconds.

    A time far in the future counts as settled: it comes from a wrong clock.
    """
    return abs(now - file.mtime_ns / 1e9) >= settle


def _unsettled(file: ImageFile, reason: str) -> SkippedFile:
    return SkippedFile(file.path, State.UNSETTLED, reason, file.stamp)


def take_settled(plan: Plan, settle: float) -> list[ImageFile]:
    """Look once more at the files that were too fresh; take out what can be read now.

    A file whose size or time has changed since is still being written, and stays. With
    `settle` 0 only those are fresh that changed while they were read: they stay, too.
    """
    now = time.time()
    settled = []
    for entry in plan.unsettled() if settle else ():
        try:
            file = ImageFile(entry.path, *FileStamp.of((plan.root / entry.path).stat()))
        except OSError:
            continue  # it is gone, or cannot be reached: the next scan finds out
        if file.stamp == entry.stamp and _settled(file, now, settle):
            settled.append(file)
    taken = {file.path for file in settled}
    plan.to_skip[:] = [entry for entry in plan.to_skip if entry.path not in taken]
    return settled


def _must_be_read(file: ImageFile, row: KnownFile, options: ScanOptions) -> bool:
    if not row.is_of(file) or row.state is State.UNSETTLED:
        return True
    if row.state is State.UNREADABLE or row.acknowledged:
        # Without a digest the content could not be read, mostly for lack of permission.
        # A new permission does not change the file's time, so try again. Content that
        # was read has a digest, even if it crashed the decoder.
        return options.retry_errors or row.digest is None
    return not row.current


def _account_for_unlisted(plan: Plan, listing: Sequence[Listed]) -> None:
    """Plan the known paths that are not listed.

    - In a folder that could not be listed, a path keeps its state.
    - In an excluded folder, it is ignored, for the folder's reason.
    - A row of a path that never was a picture (an excluded folder, a pipe, a text file)
      is deleted.
    - All others have vanished. A path in a folder that is now a link may have moved to
      the target of the link.
    """
    listed = {entry.path for entry in listing}
    closed = {e.path: e for e in listing if isinstance(e, SkippedFile)}
    for path in sorted(plan.known.keys() - listed):
        row = plan.known[path]
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        above = next((closed[p] for p in parents if p in closed), None)
        below = above.below if above else Below.GONE
        if above and below is Below.LEFT_OUT:
            if row.reason != above.reason and not row.acknowledged:
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
    unread = row.state in {State.IGNORED, State.UNSETTLED} and not row.acknowledged
    return row.digest is None and (unread or row.stamp is None)


def pictures_of(known: Mapping[str, KnownFile]) -> dict[str, KnownFile]:
    """Return the known paths that the last scan saw as pictures."""
    return {
        path: row
        for path, row in known.items()
        if row.state is not State.MISSING and not _never_a_picture(row)
    }


def formers_of(plans: Sequence[Plan]) -> Formers:
    """Index the vanished files by digest."""
    formers: Formers = {}
    for plan in plans:
        for path, row in plan.vanished.items():
            if row.digest is not None:
                formers.setdefault(row.digest, []).append((plan, path))
    return formers


def take_former(result: Result, formers: Formers) -> Former | None:
    """Return the former place of a moved file, and remove it from `formers`."""
    candidates = formers.get(result.digest or "")
    if not candidates:
        return None
    plan, path = candidates.pop(0)
    return Former(plan.root, path, plan.vanished.pop(path))
