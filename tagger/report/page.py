"""Render the report page: figures, charts and thumbnails in a template."""

import base64
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final

from tagger.certification.summary import certified_lines
from tagger.charts import DARK, LIGHT, css
from tagger.inventory import Judgement, Overview, ReadInRun
from tagger.inventory.records import AutoTaggingStats, InventoryStatus, Item, RunRecord
from tagger.inventory.report_data import BINS
from tagger.policy.intervals import Share, wilson
from tagger.records import NOT_CATALOGUE, State, is_without_tag
from tagger.report import charts
from tagger.scan.drift import DAYS, Tally, compare, verdict
from tagger.scan.records import Drift, RunSummary
from tagger.storage import location
from tagger.text import printable, two_decimals
from tagger.version import __version__

_SIDE: Final = 160
"""Longest edge of a thumbnail in pixels: two in a row on a phone."""

_QUALITY: Final = 60
"""Quality of WebP, at which a thumbnail weighs 2 to 5 KB."""

_AUDITS: Final = 5
"""The most audits that are listed, the newest first."""


_TAGGED: Final = ("accepted", "waiting", "decided")
_FOLDER_COLUMNS: Final = ("tagged", *_TAGGED, "unreadable", "missing", "ignored")
"""Columns of the folders: their items by state, the tagged ones by who decided."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail as a data URL; None if the file can no longer be read."""

    item: Item
    source: str | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and its numbers as a table of a heading and rows."""

    title: str
    svg: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Precision:
    """The precision of accepted pictures, and its source.

    `by_chance` says that the items were drawn at random. Only then the interval holds
    for all accepted pictures.
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
    """Return the page; `made_at` is shown in local time.

    `sure` holds the audit evidence on accepted pictures, or None to leave it out.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  takes 0.3 s

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "shown": lambda text: printable(str(text)),
        "moment": lambda when: f"{when.astimezone():%Y-%m-%d %H:%M}",
        "number": lambda value: f"{value:,}",
        "percent": _percent,
    }
    environment.filters["share"] = two_decimals
    template = files("tagger.report").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        status=status,
        found=found,
        made_at=made_at,
        version=__version__,
        light=css(LIGHT),
        dark=css(DARK),
        charts=list(_charts(found)),
        roots=_roots(found),
        flagged=list(_pictures(found.flagged)),
        close_calls=list(_pictures(found.close_calls)),
        precisions=_precisions(found, sure),
        drifts=_drifts(found.read),
        shift=_shift(status.last_run),
        verdict=verdict,
        confusion=_Confusion(found.judgements),
        certified=[] if sure is None else certified_lines(sure),
        total=sum(status.states.values()),
        tagged=status.states.get(State.TAGGED, 0),
        folder_columns=_FOLDER_COLUMNS,
    )


def _charts(found: Overview) -> Iterator[Chart]:
    if found.tallies:
        yield _tags_chart(found)
        yield _confidence_chart(found)
    runs = [run for run in reversed(found.runs) if run.counts.get("tagged")]
    if len(runs) > 1:
        yield _shares_chart(runs)
        yield _mix_chart(runs)
    if len({reading.run.id for reading in found.read}) > 1:
        yield _drift_chart(found.read)


def _tags_chart(found: Overview) -> Chart:
    by_tag: dict[str, Counter[str]] = {}
    for tally in found.tallies:
        counts = by_tag.setdefault(tally.tag, Counter())
        counts["accepted"] += tally.accepted
        counts["decided"] += tally.by_person
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
    title = "Confidence of the network"
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
    title = "Waiting and unreadable items after each run"
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
    title = "Share of each tag after each run"
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
    """Draw the pictures that each run read, which are fewer than all items."""
    title = "Pictures read in each run"
    sums: dict[int, Tally] = {}
    for reading in reversed(read):
        sum_before = sums.get(reading.run.id, Tally())
        sums[reading.run.id] = sum_before + Tally(**reading.tally)
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
    """Count each root's items by state, and its tagged ones by who decided."""
    roots: dict[str, Counter[str]] = {}
    for root, state, number in found.states:
        roots.setdefault(root, Counter())[state] = number
    for tally in found.tallies:
        roots[tally.root]["accepted"] += tally.accepted
        roots[tally.root]["waiting"] += tally.waiting
        roots[tally.root]["decided"] += tally.by_person
    return roots


