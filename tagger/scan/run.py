"""Scan folders: find, compare, have the pipeline read, record.

Puts the stages together and knows none of their insides: the network comes in as a
`Classifier`. Everything that is finished is in the inventory; a scan that is stopped
at any moment is simply run again.

An image belongs to one root, the outermost: a folder inside a scanned root is a part
of it, and a root that turns out to lie inside another is taken into it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tagger.errors import EXIT_UNREADABLE, FolderError
from tagger.imaging.formats import FOREIGN_PICTURES, FORMATS
from tagger.inventory import Former, Inventory, Recording, StateChange, Tagged
from tagger.policy.shift_guard import LIMIT, ShiftGuard
from tagger.records import (
    Below,
    Drift,
    FileStamp,
    ImageFile,
    KnownFile,
    Listed,
    Policy,
    Prediction,
    RunSummary,
    SkippedFile,
    State,
    Verdict,
)
from tagger.scan.drift import DAYS, Tally, compare, describe
from tagger.scan.file_queue import FileQueue
from tagger.scan.pipeline import (
    Classifier,
    Outcome,
    Pipeline,
    PrepareAll,
    Result,
    prepare_here,
)
from tagger.scan.walk import Rules, absolute, check_root, walk
from tagger.system.gc_tuning import freeze_gc
from tagger.system.signals import Interruption
from tagger.text import encodable

if TYPE_CHECKING:  # a scan with nothing to read needs no arrays
    from tagger.policy.label_shift import Mix

Track = Callable[[Iterable[ImageFile], int], Iterable[ImageFile]]
"""Shows progress while it hands the files on; is told how many there are."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may be told besides its folders, its network and its policy.

    A file that changed less than `settle` seconds ago is left for the next scan. Where
    more than the share `max_missing` of a root's pictures, in [0, 1], is gone, none of
    them is marked missing. `follow_links` enters links that lead out of the root.
    """

    batch_size: int = 64
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    retry_errors: bool = False
    settle: float = 2.0
    max_missing: float = 0.2
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class OwnMix:
    """Whether tags are weighed by how often each is right under a root.

    `prior` are the shares of the labels that the network takes for granted; empty for
    a network that does not tell them, and then nothing is weighed. What is `frozen` is
    not estimated anew: a certificate speaks of the mix that it was made with.
    """

    prior: tuple[float, ...] = ()
    frozen: bool = False


NO_MIX = OwnMix()
"""Every tag as the network gives it."""


NO_GUARD = ShiftGuard(None)
"""The policy holds whatever the pictures are like."""

_SOME = 5000
"""Pictures by which a shift is measured, and a mix of tags."""

_RARE = 0.02
"""Share of a root's pictures below which a tag is not told of in its mix."""


