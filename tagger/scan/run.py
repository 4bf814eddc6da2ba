"""Scan folders: find the files, compare, read, record.

Connects the stages and knows no details of them. An `Engine` prepares and classifies.
Every finished batch is in the inventory, so a scan that was stopped can be run again.

An image belongs to one root, the outermost. A folder inside a scanned root is a part of
it. A root that now lies inside another is merged into that one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain, islice, takewhile
from time import perf_counter
from typing import Any, Final

from tagger.engine.interface import Engine
from tagger.errors import EXIT_UNREADABLE, FolderError
from tagger.inventory import Inventory, Recording, StateChange, Tagged
from tagger.policy.effective import EffectivePolicy
from tagger.records import (
    FileStamp,
    ImageFile,
    KnownFile,
    Policy,
    State,
)
from tagger.scan.drift import DAYS, Tally, compare, describe
from tagger.scan.own_mix import SAMPLE, adjust_to_own_mix, decide_later, describe_mixes
from tagger.scan.pipeline import Outcome, Pipeline, Result
from tagger.scan.plan import (
    Formers,
    Place,
    Plan,
    _ignored,
    _never_a_picture,
    _unsettled,
    formers_of,
    other_names,
    pictures_of,
    places_of,
    plan_place,
    take_former,
    take_settled,
)
from tagger.scan.records import (
    BY_DEFAULT,
    DIFFERENT,
    NO_MIX,
    Drift,
    OwnMix,
    RunSummary,
    ScanOptions,
    advise_on_absent,
)
from tagger.scan.walk import check_root
from tagger.storage import Location, RemotePath, location
from tagger.system.gc_tuning import freeze_gc
from tagger.system.signals import Interruption
from tagger.text import encodable

LONGEST_WAIT: Final = 10.0
"""Most seconds that a scan waits for files that changed a moment ago. With the usual
settling time of 2 s, a scan right after copying tags everything."""

Track = Callable[[Iterable[ImageFile], int], Iterable[ImageFile]]
"""Shows progress while it passes the files on; takes the files and their number."""


def scan(  # noqa: PLR0913  the parts of a scan
    folders: Sequence[Location],
    inventory: Inventory,
    engine: Engine,
    effective: EffectivePolicy,
    *,
    options: ScanOptions = BY_DEFAULT,
    track: Track = lambda files, _total: files,
    interruption: Interruption | None = None,
    own_mix: OwnMix = NO_MIX,
) -> RunSummary:
    """Bring the inventory up to date with the folders.

    The `effective` policy is tightened if the pictures are far from the training
    pictures. At the end, tags are weighed by the shop's `own_mix`, estimated from all
    pictures of a root, so that their order does not matter.

    Raises FolderError if an unknown folder cannot be listed, and ModelError if the
    network classified here under other labels, both before anything is written. Raises
    Stopped between two batches if a signal is pending, InventoryError if the inventory
    cannot be written, and what the engine raises; the batches recorded before stay.
    """
    start = perf_counter()
    stop = interruption or Interruption()
    guard, policy = effective.guard, effective.base
    places = places_of(folders, inventory)
    known = [location(root) for root in inventory.roots()]
    notes = tuple(other_names(folders, places, known))
    with inventory.recording(
        engine.identity, options=_run_options(places, policy, options)
    ) as recording:
        lost_patterns = [
            root for place in places for root in recording.take_in(place.root)
        ]
        plans = [plan_place(place, recording, options, stop) for place in places]
        freeze_gc()
        # Start with the shift of earlier runs: this run's pictures are not read yet.
        shift = recording.shift()
        in_force = effective.for_shift(shift)
        if not all(plan.empty for plan in plans):
            recording.enforce(in_force, decide_later)
        pipeline = Pipeline(engine, in_force, recording.predictions, options.batch_size)
        run = _Run(recording, pipeline, options, stop)
        run.warnings += [
            f"{root} is now part of a larger folder, where its item pattern matches "
            "fewer paths: give the larger folder a pattern with 'tagger export "
            "--by-item --item-pattern …'"
            for root in lost_patterns
        ]
        if kind := inventory.network_file_system():
            run.warnings.append(
                f"the inventory is on a network file system ({kind}), which can damage "
                "it: move it to a local disk"
            )
        counts = run.carry_out(plans, track)
        measurable = guard.reference is not None
        if measurable and (pipeline.classified or shift is None):
            # Measure again with the new pictures, and apply the policy that follows.
            shift = guard.shift(recording.sample_probabilities(SAMPLE))
            recording.note_shift(shift)
            in_force = effective.for_shift(shift)
            recording.enforce(in_force, decide_later)
        read = any(counts.get(name) for name in ("new", "changed", "moved"))
        asked = read or bool(pipeline.classified)
        marks = adjust_to_own_mix(recording, own_mix, in_force, asked=asked)
        drift = run.drift(recording.recent_tallies(DAYS))
        roots = [place.root for place in places]
        recording.claim_unreported(roots)
        summary = RunSummary(
            run_id=recording.run_id,
            warnings=tuple(run.warnings),
            notes=notes,
            doubted=tuple(str(path) for path in run.doubted),
            doubts={str(path): why for path, why in run.doubted.items()},
            drift=drift,
            shift=shift,
            tightened=DIFFERENT if in_force.threshold > policy.threshold else "",
            threshold=in_force.threshold,
            base_threshold=policy.threshold,
            mix=describe_mixes(recording, engine.identity.labels),
            foreign=dict(sum((plan.foreign for plan in plans), Counter())),
            **counts,
            **recording.standing(roots),
        )
        summary = replace(summary, seconds=perf_counter() - start)
        recording.finish(
            run.seen_whole(plans),
            exit_code=exit_code(summary),
            counts=_kept_counts(summary) | marks,
            tallies={root: asdict(tally) for root, tally in run.tallies.items()},
        )
    return summary


def exit_code(summary: RunSummary) -> int:
    """Return 3 for newly unreadable files or doubted folders, else 0."""
    return EXIT_UNREADABLE if summary.newly_unreadable or summary.doubted else 0


def _run_options(
    places: Sequence[Place], policy: Policy, options: ScanOptions
) -> dict[str, object]:
    """Return the options of a run as JSON values."""
    shown = [encodable(str(place.path)) for place in places]
    return {"roots": shown} | asdict(policy) | asdict(options)


def _kept_counts(summary: RunSummary) -> dict[str, Any]:
    counts = asdict(summary)
    lists = ("unreadable_images", "newly_unreadable_images")
    texts = ("warnings", "notes", "doubts", "tightened")
    for name in ("run_id", "drift", *lists, *texts):
        del counts[name]
    # In the form of the run's options: the alarm for overdue scans compares the two.
    return counts | {"doubted": [encodable(path) for path in summary.doubted]}


class _Run:
    """One running scan: its counts, and the folders whose losses it doubts."""

    def __init__(
        self,
        recording: Recording,
        pipeline: Pipeline,
        options: ScanOptions,
        stop: Interruption,
    ) -> None:
        self.warnings: list[str] = []
        self.doubted: dict[Location, str] = {}
        self.tallies: dict[Location, Tally] = {}
        self._recording = recording
        self._pipeline = pipeline
        self._options = options
        self._stop = stop
        self._tally: Counter[str] = Counter()

    def carry_out(self, plans: Sequence[Plan], track: Track) -> dict[str, Any]:
        """Carry out the plans; return the counts of `RunSummary`.

        A signal ends the reading, after the files already taken are read and written.
        """
        for plan in plans:
            if plan.place.absent:
                self._doubt(plan, plan.place.absent)
            elif plan.empty and not plan.place.seen:
                path = plan.place.path
                self.warnings.append(f"no pictures in {path}: nothing was changed")
            for entry in plan.closed:
                self._warn_of_closed(plan.root / entry.path, entry.reason)
        formers = formers_of(plans)
        numbers = [len(plan.to_read) for plan in plans]
        fresh = sum(len(plan.unsettled()) for plan in plans)
        late: list[ImageFile] = []  # filled when all others have been read
        files = (file for plan in plans for file in plan.to_read.taken())
        wanted = takewhile(lambda _file: not self._stop.asked, chain(files, late))
        shown = iter(track(wanted, sum(numbers) + fresh))

        def read(plan: Plan, number: int) -> None:
            path, part = plan.place.path, islice(shown, number)
            present = (file for file in part if path not in self.doubted)
            for outcomes in self._pipeline.outcomes(plan.root, present):
                self._record(plan, outcomes, formers)

        for plan, number in zip(plans, numbers, strict=True):
            read(plan, number)
        self._wait_until_settled(plans)
        for plan in plans:
            settled = take_settled(plan, self._options.settle)
            late += settled
            read(plan, len(settled))
        self._stop.check()
        for plan in plans:
            self._settle(plan)
        return dict(self._tally) | {"classified": self._pipeline.classified}

    def _wait_until_settled(self, plans: Iterable[Plan]) -> None:
        """Wait until the files that were too fresh are settled, if that is soon."""
        fresh = [entry for plan in plans for entry in plan.unsettled()]
        newest = max((e.stamp.mtime_ns / 1e9 for e in fresh if e.stamp), default=0.0)
        seconds = newest + self._options.settle - time.time()
        if 0 < seconds <= LONGEST_WAIT:
            self._stop.sleep(seconds)

    def seen_whole(self, plans: Iterable[Plan]) -> list[Location]:
        """Return the roots that were scanned completely and without doubt."""
        return [
            plan.root
            for plan in plans
            if not plan.place.folder and plan.place.path not in self.doubted
        ]

    def drift(self, of_late: Mapping[Location, Mapping[str, Any]]) -> tuple[Drift, ...]:
        """Compare what was read with earlier runs, and warn of drift."""
        drifts = tuple(
            compare(str(root), tally, Tally(**of_late[root]))
            for root, tally in self.tallies.items()
            if root in of_late
        )
        self.warnings += [describe(drift) for drift in drifts if drift.moved]
        return drifts

    def _doubt(self, plan: Plan, why: str) -> None:
        """Note that absent files of a place are not to be marked missing."""
        self.doubted[plan.place.path] = why
        place = plan.place
        way_out = advise_on_absent(place.root)
        if place.folder:  # a root can be moved or forgotten, a folder in it cannot
            stored = isinstance(place.root, RemotePath)
            way_out = "" if stored else "Is the disk plugged in? "
            way_out += f"If it is gone for good, scan {place.root} once with "
            way_out += "--max-missing 100%"
        self.warnings.append(f"{why}: no picture there was marked missing. {way_out}")

    def _warn_of_closed(self, path: Location, reason: str) -> None:
        """Warn of a path that cannot be looked at, in every scan: it may be a folder.

        Its pictures keep their tags, and changes below it are not seen.
        """
        why = f"{path} cannot be looked at: {reason}"
        self.doubted[path] = why
        way_out = (
            "Give tagger the permission to read it, or leave it out with --exclude"
        )
        if isinstance(path, RemotePath):
            way_out = "Scan again when the store answers"
        self.warnings.append(f"{why}. Nothing below it was changed. {way_out}")

    def _record(
        self, plan: Plan, outcomes: Sequence[Outcome], formers: Formers
    ) -> None:
        """Write one batch."""
        touched, written, moved, known = [], [], {}, {}
        for file, result in self._lasting(plan, outcomes):
            row = plan.known.get(file.path)
            first = row is None or _never_a_picture(row)
            self._tally[_kind_of_change(None if first else row, result)] += 1
            if row is not None and _is_same_result(row, result):
                touched.append((row, file.stamp))
                continue
            written.append((file, result))
            if first and (former := take_former(result, formers)):
                moved[file.path] = former
                if row is not None:  # its row as an unsettled file is replaced
                    self._recording.forget([row])
            elif row is not None:
                known[file.path] = row
        self._tally["new"] -= len(moved)
        self._tally["moved"] += len(moved)
        if touched:
            self._recording.touch(touched)
        if written:
            self._recording.record(plan.root, written, known, moved)
            self._keep_acknowledged(former.known for former in moved.values())
            read = _tally([result for _, result in written])
            self.tallies[plan.root] = self.tallies.get(plan.root, Tally()) + read

    def _keep_acknowledged(self, moved: Iterable[KnownFile]) -> None:
        """Keep ignoring the moved files that a person ignored: same content."""
        if kept := [_ignored(row, row.reason) for row in moved if row.acknowledged]:
            self._recording.change_states(kept)

    def _lasting(self, plan: Plan, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Leave out the files that changed, or went away, while they were read.

        So half an upload is never recorded, and pictures do not become unreadable when
        their disk is unplugged during a scan. A store replaces a file as a whole: what
        was read from one is right, and needs no further request.
        """
        whole, place = isinstance(plan.root, RemotePath), plan.place.path
        for file, result in outcomes:
            if whole and result.digest is not None:
                yield file, result
                continue
            if whole and place in self.doubted:
                continue
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

    def _root_went_away(self, plan: Plan) -> bool:
        if plan.place.path not in self.doubted:
            try:
                check_root(plan.place.path)
            except FolderError as error:
                self._doubt(plan, f"{error} (it was there when the scan began)")
        return plan.place.path in self.doubted

    def _settle(self, plan: Plan) -> None:
        """Record the paths that need no reading: skipped, returned and missing ones."""
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

    def _believed_gone(self, plan: Plan) -> list[KnownFile]:
        """Return the rows to mark missing: all vanished ones, or none if too many.

        A damaged or wrong disk lacks most of its pictures. A disk that is not plugged
        in leaves an empty folder.
        """
        gone = [
            row
            for path, row in plan.vanished.items()
            if row.state is not State.MISSING and path not in plan.linked
        ]
        if not gone or plan.place.path in self.doubted:
            return []
        there = len(pictures_of(plan.known))
        most = self._options.max_missing
        path = plan.place.path
        if plan.empty:
            self._doubt(plan, f"no pictures in {path}, where {len(gone):,} were before")
            return []
        if len(gone) <= round(most * there, 6):  # in floats, 0.29 * 100 is below 29
            return gone
        warning = (
            f"{len(gone):,} of {there:,} pictures in {path} are gone, more than "
            f"{most:.0%}: none was marked missing. Is the disk complete? "
            "If they are gone for good, scan once with --max-missing 100%"
        )
        self.doubted[path] = warning.partition(": none was marked missing")[0]
        self.warnings.append(warning)
        return []


def _tally(results: Sequence[Result]) -> Tally:
    tagged = [result for result in results if isinstance(result, Tagged)]
    confidences = [result.prediction.confidence for result in tagged]
    return Tally(
        images=len(results),
        unreadable=len(results) - len(tagged),
        flagged=sum(result.verdict.flagged for result in tagged),
        confidence=sum(confidences),
        squares=sum(confidence**2 for confidence in confidences),
        tags=dict(Counter(result.prediction.tag for result in tagged)),
    )


def _kind_of_change(row: KnownFile | None, result: Result) -> str:
    if row is None:
        return "new"
    return "unchanged" if result.digest == row.digest else "changed"


def _is_same_result(row: KnownFile, result: Result) -> bool:
    """Whether a file that was read again gave the same content and result."""
    if isinstance(result, Tagged):
        # A file that an older version took for whole may turn out to be damaged.
        same = row.state is State.TAGGED and row.current and not result.image.damaged
    else:
        told = row.state is State.UNREADABLE and row.reason == result.reason
        same = told or row.acknowledged
    return same and row.digest == result.digest
