"""Scan folders: find, compare, have the pipeline read, record.

Puts the stages together and knows none of their insides: the network comes in as a
`Classifier`. Everything that is finished is in the inventory; a scan that is stopped
at any moment is simply run again.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from time import perf_counter
from typing import Any

from tagger.discover import Rules, check_root, walk
from tagger.errors import EXIT_UNREADABLE
from tagger.images import FOREIGN_PICTURES, FORMATS
from tagger.inventory import Former, Inventory, Recording, StateChange, Tagged
from tagger.pipeline import Classifier, Outcome, Pipeline, Result
from tagger.policy import decide
from tagger.records import (
    ImageFile,
    KnownFile,
    Listed,
    Policy,
    RunSummary,
    SkippedFile,
    State,
)

Track = Callable[[Iterable[ImageFile], int], Iterable[ImageFile]]
"""Shows progress while it hands the files on; is told how many there are."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan may be told besides its folders, its network and its policy."""

    batch_size: int = 64
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    retry_errors: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done under one root, from what lies there and what is known.

    `vanished` are the known paths that are not there now; a file found elsewhere with
    the same bytes takes its row out of them.
    """

    root: Path
    known: Mapping[str, KnownFile]
    to_read: list[ImageFile] = field(default_factory=list)
    to_skip: list[SkippedFile] = field(default_factory=list)
    to_change: list[StateChange] = field(default_factory=list)
    to_forget: list[KnownFile] = field(default_factory=list)
    vanished: dict[str, KnownFile] = field(default_factory=dict)
    unchanged: int = 0
    ignored: int = 0
    empty: bool = False


_Formers = dict[str, list[tuple[_Plan, str]]]


def scan(  # noqa: PLR0913  the six things a scan is made of
    folders: Sequence[Path],
    inventory: Inventory,
    classifier: Classifier,
    policy: Policy,
    *,
    options: ScanOptions = ScanOptions(),
    track: Track = lambda files, _total: files,
) -> RunSummary:
    """Bring the inventory up to date with the folders.

    Raises FolderError before anything is written when a folder cannot be listed,
    InventoryError when the inventory cannot be written; what was recorded until then
    stays.
    """
    start = perf_counter()
    roots = list(dict.fromkeys(check_root(folder) for folder in folders))
    with inventory.recording(
        classifier.identity, options=_told(roots, policy, options)
    ) as recording:
        plans, warnings = _plan_all(roots, recording, options)
        if not all(plan.empty for plan in plans):
            recording.enforce(policy, decide)
        pipeline = Pipeline(
            classifier, policy, recording.predictions, options.batch_size
        )
        run = _Run(recording, pipeline)
        counts = run.carry_out(plans, track)
        summary = RunSummary(
            run_id=recording.run_id,
            warnings=tuple(warnings),
            **counts,
            **recording.standing([plan.root for plan in plans]),
        )
        summary = replace(summary, seconds=perf_counter() - start)
        recording.finish(
            [plan.root for plan in plans if not plan.empty],
            exit_code=exit_code(summary),
            counts=_kept_counts(summary),
        )
    return summary


def exit_code(summary: RunSummary) -> int:
    """Return 3 where a picture of the scanned folders cannot be read, else 0."""
    return EXIT_UNREADABLE if summary.unreadable else 0


def _told(
    roots: Sequence[Path], policy: Policy, options: ScanOptions
) -> dict[str, object]:
    """Return the options of a run as JSON can hold them."""
    shown = [os.fsencode(root).decode(errors="backslashreplace") for root in roots]
    return {"roots": shown} | asdict(policy) | asdict(options)


def _kept_counts(summary: RunSummary) -> dict[str, Any]:
    counts = asdict(summary)
    for name in ("run_id", "unreadable_images", "warnings"):
        del counts[name]
    return counts


def _plan_all(
    roots: Sequence[Path], recording: Recording, options: ScanOptions
) -> tuple[list[_Plan], list[str]]:
    rules = Rules(
        endings=FORMATS,
        foreign=FOREIGN_PICTURES,
        include=options.include,
        exclude=options.exclude,
    )
    plans, warnings = [], []
    for root in roots:
        listing = list(walk(root, rules))
        known = recording.known(root)
        if any(isinstance(entry, ImageFile) for entry in listing):
            plans.append(_plan(root, listing, known, options))
        else:
            warnings.append(f"no pictures in {root}: nothing was changed")
            plans.append(_plan_for_empty(root, listing, known))
    return plans, warnings


def _plan(
    root: Path,
    listing: Sequence[Listed],
    known: Mapping[str, KnownFile],
    options: ScanOptions,
) -> _Plan:
    plan = _Plan(root, known)
    unchanged = ignored = 0
    for entry in listing:
        row = known.get(entry.path)
        if isinstance(entry, SkippedFile):
            ignored += entry.state is State.IGNORED
            if row is None or (row.state, row.reason) != (entry.state, entry.reason):
                plan.to_skip.append(entry)
        elif row is None or _must_be_read(entry, row, options):
            plan.to_read.append(entry)
        elif row.state in {State.MISSING, State.IGNORED}:
            plan.to_change.append(StateChange(row, State.TAGGED, "", "returned"))
        else:
            unchanged += 1
    _account_for_unlisted(plan, listing)
    return replace(plan, unchanged=unchanged, ignored=ignored)


def _plan_for_empty(
    root: Path, listing: Sequence[Listed], known: Mapping[str, KnownFile]
) -> _Plan:
    """Plan for a root without pictures, which may be a disk that is not plugged in.

    Nothing goes missing. But what could not be read is told, and a file that is found
    elsewhere in this scan has moved there.
    """
    plan = _Plan(root, known, empty=True)
    for entry in listing:
        if isinstance(entry, SkippedFile) and entry.state is State.UNREADABLE:
            row = known.get(entry.path)
            if row is None or (row.state, row.reason) != (entry.state, entry.reason):
                plan.to_skip.append(entry)
    plan.vanished.update({p: row for p, row in known.items() if row.digest})
    return plan


def _must_be_read(file: ImageFile, row: KnownFile, options: ScanOptions) -> bool:
    if file.stamp != row.stamp or row.state is State.UNSETTLED:
        return True
    if row.state is State.UNREADABLE:
        # Where not even the bytes could be had, a permission was in the way: a change
        # of that leaves the file's own time as it was.
        return options.retry_errors or row.digest is None
    return not row.current


def _account_for_unlisted(plan: _Plan, listing: Sequence[Listed]) -> None:
    """Sort out the known paths that are not listed.

    A note about what was not read (a folder left out, a pipe, a text file) goes with
    its reason; only what was once a picture can be missing. What lies in a folder that
    could not be listed keeps its state: nobody has looked. What lies in a folder that
    is left out is ignored for the folder's reason. The rest has vanished.
    """
    listed = {entry.path for entry in listing}
    closed = {e.path: e for e in listing if isinstance(e, SkippedFile)}
    for path in sorted(plan.known.keys() - listed):
        row = plan.known[path]
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        above = next((closed[p] for p in parents if p in closed), None)
        if above is None:
            if _never_a_picture(row):
                plan.to_forget.append(row)
            else:
                plan.vanished[path] = row
        elif above.state is State.IGNORED and row.reason != above.reason:
            change = StateChange(row, State.IGNORED, above.reason, "ignored")
            plan.to_change.append(change)


def _never_a_picture(row: KnownFile) -> bool:
    return row.digest is None and (row.state is State.IGNORED or row.stamp is None)


class _Run:
    """One scan under way: the tally of what it did, and who does it."""

    def __init__(self, recording: Recording, pipeline: Pipeline) -> None:
        self._recording = recording
        self._pipeline = pipeline
        self._tally: Counter[str] = Counter()

    def carry_out(self, plans: Sequence[_Plan], track: Track) -> dict[str, Any]:
        """Do what is planned; return the counts of `RunSummary`."""
        formers = _formers(plans)
        files = [file for plan in plans for file in plan.to_read]
        shown = iter(track(files, len(files)))
        for plan in plans:
            reading = islice(shown, len(plan.to_read))
            for outcomes in self._pipeline.outcomes(plan.root, reading):
                self._record(plan, outcomes, formers)
        for plan in plans:
            self._settle(plan)
        return dict(self._tally) | {"classified": self._pipeline.classified}

    def _record(
        self, plan: _Plan, outcomes: Sequence[Outcome], formers: _Formers
    ) -> None:
        """Write one batch."""
        touched, written, moved = [], [], {}
        for file, result in outcomes:
            row = plan.known.get(file.path)
            self._tally[_kind_of_change(row, result)] += 1
            if row is not None and _says_nothing_new(row, result):
                touched.append((row, file.stamp))
                continue
            written.append((file, result))
            if row is None and (former := _take_former(result, formers)):
                moved[file.path] = former
        self._tally["new"] -= len(moved)
        self._tally["moved"] += len(moved)
        if touched:
            self._recording.touch(touched)
        if written:
            self._recording.record(plan.root, written, plan.known, moved)

    def _settle(self, plan: _Plan) -> None:
        """Write what needs no reading: skipped, returned and missing paths."""
        missing = [
            StateChange(row, State.MISSING, "not there", "missing")
            for row in plan.vanished.values()
            if row.state is not State.MISSING and not plan.empty
        ]
        self._tally["unchanged"] += plan.unchanged
        self._tally["ignored"] += plan.ignored
        self._tally["missing"] += len(missing)
        if plan.to_forget:
            self._recording.forget(plan.to_forget)
        if plan.to_skip:
            self._recording.skip(plan.root, plan.to_skip, plan.known)
        if changes := plan.to_change + missing:
            self._recording.change_states(changes)


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
