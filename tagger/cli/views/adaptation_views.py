"""What a person sees of networks that learnt here. Returns rich renderables."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.adaptation.gate import ModelOutputs, outcomes
from tagger.labels import OTHER
from tagger.policy.decide import decide, predict
from tagger.records import (
    NOT_CATALOGUE,
    Outcome,
    Policy,
)
from tagger.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tagger.adaptation.adapt import AdaptationResult
    from tagger.evaluation.comparison import Difference


def learnt_view(learnt: "AdaptationResult", *, dry_run: bool) -> RenderableType:
    """Show what a network learnt, how it compares, and what became of it."""
    row, judged = learnt.row, learnt.candidate.judgement
    promoted = row.outcome is Outcome.PROMOTED
    what = f"{row.bundle} " + (
        ("would be " if dry_run else "is ") + ("promoted" if promoted else "refused")
    )
    lines: list[RenderableType] = [
        Text(what, style="bold green" if promoted else "bold red"),
        Text(printable(row.reason)),
        Text(),
        _compared(
            (
                "right about answers it had not learnt",
                judged.comparison.accuracy,
            ),
            (
                f"coverage where {row.figures['precision']} of the accepted are right",
                judged.comparison.coverage,
            ),
            known=judged.known,
        ),
        Text(),
        _by_tag(learnt),
        Text(),
        Text(_left_out(learnt), style="dim"),
    ]
    if promoted and not dry_run:
        lines.append(Text("The next scan decides again what the machine tagged."))
    return Group(*lines)


def _compared(
    *rows: "tuple[str, Difference]", known: tuple[float, float]
) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("", "before", "after", "95 %"):
        table.add_column(name, justify="left" if not name else "right")
    for name, found in rows:
        interval = f"{found.low:+.3f} to {found.high:+.3f}"
        table.add_row(name, f"{found.first:.3f}", f"{found.second:.3f}", interval)
    table.add_row("what it knew before", *(f"{one:.3f}" for one in known), "")
    return table


def _by_tag(learnt: "AdaptationResult") -> RenderableType:
    """Tell of each tag how many answers there are, and how many were right."""
    truth = learnt.examples.answers.labels
    after = ModelOutputs(learnt.candidate.held_back, learnt.candidate.labels)
    right = [outcomes(said, truth).right for said in (learnt.active, after)]
    accepted = _accepted(after, learnt.candidate.policy)
    table = Table(box=None, pad_edge=False, header_style="italic")
    for name in ("", "answers", "right before", "right after", "accepted after"):
        table.add_column(name, justify="left" if not name else "right")
    for label, count in Counter(truth.tolist()).most_common():
        own = truth == label
        counts = ["", ""] if label == OTHER else [f"{r[own].sum():,}" for r in right]
        table.add_row(
            Text(printable(NOT_CATALOGUE if label == OTHER else label)),
            f"{count:,}",
            *counts,
            f"{accepted[own].sum():,}",
        )
    return table


def _accepted(said: ModelOutputs, policy: Policy) -> "NDArray[np.bool_]":
    predictions = predict(said.rows, said.labels)
    return np.array([not decide(one, policy).flagged for one in predictions], np.bool_)


def _left_out(learnt: "AdaptationResult") -> str:
    found = learnt.examples
    told = [f"{len(found.answers):,} answers in {_groups(learnt):,} groups of twins"]
    if found.contradicted:
        told.append(f"{found.contradicted:,} left out: two people disagree")
    if found.gone:
        told.append(f"{found.gone:,} left out: their pictures are gone")
    told += [
        f"{count:,} {printable(label)} wait for more of them"
        for label, count in found.waiting.items()
    ]
    return "; ".join(told) + f"; {learnt.row.figures['seconds']} s"


def _groups(learnt: "AdaptationResult") -> int:
    return len(np.unique(learnt.examples.answers.groups))
