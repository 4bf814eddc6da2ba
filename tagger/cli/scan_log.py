"""Report the progress and result of a scan: terminal, log lines or JSON.

On a terminal: a progress bar, then the summary. Elsewhere, as under cron: one dated
line per event, warnings on standard error. `--log-format json`: every event, warnings
and errors too, as a JSON object on its own line. `--json`: one object at the end.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tagger.cli import options
from tagger.cli.activity import activity, show_phase
from tagger.cli.faults import LISTED, how_many
from tagger.cli.next_step import after_scan, for_unreadable
from tagger.records import ImageFile
from tagger.scan.records import RunSummary
from tagger.system.database_url import Place
from tagger.text import printable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tagger.inventory import Holder

_PROGRESS_SECONDS = 60
_MOST_UNREADABLE = 20


class LogFormat(StrEnum):
    """Format of the log lines."""

    TEXT = "text"
    JSON = "json"


class ScanReporter:
    """Base class of the reporters; prints nothing itself.

    With `quiet`, a scan without problems (see `_trouble`) prints nothing.
    """

    complains = False
    """Whether `fail` replaces the error line on standard error."""

    def __init__(
        self, *, quiet: bool = False, dry_run: bool = False, verbose: bool = False
    ) -> None:
        self._quiet = quiet
        self._dry_run = dry_run
        self._verbose = verbose

    def working(self) -> "AbstractContextManager[object]":
        """Return the context in which the scan works."""
        return nullcontext()

    def begin(
        self, folders: Sequence[Path], database: Place, dead: "Holder | None"
    ) -> None:
        """Report the folders to scan, and the earlier scan that was killed, if any."""

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Yield the files and report the progress."""
        del total
        yield from files

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Report the result of the scan and its exit status."""

    def fail(self, message: str, exit_code: int) -> None:
        """Report the error that ended the scan."""

    def warn(self, text: str) -> None:
        """Report what may be wrong, and does not end the scan."""
        options.warn(text)

    def watch_libraries(self) -> "AbstractContextManager[None]":
        """Report what libraries warn of in this context, if they would not do so."""
        return nullcontext()

    def _trouble(self, summary: RunSummary, exit_code: int) -> bool:
        return bool(exit_code or summary.warnings)

    def _as_fields(self, summary: RunSummary, exit_code: int) -> dict[str, object]:
        fields = asdict(summary) | {"dry_run": self._dry_run, "exit_code": exit_code}
        if self._dry_run:
            fields["run_id"] = None  # the scratch copy with the run is deleted
        return fields


class TerminalReporter(ScanReporter):
    """Show what the scan does, then tables."""

    def working(self) -> "AbstractContextManager[object]":
        """Return the context in which the scan works: one line shows what it does."""
        return activity("opening the inventory", shown=not self._quiet)

    def begin(
        self, folders: Sequence[Path], database: Place, dead: "Holder | None"
    ) -> None:
        """Show that the scan looks for pictures."""
        del database, dead
        show_phase(f"looking for pictures in {', '.join(map(str, folders))}")

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Yield the files and count them."""
        with activity("reading pictures", shown=not self._quiet) as doing:
            for number, file in enumerate(files, start=1):
                doing.now("reading pictures", total)
                doing.reach(number)
                if number == total:  # the scan asks for no file after the last one
                    doing.now("recording what was read")
                yield file

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Show the summary."""
        from tagger.cli.views import scan_views

        if self._quiet and not self._trouble(summary, exit_code):
            return
        for warning in summary.warnings:
            self.warn(warning)
        shown = scan_views.run_summary(
            summary, dry_run=self._dry_run, verbose=self._verbose
        )
        options.console().print(shown)
        if known := scan_views.known_faults(summary):
            options.console().print(known)
        if not self._dry_run:
            after_scan(
                newly_unreadable=summary.newly_unreadable,
                flagged=summary.flagged,
                tagged=summary.tagged,
            )


class JsonReporter(ScanReporter):
    """Print one JSON object at the end; warnings go to standard error."""

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Print the summary."""
        if self._quiet and not self._trouble(summary, exit_code):
            return
        for warning in summary.warnings:
            self.warn(warning)
        with _telling():
            options.print_json(self._as_fields(summary, exit_code))

    def fail(self, message: str, exit_code: int) -> None:
        """Print the error as JSON, besides the line on standard error."""
        options.print_json({"error": message, "exit_code": exit_code})


