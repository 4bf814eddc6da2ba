"""`tagger review`: work through what waits for a person."""

import os
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.inventory.records import Order
from tagger.system.gc_tuning import freeze_gc

if TYPE_CHECKING:
    import re

    from tagger.inventory import Inventory, Reviewing
    from tagger.inventory.records import QueueItem
    from tagger.review.session import ReviewSession

_SIGNALLED = 128
_HUNG_UP = _SIGNALLED + 1
"""Exit status of whom a signal stopped, and of whom the line was dropped."""

_LEAST_COLUMNS, _LEAST_LINES = 72, 20

_TEACHES = (
    "No network has learnt this shop yet: fifty answers or more that are drawn by lot, "
    "as these are, can teach one ('tagger model adapt')."
)


def review(
    order: Annotated[
        Order | None,
        typer.Option(
            help="What is shown first; confidence: the least sure. By default random, "
            "which teaches most, and confidence where fewer than 50 wait."
        ),
    ] = None,
    tag: Annotated[
        str | None, typer.Option(help="Only what the machine tagged so.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(readable=False, help="Only this scanned folder."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Only what was first seen since then, local time.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many pictures.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all/--flagged-only",
            help="Also what the machine accepted, or only what it flagged.",
        ),
    ] = False,
    audit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="A random sample of so many accepted pictures, shown without their "
            "tags; an audit that was not finished goes on.",
        ),
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(
            "--from",
            min=0.0,
            max=1.0,
            help="Draw the audit from all with at least this confidence, flagged or "
            "not: evidence to accept more.",
        ),
    ] = None,
    item_pattern: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group names the product that a path shows "
            "(e.g. '([0-9]+)_[0-9]+[.]jpg'): its photographs are offered together.",
            show_default="the pattern kept by tagger export",
        ),
    ] = None,
    redo: Annotated[
        Path | None,
        typer.Option(readable=False, help="Decide this picture again."),
    ] = None,
    reviewer: options.Reviewer = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Ask in lines: for screen readers, simple terminals and scripts.",
        ),
    ] = False,
    db: options.Db = None,
) -> None:
    """Show what is flagged, one picture at a time, and keep what you decide.

    Every answer is saved at once; u takes it back.
    Example: tagger review --order newest
    """
    from dataclasses import replace

    from tagger.errors import Stopped
    from tagger.inventory import Inventory
    from tagger.inventory.product_key import compile_pattern
    from tagger.inventory.records import Selection
    from tagger.review.session import review_session

    session_pattern = None if item_pattern is None else compile_pattern(item_pattern)
    name = options.reviewer_name(reviewer)
    with Inventory(options.database(db), create=False) as inventory:
        selection = Selection(
            tag=_known_tag(inventory, tag),
            root=_known_root(inventory, root),
            since=since and since.astimezone(),
            everything=everything,
            audit_id=_audit_id(inventory, audit, name, least, tag),
        )
        selection = replace(selection, order=order or inventory.best_order(selection))
        patterns = _patterns(inventory, session_pattern)
        # Before a picture is read ahead: that is done in silence, on standard error.
        if why := "" if plain else _why_not_full_screen():
            typer.echo(f"{why}: asking in lines, as with --plain", err=True)
        with inventory.reviewing(name, selection) as reviewing:
            again = None if redo is None else _to_redo(reviewing, redo)
            with review_session(
                reviewing, limit=limit, patterns=patterns, redo=again
            ) as begun:
                code = _show(begun, plain=plain or bool(why))
        if code != _HUNG_UP:
            _tell_end(begun)
            _tell_what_is_proven(inventory)
            if selection == Selection(Order.RANDOM) and redo is None:
                _tell_what_teaches(inventory)
    if code > _SIGNALLED:
        raise Stopped(code - _SIGNALLED)
    raise typer.Exit(code)


def _line(prompt: str) -> str:
    """Ask on standard output; EOFError at the end.

    Python's own `input` asks a terminal on standard error, which is silenced while a
    picture is read ahead.
    """
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _show(begun: "ReviewSession", *, plain: bool) -> int:
    """Hold the session on the whole screen, or in lines; return the exit status."""
    if plain:
        from tagger.review.line_mode import LineReview

        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        LineReview(begun, options.console(), _line).run()
        return 0
    _forget_keys()
    from tagger.review.app import ReviewApp

    _forget_keys()
    freeze_gc()  # a session lasts for hours
    return ReviewApp.hold(begun)


