"""Write an evaluation as a folder with a page and metrics.json.

The page is self-contained: it embeds its pictures and charts. The charts are SVG there,
in the colours of the page, and PNG in the folder.
"""

import io
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.charts import DARK, LIGHT, css, png, svg
from tagger.evaluation.charts import (
    confusion_matrix,
    coverage_chart,
    learning_chart,
    reliability_diagram,
)
from tagger.evaluation.measures import CALIBRATION_BINS
from tagger.evaluation.output_folder import check_folder, put_files
from tagger.evaluation.predictions import (
    Answers,
    examples,
    photograph_of,
    worst_mistakes,
)
from tagger.evaluation.results import AVERAGED, WORST_TOLD, Evaluation, Section, as_json
from tagger.imaging.prepare import upright
from tagger.text import printable
from tagger.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FILE: Final = "index.html"
METRICS_FILE: Final = "metrics.json"

_EXAMPLES_EACH = 4
"""The most examples of each label."""

_PHOTOGRAPH_SIDE = 224
"""Longest edge of an embedded photograph in pixels."""

_PHOTOGRAPH_QUALITY = 80


@dataclass(frozen=True, slots=True)
class _Card:
    """An image of a gallery: its label, its prediction, and its pictures.

    `photograph` is a data URI, empty if the image came as an array; `views` are the
    data URIs of the network's views. `judged` is false if the prediction counts neither
    as right nor as wrong.
    """

    name: str
    path: str
    label: str
    tag: str
    confidence: float
    verdict: str
    right: bool
    judged: bool
    photograph: str
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _SectionPage:
    """A section with its charts, as SVG, and galleries."""

    slug: str
    title: str
    section: Section
    charts: dict[str, str]
    mistakes: tuple[_Card, ...]
    examples: tuple[_Card, ...]


@dataclass(frozen=True, slots=True)
class _LearningPage:
    """The learning curves of the network, by epoch."""

    charts: dict[str, str]
    curves: Sequence[Mapping[str, float]]


def check_target(folder: Path) -> None:
    """Check, before any work, that an evaluation can be written to the folder.

    Raises EvaluationError unless it is absent, empty, or holds an earlier evaluation.
    """
    check_folder(folder, METRICS_FILE)


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write the page, metrics.json and the charts as PNG files.

    Replaces the files of an earlier evaluation of the same sources, the page last.
    Raises EvaluationError if a file cannot be written.
    """
    named = zip(
        evaluation.sections,
        _slugs(evaluation.sections),
        _titles(evaluation.sections),
        strict=True,
    )
    pages = [_section_page(*section, evaluation) for section in named]
    learning = _learning_page(evaluation.bundle.card.training.get("curves"))
    written: dict[str, bytes] = {}
    for page in pages:
        for kind, chart in page.charts.items():
            written[f"{page.slug}-{kind}.png"] = png(chart)
    for kind, chart in learning.charts.items() if learning else ():
        written[f"training-{kind}.png"] = png(chart)
    metrics = json.dumps(as_json(evaluation), indent=2)
    written[METRICS_FILE] = f"{metrics}\n".encode()
    text = _page(evaluation, pages, learning)
    written[PAGE_FILE] = text.encode(errors="backslashreplace")
    put_files(folder, written)


def _page(
    evaluation: Evaluation,
    pages: Sequence[_SectionPage],
    learning: _LearningPage | None,
) -> str:
    card = evaluation.bundle.card
    return (
        _environment()
        .get_template("evaluation.html")
        .render(
            card=card,
            evaluation=evaluation,
            pages=pages,
            learning=learning,
            averaged=AVERAGED,
            bins=CALIBRATION_BINS,
            version=__version__,
            light=css(LIGHT),
            dark=css(DARK),
        )
    )


def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415

    templates = files("tagger.evaluation") / "templates"
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(lambda name: (templates / name).read_text("utf-8")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": _shown_share,
        "printable": printable,
    }
    return environment


def _shown_share(value: float | None) -> str:
    """Format a share as a percentage; None as a dash."""
    return "-" if value is None else f"{value * 100:.1f} %"


def _section_page(
    section: Section, slug: str, title: str, evaluation: Evaluation
) -> _SectionPage:
    answers, figures = section.answers, section.figures
    accepted, right = figures.coverage.share, figures.accepted_precision.share
    point = None if accepted is None or right is None else (accepted, right)
    views = evaluation.bundle.card.views
    return _SectionPage(
        slug=slug,
        title=title,
        section=section,
        charts={
            "coverage": svg(
                coverage_chart(answers.curve, point),
                "Coverage against accepted precision",
            ),
            "reliability": svg(reliability_diagram(figures.reliability), "Reliability"),
            "confusion": svg(confusion_matrix(figures.confusion), "Confusion matrix"),
        },
        mistakes=tuple(_cards(answers, worst_mistakes(answers, WORST_TOLD), views)),
        examples=tuple(_cards(answers, examples(answers, _EXAMPLES_EACH), views)),
    )


def _learning_page(curves: object) -> _LearningPage | None:
    """Draw a card's learning curves; None if it has none, or malformed ones."""
    if not isinstance(curves, list) or not curves or not all(map(_measured, curves)):
        return None
    charts = {
        measure: svg(
            learning_chart(curves, measure), f"{measure.capitalize()} by epoch"
        )
        for measure in ("loss", "accuracy")
    }
    return _LearningPage(charts, curves)


