"""What a new customer feels: every shop is asked about by a network that never saw it.

    python -m benchmarks.folds train RECIPE OUT [--folds 5] [--scale 0.2]
        [--same SHOP=SHOP ...] [--taught DOMAIN ...] [--only N ...]
    python -m benchmarks.folds measure RECIPE OUT [--no-mix] [--choose 0.8] [--shops]
        [--only N ...]

`train` deals the shops of the recipe's photographs into folds, as even in pictures as
may be, and trains one network a fold without the shops of that fold. A domain with a
column `set` has many shops, one without is a shop of its own; `--same` names two that
are one shop, and of the domains `--taught` nothing is asked. `--scale` is the part of
the recipe's pictures that each network sees. A fold is kept as OUT/fold-N.npz: what the
network says of each picture of its shops (`rows`), their `labels`, `kinds`, `sets` and
`names`. A fold that is there already is not trained again.

`measure` puts the folds together, each shop an inventory of its own, weighed by its own
mix and decided by the recipe's policy, and prints a table: the items (pictures with one
of the ten tags) that are right, those accepted, of what is accepted the part that is
right, and what is *felt right*: the same with the pictures for which the tags do not
decide counted as wrong. The lower bounds are 5 % quantiles of a bootstrap over shops
(2,000 resamples, seed 1). It prints the prior for the card, too. `--choose` prints the
thresholds by which a tag is accepted as long as that part of its next pictures is felt
right, chosen on these shops and, crosswise, on one half of them for the other.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from tagger.datasets.load import load_prepared
from tagger.datasets.records import Choice, LabelledImages
from tagger.errors import DataError
from tagger.labels import OTHER, answers, is_tag, kind_of
from tagger.policy.calibration import at_temperature
from tagger.policy.label_shift import common_prior, estimate, reweighed
from tagger.records import AMBIGUOUS, FASHION_LABELS, Policy
from tagger.training.architectures import ARCHITECTURES, probabilities
from tagger.training.recipe import Materials, Recipe, Source, gather, read_recipe
from tagger.training.step_loop import fit
from tagger.training.surgery import both_ways

RESAMPLES: Final = 2000
LARGE: Final = 400
"""Pictures that one shop counts for at most where thresholds are chosen: no shop may
decide for all others."""

Bools = NDArray[np.bool_]
Rows = NDArray[np.float32]
Words = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What networks said of pictures of shops that they never saw, n of each.

    `labels` are tags, "other" or "ambiguous", `kinds` what an ambiguous one shows.
    """

    rows: Rows
    labels: Words
    kinds: Words
    sets: Words
    names: Words

    def take(self, which: NDArray[np.int64] | Bools) -> "Said":
        """Return some of the pictures."""
        return Said(
            self.rows[which],
            self.labels[which],
            self.kinds[which],
            self.sets[which],
            self.names[which],
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; shares in [0, 1], `low` their lower bounds."""

    shops: int
    items: int
    right: float
    accepted: float
    precise: float
    precise_low: float
    other: float
    ambiguous: float
    felt: float
    felt_low: float


def main() -> None:
    """Train folds, or measure them."""
    wanted = _parser().parse_args()
    recipe = read_recipe(wanted.recipe)
    if wanted.what == "train":
        same = dict(pair.split("=", 1) for pair in wanted.same)
        train(recipe, wanted, same)
    else:
        measure(recipe, wanted)


def deal(
    counts: Mapping[str, int], folds: int, same: Mapping[str, str]
) -> dict[str, int]:
    """Deal shops into folds, the largest first, each to the emptiest fold.

    `same` says of some that they are another. Raises DataError for fewer shops than
    folds, an unknown shop, or one without a name.
    """
    unknown = sorted({*same, *same.values()} - counts.keys())
    if unknown:
        raise DataError(f"--same names {', '.join(unknown)}, which is no shop here")
    if "" in counts:
        raise DataError(f"{counts['']} pictures have no shop in the column set")
    sizes: Counter[str] = Counter()
    for shop, count in counts.items():
        sizes[same.get(shop, shop)] += count
    if len(sizes) < folds:
        raise DataError(f"{len(sizes)} shops cannot be dealt into {folds} folds")
    filled = [0] * folds
    found = {}
    for shop, count in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0])):
        fold = filled.index(min(filled))
        found[shop] = fold
        filled[fold] += count
    return found | {shop: found[other] for shop, other in same.items()}


def without(materials: Materials, recipe: Recipe, left_out: set[str]) -> Materials:
    """Return the materials without the pictures of some shops, nor figures of them.

    Raises DataError, naming it, where no photograph of one of the ten tags is left.
    """
    domains = {}
    for name, domain in materials.domains.items():
        source = recipe.domains[name]
        origin = source.figures or name
        if origin in left_out:
            continue
        if domain.sets is not None and recipe.domains[name].photographs:
            some = ~np.isin(domain.sets, list(left_out))
            if not some.any():
                continue
            domain = replace(  # noqa: PLW2901
                domain,
                pictures=domain.pictures[some],
                labels=domain.labels[some],
                sets=domain.sets[some],
            )
        domains[name] = domain
    left = {
        label
        for name, domain in domains.items()
        if recipe.domains[name].photographs
        for label in domain.labels.tolist()
    }
    absent = [tag for n, tag in enumerate(FASHION_LABELS) if n not in left]
    if absent:
        raise DataError(f"without {len(left_out)} shops no {', '.join(absent)} is left")
    textures = [
        domains[name].pictures[..., 0]
        for name, source in recipe.domains.items()
        if source.textures and name in domains
    ]
    return Materials(domains, {}, np.concatenate([materials.textures[:0], *textures]))


def shortened(recipe: Recipe, domains: Sequence[str], scale: float) -> Recipe:
    """Return the recipe with so much of each stage, and those domains alone."""
    stages = tuple(
        structs.replace(
            stage,
            pictures=max(recipe.batch_size, int(stage.pictures * scale)),
            mixture={n: w for n, w in stage.mixture.items() if n in domains},
        )
        for stage in recipe.stages
    )
    # A state of training is known by the recipe's digest: another scale is another.
    digest = f"{recipe.digest} at {scale:g}"
    return structs.replace(
        recipe, stages=stages, domains=_all_trained(recipe), digest=digest
    )


def line_of(said: Said, rows: Rows, labels: Sequence[str], policy: Policy) -> Line:
    """Measure pictures by what `rows`, perhaps weighed, say of them."""
    right, accepted = _judged(said, rows, labels, policy)
    item, other = np.isin(said.labels, FASHION_LABELS), said.labels == OTHER
    ambiguous = said.labels == AMBIGUOUS
    lows = _lows(said.sets, right & accepted, accepted & ~ambiguous, accepted)
    return Line(
        shops=len(np.unique(said.sets)),
        items=int(item.sum()),
        right=_share(right, item),
        accepted=_share(accepted, item),
        precise=_share(right, accepted & ~ambiguous),
        precise_low=lows[0],
        other=_share(accepted, other),
        ambiguous=_share(accepted, ambiguous),
        felt=_share(right, accepted),
        felt_low=lows[1],
    )


def weighed(said: Said, prior: Sequence[float]) -> Rows:
    """Weigh what is said of each shop's pictures by the shop's own mix."""
    rows = said.rows.copy()
    for shop in np.unique(said.sets):
        own = said.sets == shop
        mix = estimate(rows[own], prior)
        if mix is not None:
            rows[own] = reweighed(rows[own], mix)
    return rows


def thresholds(
    said: Said, rows: Rows, labels: Sequence[str], least: float
) -> dict[str, float]:
    """Choose a threshold for each tag.

    The lowest, in hundredths of 0.50 to 0.99, down to which the part of the tag's
    pictures that is felt right, smoothed to fall with confidence (pool adjacent
    violators; Ayer et al. 1955), is at least `least`.
    """
    read = answers(rows, labels)
    right = np.array(labels)[read.tag] == said.labels
    found = {}
    for number, tag in enumerate(labels):
        if not is_tag(tag):
            continue
        own = np.flatnonzero(
            (read.tag == number) & ~read.doubtful & (read.confidence >= 0.5)  # noqa: PLR2004
        )
        own = own[np.argsort(-read.confidence[own], kind="stable")]
        taken = _fall_to(right[own].astype(float), least)
        lowest = float(read.confidence[own[taken - 1]]) if taken else 1.0
        found[tag] = min(0.99, float(np.ceil(lowest * 100) / 100))
    return found


def _fall_to(values: NDArray[np.float64], least: float) -> int:
    """Count the first values whose falling regression is at least `least`."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, size = value, 1
        while blocks and blocks[-1][0] < mean:
            before, count = blocks.pop()
            mean = (before * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    return sum(size for mean, size in blocks if mean >= least)


def train(recipe: Recipe, wanted: argparse.Namespace, same: Mapping[str, str]) -> None:
    """Train the folds that are not there yet, and keep what they say.

    Raises DataError, naming what is wrong, before anything is trained.
    """
    asked = {
        name: _asked(recipe, name, source)
        for name, source in recipe.domains.items()
        if source.photographs and name not in wanted.taught
    }
    counts = Counter(shop for data in asked.values() for shop in _shops(data).tolist())
    dealt = deal(counts, wanted.folds, same)
    materials = gather(structs.replace(recipe, domains=_all_trained(recipe)), print)
    wanted.out.mkdir(parents=True, exist_ok=True)
    chosen = wanted.only or range(wanted.folds)
    planned = {}
    for fold in chosen:  # what is wrong is named before anything is trained
        left_out = {shop for shop, at in dealt.items() if at == fold}
        planned[fold] = (left_out, without(materials, recipe, left_out))
    for fold, (left_out, rest) in planned.items():
        target = wanted.out / f"fold-{fold}.npz"
        if target.exists():
            continue
        said = _one_fold(recipe, rest, left_out, asked, wanted, fold)
        np.savez_compressed(
            target,
            rows=said.rows,
            labels=said.labels,
            kinds=said.kinds,
            sets=said.sets,
            names=said.names,
        )
        print(f"fold {fold}: {len(said.rows)} pictures of {len(left_out)} shops")


def _one_fold(  # noqa: PLR0913, PLR0917
    recipe: Recipe,
    rest: Materials,
    left_out: set[str],
    asked: Mapping[str, LabelledImages],
    wanted: argparse.Namespace,
    fold: int,
) -> Said:
    short = shortened(recipe, list(rest.domains), wanted.scale)
    trained = fit(short, rest, wanted.out / f"fold-{fold}.training")
    network = ARCHITECTURES[recipe.architecture].make(len(recipe.labels))
    network.set_weights(trained.get_weights())
    network = both_ways(network)
    parts = []
    for data in asked.values():
        shops = _shops(data)
        some = data.take(np.isin(shops, list(left_out)))
        if len(some):
            parts.append(
                Said(
                    probabilities(network, some.images),
                    _plain_labels(some.labels),
                    np.array([kind_of(label) for label in some.labels.tolist()]),
                    _shops(some),
                    some.names,
                )
            )
    return joined(parts)


def joined(parts: Sequence[Said]) -> Said:
    """Put pictures one after the other."""
    return Said(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("rows", "labels", "kinds", "sets", "names")
        )
    )


def measure(recipe: Recipe, wanted: argparse.Namespace) -> None:
    """Print the table of all folds that are there."""
    names = [f"fold-{number}" for number in wanted.only] or ["fold-*"]
    files = sorted(path for name in names for path in wanted.out.glob(f"{name}.npz"))
    if not files:
        raise SystemExit(f"no fold-N.npz in {wanted.out}: train first")
    said = joined([Said(**np.load(path)) for path in files])
    policy, labels = recipe.policy or Policy(1.0), recipe.labels
    said = replace(said, rows=at_temperature(said.rows, recipe.temperature or 1.0))
    prior = common_prior(said.rows)
    rows = said.rows if wanted.no_mix else weighed(said, prior)
    print(f"{len(files)} folds, policy {policy}, mix {not wanted.no_mix}")
    for name, some in _parts(said):
        print(_told(name, line_of(said.take(some), rows[some], labels, policy)))
    if wanted.shops:
        for shop in np.unique(said.sets):
            some = said.sets == shop
            print(
                _told(str(shop), line_of(said.take(some), rows[some], labels, policy))
            )
    _print_tags(said, rows, labels)
    _print_kinds(said, rows, labels, policy)
    print("prior", json.dumps([round(share, 4) for share in prior]))
    if wanted.choose:
        _print_choice(said, rows, labels, wanted.choose)


def _print_choice(said: Said, rows: Rows, labels: Sequence[str], least: float) -> None:
    chance = np.random.default_rng(1)
    some = np.concatenate(
        [
            np.sort(chance.permutation(np.flatnonzero(said.sets == shop))[:LARGE])
            for shop in np.unique(said.sets)
        ]
    )
    said, rows = said.take(some), rows[some]
    found = thresholds(said, rows, labels, least)
    print("chosen", found)
    print(_told("on these", line_of(said, rows, labels, Policy(0.99, tags=found))))
    shops = chance.permutation(np.unique(said.sets))
    half = np.isin(said.sets, shops[::2])
    right, accepted = np.zeros((2, len(rows)), bool)
    for one in (half, ~half):
        own = thresholds(said.take(~one), rows[~one], labels, least)
        right[one], accepted[one] = _judged(
            said.take(one), rows[one], labels, Policy(0.99, tags=own)
        )
    ambiguous = said.labels == AMBIGUOUS
    item = np.isin(said.labels, FASHION_LABELS)
    print(
        f"crosswise: accepted {_share(accepted, item):.3f} "
        f"precise {_share(right, accepted & ~ambiguous):.3f} "
        f"felt {_share(right, accepted):.3f} "
        f"ambiguous {_share(accepted, ambiguous):.3f}"
    )


def _print_tags(said: Said, rows: Rows, labels: Sequence[str]) -> None:
    tags = np.array(labels)[answers(rows, labels).tag]
    for tag in FASHION_LABELS:
        own = said.labels == tag
        print(f"  {tag}: {_share(tags == tag, own):.3f} of {int(own.sum())}")


def _print_kinds(said: Said, rows: Rows, labels: Sequence[str], policy: Policy) -> None:
    _, accepted = _judged(said, rows, labels, policy)
    for kind in np.unique(said.kinds[said.labels == AMBIGUOUS]):
        own = (said.kinds == kind) & (said.labels == AMBIGUOUS)
        name = str(kind) or "of no kind that is learnt"
        print(f"  accepted of {name}: {_share(accepted, own):.3f} of {int(own.sum())}")


def _parts(said: Said) -> Iterator[tuple[str, Bools]]:
    large = [s for s, n in Counter(said.sets.tolist()).items() if n > 4 * LARGE]
    small = ~np.isin(said.sets, large)
    yield "all but the largest", small
    for shop in sorted(large):
        yield shop, said.sets == shop


def _told(name: str, line: Line) -> str:
    return (
        f"| {name} | {line.shops} | {line.items:,} | {line.right:.3f} | "
        f"{line.accepted:.3f} | {line.precise:.3f} ({line.precise_low:.3f}) | "
        f"{line.other:.1%} | {line.ambiguous:.1%} | "
        f"{line.felt:.3f} ({line.felt_low:.3f}) |"
    )


def _judged(
    said: Said, rows: Rows, labels: Sequence[str], policy: Policy
) -> tuple[Bools, Bools]:
    """Say which pictures are right, and which a policy accepts."""
    read = answers(rows, labels)
    least = np.array([policy.least(label) for label in labels])
    least[least >= 1] = np.inf
    accepted = (read.confidence >= least[read.tag]) & ~read.doubtful
    right = np.array(labels)[read.tag] == said.labels
    return np.asarray(right), np.asarray(accepted)


def _lows(
    sets: Words, right: Bools, counted: Bools, accepted: Bools
) -> tuple[float, float]:
    """Return lower bounds of right of counted, and of accepted, over the shops."""
    _, shop = np.unique(sets, return_inverse=True)
    sums = [np.bincount(shop, weights=one) for one in (right, counted, accepted)]
    chance = np.random.default_rng(1)
    drawn = chance.integers(len(sums[0]), size=(RESAMPLES, len(sums[0])))
    good, of, every = (one[drawn].sum(axis=1) for one in sums)
    shares = (good / np.maximum(of, 1), good / np.maximum(every, 1))
    low, felt = (float(np.quantile(one, 0.05)) for one in shares)
    return low, felt


def _share(which: Bools, among: Bools) -> float:
    return float((which & among).sum() / max(1, among.sum()))


def _asked(recipe: Recipe, name: str, source: Source) -> LabelledImages:
    data = load_prepared(recipe.folder / source.photographs, Choice(source.kinds))
    if data.sets is None or not (data.sets != "").any():
        data = replace(data, sets=np.full(len(data), name))
    return data


def _shops(data: LabelledImages) -> Words:
    return data.sets if data.sets is not None else np.full(len(data), data.name)


def _plain_labels(labels: Words) -> Words:
    return np.array([AMBIGUOUS if kind_of(one) else one for one in labels.tolist()])


def _all_trained(recipe: Recipe) -> dict[str, Source]:
    return {
        name: structs.replace(one, held_back=0.0)
        for name, one in recipe.domains.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["train", "measure"])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="*", default=())
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--same", nargs="*", default=())
    parser.add_argument("--taught", nargs="*", default=())
    parser.add_argument("--no-mix", action="store_true")
    parser.add_argument("--choose", type=float, default=0.0)
    parser.add_argument("--shops", action="store_true")
    return parser


if __name__ == "__main__":
    main()
