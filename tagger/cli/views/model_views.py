"""Render networks and their evaluations for the terminal with Rich.

Names and labels come from files and may hold anything: nothing is read as markup, and
control characters are shown as escapes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagger.bundles.bundle import CARD_FILE, KNOWN_FIGURE, TEST_FIGURE
from tagger.labels import OTHER, kinds_of
from tagger.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tagger.bundles.adapted import AdaptedBundle
    from tagger.bundles.bundle import Bundle, ModelCard
    from tagger.bundles.registry import AddedBundle, InstalledBundle
    from tagger.evaluation.comparison import Comparison
    from tagger.evaluation.predictions import Figures
    from tagger.evaluation.results import Compared, Evaluation, Method

_WORST_PAIRS = 5
_VIEWS = ("gray", "distance from the background", "similarity to skin")


def evaluation_view(evaluation: "Evaluation") -> RenderableType:
    """Show the figures of each set, those of each tag, and the worst confusions."""
    card = evaluation.bundle.card
    parts: list[RenderableType] = [
        Text(f"{printable(card.name)}: evaluation on labelled pictures", "bold"),
        _sets(evaluation),
    ]
    for section in evaluation.sections:
        found = section.figures
        parts += [Text(), Text(printable(found.source), style="italic"), _tags(found)]
        if mixed := _mixed_up(found):
            parts.append(Text(f"most often confused: {mixed}", style="dim"))
    return Group(*parts)


def comparison_view(
    names: tuple[str, str], compared: "Sequence[Compared]", method: "Method"
) -> RenderableType:
    """Show the difference between two networks, and whether it may be chance."""
    first, second = map(printable, names)
    parts: list[RenderableType] = []
    for part in compared:
        result, exact = part.comparison, part.comparison.mcnemar
        parts += [
            Text(printable(part.source), style="italic"),
            _differences(first, second, result, method),
            Text(
                f"{result.items:,} items in {result.groups:,} groups. Only {first} "
                f"right: {exact.only_first:,}, only {second} right: "
                f"{exact.only_second:,}; McNemar's exact test p = {exact.p:.2g}"
            ),
            Text(),
        ]
    how = (
        f"95 % intervals: paired bootstrap over groups, {method.resamples:,} "
        f"resamples, seed {method.seed}. McNemar's test treats pictures as independent."
    )
    return Group(*parts, Text(how, style="dim"))


def _differences(
    first: str, second: str, found: "Comparison", method: "Method"
) -> Table:
    table = _table("", first, second, "difference", "95 % interval", "")
    covered = f"coverage at a precision of {method.precision:.2f}"
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


def shelf_view(found: "Sequence[InstalledBundle]") -> RenderableType:
    """List bundles with their figures; a star marks the default."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "network", "from", "trained on"):
        table.add_column(name, overflow="fold")
    for name in ("tags", "Fashion-MNIST test", "accepted from", "size"):
        table.add_column(name, justify="right")
    for one in found:
        cells = ["*" if one.default else "", printable(one.name), one.place.value]
        if one.bundle is None:
            cells.append(printable(one.problem))
        else:
            card = one.bundle.card
            cells += [
                printable(_trained_on(card)),
                f"{len(card.tags)}",
                _share(card.metrics.get(TEST_FIGURE)),
                f"{card.policy.threshold:.2f}",
                _megabytes(sum(_sizes(one.bundle).values())),
            ]
        table.add_row(*map(Text, cells), style="red" if one.bundle is None else "")
    return Group(table, Text("* is the default network", style="dim"))


def shelf_as_json(found: "Sequence[InstalledBundle]") -> dict[str, Any]:
    """Return the list as JSON holds it."""
    return {
        "networks": [
            {
                "name": printable(one.name),
                "from": one.place.value,
                "default": one.default,
                "problem": one.problem or None,
                "card": None if one.bundle is None else card_as_json(one.bundle),
            }
            for one in found
        ]
    }


def own_view(own: "Sequence[AdaptedBundle]") -> RenderableType:
    """List the adapted bundles of an inventory; a star marks the one in force."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "adapted here", "", "from", "right on earlier test pictures"):
        table.add_column(name, overflow="fold")
    for one in own:
        cells = ["*" if one.in_force else "", printable(one.name), one.fate]
        if one.bundle is None:
            cells.append(printable(one.problem))
        else:
            card = one.bundle.card
            cells += [
                printable(_trained_on(card)),
                _share(card.metrics.get(KNOWN_FIGURE, card.metrics.get(TEST_FIGURE))),
            ]
        table.add_row(*map(Text, cells), style="red" if one.bundle is None else "")
    folder = Text(f"stored in {printable(str(own[0].folder.parent))}", style="dim")
    folder.overflow = "fold"
    note = Text("* is used here instead of the default network", style="dim")
    return Group(Text(), table, note, folder)


def own_as_json(own: "Sequence[AdaptedBundle]") -> dict[str, Any]:
    """Return the list of an inventory's own bundles as JSON holds it."""
    return {
        "own": [
            {
                "name": printable(one.name),
                "fate": one.fate,
                "in_force": one.in_force,
                "folder": printable(str(one.folder)),
                "problem": one.problem or None,
            }
            for one in own
        ]
    }


