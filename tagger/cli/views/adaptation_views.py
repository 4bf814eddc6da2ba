"""Render adaptations for the terminal with Rich."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.adaptation.gate import ModelOutputs, outcomes
from tagger.labels import OTHER
from tagger.policy.decide import decide, predict
from tagger.records import Outcome, Policy, label_text
from tagger.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tagger.adaptation.adapt import AdaptationResult
    from tagger.evaluation.comparison import Difference


def learnt_view(result: "AdaptationResult", *, dry_run: bool) -> RenderableType:
    """Show the outcome of an adaptation, the comparison and the training examples."""
    row, judged = result.row, result.candidate.judgement
    promoted = row.outcome is Outcome.PROMOTED
    outcome = f"{row.bundle} " + (
        ("would be " if dry_run else "is ") + ("promoted" if promoted else "refused")
    )
    lines: list[RenderableType] = [
        Text(outcome, style="bold green" if promoted else "bold red"),
        Text(printable(row.reason)),
        Text(),
        _compared(
            (
                "right on answers it did not learn from",
                judged.comparison.accuracy,
            ),
            (
                f"accepted, with {row.figures['precision']:.0%} of these right",
                judged.comparison.coverage,
            ),
            known=judged.known,
        ),
        Text(),
        _by_tag(result),
        Text(),
        Text(_left_out(result), style="dim"),
    ]
    if promoted and not dry_run:
        lines.append(Text("The next scan uses this network; people's decisions stay."))
    return Group(*lines)


def _compared(
    *rows: "tuple[str, Difference]", known: tuple[float, float]
) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("", "before", "after", "95 % interval"):
        table.add_column(name, justify="left" if not name else "right")
    for name, change in rows:
        interval = f"{change.low:+.3f} to {change.high:+.3f}"
        table.add_row(name, f"{change.first:.3f}", f"{change.second:.3f}", interval)
    table.add_row(
        "right on earlier test pictures", *(f"{share:.3f}" for share in known), ""
    )
    return table


def _by_tag(result: "AdaptationResult") -> RenderableType:
    """Show the number of answers per label, and how many were predicted right."""
    truth = result.examples.answers.labels
    after = ModelOutputs(result.candidate.held_back, result.candidate.labels)
    right = [outcomes(model, truth).right for model in (result.active, after)]
    accepted = _accepted(after, result.candidate.policy)
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("", "answers", "right before", "right after", "accepted after"):
        table.add_column(name, justify="left" if not name else "right")
    for label, count in Counter(truth.tolist()).most_common():
        own = truth == label
        counts = ["", ""] if label == OTHER else [f"{r[own].sum():,}" for r in right]
        table.add_row(
            Text(printable(label_text(label))),
            f"{count:,}",
            *counts,
            f"{accepted[own].sum():,}",
        )
    return table


def _accepted(outputs: ModelOutputs, policy: Policy) -> "NDArray[np.bool_]":
    verdicts = (decide(one, policy) for one in predict(outputs.rows, outputs.labels))
    return np.array([not verdict.flagged for verdict in verdicts], np.bool_)


def _left_out(result: "AdaptationResult") -> str:
    used = result.examples
    groups = f"{_groups(result):,} groups of similar pictures"
    parts = [f"{len(used.answers):,} answers in {groups}"]
    if used.contradicted:
        parts.append(f"{used.contradicted:,} left out: reviewers contradict each other")
    if used.gone:
        parts.append(f"{used.gone:,} left out: their pictures are gone")
    parts += [
        f"{count:,} {printable(label)} left out: too few examples"
        for label, count in used.waiting.items()
    ]
    return "; ".join(parts) + f"; {result.row.figures['seconds']} s"


def _groups(result: "AdaptationResult") -> int:
    return len(np.unique(result.examples.answers.groups))
