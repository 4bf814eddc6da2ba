"""Format a session's values as rich texts for the full screen."""

from typing import TYPE_CHECKING, Final

from rich.style import Style
from rich.text import Text

from tagger.inventory.records import QueueItem
from tagger.labels import OTHER, tags_of
from tagger.records import NOT_CATALOGUE
from tagger.review.half_blocks import HalfBlockPicture
from tagger.review.line_mode import decision_text
from tagger.review.stats import remaining
from tagger.text import printable, two_decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tagger.records import PreparedImage
    from tagger.review.prefetch import Shown
    from tagger.review.session import ReviewSession

_BARS = 5
_BAR_CELLS = 14
_LEAST_BAR = 0.01
_RARER: Final = ("/", "n", "v", "x", "t", "u", "0", "a", "s")
"""Keys that are left out in a narrow terminal, the least missed first. The list of tags
shows x, too."""

_DIGITS = 10
_ALIKE_NAMED = 5
_VIEWS: Final = ("gray", "distance from the ground", "likeness to skin")


def progress(session: "ReviewSession") -> Text:
    """Format the position, the rate and the time left."""
    number, total = session.position
    summary = session.summary()
    parts = [f"{number:,} of {total:,}" if total is not None else f"{number:,}"]
    if summary.per_minute:
        parts.append(f"{summary.per_minute:.0f} a minute")
    if time := remaining(session.left or 0, summary.pace):
        parts.append(time)
    if session.blind:
        parts.insert(0, "audit, blind")
    return Text(" · ".join(parts))


def path_line(shown: "Shown", width: int) -> Text:
    """Format the path; keep the end of one that is too long."""
    path = printable(str(shown.path))
    if len(path) > width:
        path = "…" + path[-(width - 1) :]
    return Text(path, style="bold", no_wrap=True)


def reason(session: "ReviewSession", shown: "Shown") -> Text:
    """Format the reason why the item is in the queue."""
    if session.blind:
        return Text("What is it? The network's tag is hidden.", style="italic")
    return Text(session.reason(shown.item) or "accepted by the network")


def tags(session: "ReviewSession", shown: "Shown") -> Text:
    """List the tags with their keys, and bars for the five most probable.

    The order is always the network's, so that a tag keeps its key. A click on a line
    works as its key.
    """
    names, item, offer = session.tags, shown.item, session.offer(shown)
    ranked = sorted(item.probabilities, key=lambda tag: -item.probabilities[tag])
    ranked = list(tags_of(ranked))[:_BARS]
    width = max(map(len, names), default=0)
    of_kind = session.tag_of_kind(item)
    lines = []
    for number, tag in enumerate(names):
        key = str(number) if number < _DIGITS else "t"
        top = offer is not None and tag == offer.tag
        probability = None if session.blind else item.probabilities.get(tag)
        if tag == of_kind:
            probability = item.none
        of_top = tag in ranked or tag == of_kind
        drawn = "" if probability is None else _bar(probability, of_top)
        line = Text(
            f"{'▶' if top else ' '} {key} {printable(tag):<{width}} {drawn}",
            style="bold" if top else "",
        )
        line.stylize(Style(meta={"@click": f"screen.tag({number})"}))
        lines.append(line)
    chosen = offer is not None and offer.tag is None
    lines.append(_no_item(item, width, chosen=chosen, blind=session.blind))
    if session.new_tag:
        bar = _bar(item.none, ranked=True)
        line = Text(f"  k add the tag {printable(session.new_tag)} {bar}", "bold")
        line.stylize(Style(meta={"@click": "screen.new_tag"}))
        lines.append(line)
    return Text("\n").join(lines)


def _no_item(item: QueueItem, width: int, *, chosen: bool, blind: bool) -> Text:
    # What probably shows a kind has its bar on the line of the kind's tag.
    none = item.probabilities.get(OTHER, 0.0) if item.kind else item.none
    drawn = _bar(none, ranked=True) if item.knows_none and not blind else ""
    mark = "▶" if chosen else " "
    line = Text(
        f"{mark} x {NOT_CATALOGUE:<{width}} {drawn}", style="bold" if chosen else ""
    )
    line.stylize(Style(meta={"@click": "screen.no_item"}))
    return line


