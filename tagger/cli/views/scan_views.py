"""Render scans, items and settings for the terminal with Rich.

Names and reasons come from files and may hold anything: control characters are shown
as escapes, and nothing is read as markup.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.cli.faults import LISTED, how_many
from tagger.cli.views.event_words import sentences
from tagger.imaging.formats import promised
from tagger.inventory.records import (
    CheckReport,
    Correction,
    CustomTag,
    DecidedBy,
    InventoryStatus,
    KindInShop,
    PathHistory,
    RootRecord,
    RunRecord,
    TagCounts,
)
from tagger.labels import is_tag
from tagger.records import (
    DAMAGED,
    NOT_CATALOGUE,
    Adaptation,
    Outcome,
    PreparedImage,
    State,
    UnreadableImage,
    label_text,
)
from tagger.scan.records import RunSummary, advise_on_absent, describe_foreign
from tagger.system.paths import shop_of
from tagger.text import printable, two_decimals

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_UNREADABLE = 20
_MOST_OF_MIX = 6
"""Number of labels shown of a root's own mix."""

_MOST_CORRECTIONS = 200
_EXPECTED = (State.TAGGED, State.UNREADABLE, State.MISSING, State.IGNORED)
"""States that are shown even with a count of 0."""

_FATES: Mapping[Outcome, str] = {
    Outcome.PROMOTED: "green",
    Outcome.REFUSED: "red",
    Outcome.ROLLED_BACK: "yellow",
}

_BAR_CELLS = 20
_MOST_WITHOUT_TAG = 3
"""Number of labels without a tag whose probabilities are drawn beside the tags."""

_BARS_CELLS = 22 + _BAR_CELLS
"""Width of the bars with their labels, in columns."""

_PICTURE_LINES = 28

_IF_CHANGED = (
    "put the old files back; or, if the new content is right, save them again and scan"
)
_IF_DAMAGED = (
    "replace the damaged files by whole ones, then scan; to review one as it is, save "
    "it again and scan"
)


def run_summary(
    summary: RunSummary, *, dry_run: bool = False, verbose: bool = False
) -> RenderableType:
    """Show the result of a scan and the counts of its folders.

    `verbose` adds the numbers behind the sentences.
    """
    title = "Scan (dry run)" if dry_run else "Scan"
    done = _facts(
        title,
        {
            "new": summary.new,
            "changed": summary.changed,
            "moved": summary.moved,
            "unchanged": summary.unchanged,
            "missing": summary.missing,
            "ignored": summary.ignored,
            "classified": summary.classified,
        },
    )
    folders = _facts(
        "In these folders",
        {
            "tagged": summary.tagged,
            "waiting for review": summary.flagged,
            "unreadable": summary.unreadable,
            "newly unreadable": summary.newly_unreadable,
        },
    )
    parts: list[RenderableType] = [
        _side_by_side(done, folders, _counts("Tags", summary.tags)),
    ]
    if summary.tightened:
        parts += [Text(), _sentence(summary.tightened)]
    if verbose and (shift := summary.describe_shift()):
        parts += [_sentence(shift)]
    if verbose:
        parts += [_mix(root, mix) for root, mix in summary.mix.items()]
    if last := (*summary.notes, *summary.not_read().values()):
        parts += [Text(), *map(_sentence, last)]
    if summary.newly_unreadable_images:
        parts += [Text(), _unreadable(summary.newly_unreadable_images)]
    parts += [Text(), Text(f"{summary.seconds:.1f} s", style="dim")]
    return Group(*parts)


def _sentence(text: str) -> Text:
    return Text(printable(f"{text[:1].upper()}{text[1:]}."))


def known_faults(summary: RunSummary) -> str:
    """Count the unreadable files that an earlier scan reported; "" for none."""
    known = summary.unreadable - summary.newly_unreadable
    return f"Unreadable as before: {how_many(known)}; {LISTED}" if known else ""


def _mix(root: str, shares: Mapping[str, float]) -> Text:
    """Show the most common labels of a root's own mix."""
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])[:_MOST_OF_MIX]
    shown = ", ".join(f"{label_text(label)} {share:.0%}" for label, share in ranked)
    return Text(printable(f"Own mix of {root}: {shown}"), style="dim")