def card_view(bundle: "Bundle", *, used: str) -> RenderableType:
    """Show the card of a bundle in plain words; `used` says when scans use it."""
    card, sizes = bundle.card, _sizes(bundle)
    policy = card.policy
    special = "".join(
        f", {tag} from {least:.2f}" for tag, least in sorted(policy.tags.items())
    )
    unknown, kinds = OTHER not in card.labels, ", ".join(kinds_of(card.labels))
    facts = {
        "is": f"{card.training.get('arch', 'a network')}, {_size_of(card)}",
        "tags": ", ".join(card.tags),
        "other things": (
            "not recognised: it gives every picture one of its tags"
            if unknown
            else "recognises pictures without a catalogue item"
            + (f", and kinds without a tag: {kinds}" if kinds else "")
        ),
        "sees": ", ".join(_VIEWS[: card.views])
        + f" at 28x28 (preprocessing {card.preparing})",
        "accepts": f"from a confidence of {policy.threshold:.2f}{special}"
        + (f", with a margin of {policy.margin:.2f}" if policy.margin else ""),
        "files": ", ".join(f"{n} {_megabytes(size)}" for n, size in sizes.items()),
        "folder": str(bundle.folder),
        "sha-256": card.digest,
        "used": used,
    }
    return Group(
        Text(printable(card.name), style="bold"),
        _pairs(facts),
        *_titled("Measured figures", card.metrics),
        *_titled("Training", _flat(card.training)),
    )


def card_as_json(bundle: "Bundle") -> dict[str, Any]:
    """Return a card and its folder as JSON holds them."""
    return asdict(bundle.card) | {"folder": printable(str(bundle.folder))}


def added_view(added: "AddedBundle") -> RenderableType:
    """Show that a bundle was installed, with what was checked and what was not."""
    card, contents = added.bundle.card, added.contents
    name, layers = printable(card.name), ", ".join(contents.layers)
    sizes = ", ".join(f"{n} {_megabytes(size)}" for n, size in contents.bytes.items())
    notes = {
        "checked": (
            f"the files match the SHA-256 sums of the card: {sizes}",
            "model.keras is a Keras 3 archive that loads in safe mode",
            f"its layers only do arithmetic: {layers}",
            f"all {contents.parameters:,} parameters are in the file itself",
            f"it ran: input 28x28x{card.views}, output {len(card.labels)} numbers",
        ),
        "not checked": (
            "whether both files hold the same network, which needs TensorFlow",
            f"how accurate it is: tagger model evaluate {card.name} PICTURES -o FOLDER",
        ),
        "left out": added.left_out,
    }
    where = printable(str(added.bundle.folder))
    parts = [Text(f"{name} {'added' if added.new else 'exists already'}: {where}")]
    for kind, lines in notes.items():
        style = "" if kind == "checked" else "dim"
        parts += [Text(printable(f"  {kind}: {line}"), style) for line in lines]
    return Group(*parts, Text(f"to use it in scans: tagger model use {name}"))


def _titled(title: str, facts: "Mapping[str, object]") -> list[RenderableType]:
    if not facts:
        return []
    return [Text(), Text(title, style="italic"), _pairs(facts)]


def _pairs(facts: "Mapping[str, object]") -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        shown = Text(printable(str(value)), overflow="fold")
        table.add_row(Text(printable(str(name)), style="dim"), shown)
    return table


def _flat(training: "Mapping[str, Any]") -> dict[str, object]:
    """Flatten nested settings; a nested one is named by its path."""
    flat: dict[str, object] = {}
    for name, value in training.items():
        if isinstance(value, list):  # the figures of each pass: too many to show
            flat[name] = f"{len(value)} passes, see {CARD_FILE}"
        elif isinstance(value, dict):
            flat |= {f"{name} {inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _size_of(card: "ModelCard") -> str:
    parameters = card.training.get("parameters")
    known = isinstance(parameters, int)
    return f"{parameters:,} parameters" if known else "of unknown size"


def _sizes(bundle: "Bundle") -> dict[str, int]:
    return {name: (bundle.folder / name).stat().st_size for name in bundle.card.files}


def _trained_on(card: "ModelCard") -> str:
    data = card.training.get("data", "")
    if isinstance(data, Mapping):  # of a recipe: pictures per domain
        return ", ".join(f"{number:,} {name}" for name, number in data.items())
    return str(data)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _sets(evaluation: "Evaluation") -> Table:
    table = _table("set", "items", "right", "accepted", "right of accepted")
    for name in ("other accepted", "ambiguous accepted", "calibration error"):
        table.add_column(name, justify="right")
    for section in evaluation.sections:
        figures = section.figures
        table.add_row(
            Text(printable(figures.source), overflow="fold"),
            f"{figures.items:,}",
            _share(figures.accuracy.share),
            _share(figures.coverage.share),
            _share(figures.accepted_precision.share),
            _share(figures.other_accepted.share),
            _share(figures.ambiguous_accepted.share),
            _share(figures.calibration_error),
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
    """Return the most frequent confusions of the items."""
    table = found.confusion
    pairs = [
        (count, label, tag)
        for label, row in zip(table.labels, table.counts, strict=True)
        for tag, count in zip(table.tags, row, strict=True)
        if count and label != tag and label in found.tags
    ]
    commonest = sorted(pairs, key=lambda pair: -pair[0])[:_WORST_PAIRS]
    return ", ".join(
        f"{printable(label)} → {printable(tag)} {count:,}"
        for count, label, tag in commonest
    )


def _table(first: str, *rest: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in rest:
        table.add_column(name, justify="right")
    return table


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
