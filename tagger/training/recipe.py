"""Read recipes: TOML files that say how a network is trained.

A recipe names its domains (sources of pictures) and its stages (parts of the training,
each with a mixture of domains). Reads files and builds domains; trains nothing.
"""

import hashlib
import math
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from tagger.datasets.load import (
    load,
    load_canvases,
    load_one_label,
    load_prepared,
    load_test_part,
)
from tagger.datasets.records import Choice, LabelledImages, split
from tagger.errors import DataError
from tagger.imaging.prepare import prepare
from tagger.labels import OTHER, kind_label
from tagger.policy.table import PolicyTable
from tagger.records import (
    AMBIGUOUS,
    FASHION_LABELS,
    Policy,
    UnreadableImage,
)
from tagger.training.architectures import ARCHITECTURES
from tagger.training.augment import NO_TEXTURES
from tagger.training.mixture import LABELS, Domain, domain_of, dressed
from tagger.validation import Positive, T, convert

_HELD_BACK_SEED: Final = 5
"""Seed of the held-back split: the same groups for every seed of a training."""

_MOST_SEED: Final = 2**32 - 1
"""The largest seed of NumPy's legacy generator, which Keras seeds."""


class Source(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """The source of a domain's pictures.

    Exactly one of these names it:

    - `arrays`: 28x28 arrays, as `datasets.load` reads them;
    - `photographs`: a folder with a labels.csv, or of folders named by their tags;
    - `things`: a folder of pictures that are not catalogue items;
    - `figures`: the name of another domain, whose garments are drawn on people.

    For arrays and photographs, `held_back` is the share of the groups, 0..1, that is
    never trained on. For things, at most `at_most` pictures are taken, and none whose
    path contains a word of `without`. With `textures` the pictures (not 28x28 arrays)
    are also used as grounds behind items. `rehearsal` pictures (not of figures) go into
    the bundle for replay; use it only for sets that may be redistributed. For
    photographs, `kinds` gives the kind of ambiguous ones by their word in the column
    `kind` or `detail`; `left_out` is a text file that lists files to leave out, one a
    line, "#" before a comment.
    """

    arrays: str = ""
    photographs: str = ""
    things: str = ""
    figures: str = ""
    held_back: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    at_most: Annotated[int, Meta(ge=0)] = 0
    without: tuple[str, ...] = ()
    textures: bool = False
    rehearsal: Annotated[int, Meta(ge=0)] = 0
    kinds: Mapping[str, str] = {}
    left_out: str = ""


_WITHOUT_EFFECT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "arrays": ("textures", "at_most", "without", "kinds", "left_out"),
        "photographs": ("at_most", "without"),
        "things": ("held_back", "kinds", "left_out"),
        "figures": (
            "held_back",
            "rehearsal",
            "at_most",
            "without",
            "kinds",
            "left_out",
        ),
    }
)
"""Options that have no effect on each kind of source."""


