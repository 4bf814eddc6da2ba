"""What a scan says while it runs, for a person who watches and for one who does not.

On a terminal: a bar, then the summary. Elsewhere, which is where cron runs it: one
dated line an event, what is wrong on standard error. `--log-format json`: the same
events as JSON objects, one a line, whatever happens. `--json`: one object at the end.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from tagger.cli import options
from tagger.records import ImageFile
from tagger.scan.records import RunSummary
from tagger.text import printable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tagger.inventory import Holder

_PROGRESS_SECONDS = 60
_MOST_UNREADABLE = 20


class LogFormat(StrEnum):
    """How the lines of a scan are written."""

    TEXT = "text"
    JSON = "json"


class ScanReporter:
    """What every way of reporter has in common. Silent itself.

    `quiet` tells nothing of a scan that did its work: see `_trouble`.
    """

    complains = False
    """Whether a failure is told here, and not as one line on standard error."""

    def __init__(self, *, quiet: bool = False, dry_run: bool = False) -> None:
        self._quiet = quiet
        self._dry_run = dry_run

    def begin(
        self, folders: Sequence[Path], database: Path, dead: "Holder | None"
    ) -> None:
        """Tell what is about to be scanned, and who died at it."""

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Hand the files on, and tell now and then how many were read."""
        del total
        yield from files

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Tell what the scan did, and the status that it ends with."""

    def fail(self, message: str, exit_code: int) -> None:
        """Tell that the scan did not end, and why."""

    def _trouble(self, summary: RunSummary, exit_code: int) -> bool:
        return bool(exit_code or summary.warnings)

    def _told(self, summary: RunSummary, exit_code: int) -> dict[str, object]:
        told = asdict(summary) | {"dry_run": self._dry_run, "exit_code": exit_code}
        if self._dry_run:
            told["run_id"] = None  # the run is gone with the copy it was recorded in
        return told


class TerminalReporter(ScanReporter):
    """A bar, then tables."""

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Show a bar, where there is something to show."""
        if not total:
            return
        from tqdm import tqdm

        disable = True if self._quiet else None
        yield from tqdm(files, total=total, unit="image", disable=disable, leave=False)

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Show the summary."""
        from tagger.cli.views import scan_views

        if self._quiet and not self._trouble(summary, exit_code):
            return
        for warning in summary.warnings:
            options.warn(warning)
        shown = scan_views.run_summary(summary, dry_run=self._dry_run)
        options.console().print(shown)


class JsonReporter(ScanReporter):
    """One JSON object when all is over; warnings on standard error."""

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Print the summary."""
        if self._quiet and not self._trouble(summary, exit_code):
            return
        for warning in summary.warnings:
            options.warn(warning)
        with _telling():
            options.print_json(self._told(summary, exit_code))

    def fail(self, message: str, exit_code: int) -> None:
        """Print what went wrong, besides the line on standard error."""
        options.print_json({"error": message, "exit_code": exit_code})


