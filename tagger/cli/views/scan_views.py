"""What a person sees in the terminal. Takes values, returns rich renderables.

Names and reasons come from files and may hold anything: whatever could steer the
terminal is shown as an escape, and nothing is read as markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.inventory.records import (
    CheckReport,
    Correction,
    InventoryStatus,
    KindInShop,
    OwnTag,
    PathHistory,
    RootRecord,
    RunRecord,
)
from tagger.labels import is_tag, kind_of, phrase
from tagger.records import (
    NOT_CATALOGUE,
    Adaptation,
    Outcome,
    PreparedImage,
    State,
    UnreadableImage,
)
from tagger.scan.records import RunSummary
from tagger.text import printable

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_UNREADABLE = 20
_MOST_OF_MIX = 6
"""Labels of a root's own mix that are told."""

_MOST_CORRECTIONS = 200
_EXPECTED = (State.TAGGED, State.UNREADABLE, State.MISSING, State.IGNORED)
"""States shown even where nothing is in them."""

_FATES: Mapping[Outcome, str] = {
    Outcome.PROMOTED: "green",
    Outcome.REFUSED: "red",
    Outcome.ROLLED_BACK: "yellow",
}

_BAR_CELLS = 20
_MOST_WITHOUT_TAG = 3
"""Labels of what has no tag whose probabilities are drawn beside those of the tags."""

_BARS_CELLS = 22 + _BAR_CELLS
"""Columns that the bars take with their labels."""

_PICTURE_LINES = 28


def run_summary(summary: RunSummary, *, dry_run: bool = False) -> RenderableType:
    """Show what a scan did and how the scanned folders stand."""
    title = "What a scan would do" if dry_run else "Scan"
    found = _facts(
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
    stand = _facts(
        "These folders",
        {
            "tagged": summary.tagged,
            "waiting for review": summary.flagged,
            "unreadable": summary.unreadable,
        },
    )
    parts: list[RenderableType] = [
        _side_by_side(found, stand, _counts("Tags", summary.tags)),
    ]
    if summary.careful:
        parts += [Text(), Text(f"{summary.careful[:1].upper()}{summary.careful[1:]}.")]
    parts += [_mix(root, mix) for root, mix in summary.mix.items()]
    if summary.unreadable_images:
        parts += [Text(), _unreadable(summary.unreadable_images)]
    parts += [Text(), Text(f"{summary.seconds:.1f} s", style="dim")]
    return Group(*parts)


def _mix(root: str, shares: Mapping[str, float]) -> Text:
    """Tell how often each tag is thought to be right under a root."""
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])[:_MOST_OF_MIX]
    told = ", ".join(f"{label} {share:.0%}" for label, share in ranked)
    return Text(printable(f"Own mix of {root}: {told}"), style="dim")


def inventory_status(status: InventoryStatus) -> RenderableType:
    """Show the inventory at a glance, and the last run."""
    states = {state.value: status.states.get(state, 0) for state in _EXPECTED}
    states |= {state.value: count for state, count in status.states.items()}
    review = {
        "waiting for review": status.flagged,
        "decided by a person": status.decided_by_person,
    }
    return Group(
        Text(f"Inventory {printable(str(status.database))}", style="bold"),
        _side_by_side(
            Group(_facts("Items", states), Text(), _facts("Review", review)),
            _counts("Tags", status.tags),
            _counts("Folders", status.roots),
        ),
        Text(),
        _last_run(status.last_run, status.scanning),
    )


def check_report(report: CheckReport) -> RenderableType:
    """Show what is wrong with an inventory, if anything."""
    lines = [
        Text(f"damage: {line}", style="red") for line in map(printable, report.damage)
    ]
    lines += [
        Text(f"other bytes than scanned: {printable(str(path))}", style="red")
        for path in report.files_differing
    ]
    if report.files_differing:
        way_out = (
            "restore these files; or touch them and scan, to tag what they hold now"
        )
        lines.append(Text(way_out))
    facts = {
        "complaints about the database": len(report.damage),
        "pictures read": report.files_read,
        "with other bytes than were scanned": len(report.files_differing),
        "decisions about bytes no picture has": report.decisions_without_item,
        "predictions about bytes no picture has": report.predictions_without_item,
    }
    return Group(*lines, _facts("Check", facts))


def root_list(roots: Sequence[RootRecord], there: Mapping[str, bool]) -> RenderableType:
    """Show the scanned folders; `there` says by path which of them exist."""
    table = Table.grid(padding=(0, 2))
    for root in roots:
        seen = f"seen {_moment(root.scanned_at)}" if root.scanned_at else "never seen"
        table.add_row(
            Text(printable(root.path), overflow="fold"),
            Text(f"{root.items:,} items"),
            Text(seen, style="dim"),
            Text("" if there[root.path] else "not there", style="red"),
            Text(
                f"items by {printable(root.item_pattern)}" if root.item_pattern else ""
            ),
        )
    return table if roots else Text("No scan yet", style="dim")