@dataclass(frozen=True, slots=True)
class _Place:
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
        return self.root / self.folder


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done in one place, from what lies there and what is known.

    `vanished` are the known paths that are not there now; a file found elsewhere with
    the same bytes takes its row out of them. `linked` are those of them that may be
    where a link leads, with why that is not followed. `empty` says that no picture is
    there.
    """

    place: _Place
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
        return self.place.root


_Formers = dict[str, list[tuple[_Plan, str]]]


def scan(  # noqa: PLR0913  the eight things a scan is made of
    folders: Sequence[Path],
    inventory: Inventory,
    classifier: Classifier,
    policy: Policy,
    *,
    options: ScanOptions = ScanOptions(),
    track: Track = lambda files, _total: files,
    interruption: Interruption | None = None,
    prepare_all: PrepareAll = prepare_here,
    guard: ShiftGuard = NO_GUARD,
    own_mix: OwnMix = NO_MIX,
) -> RunSummary:
    """Bring the inventory up to date with the folders.

    The policy is made more careful by `guard` where the pictures are unfamiliar. At
    the end tags are weighed by the shop's `own_mix`, from all pictures of a root, so
    that nothing depends on their order.
    What prepares the pictures comes in as `prepare_all`; without, it is done here, and
    a picture that crashes its decoder takes everything with it (see `workers`).
    Raises before anything is written FolderError when a folder that holds nothing known
    cannot be listed, and ModelError when the network classified here under other
    labels. Raises Stopped between two batches when a signal has asked for it, and
    InventoryError when the inventory cannot be written; what was recorded until then
    stays.
    """
    start = perf_counter()
    stop = interruption or Interruption()
    places = _places(folders, inventory)
    with inventory.recording(
        classifier.identity, options=_told(places, policy, options)
    ) as recording:
        patternless = [
            root for place in places for root in recording.take_in(place.root)
        ]
        plans = [_plan_place(place, recording, options, stop) for place in places]
        freeze_gc()
        shift = recording.shift()
        in_force = guard.policy(policy, shift)
        if not all(plan.empty for plan in plans):
            recording.enforce(in_force, _decide)
        pipeline = Pipeline(
            prepare_all, classifier, in_force, recording.predictions, options.batch_size
        )
        run = _Run(recording, pipeline, options, stop)
        run.warnings += [
            f"the pattern of items of {root} matches less in the folder that it is a "
            "part of now: give that one a pattern with 'tagger export --by-item "
            "--item-pattern …'"
            for root in patternless
        ]
        if kind := inventory.network_file_system():
            run.warnings.append(
                f"the inventory lies on a network file system ({kind}), which can "
                "damage it: move it to a local disk"
            )
        counts = run.carry_out(plans, track)
        known = guard.familiar is not None
        if known and (pipeline.classified or shift is None):
            shift = guard.shift(recording.some_said(_SOME))
            recording.note_shift(shift)
            in_force = guard.policy(policy, shift)
            recording.enforce(in_force, _decide)
        read = any(counts.get(name) for name in ("new", "changed", "moved"))
        asked = read or bool(pipeline.classified)
        marks = _weigh(recording, own_mix, in_force, asked=asked)
        drift = run.drift(recording.tallies_of_late(DAYS))
        summary = RunSummary(
            run_id=recording.run_id,
            warnings=tuple(run.warnings),
            doubted=tuple(str(path) for path in run.doubted),
            drift=drift,
            shift=shift,
            careful=_conservative_told(policy, in_force, shift),
            mix=_mixes_told(recording, classifier.identity.labels),
            **counts,
            **recording.standing([place.root for place in places]),
        )
        summary = replace(summary, seconds=perf_counter() - start)
        recording.finish(
            run.seen_whole(plans),
            exit_code=exit_code(summary),
            counts=_kept_counts(summary) | marks,
            tallies={root: asdict(tally) for root, tally in run.tallies.items()},
        )
    return summary


def _conservative_told(policy: Policy, in_force: Policy, shift: float | None) -> str:
    """Say that more is asked of unfamiliar pictures, where it is."""
    if in_force.threshold == policy.threshold or shift is None:
        return ""
    return (
        f"these pictures are unlike those the network knows (shift {shift:.1f}, limit "
        f"{LIMIT:g}): accepted from {in_force.threshold:.2f} on in place of "
        f"{policy.threshold:.2f}, until 'tagger certify' certifies"
    )


def _weigh(
    recording: Recording,
    own_mix: OwnMix,
    policy: Policy,
    *,
    asked: bool,
) -> dict[str, Any]:
    """Estimate the mix of tags of each root, and read what is said by those in force.

    Only where something can have changed since the run before: pictures were read, the
    network was `asked`, a person decided, a root went, or the run before did not end.
    Returns marks of what it was done by, for the next run to compare.
    """
    marks = {
        "newest_decision": recording.newest_decision(),
        "kind_tags": recording.kind_tags(),
        "prior": list(own_mix.prior),
        "mixes": recording.mixes_in_force(),
        "frozen": own_mix.frozen,
    }
    last = recording.last_counts()
    if not asked and all(last.get(name) == value for name, value in marks.items()):
        return marks
    if not own_mix.frozen:  # a certificate speaks of the mixes as they are
        _estimate_all(recording, own_mix.prior)
    from tagger.policy.decide import read_again  # noqa: PLC0415  it needs NumPy

    recording.adjust(policy, read_again, _decide)
    return marks | {"mixes": recording.mixes_in_force()}


def _estimate_all(recording: Recording, prior: tuple[float, ...]) -> None:
    """Put in force the mix of every root, whichever of them this run scans.

    For the marks by which a run knows that nothing changed are of the whole inventory.
    """
    before = recording.mixes()
    for root in recording.roots():
        mix = _estimated(recording, root, prior) if prior else None
        former = before.get(root)
        if mix is None and former is None:
            continue
        if mix is None or former is None or mix.moved_from(former):
            recording.keep_mix(root, mix)


def _estimated(
    recording: Recording, root: Path, prior: tuple[float, ...]
) -> "Mix | None":
    """Estimate the mix of tags under a root; None of too few pictures."""
    import numpy as np  # noqa: PLC0415  a scan with nothing to read needs none

    from tagger.policy.label_shift import estimate  # noqa: PLC0415

    sample = recording.said_under(root, _SOME)
    if not sample.rows:
        return None
    known = [
        sample.column(digest, row)
        for digest, row in zip(sample.digests, sample.rows, strict=True)
    ]
    return estimate(np.array(sample.rows, np.float32), prior, known)


def _mixes_told(
    recording: Recording, labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the mix of each root, without what is rare there."""
    return {
        encodable(str(root)): {
            label: round(share, 3)
            for label, share in zip(labels, mix.shares, strict=True)
            if share >= _RARE
        }
        for root, mix in recording.mixes().items()
    }