def _forget_keys() -> None:
    """Drop what was typed before there was anything to see.

    It would stand before what the terminal answers when it is asked which pictures it
    can show, and that would then be taken for keys.
    """
    with suppress(ImportError, OSError):  # not on Windows
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _why_not_full_screen() -> str:
    """Say why this terminal cannot show the full screen; "" where it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "not a terminal"
    if os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return "a terminal that cannot move its cursor"
    console = options.console()
    if console.color_system is None or "NO_COLOR" in os.environ:
        return "a terminal without colour"
    if console.width < _LEAST_COLUMNS or console.height < _LEAST_LINES:
        return (
            f"a terminal of {console.width}x{console.height}, which is under "
            f"{_LEAST_COLUMNS}x{_LEAST_LINES}"
        )
    return ""


def _patterns(
    inventory: "Inventory", session: "re.Pattern[str] | None"
) -> "dict[str, re.Pattern[str]]":
    """Return the pattern of each root: that of this session, else the one it keeps."""
    from tagger.inventory.product_key import compile_pattern

    if session is not None:
        return dict.fromkeys(inventory.roots(), session)
    kept = inventory.item_patterns()
    return {root: compile_pattern(text) for root, text in kept.items()}


def _known_tag(inventory: "Inventory", tag: str | None) -> str | None:
    from tagger.errors import ReviewError

    if tag is None:
        return None
    known = {one.casefold(): one for one in inventory.machine_tags()}
    if tag.casefold() not in known:
        raise ReviewError(
            f"the machine never says '{tag}': it says {', '.join(known.values())}"
        )
    return known[tag.casefold()]


def _known_root(inventory: "Inventory", root: Path | None) -> str | None:
    from tagger.errors import ReviewError

    if root is None:
        return None
    absolute = os.path.abspath(root)  # noqa: PTH100  as the scan named it
    if absolute not in inventory.roots():
        roots = ", ".join(inventory.roots()) or "none"
        raise ReviewError(f"{absolute} is no scanned folder (scanned are: {roots})")
    return absolute


def _audit_id(
    inventory: "Inventory",
    size: int | None,
    reviewer: str,
    least: float | None,
    tag: str | None,
) -> int | None:
    from tagger.errors import RequestError, ReviewError

    if size is None:
        if least is not None:
            raise RequestError("--from says what an audit is drawn from: add --audit N")
        return None
    tag = _known_tag(inventory, tag)
    audit = inventory.draw_audit(size, reviewer, least=least, tag=tag)
    if audit is None and least is None:
        raise ReviewError("the machine has accepted nothing yet that could be audited")
    if audit is None:
        raise ReviewError(f"nothing is left to audit with a confidence from {least:g}")
    if (audit.least, audit.of_tag) != (least, tag):
        drawn = "" if audit.least is None else f", from {audit.least:g} on"
        typer.echo(
            f"audit {audit.id}, of {audit.of_tag or 'all tags'}{drawn}, is still open: "
            "it goes on; what you asked for can be drawn when it is answered",
            err=True,
        )
    if audit.answered:
        said = f"{audit.answered} of {audit.sampled} are answered already"
        typer.echo(f"audit {audit.id}: {said}", err=True)
    return audit.id


def _to_redo(reviewing: "Reviewing", path: Path) -> "QueueItem":
    from tagger.errors import ReviewError

    absolute = Path(os.path.abspath(path))  # noqa: PTH100  as the scan named it
    item = reviewing.at(absolute)
    if item is None:
        raise ReviewError(
            f"{absolute} has no tag to decide about: 'tagger explain' tells why"
        )
    return item


def _tell_end(begun: "ReviewSession") -> None:
    """Print how the session went, where a person will find it after the screen."""
    from tagger.review.end_summary import end_summary

    told = end_summary(
        begun.summary(), left=begun.waiting, whole=begun.whole, audit=begun.audit()
    )
    options.console().print()
    options.console().print(told)


def _tell_what_is_proven(inventory: "Inventory") -> None:
    """Tell what is known of the machine's work alone."""
    from tagger.certification.current import current_stats
    from tagger.certification.summary import auto_tagging_stats

    known = current_stats(inventory)
    if known is not None:
        options.console().print(auto_tagging_stats(known))


def _tell_what_teaches(inventory: "Inventory") -> None:
    """Say what answers are good for, while no network has learnt from any."""
    from tagger.records import Outcome

    if all(one.outcome is not Outcome.PROMOTED for one in inventory.adaptations()):
        options.console().print(_TEACHES)