def inventory_status(
    status: InventoryStatus, absent: Sequence[str] = ()
) -> RenderableType:
    """Show the counts of the inventory, its last run, and the roots not found."""
    states = {state.value: status.states.get(state, 0) for state in _EXPECTED}
    states |= {state.value: count for state, count in status.states.items()}
    tagged = {
        "accepted": status.accepted,
        _waiting(status): status.flagged,
        "decided by a person": status.decided,
    }
    damaged = {"damaged files": status.damaged} if status.damaged else {}
    return Group(
        Text(f"Inventory {printable(str(status.database))}", style="bold"),
        _side_by_side(
            _facts("Items", states),
            _facts("Tagged", tagged | damaged),
            _counts("Folders", status.roots),
        ),
        Text(),
        _by_tag(status.by_tag),
        Text(),
        _last_run(status.last_run, status.scanning),
        *_foreign(status.last_run),
        *(_absent(root) for root in absent),
    )


def _waiting(status: InventoryStatus) -> str:
    """Name the number of waiting items; with copies, say how many pictures it is.

    With other shops, say how many a review here can show.
    """
    if status.waiting_pictures == status.flagged:
        return "waiting for review"
    if any(map(shop_of, status.roots)):
        return f"waiting for review, {status.waiting_pictures:,} of them here"
    return f"waiting for review, {status.waiting_pictures:,} without copies"


def check_report(report: CheckReport) -> RenderableType:
    """Show the damage and the changed pictures that a check found."""
    lines = [
        Text(f"damage: {line}", style="red") for line in map(printable, report.damage)
    ]
    lines += [
        Text(f"content changed since the scan: {printable(str(path))}", style="red")
        for path in report.files_differing
    ]
    if report.files_differing:
        lines.append(Text(_IF_CHANGED))
    lines += [
        Text(f"damaged file: {printable(str(path))}", style="red")
        for path in report.files_damaged
    ]
    if report.files_damaged:
        lines.append(Text(_IF_DAMAGED))
    facts = {
        "problems in the database": len(report.damage),
        "pictures read": report.files_read,
        "with changed content": len(report.files_differing),
        "damaged files": len(report.files_damaged),
        "decisions without a picture": report.decisions_without_item,
        "predictions without a picture": report.predictions_without_item,
    }
    return Group(*lines, _facts("Check", facts))


def root_list(roots: Sequence[RootRecord], there: Mapping[str, bool]) -> RenderableType:
    """Show the scanned folders; `there` maps each path to whether it exists."""
    table = Table.grid(padding=(0, 2))
    for root in roots:
        scanned, absent = "not fully scanned yet", "not found"
        if root.scanned_at:
            scanned = f"scanned {_moment(root.scanned_at)}"
        if shop_of(root.path) and root.scanned_at:
            scanned, absent = f"merged, as of {_moment(root.scanned_at)}", ""
        pattern = printable(root.item_pattern or "")
        table.add_row(
            Text(printable(root.path), overflow="fold"),
            Text(f"{root.items:,} items"),
            Text(scanned, style="dim"),
            Text("" if there[root.path] else absent, style="red"),
            Text(f"item pattern {pattern}" if pattern else ""),
        )
    return table if roots else Text("No scan yet", style="dim")


def tag_list(tags: Sequence[CustomTag]) -> RenderableType:
    """Show the custom tags."""
    table = Table.grid(padding=(0, 2))
    for tag in tags:
        table.add_row(
            Text(printable(tag.tag)),
            Text(
                f"{tag.examples:,} picture{'s' * (tag.examples != 1)}",
                style="" if tag.examples else "dim",
            ),
            Text(
                printable(f"added {_moment(tag.added_at)} by {tag.added_by}"),
                style="dim",
            ),
        )
    if tags:
        return table
    return Text("No custom tags yet: add one with 'tagger tags add TAG'", style="dim")


