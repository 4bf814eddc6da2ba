"""`tagger review`: answer the queue of flagged pictures."""

import os
import sys
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli import options
from tagger.cli.activity import activity, finish
from tagger.cli.next_step import most_useful, say_next, show_next
from tagger.inventory.records import Order
from tagger.system.gc_tuning import freeze_gc

if TYPE_CHECKING:
    import re

    from tagger.inventory import Inventory, Reviewing
    from tagger.inventory.records import AuditResult, QueueItem, Selection
    from tagger.review.session import ReviewSession

_SIGNALLED = 128
_HUNG_UP = _SIGNALLED + 1
"""Exit status after signal n (`_SIGNALLED` + n), and after a lost connection."""

_LEAST_COLUMNS, _LEAST_LINES = 72, 20

_TEACHES = (
    "The network can learn from your answers. After 50 answers or more in random "
    "order, as in this review, run 'tagger model adapt'."
)


def review(
    ctx: typer.Context,
    order: Annotated[
        Order | None,
        typer.Option(
            help="Order of the pictures; confidence shows the least sure first. By "
            "default random, the best order for 'tagger model adapt', but confidence "
            "if fewer than 50 pictures wait."
        ),
    ] = None,
    tag: Annotated[
        str | None, typer.Option(help="Only pictures that the network gave this tag.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            parser=options.folder,
            metavar="<path>",
            help="Only pictures in this scanned folder.",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Only pictures first scanned since then (local time).",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most pictures to show.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all/--flagged-only",
            help="Show accepted pictures too, or only flagged ones.",
        ),
    ] = False,
    audit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Audit this many accepted pictures: a random sample, shown without "
            "tags. An unfinished audit is continued.",
        ),
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(
            "--from",
            min=0.0,
            max=1.0,
            help="Draw the audit from all pictures with at least this confidence, "
            "flagged ones too: evidence for accepting more.",
        ),
    ] = None,
    item_pattern: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group finds the product key in a path "
            "(e.g. '([0-9]+)_[0-9]+[.]jpg'): photographs of a product are offered "
            "together.",
            show_default="the pattern saved by 'tagger export'",
        ),
    ] = None,
    redo: Annotated[
        Path | None,
        typer.Option(
            parser=options.picture, metavar="<path>", help="Decide this picture again."
        ),
    ] = None,
    reviewer: options.Reviewer = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Ask line by line: for screen readers, simple terminals and scripts.",
        ),
    ] = False,
    db: options.Db = None,
) -> None:
    """Show the flagged pictures one at a time and save your decisions.

    Every answer is saved at once; the u key undoes it.
    Example: tagger review --order newest
    """
    from dataclasses import replace

    ctx.with_resource(activity("opening the review"))
    from tagger.errors import Stopped
    from tagger.inventory import Inventory
    from tagger.inventory.columns import in_utc
    from tagger.inventory.product_key import compile_pattern
    from tagger.inventory.records import Selection
    from tagger.review.session import review_session

    session_pattern = None if item_pattern is None else compile_pattern(item_pattern)
    name = options.reviewer_name(reviewer)
    with Inventory(options.database(db), create=False) as inventory:
        selection = Selection(
            tag=_known_tag(inventory, tag),
            root=_known_root(inventory, root),
            since=since and in_utc(since),
            everything=everything,
            audit_id=_audit_id(inventory, audit, name, least, tag),
        )
        selection = replace(selection, order=order or inventory.best_order(selection))
        patterns = _patterns(inventory, session_pattern)
        with inventory.reviewing(name, selection) as reviewing:
            again = None if redo is None else _to_redo(reviewing, redo)
            if again is None and not reviewing.left():
                _tell_that_nothing_waits(inventory, selection)
                return
            # Print this before the prefetch starts, which silences standard error.
            if why := "" if plain else _why_not_full_screen():
                options.note(f"{why}: asking line by line, as with --plain")
            with review_session(
                reviewing,
                limit=limit,
                patterns=patterns,
                redo=again,
                remove_unused=partial(_remove_unused, inventory),
            ) as begun:
                code = _show(begun, plain=plain or bool(why))
        if code != _HUNG_UP:
            seen = not (plain or why) and begun.current is None
            to_learn = selection == Selection(Order.RANDOM) and redo is None
            _tell_outcome(inventory, begun, seen=seen, to_learn=to_learn)
    if code > _SIGNALLED:
        raise Stopped(code - _SIGNALLED)
    raise typer.Exit(code)