def _decide(prediction: Prediction, policy: Policy) -> Verdict:
    from tagger.policy.decide import decide  # noqa: PLC0415  it needs NumPy, a scan may not

    return decide(prediction, policy)


def exit_code(summary: RunSummary) -> int:
    """Return 3 where pictures of the scanned folders could not be read or seen."""
    return EXIT_UNREADABLE if summary.unreadable or summary.doubted else 0


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


def _places(folders: Sequence[Path], inventory: Inventory) -> list[_Place]:
    """Find the root that each folder belongs to, and whether it can be listed."""
    named = list(dict.fromkeys(absolute(folder) for folder in folders))
    known = [Path(root) for root in inventory.roots()]
    places = {path: _place(path, known, inventory) for path in named}
    return [place for path, place in places.items() if not _inside(path, named)]


def _place(path: Path, known: Sequence[Path], inventory: Inventory) -> _Place:
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
        return _Place(root, folder, seen, str(error))
    return _Place(root, folder, seen)


def _inside(path: Path, others: Iterable[Path]) -> bool:
    return any(path != other and path.is_relative_to(other) for other in others)


def _told(
    places: Sequence[_Place], policy: Policy, options: ScanOptions
) -> dict[str, object]:
    """Return the options of a run as JSON can hold them."""
    shown = [encodable(str(place.path)) for place in places]
    return {"roots": shown} | asdict(policy) | asdict(options)


def _kept_counts(summary: RunSummary) -> dict[str, Any]:
    counts = asdict(summary)
    for name in ("run_id", "unreadable_images", "warnings", "drift", "careful"):
        del counts[name]
    # As the run's options name them: the dead man's switch looks for these there.
    return counts | {"doubted": [encodable(path) for path in summary.doubted]}


def _plan_place(
    place: _Place, recording: Recording, options: ScanOptions, stop: Interruption
) -> _Plan:
    known = recording.known(place.root, place.folder)
    if place.absent:
        # Nothing goes missing; but what is found elsewhere now has moved there.
        vanished = {path: row for path, row in known.items() if row.digest}
        return _Plan(place, known, vanished=vanished, empty=True)
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
    place: _Place,
    listing: Sequence[Listed],
    known: Mapping[str, KnownFile],
    options: ScanOptions,
) -> _Plan:
    plan = _Plan(place, known)
    now = time.time()
    unchanged = ignored = met = 0
    tagged = State.TAGGED  # looked up once: most files are as they were
    for entry in listing:
        row = known.get(entry.path)
        met += row is not None
        if isinstance(entry, SkippedFile):
            if row and entry.below is Below.NOWHERE and not _never_a_picture(row):
                plan.vanished[entry.path] = row  # a disk behind links is unplugged
                continue
            ignored += entry.state is State.IGNORED
            if row is None or (row.state, row.reason) != (entry.state, entry.reason):
                plan.to_skip.append(entry)
        elif row and row.current and row.state is tagged and row.is_of(entry):
            unchanged += 1
        elif row is None or _must_be_read(entry, row, options):
            if _settled(entry, now, options.settle):
                plan.to_read.add(entry)
            else:
                reason = f"changed less than {options.settle:g} s before the scan"
                plan.to_skip.append(_unsettled(entry, reason))
        elif row.state in {State.MISSING, State.IGNORED}:
            plan.to_change.append(StateChange(row, State.TAGGED, "", "returned"))
        else:
            unchanged += 1
    if met < len(known):
        _account_for_unlisted(plan, listing)
    empty = not any(isinstance(entry, ImageFile) for entry in listing)
    return replace(plan, unchanged=unchanged, ignored=ignored, empty=empty)


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