def tag_list(tags: Sequence[OwnTag]) -> RenderableType:
    """Show the tags that the shop added."""
    table = Table.grid(padding=(0, 2))
    for one in tags:
        table.add_row(
            Text(printable(one.tag)),
            Text(f"{one.examples:,} pictures", style="" if one.examples else "dim"),
            Text(
                printable(f"added {_moment(one.added_at)} by {one.added_by}"),
                style="dim",
            ),
        )
    return table if tags else Text("No tag was added", style="dim")


def kind_list(kinds: Sequence[KindInShop]) -> RenderableType:
    """Show the kinds without a tag that were found, what people said of them."""
    table = Table.grid(padding=(0, 2))
    for one in kinds:
        said = ", ".join(f"{tag or NOT_CATALOGUE} {n:,}" for tag, n in one.said)
        table.add_row(
            Text(printable(one.kind)),
            Text(f"{one.waiting:,} wait", style="" if one.waiting else "dim"),
            Text(printable(f"tagged {one.tag}") if one.tag else "no tag"),
            Text(printable(f"people said: {said}") if said else "", style="dim"),
        )
    if kinds:
        return table
    return Text("The network found nothing here that has no tag", style="dim")


def prediction_view(
    name: str, prepared: PreparedImage, probabilities: Mapping[str, float]
) -> RenderableType:
    """Show what the network says of one picture."""
    return Group(_heading(name, prepared), probability_bars(probabilities))


def drawn_prediction(
    name: str,
    picture: "Image",
    prepared: PreparedImage,
    probabilities: Mapping[str, float],
    *,
    width: int,
) -> RenderableType:
    """Show one picture, what the network saw of it, and what it says, in colour.

    Side by side where `width` columns hold them, else one below the other.
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
    """Show that a picture could not be read, and why."""
    return Text.assemble(
        (printable(name), "bold"), ("  unreadable: ", "red"), printable(image.reason)
    )


def probability_bars(probabilities: Mapping[str, float]) -> Table:
    """Draw each tag's probability, the largest first.

    Between them the likeliest labels of what has no tag.
    """
    table = Table.grid(padding=(0, 1))
    by_share = sorted(probabilities.items(), key=lambda pair: -pair[1])
    without_tag = [label for label, _ in by_share if not is_tag(label)]
    hidden = set(without_tag[_MOST_WITHOUT_TAG:])
    ranked = [pair for pair in by_share if pair[0] not in hidden]
    for rank, (label, probability) in enumerate(ranked):
        style = "bold green" if rank == 0 else "dim"
        bar = "█" * round(probability * _BAR_CELLS)
        table.add_row(
            Text(phrase(kind_of(label)) if kind_of(label) else label, style=style),
            Text(f"{probability:.2f}", style=style),
            Text(bar, style=style),
        )
    return table


def story_view(story: PathHistory) -> RenderableType:
    """Tell all that the inventory knows of a path."""
    parts: list[RenderableType] = [
        Text(printable(f"{story.item.root}/{story.item.path}"), style="bold"),
        _pairs(_story_facts(story)),
    ]
    if story.probabilities:
        parts += [Text(), probability_bars(story.probabilities)]
    if story.before_mix:
        ranked = sorted(story.before_mix.items(), key=lambda pair: -pair[1])
        said = ", ".join(f"{label} {value:.2f}" for label, value in ranked[:3])
        told = f"Weighed by this shop's own mix of tags; the network alone: {said}"
        parts += [Text(printable(told), style="dim")]
    history = Table.grid(padding=(0, 2))
    for event in story.events:
        history.add_row(
            Text(_moment(event.at), style="dim"),
            Text(printable(event.what)),
            Text(printable(event.detail)),
        )
    return Group(*parts, Text(), history)


def corrections(
    found: Sequence[Correction], *, unchanged: int, dry_run: bool
) -> RenderableType:
    """Show what a spreadsheet changes, or would change."""
    table = Table.grid(padding=(0, 2))
    for one in found[:_MOST_CORRECTIONS]:
        table.add_row(
            Text(f"line {one.line}", style="dim"),
            Text(printable(one.path), overflow="fold"),
            Text(one.before or "no tag", style="red"),
            Text("→"),
            Text(one.tag or "not a catalogue item", style="green"),
        )
    if (more := len(found) - _MOST_CORRECTIONS) > 0:
        table.add_row("", f"and {more:,} more")
    decided = "would be decided" if dry_run else "decided"
    told = f"{len(found):,} {decided}, {unchanged:,} as they were"
    return Group(table, Text(told, style="bold")) if found else Text(told, style="bold")


def runs(records: Sequence[RunRecord]) -> RenderableType:
    """List runs, one a line."""
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
    """List what became of networks that learnt here, the newest first, one a line."""
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("learnt", "network", "", "right", "covered", "why"):
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
    found = row.figures.get(name)
    if not isinstance(found, dict):
        return ""
    return f"{found['first']:.2f} → {found['second']:.2f}"


def settings(
    file: str | None, found: Sequence[tuple[str, object, str]]
) -> RenderableType:
    """Show every setting, its value and where that comes from."""
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("setting", "value", "from"):
        table.add_column(name, overflow="fold")
    for key, value, source in found:
        style = "dim" if source == "default" else ""
        shown = "" if value is None else printable(str(value))
        table.add_row(Text(key), Text(shown), Text(source), style=style)
    read = f"File {printable(file)}" if file else "No tagger.toml here or above"
    return Group(Text(read, style="bold"), table)


def _duration(run: RunRecord) -> str:
    if run.ended_at is None:
        return "not ended"
    return f"{(run.ended_at - run.started_at).total_seconds():.1f} s"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def run_again(run: RunRecord) -> RenderableType:
    """Show one run as its scan showed it, with its options."""
    options_ = {n.replace("_", "-"): _told(value) for n, value in run.options.items()}
    parts: list[RenderableType] = [
        _last_run(run, "", what="Run"),
        _pairs(options_),
        Text(),
    ]
    if run.counts:
        known = {field.name for field in fields(RunSummary)} - {"run_id"}
        counts: dict[str, Any] = {n: v for n, v in run.counts.items() if n in known}
        parts.append(run_summary(RunSummary(run.id, **counts)))
    else:
        parts.append(Text("It left no counts: it failed, or was stopped", style="dim"))
    return Group(*parts)


def _told(value: object) -> str:
    """Return an option's value as a person writes it, not as Python does."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{name} {_told(one)}" for name, one in value.items()) or "none"
        )
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _story_facts(story: PathHistory) -> dict[str, str]:
    item = story.item
    facts = {"state": item.state + (f": {item.reason}" if item.reason else "")}
    if item.tag or item.decided_by:
        facts["tag"] = f"{item.tag or 'none'}, decided by a {item.decided_by}"
    facts["review"] = "waits for a person" if item.flagged else "not needed"
    if item.model:
        facts["network"] = f"{item.model}, prepared by {story.preparing}"
    if story.width:
        facts["picture"] = f"{story.width}x{story.height} {story.format}"
    if story.size is not None:
        facts["file"] = f"{story.size:,} bytes"
    if item.digest:
        facts["sha-256"] = item.digest
    for number, path in enumerate(story.same_bytes[:_MOST_UNREADABLE], start=1):
        facts[f"same bytes {number}"] = path
    return facts


