"""Bundles that learnt from an inventory: in a folder beside it, and which is in force.

Knows what the inventory's rows mean, and no SQL.
"""

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tagger.bundles.bundle import (
    CARD_FILE,
    DEFAULT_BUNDLE,
    Bundle,
    chosen,
    default_bundle,
    find_bundle,
    load_bundle,
)
from tagger.errors import ModelError, OtherRecipeError
from tagger.records import Adaptation, Outcome

_NUMBERED = re.compile(r".+-(\d+)")


@dataclass(frozen=True, slots=True)
class AdaptedBundle:
    """A bundle beside an inventory, and what became of it: the word for a person.

    `problem` says why it cannot be used, where it cannot; `bundle` is None then.
    """

    name: str
    folder: Path
    fate: str
    in_force: bool
    bundle: Bundle | None
    problem: str = ""


def adapted_folder(database: Path) -> Path:
    """Return the folder of an inventory's own bundles; it may not be there."""
    return database.with_name(f"{database.name}.models")


def bundle_in_force(
    database: Path, adaptations: Sequence[Adaptation], name: str | None = None
) -> Bundle:
    """Load the bundle that classifies for an inventory.

    That of the name; else the inventory's own; else the user's choice or the default.
    Raises ModelError where it is gone or damaged: another must not take its place.
    """
    if name is not None:
        return named(database, name)
    own = in_force(adaptations)
    if own is None:
        return default_bundle()
    folder = adapted_folder(database) / own.bundle
    try:
        return _load(folder, own.digest)
    except ModelError as error:
        way = f"restore {folder}, or go back with 'tagger model rollback'"
        if isinstance(error, OtherRecipeError):
            way = "'tagger model rollback', then 'tagger model adapt'"
        raise ModelError(f"{error} (this inventory's own network: {way})") from error


def named(database: Path, name_or_folder: str) -> Bundle:
    """Load the bundle of that name, or the one in that folder, as `find_bundle` does.

    Many an inventory has a `shops-1`: its own bundles go by their folders, and where
    one has the name that no other has, the ModelError says which that is.
    """
    try:
        return find_bundle(name_or_folder)
    except ModelError as error:
        own = adapted_folder(database) / name_or_folder
        if own.name != name_or_folder or not (own / CARD_FILE).is_file():
            raise
        raise ModelError(f"{error}, such as {own}") from error


def in_force(adaptations: Sequence[Adaptation]) -> Adaptation | None:
    """Return the row of the inventory's own bundle in force; None where none is."""
    line = _promotion_chain(adaptations)
    return line[-1] if line else None


def previous(database: Path, adaptations: Sequence[Adaptation]) -> Adaptation | None:
    """Return the row that going back leads to; None where that is no own bundle.

    Bundles that are gone or damaged are passed over. Raises ModelError where no own
    bundle is in force: there is nothing to go back from.
    """
    line = _promotion_chain(adaptations)
    if not line:
        raise ModelError("no network of this inventory's own is in force")
    for row in reversed(line[:-1]):
        with suppress(ModelError):
            _load(adapted_folder(database) / row.bundle, row.digest)
            return row
    return None


def rolled_back(database: Path, adaptations: Sequence[Adaptation]) -> Adaptation:
    """Return the row of going back: the inventory writes it, and gives it its number.

    Raises ModelError where there is nothing to go back from, or to.
    """
    target, left = previous(database, adaptations), _promotion_chain(adaptations)[-1]
    if target is not None:
        bundle, beside, digest = target.bundle, True, target.digest
    else:
        bundle, beside = chosen() or DEFAULT_BUNDLE, False
        digest = default_bundle().card.digest
    return Adaptation(
        id=0,
        at=left.at,
        outcome=Outcome.ROLLED_BACK,
        bundle=bundle,
        beside=beside,
        digest=digest,
        parent_digest=left.digest,
        decisions=0,
        newest_decision_id=0,
        figures={},
        reason=f"from {left.bundle}",
    )


def next_name(database: Path, adaptations: Sequence[Adaptation], base: str) -> str:
    """Return the name of the next bundle that is adapted from one of that name.

    One that no folder has and no row: an inventory may have come without its bundles.
    """
    names = {path.name for path in adapted_folder(database).glob(f"{base}-*")}
    names |= {row.bundle for row in adaptations if row.bundle.startswith(f"{base}-")}
    return f"{base}-{max((_age(name)[0] for name in names), default=0) + 1}"


def adapted_bundles(
    database: Path, adaptations: Sequence[Adaptation]
) -> tuple[AdaptedBundle, ...]:
    """List the bundles beside an inventory, the oldest first."""
    current = in_force(adaptations)
    found = []
    for folder in sorted(
        adapted_folder(database).glob("*/"), key=lambda folder: _age(folder.name)
    ):
        if not (folder / CARD_FILE).is_file():
            continue
        bundle, problem = None, ""
        try:
            bundle = load_bundle(folder)
        except ModelError as error:
            problem = str(error)
        found.append(
            AdaptedBundle(
                folder.name,
                folder,
                fate_of(folder.name, adaptations),
                current is not None and current.bundle == folder.name,
                bundle,
                problem,
            )
        )
    return tuple(found)


def fate_of(name: str, adaptations: Sequence[Adaptation]) -> str:
    """Say what became of the own bundle of that name: promoted, or refused, and when.

    "not recorded" where no row tells of it.
    """
    for row in reversed(adaptations):
        if row.bundle == name and row.outcome is not Outcome.ROLLED_BACK:
            return f"{row.outcome} {row.at.astimezone():%Y-%m-%d}"
    return "not recorded"


def forget_refused(
    database: Path, adaptations: Sequence[Adaptation], *, keep: int
) -> None:
    """Remove refused bundles but the newest: each night may add one.

    None whose name was promoted, before or since.
    """
    refused = [row.bundle for row in adaptations if row.outcome is Outcome.REFUSED]
    promoted = {row.bundle for row in adaptations if row.outcome is Outcome.PROMOTED}
    old = set(refused[: max(0, len(refused) - keep)]) - promoted
    for folder in adapted_folder(database).glob("*/"):
        if folder.name in old:
            shutil.rmtree(folder, ignore_errors=True)


def discard(database: Path, name: str) -> None:
    """Remove a bundle of which no row tells: nobody would know what became of it."""
    shutil.rmtree(adapted_folder(database) / name, ignore_errors=True)


def _load(folder: Path, digest: str) -> Bundle:
    found = load_bundle(folder)
    if found.card.digest != digest:
        raise ModelError(f"{folder} holds another network than was promoted")
    return found


def _promotion_chain(adaptations: Sequence[Adaptation]) -> list[Adaptation]:
    """Return the own bundles in force and before it, as going back finds them."""
    line: list[Adaptation] = []
    for row in adaptations:
        if row.outcome is Outcome.PROMOTED:
            line.append(row)
        elif row.outcome is Outcome.ROLLED_BACK:
            del line[-1:]
            while line and (not row.beside or line[-1].digest != row.digest):
                line.pop()
    return line


def _age(name: str) -> tuple[int, str]:
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else 0, name
