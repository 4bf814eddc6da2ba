"""Put the page together: numbers, charts, thumbnails, and the template around them."""

import base64
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from tagger.certification.summary import certified_lines
from tagger.inventory import Judgement, Overview, ReadInRun
from tagger.inventory.records import AutoTaggingStats, InventoryStatus, Item, RunRecord
from tagger.inventory.report_data import BINS
from tagger.policy.intervals import Share, wilson
from tagger.records import NOT_CATALOGUE, State
from tagger.report import charts
from tagger.scan.drift import DAYS, Tally, compare, verdict
from tagger.scan.records import Drift
from tagger.text import printable
from tagger.version import __version__

_SIDE: Final = 160
"""Longest edge of a thumbnail in pixels: two in a row on a phone."""

_QUALITY: Final = 60
"""Of WebP, at which a thumbnail weighs 2 to 5 KB."""

_AUDITS: Final = 5
"""Audits that are told: the newest say how it is today."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail as a data URL, None where the file cannot be read any more."""

    item: Item
    source: str | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and its numbers as a table: a heading row, then the rows."""

    title: str
    svg: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Precision:
    """How often the machine is right about what it accepts, and whence we know.

    `by_chance` tells that the items were drawn at random: only then the interval holds
    for all that is accepted.
    """

    source: str
    share: Share
    by_chance: bool


def render(
    status: InventoryStatus,
    found: Overview,
    *,
    made_at: datetime,
    sure: AutoTaggingStats | None = None,
) -> str:
    """Return the page. `made_at` is shown in the local time of this machine.

    `sure` is how well the machine's work alone is known, where that is to be told.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  a third of a second

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "shown": lambda text: printable(str(text)),
        "moment": lambda when: f"{when.astimezone():%Y-%m-%d %H:%M}",
        "number": lambda value: f"{value:,}",
        "percent": _percent,
    }
    template = files("tagger.report").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        status=status,
        found=found,
        made_at=made_at,
        version=__version__,
        charts=list(_charts(found)),
        roots=_roots(found),
        flagged=list(_pictures(found.flagged)),
        close_calls=list(_pictures(found.close_calls)),
        precisions=_precisions(found, sure),
        drifts=_drifts(found.read),
        verdict=verdict,
        confusion=_Confusion(found.judgements),
        not_catalogue=NOT_CATALOGUE,
        certified=[] if sure is None else certified_lines(sure),
        total=sum(status.states.values()),
        tagged=status.states.get(State.TAGGED, 0),
    )


def _charts(found: Overview) -> Iterator[Chart]:
    if found.tallies:
        yield _tags_chart(found)
        yield _confidence_chart(found)
    runs = [run for run in reversed(found.runs) if run.counts.get("tagged")]
    if len(runs) > 1:
        yield _shares_chart(runs)
        yield _mix_chart(runs)
    if len({one.run.id for one in found.read}) > 1:
        yield _drift_chart(found.read)


def _tags_chart(found: Overview) -> Chart:
    by_tag: dict[str, Counter[str]] = {}
    for tally in found.tallies:
        counts = by_tag.setdefault(tally.tag, Counter())
        counts["accepted"] += tally.accepted
        counts["by a person"] += tally.by_person
        counts["waiting"] += tally.waiting
    rows = sorted(by_tag.items(), key=lambda pair: (-pair[1].total(), pair[0]))
    title = "Items by tag"
    return Chart(
        title,
        charts.by_tag(rows, title),
        ["tag", *charts.STANDINGS, "all"],
        [
            [
                tag,
                *(f"{counts[name]:,}" for name in charts.STANDINGS),
                f"{counts.total():,}",
            ]
            for tag, counts in rows
        ],
    )


def _confidence_chart(found: Overview) -> Chart:
    title = "How sure the network was"
    return Chart(
        title,
        charts.histogram(found.confidences, title),
        ["confidence", "accepted", "waiting"],
        [
            [f"{at / BINS:.2f} to {(at + 1) / BINS:.2f}", f"{sure:,}", f"{unsure:,}"]
            for at, (sure, unsure) in enumerate(found.confidences)
            if sure or unsure
        ],
    )


def _shares_chart(runs: Sequence[RunRecord]) -> Chart:
    title = "What waits, and what cannot be read, run by run"
    rows: list[tuple[int, Mapping[str, float]]] = []
    for run in runs:
        tagged, flagged = _count(run, "tagged"), _count(run, "flagged")
        unreadable = _count(run, "unreadable")
        shares = {
            "waiting": flagged / tagged,
            "unreadable": unreadable / (tagged + unreadable),
        }
        rows.append((run.id, shares))
    return Chart(
        title,
        charts.shares(rows, title),
        ["run", "waiting", "unreadable"],
        [
            [str(run), *(_percent(share) for share in shares.values())]
            for run, shares in rows
        ],
    )


def _mix_chart(runs: Sequence[RunRecord]) -> Chart:
    title = "Share of each tag, run by run"
    rows = [(run.id, _tags(run)) for run in runs]
    names = sorted({tag for _, counts in rows for tag in counts})
    return Chart(
        title,
        charts.mix(rows, title),
        ["run", *names],
        [
            [str(run), *(f"{counts.get(tag, 0):,}" for tag in names)]
            for run, counts in rows
        ],
    )