def _measured(epoch: object) -> bool:
    """Whether a value of a card, which may be foreign, measures an epoch."""
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return isinstance(epoch, dict) and all(
        isinstance(epoch.get(name), float) and np.isfinite(epoch[name])
        for name in names
    )


def _cards(answers: Answers, numbers: NDArray[np.int64], views: int) -> Iterator[_Card]:
    for number in numbers.tolist():
        prediction, verdict = answers.predictions[number], answers.verdicts[number]
        photograph = photograph_of(answers.data, number)
        yield _Card(
            name=printable(Path(str(answers.data.names[number])).name),
            path=printable(str(answers.data.names[number])),
            label=str(answers.data.labels[number]),
            tag=prediction.tag,
            confidence=prediction.confidence,
            verdict=verdict.reason if verdict.flagged else "accepted",
            right=bool(answers.right[number]),
            judged=bool(answers.item[number] or answers.accepted[number])
            and not bool(answers.ambiguous[number]),
            photograph="" if photograph is None else _photograph(photograph),
            views=tuple(
                _array(answers.data.images[number, ..., view]) for view in range(views)
            ),
        )


def _photograph(path: Path) -> str:
    stream = io.BytesIO()
    picture = upright(path, side=_PHOTOGRAPH_SIDE)
    picture.save(stream, "JPEG", quality=_PHOTOGRAPH_QUALITY)
    return _uri(stream.getvalue(), "jpeg")


def _array(gray: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(gray).save(stream, "PNG", optimize=True)
    return _uri(stream.getvalue(), "png")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _title(source: str) -> str:
    """Return the last component of a source's path."""
    return printable(re.split(r"[/\\](?=[^/\\]+$)", source.rstrip("/\\"))[-1])


def _titles(sections: Sequence[Section]) -> list[str]:
    """Return short titles of the sections, or full sources if these are ambiguous."""
    sources = [section.figures.source for section in sections]
    short = [_title(source) for source in sources]
    if len(set(short)) == len(short):
        return short
    return [printable(source) for source in sources]


def _slugs(sections: Sequence[Section]) -> list[str]:
    """Return unique names of the sections in letters, digits and hyphens."""
    slugs: list[str] = []
    for number, section in enumerate(sections, start=1):
        words = re.findall(r"[a-z0-9]+", _title(section.figures.source).lower())
        slug = "-".join(words) or "data"
        slugs.append(f"{slug}-{number}" if slug in slugs else slug)
    return slugs