def _bar(probability: float, ranked: bool) -> str:  # noqa: FBT001
    if not ranked or probability < _LEAST_BAR:
        return two_decimals(probability)
    full, part = divmod(round(probability * _BAR_CELLS * 8), 8)
    return (
        f"{two_decimals(probability)} "
        + "█" * full
        + (" ▏▎▍▌▋▊▉"[part] if part else "")
    )


def facts(shown: "Shown", session: "ReviewSession", alike: "Sequence[str]") -> Text:
    """List other facts: the file, when it was first seen, decisions and notes.

    `alike` are the paths of the queue's items that belong with it.
    """
    item = shown.item
    lines = [] if session.blind else [decision_text(d) for d in item.decisions]
    lines += [f"{note.reviewer} noted: {note.text}" for note in item.notes]
    if item.width:
        size = f", {_size(item.size)}" if item.size is not None else ""
        lines.append(f"{item.width}x{item.height} {item.format}{size}")
    lines.append(f"added {item.first_seen.astimezone():%Y-%m-%d %H:%M}")
    lines.append(f"in {item.root}")
    lines += [f"also at {path}" for path in item.same_bytes]
    lines += [f"like {path}" for path in alike[:_ALIKE_NAMED] if path]
    return Text("\n".join(map(printable, lines)), style="", overflow="fold")


def keys(
    session: "ReviewSession", shown: "Shown | None", alike: int, width: int
) -> Text:
    """List the keys, which can be clicked; rarer ones only if they fit in `width`.

    `alike` is how many other items can be answered together with the current one.
    """
    entries: list[tuple[str, str, str]] = []
    if shown is not None and not shown.trouble:
        if offer := session.offer(shown):
            entries.append(("Enter", offer.text, "accept"))
        last = min(len(session.tags), _DIGITS) - 1
        entries.append((f"0-{last}", "tags", ""))
        entries.append(("x", NOT_CATALOGUE, "no_item"))
    entries += [("s", "skip", "skip"), ("u", "undo", "undo")]
    if alike:
        one_product = session.of_product() > alike
        what = "of product" if one_product else "similar"
        entries.append(("a", f"{alike + 1} {what}", "group"))
    entries.append(("t", "other tag", "name_tag"))
    entries += [("v", "view", "enlarge"), ("n", "note", "note"), ("/", "go to", "jump")]
    entries += [("?", "help", "help"), ("q", "leave", "leave")]
    for rarer in _RARER:
        if sum(len(f"{key} {what}  ") for key, what, _ in entries) - 2 > width:
            entries = [entry for entry in entries if entry[0][0] != rarer]
    drawn = []
    for key, what, action in entries:
        text = Text.assemble((key, "reverse bold"), f" {what}")
        if action:
            text.stylize(Style(meta={"@click": f"screen.{action}"}))
        drawn.append(text)
    return Text("  ", no_wrap=True, overflow="ellipsis").join(drawn)


def views(prepared: "PreparedImage", side: int) -> list[tuple[str, "RenderableType"]]:
    """Draw the three views, `side` pixels wide and high; return them with names."""
    return [(name, _drawn(prepared, n, side)) for n, name in enumerate(_VIEWS)]


def _drawn(prepared: "PreparedImage", view: int, side: int) -> "RenderableType":
    from PIL.Image import Resampling, fromarray  # noqa: PLC0415  the screen's only

    gray = fromarray(prepared.pixels[:, :, view])
    how = Resampling.BOX if side < gray.width else Resampling.NEAREST
    return HalfBlockPicture(gray.resize((side, side), how))


def thumbnail(shown: "Shown", columns: int, lines: int) -> "RenderableType":
    """Draw a photograph within `columns` by `lines` cells."""
    if shown.photograph is None:
        return Text(printable(shown.trouble))
    small = shown.photograph.copy()
    small.thumbnail((columns, 2 * lines))
    return HalfBlockPicture(small)


def answered(shown: "Shown", tag: str | None, many: int = 1) -> Text:
    """Confirm an answer that was just recorded."""
    what = printable(tag or NOT_CATALOGUE)
    name = printable(shown.path.name) if many == 1 else f"{many} pictures"
    return Text(f"✓ {name}: {what}   (u: undo)", no_wrap=True)


def _size(number: int) -> str:
    for unit in ("bytes", "KB", "MB"):
        if number < 1000 or unit == "MB":  # noqa: PLR2004
            return f"{number:,.0f} {unit}"
        number = round(number / 1000)
    raise AssertionError