def kind_list(kinds: Sequence[KindInShop]) -> RenderableType:
    """Show the kinds that were found and how reviewers tagged them."""
    table = Table.grid(padding=(0, 2))
    for kind in kinds:
        answers = ", ".join(f"{tag or NOT_CATALOGUE} {n:,}" for tag, n in kind.said)
        table.add_row(
            Text(printable(kind.kind)),
            Text(
                f"{kind.waiting:,} waiting for review",
                style="" if kind.waiting else "dim",
            ),
            Text(printable(f"tagged {kind.tag}") if kind.tag else "no tag"),
            Text(
                printable(f"reviewers answered: {answers}") if answers else "",
                style="dim",
            ),
        )
    if kinds:
        return table
    return Text("The network found no kinds without a tag here", style="dim")


def prediction_view(
    name: str, prepared: PreparedImage, probabilities: Mapping[str, float]
) -> RenderableType:
    """Show the network's prediction for one picture."""
    return Group(_heading(name, prepared), probability_bars(probabilities))


def drawn_prediction(
    name: str,
    picture: "Image",
    prepared: PreparedImage,
    probabilities: Mapping[str, float],
    *,
    width: int,
) -> RenderableType:
    """Show one picture, its 28x28 view and its prediction, in colour.

    Side by side if they fit in `width` columns, else one below the other.
    """
    from PIL.Image import fromarray

    photo, seen = _small(picture), _small(fromarray(prepared.pixels[:, :, 0]))
    bars = probability_bars(probabilities)
    drawn = [_drawn(photo), _drawn(seen), bars]
    if photo.width + seen.width + _BARS_CELLS > width:
        return Group(_heading(name, prepared), *drawn)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*drawn)
    return Group(_heading(name, prepared), grid)


def unreadable_view(name: str, image: UnreadableImage) -> RenderableType:
    """Show why a picture could not be read."""
    return Text.assemble(
        (printable(name), "bold"), ("  unreadable: ", "red"), printable(image.reason)
    )


def probability_bars(probabilities: Mapping[str, float]) -> Table:
    """Draw the probability of each tag and of the likeliest kinds, largest first."""
    table = Table.grid(padding=(0, 1))
    by_share = sorted(probabilities.items(), key=lambda pair: -pair[1])
    without_tag = [label for label, _ in by_share if not is_tag(label)]
    hidden = set(without_tag[_MOST_WITHOUT_TAG:])
    ranked = [pair for pair in by_share if pair[0] not in hidden]
    for rank, (label, probability) in enumerate(ranked):
        style = "bold green" if rank == 0 else "dim"
        bar = "█" * round(probability * _BAR_CELLS)
        table.add_row(
            Text(printable(label_text(label)), style=style),
            Text(two_decimals(probability), style=style),
            Text(bar, style=style),
        )
    return table


def path_of(history: PathHistory) -> Text:
    """Show the path of a history; print it whole, to be copied."""
    return Text(printable(f"{history.item.root}/{history.item.path}"), style="bold")


def history_view(history: PathHistory) -> RenderableType:
    """Show the history of a path, without the path."""
    parts: list[RenderableType] = [_pairs(_history_facts(history))]
    if history.probabilities:
        parts += [Text(), probability_bars(history.probabilities)]
    if history.before_mix:
        ranked = sorted(history.before_mix.items(), key=lambda pair: -pair[1])
        alone = ", ".join(
            f"{label_text(label)} {two_decimals(value)}" for label, value in ranked[:3]
        )
        note = f"Adjusted to this folder's own mix of tags; the network alone: {alone}"
        parts += [Text(printable(note), style="dim")]
    events = Table.grid(padding=(0, 2))
    for event, sentence in sentences(history):
        events.add_row(Text(_moment(event.at), style="dim"), Text(printable(sentence)))
    return Group(*parts, Text(), events)


def corrections(
    found: Sequence[Correction], *, unchanged: int, dry_run: bool
) -> RenderableType:
    """Show the tags that a sheet changes, and count those that it confirms."""
    table = Table.grid(padding=(0, 2))
    changes = [made for made in found if not made.confirms]
    for change in changes[:_MOST_CORRECTIONS]:
        table.add_row(
            Text(f"line {change.line}", style="dim"),
            Text(printable(change.path), overflow="fold"),
            Text(change.before or "no tag", style="red"),
            Text("→"),
            Text(change.tag or NOT_CATALOGUE, style="green"),
        )
    if (more := len(changes) - _MOST_CORRECTIONS) > 0:
        table.add_row("", f"and {more:,} more")
    confirmed = len(found) - len(changes)
    counts = f"{len(changes):,} corrected, {confirmed:,} confirmed"
    verb = "would be " if dry_run else ""
    total = Text(f"{verb}{counts}, {unchanged:,} unchanged", style="bold")
    return Group(table, total) if changes else total