def _pictures(items: Sequence[Item]) -> Iterator[Picture]:
    for item in items:
        try:
            yield _picture(item)
        except (OSError, ValueError):  # deleted or changed since the scan
            yield Picture(item, None, _SIDE, _SIDE)


def _picture(item: Item) -> Picture:
    from tagger.imaging.prepare import upright  # noqa: PLC0415  loads the decoders

    small = upright(location(item.root, item.path), side=_SIDE)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=_QUALITY, method=4)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(item, f"data:image/webp;base64,{encoded}", small.width, small.height)


def _precisions(found: Overview, sure: AutoTaggingStats | None) -> list[Precision]:
    """Return the precisions that audits and reviews measured, the newest audit first.

    If `sure` sums up all audits for the policy of today, its sum replaces them.
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
    accepted = [j for j in found.judgements if j.accepted and j.reviewed]
    right = sum(j.count for j in accepted if j.agreed)
    total = sum(j.count for j in accepted)
    if not total:
        return measured[:_AUDITS]
    reviews = Precision("reviews", wilson(right, total), by_chance=False)
    return [*measured[:_AUDITS], reviews]


def _shift(run: RunRecord | None) -> str:
    """Give the distance of the last run's pictures from the training pictures."""
    return RunSummary.of_counts(run.id, run.counts).describe_shift() if run else ""


def _drifts(read: Sequence[ReadInRun]) -> list[Drift]:
    """Compare the pictures of the newest run with those of the month before, by root.

    Only pictures of the same network and preprocessing are compared.
    """
    if not read or not read[0].said_by:
        return []
    newest, said_by = read[0].run, read[0].said_by
    begins = newest.started_at - timedelta(days=DAYS)
    now: dict[str, Tally] = {}
    before: dict[str, Tally] = {}
    for reading in read:
        root, tally = reading.root, Tally(**reading.tally)
        if reading.run.id == newest.id:
            now[root] = tally
        elif reading.run.started_at >= begins and reading.said_by == said_by:
            before[root] = before.get(root, Tally()) + tally
    return [
        compare(root, tally, before[root])
        for root, tally in now.items()
        if root in before
    ]


class _Confusion:
    """A confusion matrix: the network's answers (rows) by people's tags (columns)."""

    def __init__(self, judgements: Sequence[Judgement]) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._agreed: set[tuple[str, str]] = set()
        for judgement in judgements:
            pair = judgement.machine, judgement.person or NOT_CATALOGUE
            self._counts[pair] += judgement.count
            if judgement.agreed:
                self._agreed.add(pair)
        self.machine = sorted({machine for machine, _ in self._counts}, key=_tags_first)
        people = {person for _, person in self._counts}
        tags = {machine for machine in self.machine if not is_without_tag(machine)}
        self.persons = sorted(people | tags, key=_tags_first)
        self.total = self._counts.total()
        self.right = sum(self._counts[pair] for pair in self._agreed)

    def agrees(self, machine: str, person: str) -> bool:
        """Whether a person with this tag gave the network's answer."""
        return machine == person or (machine, person) in self._agreed

    def count(self, machine: str, person: str) -> int:
        """Return how often this pair occurred."""
        return self._counts[machine, person]

    def shade(self, machine: str, person: str) -> int:
        """Return the share of the row in per cent."""
        total = sum(self._counts[machine, other] for other in self.persons)
        return round(100 * self._counts[machine, person] / total)


def _tags_first(answer: str) -> tuple[bool, str]:
    """Return the key that sorts answers by name, and those without a tag last."""
    return is_without_tag(answer), answer


def _percent(share: float) -> str:
    """Format a share of 0..1; only 0 and 1 become 0 % and 100 %."""
    if 0 < share < 0.001:  # noqa: PLR2004
        return "<0.1 %"
    if 0.999 < share < 1:  # noqa: PLR2004
        return ">99.9 %"
    return f"{100 * share:.1f} %"