def _drift_chart(read: Sequence[ReadInRun]) -> Chart:
    """Draw what each run had to read: a smaller thing than how all stood after it."""
    title = "What each run had to read"
    sums: dict[int, Tally] = {}
    for one in reversed(read):
        sums[one.run.id] = sums.get(one.run.id, Tally()) + Tally(**one.tally)
    rows: list[tuple[int, Mapping[str, float]]] = [
        (
            run,
            {
                "mean confidence": tally.mean_confidence,
                "waiting": tally.flagged / max(1, tally.tagged),
                "unreadable": tally.unreadable / tally.images,
            },
        )
        for run, tally in sums.items()
    ]
    return Chart(
        title,
        charts.shares(rows, title),
        ["run", "pictures", "mean confidence", "waiting", "unreadable"],
        [
            [
                str(run),
                f"{sums[run].images:,}",
                *(_percent(share) for share in shares.values()),
            ]
            for run, shares in rows
        ],
    )


def _count(run: RunRecord, name: str) -> int:
    value = run.counts.get(name, 0)
    return value if isinstance(value, int) else 0


def _tags(run: RunRecord) -> dict[str, int]:
    tags = run.counts.get("tags", {})
    return dict(tags) if isinstance(tags, Mapping) else {}


def _roots(found: Overview) -> dict[str, Counter[str]]:
    """Count each root's items by state, and those of them that wait."""
    roots: dict[str, Counter[str]] = {}
    for root, state, number in found.states:
        roots.setdefault(root, Counter())[state] = number
    for tally in found.tallies:
        roots[tally.root]["waiting"] += tally.waiting
    return roots


def _pictures(items: Sequence[Item]) -> Iterator[Picture]:
    for item in items:
        try:
            yield _picture(item)
        except (OSError, ValueError):  # gone, or not as the scan saw it
            yield Picture(item, None, _SIDE, _SIDE)


def _picture(item: Item) -> Picture:
    from tagger.imaging.decode import upright  # noqa: PLC0415  loads the decoders

    small = upright(Path(item.root, item.path), side=_SIDE)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=_QUALITY, method=4)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(item, f"data:image/webp;base64,{encoded}", small.width, small.height)


def _precisions(found: Overview, sure: AutoTaggingStats | None) -> list[Precision]:
    """Tell what audits measured, the newest first, and what reviews happened to see.

    Where it is known what all audits together tell of what is accepted today, that.
    """
    measured = [
        Precision(
            f"the audit of {audit.drawn_at.astimezone():%Y-%m-%d}",
            wilson(audit.right, audit.answered),
            by_chance=True,
        )
        for audit in found.audits
        if audit.answered and audit.of_accepted
    ]
    if sure and sure.audited:
        share = wilson(sure.right, sure.audited)
        measured = [Precision("all audits together", share, by_chance=True)]
    accepted = [one for one in found.judgements if one.accepted and one.reviewed]
    right = sum(one.count for one in accepted if one.person == one.machine)
    of = sum(one.count for one in accepted)
    seen = [Precision("reviews", wilson(right, of), by_chance=False)] if of else []
    return measured[:_AUDITS] + seen


def _drifts(read: Sequence[ReadInRun]) -> list[Drift]:
    """Compare what the newest run read with the month before it, root by root.

    As far as the same network said it, of pictures prepared alike.
    """
    if not read or not read[0].said_by:
        return []
    newest, said_by = read[0].run, read[0].said_by
    begins = newest.started_at - timedelta(days=DAYS)
    now = {one.root: Tally(**one.tally) for one in read if one.run.id == newest.id}
    before: dict[str, Tally] = {}
    for one in read:
        of_late = one.run.id != newest.id and one.run.started_at >= begins
        if of_late and one.said_by == said_by:
            sums = before.get(one.root, Tally())
            before[one.root] = sums + Tally(**one.tally)
    return [
        compare(root, tally, before[root])
        for root, tally in now.items()
        if root in before
    ]


class _Confusion:
    """What persons said (columns) where the machine said something (rows)."""

    def __init__(self, judgements: Sequence[Judgement]) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        for one in judgements:
            self._counts[one.machine, one.person or NOT_CATALOGUE] += one.count
        self.machine = sorted({machine for machine, _ in self._counts})
        said = {person for _, person in self._counts} | set(self.machine)
        self.persons = sorted(said - {NOT_CATALOGUE})
        if NOT_CATALOGUE in said:
            self.persons.append(NOT_CATALOGUE)
        self.total = self._counts.total()
        self.right = sum(one.count for one in judgements if one.agreed)

    def count(self, machine: str, person: str) -> int:
        """Return how often it was so."""
        return self._counts[machine, person]

    def shade(self, machine: str, person: str) -> int:
        """Return the share of the row in per cent."""
        of = sum(self._counts[machine, one] for one in self.persons)
        return round(100 * self._counts[machine, person] / of)


def _percent(share: float) -> str:
    """Show a share of 0 to 1; never as 0 % or 100 % what is neither."""
    if 0 < share < 0.001:  # noqa: PLR2004
        return "<0.1 %"
    if 0.999 < share < 1:  # noqa: PLR2004
        return ">99.9 %"
    return f"{100 * share:.1f} %"