class TextReporter(ScanReporter):
    """Print one dated line per event; with `quiet`, only if there is a problem.

    If a line cannot be written (full disk, closed pipe), the scan goes on and raises
    OutputError at its end.
    """

    def __init__(
        self, *, quiet: bool = False, dry_run: bool = False, verbose: bool = False
    ) -> None:
        super().__init__(quiet=quiet, dry_run=dry_run, verbose=verbose)
        self._kept: list[str] | None = [] if quiet else None
        self._write_error: OSError | None = None

    def begin(
        self, folders: Sequence[Path], database: Place, dead: "Holder | None"
    ) -> None:
        """Report the folders to scan, and the earlier scan that was killed, if any."""
        shown = ", ".join(map(str, folders))
        text = f"scan of {shown} into {database}"
        self._say("began", text, folders=folders, database=database)
        if dead is not None:
            text = f"the previous scan ({dead}) was killed; its finished work is kept"
            self._say("recovered", text, pid=dead.pid)

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Yield the files; report every minute how many were read."""
        last = monotonic()
        for number, file in enumerate(files):
            if monotonic() - last >= _PROGRESS_SECONDS:
                last = monotonic()
                text = f"{number:,} of {total:,} pictures read"
                self._say("progress", text, read=number, total=total)
            yield file

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Report warnings, unreadable pictures, drift and the counts."""
        from tagger.scan.drift import describe

        if self._trouble(summary, exit_code):
            self._speak_up()
        for warning in summary.warnings:
            self.warn(warning, **_fault_of(warning, summary.doubts))
        self._name_unreadable(summary.newly_unreadable_images)
        if known := summary.unreadable - summary.newly_unreadable:
            text = f"unreadable as before: {how_many(known)}; {LISTED}"
            self._say("known", text, unreadable=known)
        self._say_how_far(summary)
        for drift in summary.drift:
            if not drift.moved:  # drift that moved is already among the warnings
                self._say("drift", describe(drift), **asdict(drift))
        self._sum_up(summary, exit_code)
        if self._write_error is not None:
            with _telling():
                raise self._write_error

    def warn(self, text: str, **more: object) -> None:
        """Print a warning on standard error."""
        del more  # a person reads the text
        options.warn(text)

    def _name_unreadable(self, images: Sequence[tuple[str, str]]) -> None:
        for path, reason in images[:_MOST_UNREADABLE]:
            self._say("unreadable", _unreadable(path, reason))
        if (more := len(images) - _MOST_UNREADABLE) > 0:
            self._say("unreadable", f"and {more:,} more: {LISTED}")

    def _say_how_far(self, summary: RunSummary) -> None:
        """Say if the pictures are unlike those that the network learned from."""
        if summary.tightened:
            self._say("careful", summary.tightened)
        if self._verbose and (shift := summary.describe_shift()):
            self._say("shift", shift)

    def _sum_up(self, summary: RunSummary, exit_code: int) -> None:
        self._say("found", f"found {_found(summary)}")
        for note in summary.notes:
            self._say("note", note)
        for event, sentence in summary.not_read().items():
            self._say(event, sentence)
        waiting = f"{summary.flagged:,} waiting for review"
        stand = (
            f"{summary.tagged:,} tagged, {waiting}, {summary.unreadable:,} unreadable"
        )
        self._say("standing", f"in these folders: {stand}")
        outcome = "dry run, nothing was written" if self._dry_run else "done"
        if summary.newly_unreadable:
            self._say("next", for_unreadable(summary.newly_unreadable))
        end = f"{outcome} in {summary.seconds:.1f} s, exit status {exit_code}"
        self._say("done", end)

    def _speak_up(self) -> None:
        kept, self._kept = self._kept or [], None
        for line in kept:
            self._print(line)

    def _say(self, event: str, text: str, **more: object) -> None:
        self._put(self._line("info", event, text, **more))

    def _put(self, line: str) -> None:
        """Print a line, or keep it until there is trouble."""
        if self._kept is None:
            self._print(line)
        else:
            self._kept.append(line)

    def _print(self, line: str) -> None:
        if self._write_error is None:
            try:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            except OSError as error:
                self._write_error = error

    def _line(self, level: str, event: str, text: str, **more: object) -> str:
        del level, event, more  # a person reads the text
        return f"{_moment().isoformat(' ', 'seconds')} {printable(text)}"


