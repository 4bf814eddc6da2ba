"""What a person sees of networks in the terminal. Takes values, returns renderables.

Names and labels come from files and may hold anything: nothing is read as markup, and
what could steer the terminal is shown as an escape.
"""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.evaluation.answers import Figures
    from tagger.evaluation.comparing import Comparison
    from tagger.evaluation.results import Compared, Evaluation, Method

_WORST_PAIRS = 5


def evaluation_view(evaluation: "Evaluation") -> RenderableType:
    """Show the figures of each set, then those of each tag, then the worst mix-ups."""
    card = evaluation.bundle.card
    parts: list[RenderableType] = [
        Text(f"{printable(card.name)}: what it makes of labelled pictures", "bold"),
        _sets(evaluation),
    ]
    for section in evaluation.sections:
        found = section.figures
        parts += [Text(), Text(printable(found.source), style="italic"), _tags(found)]
        if mixed := _mixed_up(found):
            parts.append(Text(f"taken for another: {mixed}", style="dim"))
    return Group(*parts)


def comparison_view(
    names: tuple[str, str], compared: "Sequence[Compared]", method: "Method"
) -> RenderableType:
    """Show how much better the second network is, and whether that may be chance."""
    first, second = map(printable, names)
    parts: list[RenderableType] = []
    for one in compared:
        found, exact = one.comparison, one.comparison.mcnemar
        parts += [
            Text(printable(one.source), style="italic"),
            _differences(first, second, found, method),
            Text(
                f"{found.items:,} items in {found.groups:,} groups. Right only by "
                f"{first}: {exact.only_first:,}, only by {second}: "
                f"{exact.only_second:,}; McNemar's exact test p = {exact.p:.2g}"
            ),
            Text(),
        ]
    how = (
        f"Intervals of 95 %: paired bootstrap over groups, {method.resamples:,} "
        f"resamples, seed {method.seed}. McNemar's test takes pictures for independent."
    )
    return Group(*parts, Text(how, style="dim"))


def _differences(
    first: str, second: str, found: "Comparison", method: "Method"
) -> Table:
    table = _table("", first, second, "difference", "95 % interval", "")
    covered = f"accepted at {method.precision:.2f} right"
    for name, of in (("right", found.accuracy), (covered, found.coverage)):
        better = second if of.difference > 0 else first
        table.add_row(
            name,
            f"{of.first:.3f}",
            f"{of.second:.3f}",
            f"{of.difference:+.3f}",
            f"{of.low:+.3f} to {of.high:+.3f}",
            f"{better} is better" if of.certain else "may be chance",
        )
    return table


def _sets(evaluation: "Evaluation") -> Table:
    table = _table("set", "items", "right", "accepted", "of these right")
    for name in ("other accepted", "ambiguous accepted", "calibration error"):
        table.add_column(name, justify="right")
    for section in evaluation.sections:
        found = section.figures
        table.add_row(
            Text(printable(found.source), overflow="fold"),
            f"{found.items:,}",
            _share(found.accuracy.share),
            _share(found.coverage.share),
            _share(found.accepted_precision.share),
            _share(found.other_accepted.share),
            _share(found.ambiguous_accepted.share),
            _share(found.calibration_error),
        )
    if len(evaluation.sections) > 1:
        mean = evaluation.overall
        table.add_row(
            Text("mean of the sets", style="bold"),
            "",
            _share(mean["accuracy"]),
            _share(mean["coverage"]),
            _share(mean["accepted_precision"]),
            _share(mean["other_accepted"]),
            "",
            _share(mean["calibration_error"]),
        )
    return table


def _tags(found: "Figures") -> Table:
    table = _table("tag", "items", "recall", "precision", "F1", "accepted", "right")
    for tag, measures in found.tags.items():
        taken = found.accepted_tags[tag].right
        table.add_row(
            Text(printable(tag)),
            f"{measures.images:,}",
            _share(measures.recall),
            _share(measures.precision),
            _share(measures.f1),
            f"{taken.of:,}",
            _share(taken.share),
            style="" if measures.images else "dim",
        )
    return table


def _mixed_up(found: "Figures") -> str:
    """Name the commonest mix-ups of the items."""
    table = found.confusion
    pairs = [
        (count, label, tag)
        for label, row in zip(table.labels, table.counts, strict=True)
        for tag, count in zip(table.tags, row, strict=True)
        if count and label != tag and label in found.tags
    ]
    commonest = sorted(pairs, key=lambda pair: -pair[0])[:_WORST_PAIRS]
    return ", ".join(
        f"{printable(label)} for {printable(tag)} {count:,}"
        for count, label, tag in commonest
    )


def _table(first: str, *rest: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in rest:
        table.add_column(name, justify="right")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