class TextReporter(ScanReporter):
    """One dated line an event. A quiet journal keeps them until there is trouble.

    A line that cannot be written, to a full disk or to nobody, ends no scan: what is
    done is told of at the end, as the failure that it is.
    """

    def __init__(self, *, quiet: bool = False, dry_run: bool = False) -> None:
        super().__init__(quiet=quiet, dry_run=dry_run)
        self._kept: list[str] | None = [] if quiet else None
        self._unheard: OSError | None = None

    def begin(
        self, folders: Sequence[Path], database: Path, dead: "Holder | None"
    ) -> None:
        """Tell what is about to be scanned, and who died at it."""
        shown = ", ".join(map(str, folders))
        self._say("began", f"scan of {shown} into {database}")
        if dead is not None:
            text = f"the scan before ({dead}) was killed; what it finished is kept"
            self._say("recovered", text)

    def track(self, files: Iterable[ImageFile], total: int) -> Iterator[ImageFile]:
        """Tell every minute how many files were read."""
        last = monotonic()
        for number, file in enumerate(files):
            if monotonic() - last >= _PROGRESS_SECONDS:
                last = monotonic()
                self._say("progress", f"{number:,} of {total:,} images read")
            yield file

    def end(self, summary: RunSummary, exit_code: int) -> None:
        """Tell what was found, how the folders stand, and what is wrong."""
        from tagger.scan.drift import describe

        if self._trouble(summary, exit_code):
            self._speak_up()
        for warning in summary.warnings:
            self._warn(warning)
        for path, reason in summary.unreadable_images[:_MOST_UNREADABLE]:
            self._say("unreadable", f"unreadable: {path}: {reason}")
        if (more := len(summary.unreadable_images) - _MOST_UNREADABLE) > 0:
            self._say("unreadable", f"and {more:,} more: tagger export lists them")
        if summary.careful:
            self._say("careful", summary.careful)
        for drift in summary.drift:
            if not drift.moved:  # what moved is a warning
                self._say("drift", describe(drift))
        self._sum_up(summary, exit_code)
        if self._unheard is not None:
            with _telling():
                raise self._unheard

    def _sum_up(self, summary: RunSummary, exit_code: int) -> None:
        self._say("found", f"found {_found(summary)}")
        if summary.unsettled:
            self._say(
                "unsettled", "what is unsettled was just changed: scan again later"
            )
        waiting = f"{summary.flagged:,} waiting for review"
        stand = (
            f"{summary.tagged:,} tagged, {waiting}, {summary.unreadable:,} unreadable"
        )
        self._say("standing", f"these folders hold {stand}")
        what = "dry run, nothing was written" if self._dry_run else "done"
        end = f"{what} in {summary.seconds:.1f} s, exit status {exit_code}"
        self._say("done", end)

    def _speak_up(self) -> None:
        kept, self._kept = self._kept or [], None
        for line in kept:
            self._print(line)

    def _say(self, event: str, text: str) -> None:
        line = self._line("info", event, text)
        if self._kept is None:
            self._print(line)
        else:
            self._kept.append(line)

    def _print(self, line: str) -> None:
        if self._unheard is None:
            try:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            except OSError as error:
                self._unheard = error

    def _warn(self, text: str) -> None:
        options.warn(text)

    def _line(self, level: str, event: str, text: str, **more: object) -> str:
        del level, event, more  # a person reads the text
        return f"{_moment().isoformat(' ', 'seconds')} {printable(text)}"


class JsonLinesReporter(TextReporter):
    """One JSON object an event, the last with the counts and the exit status."""

    complains = True

    def fail(self, message: str, exit_code: int) -> None:
        """Tell as the last object that the scan did not end, and why."""
        self._speak_up()
        self._print(self._line("error", "failed", message, exit_code=exit_code))

    def _sum_up(self, summary: RunSummary, exit_code: int) -> None:
        text = "dry run, nothing was written" if self._dry_run else "done"
        line = self._line("info", "done", text, **self._told(summary, exit_code))
        if self._kept is None:
            self._print(line)

    def _warn(self, text: str) -> None:
        self._print(self._line("warning", "warning", text))

    def _line(self, level: str, event: str, text: str, **more: object) -> str:
        moment = _moment().isoformat(timespec="milliseconds")
        line = {"time": moment, "level": level, "event": event, "message": text}
        return options.as_json(line | more)


def _telling() -> "AbstractContextManager[None]":
    hint = "; 'tagger status' says how things stand"
    return options.telling_of("the scan is done", hint)


def scan_reporter(
    log_format: LogFormat | None, *, as_json: bool, quiet: bool, dry_run: bool
) -> ScanReporter:
    """Choose the way of reporter that fits what was asked, and who looks."""
    kind: type[ScanReporter]
    if log_format is LogFormat.JSON:
        kind = JsonLinesReporter
    elif as_json:
        kind = JsonReporter
    elif log_format is None and sys.stdout.isatty():
        kind = TerminalReporter
    else:
        kind = TextReporter
    return kind(quiet=quiet, dry_run=dry_run)


def _found(summary: RunSummary) -> str:
    kinds = ("new", "changed", "moved", "unchanged", "unsettled", "missing", "ignored")
    counts = ((getattr(summary, kind), kind) for kind in kinds)
    return (
        ", ".join(f"{count:,} {kind}" for count, kind in counts if count) or "nothing"
    )


def _moment() -> datetime:
    return datetime.now().astimezone()