def runs(records: Sequence[RunRecord]) -> RenderableType:
    """List runs, one per line."""
    if not records:
        return Text("No scan yet", style="dim")
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("run", "begun", "took", "exit", "host"):
        table.add_column(name)
    counted = ("new", "changed", "missing", "flagged", "unreadable")
    for name in counted:
        table.add_column(name, justify="right")
    for run in records:
        table.add_row(
            str(run.id),
            _moment(run.started_at),
            _duration(run),
            "" if run.exit_code is None else str(run.exit_code),
            Text(printable(run.host)),
            *(_number(run.counts.get(name)) for name in counted),
        )
    return table


def adaptations(rows: Sequence[Adaptation]) -> RenderableType:
    """List the adaptations and their outcomes, newest first, one per line."""
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("adapted", "network", "", "right", "covered", "why"):
        table.add_column(name, overflow="fold")
    for row in reversed(rows):
        table.add_row(
            _moment(row.at),
            Text(printable(row.bundle)),
            Text(row.outcome, style=_FATES[row.outcome]),
            _before_and_after(row, "accuracy"),
            _before_and_after(row, "coverage"),
            Text(printable(row.reason)),
        )
    return table


def _before_and_after(row: Adaptation, name: str) -> str:
    figure = row.figures.get(name)
    if not isinstance(figure, dict):
        return ""
    return f"{figure['first']:.2f} → {figure['second']:.2f}"


def settings(
    file: str | None, found: Sequence[tuple[str, object, str]]
) -> RenderableType:
    """Show every setting, its value and the source of the value."""
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("setting", "value", "from"):
        table.add_column(name, overflow="fold")
    for key, value, source in found:
        style = "dim" if source == "default" else ""
        shown = "" if value is None else printable(str(value))
        table.add_row(Text(key), Text(shown), Text(source), style=style)
    none = "No tagger.toml in this folder or above it"
    read = f"File {printable(file)}" if file else none
    return Group(Text(read, style="bold"), table)


def _duration(run: RunRecord) -> str:
    if run.ended_at is None:
        return "not ended"
    return f"{(run.ended_at - run.started_at).total_seconds():.1f} s"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def run_again(run: RunRecord) -> RenderableType:
    """Show one run with its options, as its scan showed it."""
    options_ = {n.replace("_", "-"): _told(value) for n, value in run.options.items()}
    parts: list[RenderableType] = [
        _last_run(run, "", what="Run"),
        _pairs(options_),
        Text(),
    ]
    if run.counts:
        parts.append(
            run_summary(RunSummary.of_counts(run.id, run.counts), verbose=True)
        )
    else:
        none = "No counts were recorded: the scan failed or was stopped"
        parts.append(Text(none, style="dim"))
    return Group(*parts)