def _account_for_unlisted(plan: _Plan, listing: Sequence[Listed]) -> None:
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


def _pictures(known: Mapping[str, KnownFile]) -> dict[str, KnownFile]:
    """Return the known paths that were pictures, and there, when last looked at."""
    return {
        path: row
        for path, row in known.items()
        if row.state is not State.MISSING and not _never_a_picture(row)
    }


class _Run:
    """One scan under way: the tally of what it did, and what it could not believe."""

    def __init__(
        self,
        recording: Recording,
        pipeline: Pipeline,
        options: ScanOptions,
        stop: Interruption,
    ) -> None:
        self.warnings: list[str] = []
        self.doubted: dict[Path, str] = {}
        self.tallies: dict[Path, Tally] = {}
        self._recording = recording
        self._pipeline = pipeline
        self._options = options
        self._stop = stop
        self._tally: Counter[str] = Counter()

    def carry_out(self, plans: Sequence[_Plan], track: Track) -> dict[str, Any]:
        """Do what is planned; return the counts of `RunSummary`.

        A signal ends the reading; what has been begun is finished and written first.
        """
        for plan in plans:
            if plan.place.absent:
                self._doubt(plan, plan.place.absent)
            elif plan.empty and not plan.place.seen:
                path = plan.place.path
                self.warnings.append(f"no pictures in {path}: nothing was changed")
        formers = _formers(plans)
        numbers = [len(plan.to_read) for plan in plans]
        files = (file for plan in plans for file in plan.to_read.taken())
        wanted = takewhile(lambda _file: not self._stop.asked, files)
        shown = iter(track(wanted, sum(numbers)))
        for plan, number in zip(plans, numbers, strict=True):
            reading = islice(shown, number)
            for outcomes in self._pipeline.outcomes(plan.root, reading):
                self._record(plan, outcomes, formers)
        self._stop.check()
        for plan in plans:
            self._settle(plan)
        return dict(self._tally) | {"classified": self._pipeline.classified}

    def seen_whole(self, plans: Iterable[_Plan]) -> list[Path]:
        """Return the roots that were looked at from end to end, and believed."""
        return [
            plan.root
            for plan in plans
            if not plan.place.folder and plan.place.path not in self.doubted
        ]

    def drift(self, of_late: Mapping[Path, Mapping[str, Any]]) -> tuple[Drift, ...]:
        """Compare what was read with what was read of late, and warn of what moved."""
        found = tuple(
            compare(str(root), tally, Tally(**of_late[root]))
            for root, tally in self.tallies.items()
            if root in of_late
        )
        self.warnings += [describe(drift) for drift in found if drift.moved]
        return found

    def _doubt(self, plan: _Plan, why: str) -> None:
        """Note that what is not there is not to be taken for gone."""
        self.doubted[plan.place.path] = why
        place = plan.place
        way_out = f"'tagger roots forget {place.root}'"
        if place.folder:  # the root knows better what there is
            way_out = f"scan {place.root} once with --max-missing 100%"
        self.warnings.append(
            f"{why}: nothing there was marked missing; is the disk plugged in? "
            f"If it is gone for good, {way_out}"
        )

    def _record(
        self, plan: _Plan, outcomes: Sequence[Outcome], formers: _Formers
    ) -> None:
        """Write one batch."""
        touched, written, moved, known = [], [], {}, {}
        for file, result in self._lasting(plan, outcomes):
            row = plan.known.get(file.path)
            first = row is None or _never_a_picture(row)
            self._tally[_kind_of_change(None if first else row, result)] += 1
            if row is not None and _says_nothing_new(row, result):
                touched.append((row, file.stamp))
                continue
            written.append((file, result))
            if first and (former := _take_former(result, formers)):
                moved[file.path] = former
                if row is not None:  # the note that it was not settled gives way
                    self._recording.forget([row])
            elif row is not None:
                known[file.path] = row
        self._tally["new"] -= len(moved)
        self._tally["moved"] += len(moved)
        if touched:
            self._recording.touch(touched)
        if written:
            self._recording.record(plan.root, written, known, moved)
            read = _tally([result for _, result in written])
            self.tallies[plan.root] = self.tallies.get(plan.root, Tally()) + read

    def _lasting(self, plan: _Plan, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Leave out the files that changed, or went away, while they were read.

        Half of an upload is never classified, and a disk that is pulled out in the
        middle makes no picture unreadable.
        """
        for file, result in outcomes:
            try:
                status = (plan.root / file.path).stat()
            except OSError as error:
                gone = isinstance(error, FileNotFoundError)
                if not self._root_went_away(plan) and not gone:
                    yield file, result
                continue
            stamp = FileStamp.of(status)
            if stamp == file.stamp:
                yield file, result
            else:
                changed = ImageFile(file.path, *stamp)
                plan.to_skip.append(_unsettled(changed, "changed while it was read"))

    def _root_went_away(self, plan: _Plan) -> bool:
        if plan.place.path not in self.doubted:
            try:
                check_root(plan.place.path)
            except FolderError as error:
                self._doubt(plan, f"{error} any more")
        return plan.place.path in self.doubted

    def _settle(self, plan: _Plan) -> None:
        """Write what needs no reading: skipped, returned and missing paths."""
        missing = [
            StateChange(row, State.MISSING, "not there", "missing")
            for row in self._believed_gone(plan)
        ]
        unsettled = sum(e.state is State.UNSETTLED for e in plan.to_skip)
        self._tally["unchanged"] += plan.unchanged
        self._tally["ignored"] += plan.ignored
        self._tally["unsettled"] += unsettled
        self._tally["missing"] += len(missing)
        if plan.to_forget and plan.place.path not in self.doubted:
            self._recording.forget(plan.to_forget)
        if plan.to_skip:
            self._recording.skip(plan.root, plan.to_skip, plan.known)
        behind_links = [
            _ignored(row, plan.linked[path])
            for path, row in plan.vanished.items()
            if plan.linked.get(path, row.reason) != row.reason
        ]
        if changes := plan.to_change + behind_links + missing:
            self._recording.change_states(changes)

    def _believed_gone(self, plan: _Plan) -> list[KnownFile]:
        """Return the rows to mark missing: all that vanished, or none where too many.

        A disk that is half there, or the wrong one, has lost most of what was on it;
        one that is not plugged in leaves an empty folder.
        """
        gone = [
            row
            for path, row in plan.vanished.items()
            if row.state is not State.MISSING and path not in plan.linked
        ]
        if not gone or plan.place.path in self.doubted:
            return []
        there = len(_pictures(plan.known))
        most = self._options.max_missing
        path = plan.place.path
        if plan.empty:
            self._doubt(plan, f"no pictures in {path}, where {len(gone):,} were")
            return []
        if len(gone) <= round(most * there, 6):  # 0.29 of 100 is less than 29
            return gone
        self.doubted[path] = "too much is gone"
        self.warnings.append(
            f"{len(gone):,} of {there:,} pictures in {path} are gone, more than "
            f"{most:.0%}: none was marked missing; is the disk whole? "
            "If they are gone for good, scan once with --max-missing 100%"
        )
        return []


def _tally(results: Sequence[Result]) -> Tally:
    tagged = [result for result in results if isinstance(result, Tagged)]
    confidences = [one.prediction.confidence for one in tagged]
    return Tally(
        images=len(results),
        unreadable=len(results) - len(tagged),
        flagged=sum(one.verdict.flagged for one in tagged),
        confidence=sum(confidences),
        squares=sum(confidence**2 for confidence in confidences),
        tags=dict(Counter(one.prediction.tag for one in tagged)),
    )


def _kind_of_change(row: KnownFile | None, result: Result) -> str:
    if row is None:
        return "new"
    return "unchanged" if result.digest == row.digest else "changed"


def _says_nothing_new(row: KnownFile, result: Result) -> bool:
    """Whether a file that was read again has the bytes, and the end, it had before."""
    if isinstance(result, Tagged):
        same = row.state is State.TAGGED and row.current
    else:
        same = row.state is State.UNREADABLE and row.reason == result.reason
    return same and row.digest == result.digest


def _formers(plans: Sequence[_Plan]) -> _Formers:
    """Find, by digest, the files that are gone from where they were."""
    formers: _Formers = {}
    for plan in plans:
        for path, row in plan.vanished.items():
            if row.digest is not None:
                formers.setdefault(row.digest, []).append((plan, path))
    return formers


def _take_former(result: Result, formers: _Formers) -> Former | None:
    waiting = formers.get(result.digest or "")
    if not waiting:
        return None
    plan, path = waiting.pop(0)
    return Former(plan.root, path, plan.vanished.pop(path))
