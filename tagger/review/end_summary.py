"""Format the summary that a reviewer sees at the end of a session."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.inventory.records import AuditResult
from tagger.policy.intervals import wilson
from tagger.review.stats import SessionSummary
from tagger.text import printable

_MOST_PAIRS = 8
"""Confusions that are listed one by one; the rest is summed up."""


def end_summary(
    summary: SessionSummary,
    *,
    left: int | None,
    whole: bool = True,
    audit: AuditResult | None = None,
) -> RenderableType:
    """Report the decisions, how often the network was right, and its confusions.

    `left` counts the items left, None if unknown: those of the `whole` queue, or of the
    reviewed selection.
    """
    parts: list[RenderableType] = [headline(summary)]
    if audit is not None:
        parts.append(Text(_audited(audit)))
    elif summary.decided:
        parts.append(Text(_machine(summary)))
    if summary.confusions:
        parts += [Text(), _pairs(summary)]
    parts += [Text(), Text(_rest(summary, left, whole=whole, audit=audit))]
    return Group(*parts)


def headline(summary: SessionSummary) -> Text:
    """Report how many items were decided, for whom the rest was shown before."""
    return Text(_decided(summary), style="bold")


def _decided(summary: SessionSummary) -> str:
    if not summary.decided:
        return "0 decided"
    minutes, seconds = divmod(round(summary.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    rate = f", {summary.per_minute:.0f} a minute" if summary.per_minute else ""
    return f"{summary.decided:,} decided in {took}{rate}"


def _machine(summary: SessionSummary) -> str:
    share = summary.right / summary.decided
    return (
        f"The network was right on {summary.right:,} of {summary.decided:,} "
        f"({share:.0%})."
    )


def _audited(audit: AuditResult) -> str:
    if not audit.answered:
        return f"Audit {audit.id}: none of {audit.sampled} pictures answered."
    right = wilson(audit.right, audit.answered)
    return (
        f"Audit {audit.id}: {audit.answered} of {audit.sampled} pictures answered. "
        f"Of {_drawn_from(audit)}, {right.value:.0%} are right "
        f"(95 % sure: {right.low:.0%} to {right.high:.0%})."
    )


def _drawn_from(audit: AuditResult) -> str:
    tagged = f" tagged {printable(audit.of_tag)}" if audit.of_tag else ""
    if audit.least is None:
        return f"the accepted pictures{tagged}"
    return f"the pictures{tagged} with a confidence of at least {audit.least:.2f}"


def _pairs(summary: SessionSummary) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("predicted", "you said", "times"):
        justify = "right" if heading == "times" else "left"
        table.add_column(heading, justify=justify, header_style="italic")  # type: ignore[arg-type]
    pairs = list(summary.confusions.items())
    for (predicted, answered), count in pairs[:_MOST_PAIRS]:
        table.add_row(printable(predicted), printable(answered), f"{count:,}")
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
        parts.append(f"{summary.undone:,} undone")
    if left:
        where = "in the audit" if audit else "in the queue" if whole else "to review"
        parts.append(f"{left:,} left {where}")
    elif left == 0:
        if audit:
            parts.append("every picture of the audit is answered")
        elif whole:
            parts.append("nothing is left to review")
        else:
            parts.append("every picture of this selection is decided")
    return "; ".join(parts).capitalize() + "." if parts else ""