def _told(value: object) -> str:
    """Return an option's value in plain words, as "yes" for True."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{name} {_told(one)}" for name, one in value.items()) or "none"
        )
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _history_facts(history: PathHistory) -> dict[str, str]:
    item = history.item
    facts = {"state": item.state + (f": {item.reason}" if item.reason else "")}
    if item.decided_by is DecidedBy.PERSON:
        facts["tag"] = f"{item.tag or NOT_CATALOGUE}, decided by a person"
    elif item.machine_tag:
        facts["tag"] = f"{item.machine_tag}, by the network"
    facts["review"] = "waiting for review" if item.flagged else "not needed"
    if item.model:
        facts["network"] = f"{item.model}, preprocessing {history.preparing}"
    if history.width:
        facts["picture"] = f"{history.width}x{history.height} {history.format}"
    if history.format and (told := promised(item.path)) not in {"", history.format}:
        facts["note"] = f"the name says {told}, the content is {history.format}"
    if history.size is not None:
        facts["file"] = f"{history.size:,} bytes"
    if item.digest:
        facts["sha-256"] = item.digest
    for number, path in enumerate(history.same_bytes[:_MOST_UNREADABLE], start=1):
        facts[f"same content {number}"] = path
    return facts


def _heading(name: str, prepared: PreparedImage) -> Text:
    size = f"  {prepared.width}x{prepared.height} {prepared.format}"
    damage = (f"  {DAMAGED}", "red") if prepared.damaged else ""
    return Text.assemble((printable(name), "bold"), size, damage)


def _facts(title: str, numbers: Mapping[str, int]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="bold")
    for name, number in numbers.items():
        named = Text(name, overflow="fold")
        table.add_row(f"{number:,}", named, style="" if number else "dim")
    return Group(Text(title, style="italic"), table)


def _by_tag(by_tag: Mapping[str, TagCounts]) -> RenderableType:
    """Show a table of the tags: all items, accepted, waiting and decided ones."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for heading in ("all", "accepted", "waiting", "decided"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("tag", overflow="fold")
    for tag, counts in by_tag.items():
        numbers = (counts.total, counts.accepted, counts.waiting, counts.decided)
        shown = (Text(f"{n:,}", style="" if n else "dim") for n in numbers)
        table.add_row(*shown, Text(printable(tag)))
    return Group(Text("Tags", style="italic"), table)


def _counts(title: str, numbers: Mapping[str, int]) -> RenderableType:
    return _facts(title, {printable(name): count for name, count in numbers.items()})


def _side_by_side(*parts: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(*parts)
    return grid


def _pairs(facts: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(printable(value), overflow="fold"))
    return table


def _unreadable(images: Sequence[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for path, reason in images[:_MOST_UNREADABLE]:
        table.add_row(
            Text(printable(path), overflow="fold"), Text(printable(reason), style="red")
        )
    if (more := len(images) - _MOST_UNREADABLE) > 0:
        table.add_row(f"and {more:,} more", LISTED)
    return Group(Text("Newly unreadable", style="italic"), table)


def _last_run(
    run: RunRecord | None, scanning: str, *, what: str = "Last scan: run"
) -> Text:
    if run is None:
        return Text("No scan yet", style="dim")
    if run.ended_at is not None:
        ending = f"took {_seconds(run):.1f} s, exit status {run.exit_code}"
    elif scanning:
        ending = f"still running ({scanning})"
    else:
        ending = "was killed; the next scan continues from there"
    begun = f"{what} {run.id}, {_moment(run.started_at)} on {run.host}, "
    return Text(printable(begun + ending))


def _absent(root: str) -> Text:
    advised = printable(f"{root} is not found. {advise_on_absent(root)}.")
    return Text(advised, style="red")


def _foreign(run: RunRecord | None) -> list[Text]:
    """Describe the pictures in formats that the last scan could not read."""
    numbers = run.counts.get("foreign") if run else None
    if not isinstance(numbers, Mapping) or not numbers:
        return []
    return [Text(printable(f"{describe_foreign(numbers)}."))]


def _seconds(run: RunRecord) -> float:
    """Return how long a run took, in s, as counted, else between its moments."""
    counted = run.counts.get("seconds")
    if isinstance(counted, int | float):
        return float(counted)
    ended = run.ended_at or run.started_at
    return max(0.0, (ended - run.started_at).total_seconds())


def _moment(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def _small(picture: "Image") -> "Image":
    """Scale a picture to `_PICTURE_LINES` pixels high; a cell shows two pixels."""
    from PIL.Image import Resampling

    scale = _PICTURE_LINES / picture.height
    width = min(2 * _PICTURE_LINES, max(1, round(picture.width * scale)))
    how = Resampling.BOX if scale < 1 else Resampling.NEAREST
    return picture.convert("RGB").resize((width, _PICTURE_LINES), how)


def _drawn(small: "Image") -> RenderableType:
    """Draw with half blocks, which every colour terminal and tmux can show."""
    from tagger.review.half_blocks import HalfBlockPicture

    return HalfBlockPicture(small)