def _line(prompt: str) -> str:
    """Prompt on standard output and return a line; EOFError at the end of input.

    Python's own `input` prompts a terminal on standard error, which the prefetch
    silences.
    """
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _show(begun: "ReviewSession", *, plain: bool) -> int:
    """Run the session full-screen or line by line; return the exit status."""
    if plain:
        from tagger.review.line_mode import LineReview

        finish()
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        LineReview(begun, options.console(), _line).run()
        return 0
    _forget_keys()
    import textual.app  # noqa: F401  takes long, while the activity is still shown

    finish()  # before the terminal is asked which pictures it can show
    from tagger.review.app import ReviewApp

    _forget_keys()
    freeze_gc()  # a session lasts for hours
    return ReviewApp.hold(begun)


def _forget_keys() -> None:
    """Drop keys that were typed before the first picture was shown.

    Left in the input, they would precede the terminal's reply about the picture formats
    that it can show, and the reply would be read as keys.
    """
    with suppress(ImportError, OSError):  # not on Windows
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _why_not_full_screen() -> str:
    """Return why this terminal cannot show the full screen; "" if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "this is not a terminal"
    if os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return "this terminal cannot move its cursor"
    console = options.console()
    if console.color_system is None:
        return "this terminal has no colour"
    if console.width < _LEAST_COLUMNS or console.height < _LEAST_LINES:
        return (
            f"this terminal has {console.width}x{console.height} characters, fewer "
            f"than {_LEAST_COLUMNS}x{_LEAST_LINES}"
        )
    return ""


def _patterns(
    inventory: "Inventory", session: "re.Pattern[str] | None"
) -> "dict[str, re.Pattern[str]]":
    """Return each root's item pattern: this session's, else the saved one."""
    from tagger.inventory.product_key import compile_patterns

    if session is not None:
        return dict.fromkeys(inventory.roots(), session)
    return compile_patterns(inventory.item_patterns())


def _known_tag(inventory: "Inventory", tag: str | None) -> str | None:
    from tagger.errors import ReviewError

    if tag is None:
        return None
    known = {name.casefold(): name for name in inventory.machine_tags()}
    if tag.casefold() not in known:
        raise ReviewError(
            f"the network gives no picture the tag '{tag}': choose one of "
            f"{', '.join(known.values())}"
        )
    return known[tag.casefold()]


def _known_root(inventory: "Inventory", root: Path | None) -> str | None:
    from tagger.errors import ReviewError
    from tagger.system.paths import as_spelt

    if root is None:
        return None
    named = str(as_spelt(root))
    if named not in inventory.roots():
        roots = ", ".join(inventory.roots()) or "none"
        raise ReviewError(f"{named} is not a scanned folder (scanned folders: {roots})")
    return named


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
            raise RequestError("--from belongs to an audit: add --audit N")
        return None
    tag = _known_tag(inventory, tag)
    audit = inventory.draw_audit(size, reviewer, least=least, tag=tag)
    if audit is None and least is None:
        raise ReviewError(
            "an audit shows accepted pictures, and there are no accepted pictures yet: "
            "scan more pictures, or add --from 0.5"
        )
    if audit is None:
        raise ReviewError(
            f"no picture with a confidence of at least {least:g} is left to audit: "
            "choose a smaller --from, or scan more pictures"
        )
    if (audit.least, audit.of_tag) != (least, tag):
        drawn = "" if audit.least is None else f", from {audit.least:g} on"
        options.note(
            f"audit {audit.id} ({audit.of_tag or 'all tags'}{drawn}) is not finished "
            "and goes on: begin the new audit after it"
        )
    if audit.answered:
        done = f"{audit.answered} of {audit.sampled} are answered already"
        options.note(f"audit {audit.id}: {done}")
    return audit.id


def _to_redo(reviewing: "Reviewing", path: Path) -> "QueueItem":
    from tagger.errors import ReviewError
    from tagger.system.paths import as_spelt

    named = as_spelt(path)
    item = reviewing.at(named)
    if item is None:
        raise ReviewError(
            f"{named} has no tag to decide again: 'tagger explain' shows why"
        )
    return item


def _remove_unused(inventory: "Inventory", tag: str) -> bool:
    """Remove a custom tag; return False if an answer, scan or kind uses it."""
    from tagger.labels import kind_named

    custom = {own.tag: own for own in inventory.custom_tags()}
    kinds = [here.kind for here in inventory.kinds_in_shop() if here.tag == tag]
    of_others = [kind for kind in kinds if kind_named(tag, [kind]) is None]
    if of_others or tag in inventory.status().tags:
        return False
    if tag not in custom:  # a tag of an undone answer
        for kind in kinds:
            inventory.unmap_kind(kind)
    elif custom[tag].examples:
        return False
    else:
        inventory.remove_tag(tag)
    return True


def _tell_that_nothing_waits(inventory: "Inventory", selection: "Selection") -> None:
    """Print that there is nothing to review, and the next step."""
    finish()
    where = "for review" if selection.whole_queue else "with these filters"
    options.console().print(f"Nothing waits {where}.")
    show_next(most_useful(inventory.status()))


def _tell_outcome(
    inventory: "Inventory", begun: "ReviewSession", *, seen: bool, to_learn: bool
) -> None:
    """Print what the session did, and the next step.

    `seen`: the screen showed the summary. `to_learn`: the answers can teach a network.
    """
    audit = begun.audit()
    if audit is not None and audit.answered < audit.sampled:
        _tell_where_it_stands(audit)
        return
    _tell_end(begun, seen=seen)
    if audit is not None:
        _tell_what_is_proven(inventory)
    elif to_learn and _can_learn(inventory):
        options.console().print(_TEACHES)
    else:
        show_next(most_useful(inventory.status()))


def _tell_where_it_stands(audit: "AuditResult") -> None:
    """Print how far an unfinished audit is, and the command that continues it."""
    from tagger.text import as_typed

    options.console().print(f"{audit.answered} of {audit.sampled} checked.")
    command = f"tagger review --audit {audit.sampled - audit.answered}"
    if audit.least is not None:
        command += f" --from {audit.least:g}"
    if audit.of_tag is not None:
        command += f" --tag {as_typed(audit.of_tag)}"
    say_next(command)


def _tell_end(begun: "ReviewSession", *, seen: bool) -> None:
    """Print the summary of the session below the closed screen.

    Only its first line, if the screen showed it at the end of the queue.
    """
    from tagger.review.end_summary import end_summary, headline

    if seen:
        options.console().print(headline(begun.summary()))
        return
    summary = end_summary(
        begun.summary(), left=begun.waiting, whole=begun.whole, audit=begun.audit()
    )
    options.console().print()
    options.console().print(summary)


def _tell_what_is_proven(inventory: "Inventory") -> None:
    """Print how well the network tags on its own."""
    from tagger.certification.current_precision import current_stats
    from tagger.certification.summary import auto_tagging_stats

    known = current_stats(inventory)
    if known is not None:
        options.console().print(auto_tagging_stats(known))


def _can_learn(inventory: "Inventory") -> bool:
    """Whether no network is adapted to this shop yet."""
    from tagger.records import Outcome

    return all(row.outcome is not Outcome.PROMOTED for row in inventory.adaptations())