def _heading(name: str, prepared: PreparedImage) -> Text:
    size = f"  {prepared.width}x{prepared.height} {prepared.format}"
    return Text.assemble((printable(name), "bold"), size)


def _facts(title: str, numbers: Mapping[str, int]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="bold")
    for name, number in numbers.items():
        named = Text(name, overflow="fold")
        table.add_row(f"{number:,}", named, style="" if number else "dim")
    return Group(Text(title, style="italic"), table)


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
        table.add_row(f"and {more:,} more", "tagger export lists them")
    return Group(Text("Unreadable", style="italic"), table)


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
        ending = "was killed; the next scan goes on from there"
    begun = f"{what} {run.id}, {_moment(run.started_at)} on {run.host}, "
    return Text(printable(begun + ending))


def _seconds(run: RunRecord) -> float:
    """How long a run took; by the clock only where nothing better is known."""
    told = run.counts.get("seconds")
    if isinstance(told, int | float):
        return float(told)
    ended = run.ended_at or run.started_at
    return max(0.0, (ended - run.started_at).total_seconds())


def _moment(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def _small(picture: "Image") -> "Image":
    """Bring a picture to the lines it is drawn in, a pixel half a cell high."""
    from PIL.Image import Resampling

    scale = _PICTURE_LINES / picture.height
    width = min(2 * _PICTURE_LINES, max(1, round(picture.width * scale)))
    how = Resampling.BOX if scale < 1 else Resampling.NEAREST
    return picture.convert("RGB").resize((width, _PICTURE_LINES), how)


def _drawn(small: "Image") -> RenderableType:
    """Draw with half blocks, which every colour terminal and tmux can show."""
    from rich_pixels import Pixels

    drawn: Pixels = Pixels.from_image(small)
    return drawn