class Stage(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """A part of the training: its number of pictures, and its highest learning rate.

    `mixture` has the relative weights of the domains.
    """

    pictures: int
    rate: Positive
    mixture: Mapping[str, Positive]


class Recipe(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """The settings to train one network. `digest` is the SHA-256 of the file.

    Without a `policy`, one is chosen on the held-back pictures; without a
    `temperature`, which divides the logits, that too. `prior` are the shares of the
    labels that the network expects, for a shop's own mix; empty if they are not known.
    `half_precision` trains in 16 bits (bfloat16), which some processors do faster.
    """

    name: str
    digest: str
    folder: Path
    architecture: str
    domains: Mapping[str, Source]
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    batch_size: Annotated[int, Meta(ge=1)] = 128
    seed: Annotated[int, Meta(ge=0, le=_MOST_SEED)] = 1
    half_precision: bool = False
    policy: Policy | None = None
    temperature: Positive | None = None
    prior: Mapping[str, Positive] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The network's labels: the tags, "other", and the kinds by name."""
        kinds = {
            kind for source in self.domains.values() for kind in source.kinds.values()
        }
        return (*LABELS, *map(kind_label, sorted(kinds)))

    @property
    def pictures(self) -> int:
        """Pictures seen in all stages together."""
        return sum(stage.pictures for stage in self.stages)


@dataclass(frozen=True, slots=True, eq=False)
class Materials:
    """The pictures that a recipe trains on, and those that measure it.

    `held_back` are prepared images, (n, 28, 28, 3), by the name of their domain.
    """

    domains: Mapping[str, Domain]
    held_back: Mapping[str, LabelledImages]
    textures: NDArray[np.uint8]


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; DataError, naming the key, if it is not valid."""
    try:
        content = path.read_bytes()
        table = tomllib.loads(content.decode())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is not a TOML file: {error}") from error
    recipe = _parse(table, path, hashlib.sha256(content).hexdigest())
    _check(recipe, path)
    return recipe


def gather(recipe: Recipe, tell: Callable[[str], object] = lambda _: None) -> Materials:
    """Read every domain of a recipe, before anything is trained.

    `tell` takes a line about each domain. Raises DataError, naming the fault.
    """
    domains: dict[str, Domain] = {}
    held_back: dict[str, LabelledImages] = {}
    textures = [NO_TEXTURES]
    for name, source in recipe.domains.items():
        if source.figures:
            domains[name] = dressed(domains[source.figures], 1.0, recipe.seed)
        else:
            rest, held = _read(source, recipe.folder, tell)
            domains[name] = domain_of(rest, 1.0, recipe.labels)
            if held is not None:
                held_back[name] = held
        if source.textures:
            textures.append(domains[name].pictures[..., 0])
        counts = f"{len(domains[name]):,} pictures"
        if name in held_back:
            counts += f", {len(held_back[name]):,} held back"
        tell(f"{name}: {counts}")
    return Materials(domains, held_back, np.concatenate(textures))


def test_parts(recipe: Recipe) -> dict[str, LabelledImages]:
    """Read the test parts of the recipe's arrays: they measure, and choose nothing."""
    parts = {
        name: load_test_part(_place(source.arrays, recipe.folder))
        for name, source in recipe.domains.items()
        if source.arrays
    }
    return {name: data for name, data in parts.items() if data is not None}


def rehearsed(
    recipe: Recipe,
) -> tuple[list[LabelledImages], list[LabelledImages], list[LabelledImages]]:
    """Read the replay of a bundle: arrays, photographs, and arrays of a test part.

    They are prepared images, drawn at random from the training pictures; a test part
    gives as many as the arrays. The seed of a training does not change them.
    """
    arrays, photographs, tests = [], [], []
    for source in recipe.domains.values():
        if not source.rehearsal or source.figures:
            continue
        if source.arrays:
            place = _place(source.arrays, recipe.folder)
            arrays.append(
                drawn(
                    split(load(place), source.held_back, _HELD_BACK_SEED)[0],
                    source.rehearsal,
                )
            )
            if (test := load_test_part(place)) is not None:
                tests.append(drawn(test, source.rehearsal))
        elif source.photographs:
            data = load_prepared(
                recipe.folder / source.photographs, _choice(source, recipe.folder)
            )
            rest = split(data, source.held_back, _HELD_BACK_SEED)[0]
            rest = rest.take(rest.labels != AMBIGUOUS)
            photographs.append(drawn(rest, source.rehearsal))
        else:
            photographs.append(_prepared_things(source, recipe.folder))
    return arrays, photographs, tests


def drawn(data: LabelledImages, count: int) -> LabelledImages:
    """Draw `count` of the images at random, or all; always the same ones."""
    chance = np.random.default_rng(_HELD_BACK_SEED)
    return data.take(np.sort(chance.permutation(len(data))[:count]))


def _prepared_things(source: Source, folder: Path) -> LabelledImages:
    things = load_one_label(
        folder / source.things,
        OTHER,
        at_most=source.rehearsal,
        without=source.without,
    )
    prepared = [prepare(Path(str(name))) for name in things.names]
    views = [one.pixels for one in prepared if not isinstance(one, UnreadableImage)]
    return LabelledImages(things.name, np.array(views, np.uint8), *(things.labels,) * 3)


def _place(arrays: str, folder: Path) -> str:
    return arrays if ":" in arrays else str(folder / arrays)


def _read(
    source: Source, folder: Path, tell: Callable[[str], object]
) -> tuple[LabelledImages, LabelledImages | None]:
    if source.things:
        things = load_one_label(
            folder / source.things,
            OTHER,
            at_most=source.at_most,
            without=source.without,
        )
        return things, None
    if source.arrays:
        place = _place(source.arrays, folder)
        data = load(place, tell=tell)
    else:
        place = str(folder / source.photographs)
        choice = _choice(source, folder)
        data = load_canvases(Path(place), tell, choice)
    if not source.held_back:
        return data, None
    rest, held = split(data, source.held_back, _HELD_BACK_SEED)
    if source.photographs:  # measured with the views of a scan
        prepared = load_prepared(Path(place), _choice(source, folder))
        held = split(prepared, source.held_back, _HELD_BACK_SEED)[1]
    return rest, held


def _choice(source: Source, folder: Path) -> Choice:
    """Return the choice of a source's photographs; DataError without its file."""
    left_out: frozenset[str] = frozenset()
    if source.left_out:
        path = folder / source.left_out
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        files = (line.partition("#")[0].strip() for line in lines)
        left_out = frozenset(file for file in files if file)
    return Choice(source.kinds, left_out)


class _Parts(Struct):
    """The parts of a recipe that are converted one by one, to be named in messages."""

    domains: dict[str, dict[str, Any]]
    stages: list[dict[str, Any]]
    policy: dict[str, Any] | None = None


def _parse(table: Mapping[str, Any], path: Path, digest: str) -> Recipe:
    own = {"name": path.stem, "digest": digest, "folder": path.parent}
    if taken := sorted(own.keys() & table.keys()):
        raise DataError(f"{path}: {taken[0]} is an unknown key")
    parts = _part(table, _Parts, str(path))
    parsed: dict[str, object] = {
        "domains": {
            name: _part(entry, Source, f"{path}: domain {name}")
            for name, entry in parts.domains.items()
        },
        "stages": [
            _part(entry, Stage, f"{path}: stage {number}")
            for number, entry in enumerate(parts.stages, start=1)
        ],
    }
    if parts.policy is not None:
        named = f"{path}: policy"
        parsed["policy"] = _part(parts.policy, PolicyTable, named).policy()
    return _part({**table, **parsed, **own}, Recipe, str(path))


def _part(table: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Convert a table, whose keys may have "_" for "-"; DataError, naming the key."""
    try:
        return convert({key.replace("_", "-"): one for key, one in table.items()}, kind)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _check(recipe: Recipe, path: Path) -> None:
    mixed = {name for name, one in ARCHITECTURES.items() if one.schedule is None}
    if recipe.architecture not in mixed:
        known = ", ".join(mixed)
        raise DataError(
            f"{path}: architecture must be {known}: a recipe cannot train the others"
        )
    _check_prior(recipe, path)
    if recipe.policy is not None:
        _check_policy(recipe.policy, path)
    before: set[str] = set()
    for name, source in recipe.domains.items():
        _check_source(source, before, f"{path}: domain {name}")
        before.add(name)
    _check_overlaps(recipe, path)
    for stage in recipe.stages:
        _check_stage(stage, before, recipe.batch_size, path)


def _check_prior(recipe: Recipe, path: Path) -> None:
    if not recipe.prior:
        return
    differing = sorted(recipe.prior.keys() ^ set(recipe.labels))
    if differing:
        raise DataError(
            f"{path}: prior must give a share to each label and to nothing else: "
            + ", ".join(differing)
        )
    if not math.isclose(sum(recipe.prior.values()), 1, abs_tol=1e-3):
        raise DataError(f"{path}: the shares of prior must sum to 1")


def _check_source(source: Source, before: Collection[str], where: str) -> None:
    kinds = [source.arrays, source.photographs, source.things, source.figures]
    if sum(map(bool, kinds)) != 1:
        raise DataError(
            f"{where} needs exactly one of arrays, photographs, things, figures"
        )
    if source.figures and source.figures not in before:
        raise DataError(f"{where}: no domain {source.figures} before it")
    kind = next(name for name in _WITHOUT_EFFECT if getattr(source, name))
    vain = [name for name in _WITHOUT_EFFECT[kind] if getattr(source, name)]
    if vain:
        named = ", ".join(vain).replace("_", "-")
        raise DataError(f"{where}: {named} would have no effect on {kind}")


def _check_overlaps(recipe: Recipe, path: Path) -> None:
    """Raise DataError if a domain trains on pictures that another holds back."""
    read = {name: one for name, one in recipe.domains.items() if not one.figures}
    for (name, one), (former, two) in combinations(reversed(read.items()), 2):
        places = [_whole_place(source, recipe.folder) for source in (one, two)]
        alike = places[0] == places[1] and one.held_back == two.held_back
        if max(one.held_back, two.held_back) and not alike and _overlap(*places):
            raise DataError(
                f"{path}: domains {former} and {name} share pictures, and one would "
                "train on pictures that the other holds back: give both the same "
                "folder and the same held-back"
            )


def _overlap(one: Path, two: Path) -> bool:
    return one.is_relative_to(two) or two.is_relative_to(one)


def _whole_place(source: Source, folder: Path) -> Path:
    if ":" in source.arrays:
        return Path(source.arrays)
    return (folder / (source.arrays or source.photographs or source.things)).resolve()


def _check_stage(stage: Stage, before: Collection[str], batch: int, path: Path) -> None:
    strange = stage.mixture.keys() - set(before)
    if strange or not stage.mixture:
        named = ", ".join(sorted(strange)) or "nothing"
        raise DataError(f"{path}: a stage mixes {named}, which is not a domain")
    if stage.pictures < batch:
        raise DataError(f"{path}: a stage needs pictures for at least one batch")


def _check_policy(policy: Policy, path: Path) -> None:
    if strange := ", ".join(sorted(policy.tags.keys() - set(FASHION_LABELS))):
        raise DataError(f"{path}: policy names {strange}, which is not a tag")
