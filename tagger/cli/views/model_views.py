"""What a person sees of networks in the terminal. Takes values, returns renderables.

Names and labels come from files and may hold anything: nothing is read as markup, and
what could steer the terminal is shown as an escape.
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
_VIEWS = ("gray", "distance from the ground", "likeness to skin")


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


def shelf_view(found: "Sequence[InstalledBundle]") -> RenderableType:
    """List bundles with their figures; a star marks the one that is used."""
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
    return Group(table, Text("* is used where none is named", style="dim"))


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
    """List the bundles that learnt from an inventory; a star marks the one in force."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "learnt here", "", "from", "right on what it knew"):
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
    lie = Text(f"they lie in {printable(str(own[0].folder.parent))}", style="dim")
    lie.overflow = "fold"
    return Group(Text(), table, Text("* beats the star above here", style="dim"), lie)


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
    """Tell in plain words what a bundle's card says; `used` says when scans use it."""
    card, sizes = bundle.card, _sizes(bundle)
    policy = card.policy
    special = "".join(
        f", {tag} from {least:.2f}" for tag, least in sorted(policy.tags.items())
    )
    unknown, kinds = OTHER not in card.labels, ", ".join(kinds_of(card.labels))
    facts = {
        "is": f"{card.training.get('arch', 'a network')}, {_size_of(card)}",
        "tells apart": ", ".join(card.tags),
        "other things": (
            "does not know them: it gives them one of its tags"
            if unknown
            else "knows what is no catalogue item"
            + (f", and kinds without a tag: {kinds}" if kinds else "")
        ),
        "sees": ", ".join(_VIEWS[: card.views]) + f" at 28x28, by {card.preparing}",
        "accepts": f"from a confidence of {policy.threshold:.2f}{special}"
        + (f", with a margin of {policy.margin:.2f}" if policy.margin else ""),
        "files": ", ".join(f"{n} {_megabytes(size)}" for n, size in sizes.items()),
        "lies in": str(bundle.folder),
        "sha-256": card.digest,
        "used": used,
    }
    return Group(
        Text(printable(card.name), style="bold"),
        _pairs(facts),
        *_titled("What was measured", card.metrics),
        *_titled("How it was trained", _flat(card.training)),
    )


def card_as_json(bundle: "Bundle") -> dict[str, Any]:
    """Return a card, and where it lies, as JSON holds it."""
    return asdict(bundle.card) | {"folder": printable(str(bundle.folder))}


def added_view(added: "AddedBundle") -> RenderableType:
    """Say that a bundle was added, what was trusted, why, and what nobody can know."""
    card, contents = added.bundle.card, added.contents
    name, layers = printable(card.name), ", ".join(contents.layers)
    sizes = ", ".join(f"{n} {_megabytes(size)}" for n, size in contents.bytes.items())
    told = {
        "trusted": (
            f"the files are the ones its card means, by SHA-256: {sizes}",
            "model.keras is an archive of Keras 3, for which its safe mode holds",
            f"its layers do arithmetic and nothing else: {layers}",
            f"its {contents.parameters:,} numbers lie in the file itself",
            f"it ran: it takes 28x28x{card.views}, gives {len(card.labels)} numbers",
        ),
        "not known": (
            "whether both files hold the same network: that takes TensorFlow to say",
            f"how right it is: tagger model evaluate {card.name} PICTURES -o FOLDER",
        ),
        "left out": added.left_out,
    }
    where = printable(str(added.bundle.folder))
    parts = [Text(f"{name} {'added' if added.new else 'was there already'}: {where}")]
    for why, sentences in told.items():
        style = "" if why == "trusted" else "dim"
        parts += [Text(printable(f"  {why}: {one}"), style) for one in sentences]
    return Group(*parts, Text(f"'tagger model use {name}' makes scans use it"))


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
    """Name what is nested by its path."""
    flat: dict[str, object] = {}
    for name, value in training.items():
        if isinstance(value, list):  # what each pass measured: the card has it
            flat[name] = f"of {len(value)} passes, in {CARD_FILE}"
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
    if isinstance(data, Mapping):  # of a recipe: how many pictures by domain
        return ", ".join(f"{number:,} {name}" for name, number in data.items())
    return str(data)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


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


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