class JsonLinesReporter(TextReporter):
    """Print one JSON object per event; the last has the counts and the exit status.

    Each has a `time` (RFC 3339), a `level`, an `event` and a `message`. An object about
    one file or folder has its `path` and the `reason`, too.
    """

    complains = True

    def __init__(
        self, *, quiet: bool = False, dry_run: bool = False, verbose: bool = False
    ) -> None:
        super().__init__(quiet=quiet, dry_run=dry_run, verbose=verbose)
        self._pass_on: Callable[[], None] = lambda: None

    @contextmanager
    def watch_libraries(self) -> Iterator[None]:
        """Print as warnings what libraries warn of, or write to standard error."""
        from tagger.system.native_stderr import collect_native_stderr

        def show(
            message: Warning | str, category: type[Warning], *_: object, **__: object
        ) -> None:
            self._tell_of_library(f"{category.__name__}: {message}")

        former, warnings.showwarning = warnings.showwarning, show
        try:
            with collect_native_stderr(self._tell_of_library) as self._pass_on:
                yield
        finally:
            warnings.showwarning, self._pass_on = former, lambda: None

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Yield the files; report progress, and what libraries wrote meanwhile."""
        for file in super().track(files, total):
            self._pass_on()
            yield file

    def fail(self, message: str, exit_code: int) -> None:
        """Print the error that ended the scan as the last object."""
        self._speak_up()
        self._print(self._line("error", "failed", message, exit_code=exit_code))

    def warn(self, text: str, **more: object) -> None:
        """Print a warning."""
        self._print(self._line("warning", "warning", text, **more))

    def _tell_of_library(self, text: str) -> None:
        self._print(self._line("warning", "library", text))

    def _name_unreadable(self, images: Sequence[tuple[str, str]]) -> None:
        for path, reason in images:
            fault = {"path": path, "reason": reason}
            text = _unreadable(path, reason)
            self._put(self._line("warning", "unreadable", text, **fault))

    def _sum_up(self, summary: RunSummary, exit_code: int) -> None:
        text = "dry run, nothing was written" if self._dry_run else "done"
        self._say("done", text, **self._as_fields(summary, exit_code))

    def _line(self, level: str, event: str, text: str, **more: object) -> str:
        moment = _moment().isoformat(timespec="milliseconds")
        line = {"time": moment, "level": level, "event": event, "message": text}
        return options.as_json(line | more)


def _unreadable(path: str, reason: str) -> str:
    return f"unreadable: {path}: {reason}"


def _fault_of(warning: str, doubts: Mapping[str, str]) -> dict[str, str]:
    """Return the path and the reason of the doubt that a warning begins with."""
    for path, reason in doubts.items():
        if warning.startswith(reason):
            return {"path": path, "reason": reason}
    return {}


def _telling() -> "AbstractContextManager[None]":
    hint = "; run 'tagger status' to see it"
    return options.telling_of("the scan is done", hint)


def scan_reporter(
    log_format: LogFormat | None,
    *,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    verbose: bool = False,
) -> ScanReporter:
    """Return the reporter for these options and this standard output."""
    kind: type[ScanReporter]
    if log_format is LogFormat.JSON:
        kind = JsonLinesReporter
    elif as_json:
        kind = JsonReporter
    elif log_format is None and sys.stdout.isatty():
        kind = TerminalReporter
    else:
        kind = TextReporter
    return kind(quiet=quiet, dry_run=dry_run, verbose=verbose)


def _found(summary: RunSummary) -> str:
    kinds = ("new", "changed", "moved", "unchanged", "unsettled", "missing", "ignored")
    counts = ((getattr(summary, kind), kind) for kind in kinds)
    return (
        ", ".join(f"{count:,} {kind}" for count, kind in counts if count) or "nothing"
    )


def _moment() -> datetime:
    return datetime.now().astimezone()
