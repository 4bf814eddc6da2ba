"""What a reviewer reads at the end of a session."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.inventory.records import AuditResult
from tagger.policy.intervals import wilson
from tagger.review.stats import SessionSummary
from tagger.text import printable

_MOST_PAIRS = 8


def end_summary(
    summary: SessionSummary,
    *,
    left: int | None,
    whole: bool = True,
    audit: AuditResult | None = None,
) -> RenderableType:
    """Tell what was decided, how often the machine was right, and what it mistook.

    `left` is how many are left of what was gone through: the `whole` queue, or some.
    """
    parts: list[RenderableType] = [Text(_decided(summary), style="bold")]
    if audit is not None:
        parts.append(Text(_audited(audit)))
    elif summary.decided:
        parts.append(Text(_machine(summary)))
    if summary.confusions:
        parts += [Text(), _pairs(summary)]
    parts += [Text(), Text(_rest(summary, left, whole=whole, audit=audit))]
    return Group(*parts)


def _decided(summary: SessionSummary) -> str:
    minutes, seconds = divmod(round(summary.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    rate = f", {summary.per_minute:.0f} a minute" if summary.per_minute else ""
    return f"{summary.decided:,} decided in {took}{rate}"


def _machine(summary: SessionSummary) -> str:
    share = summary.right / summary.decided
    return (
        f"The machine was right on {summary.right:,} of {summary.decided:,} "
        f"({share:.0%})."
    )


def _audited(audit: AuditResult) -> str:
    if not audit.answered:
        return f"Audit {audit.id}: none of {audit.sampled} answered."
    right = wilson(audit.right, audit.answered)
    return (
        f"Audit {audit.id}: {audit.answered} of {audit.sampled} answered. "
        f"Of {_drawn_from(audit)}, {right.value:.0%} is right "
        f"(95 % sure: {right.low:.0%} to {right.high:.0%})."
    )


def _drawn_from(audit: AuditResult) -> str:
    tagged = f" and calls {printable(audit.of_tag)}" if audit.of_tag else ""
    if audit.least is None:
        return f"what the machine accepts alone{tagged}"
    return f"what the machine is at least {audit.least:.2f} sure of{tagged}"


def _pairs(summary: SessionSummary) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("the machine said", "you said", "times"):
        justify = "right" if heading == "times" else "left"
        table.add_column(heading, justify=justify, header_style="italic")  # type: ignore[arg-type]
    pairs = list(summary.confusions.items())
    for (machine, person), count in pairs[:_MOST_PAIRS]:
        table.add_row(printable(machine), printable(person), f"{count:,}")
    if rest := sum(count for _, count in pairs[_MOST_PAIRS:]):
        table.add_row("others", "", f"{rest:,}")
    return table


def _rest(
    summary: SessionSummary, left: int | None, *, whole: bool, audit: AuditResult | None
) -> str:
    parts = []
    if summary.skipped:
        parts.append(f"{summary.skipped:,} skipped")
    if summary.undone:
        parts.append(f"{summary.undone:,} taken back")
    if left:
        still = "still wait for a person" if whole else "of these are left"
        parts.append(
            f"{left:,} of the audit are left" if audit else f"{left:,} {still}"
        )
    elif left == 0:
        some = "nothing is left to review" if whole else "nothing of these is left"
        parts.append("nothing is left to answer" if audit else some)
    return "; ".join(parts).capitalize() + "." if parts else ""
