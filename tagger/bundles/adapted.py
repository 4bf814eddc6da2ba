"""Find the adapted bundles of an inventory, and the one in force.

They are in a folder beside the inventory. Knows the meaning of its rows, but no SQL.
"""

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
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
from tagger.system.database_url import DatabaseUrl, Place
from tagger.system.paths import beside
from tagger.system.user_dirs import data_folder

_NUMBERED = re.compile(r".+-(\d+)")


@dataclass(frozen=True, slots=True)
class AdaptedBundle:
    """A bundle beside an inventory, with its fate in words for a person.

    `problem` is the reason why it cannot be used, or empty; with a problem `bundle` is
    None.
    """

    name: str
    folder: Path
    fate: str
    in_force: bool
    bundle: Bundle | None
    problem: str = ""


def adapted_folder(database: Place) -> Path:
    """Return the folder of an inventory's own bundles, which may not exist.

    It is beside a file; for a database on a server, in this user's data folder, named
    after a digest of what tells the database from others.
    """
    if isinstance(database, DatabaseUrl):
        digest = sha256(database.identity.encode("utf-8", "surrogateescape"))
        return data_folder() / "networks-of-databases" / digest.hexdigest()[:16]
    return beside(database, ".models")


def bundle_in_force(
    database: Place, adaptations: Sequence[Adaptation], name: str | None = None
) -> Bundle:
    """Load the bundle that classifies for an inventory.

    The named one; otherwise the inventory's own; otherwise the user's choice or the
    default. Raises ModelError if it is missing or damaged: no other bundle replaces it.
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
        remedy = f"restore {folder}, or go back with 'tagger model rollback'"
        if isinstance(database, DatabaseUrl):
            remedy = f"copy {folder} from the machine that ran 'tagger model adapt'"
        if isinstance(error, OtherRecipeError):
            remedy = "run 'tagger model rollback', then 'tagger model adapt'"
        raise ModelError(f"{error} (this inventory's own network: {remedy})") from error


def named(database: Place, name_or_folder: str) -> Bundle:
    """Load the bundle of this name or in this folder, as `find_bundle` does.

    An inventory's own bundles are named by their folders, because many inventories have
    a `shops-1`. If only an own bundle has the name, the ModelError names its folder.
    """
    try:
        return find_bundle(name_or_folder)
    except ModelError as error:
        own = adapted_folder(database) / name_or_folder
        if own.name != name_or_folder or not (own / CARD_FILE).is_file():
            raise
        raise ModelError(f"{error}, such as {own}") from error


def in_force(adaptations: Sequence[Adaptation]) -> Adaptation | None:
    """Return the row of the inventory's own bundle in force; None if there is none."""
    chain = _promotion_chain(adaptations)
    return chain[-1] if chain else None


def previous(database: Place, adaptations: Sequence[Adaptation]) -> Adaptation | None:
    """Return the row that a rollback leads to; None if that is not an own bundle.

    Skips bundles that are missing or damaged. Raises ModelError if no own bundle is in
    force, so that there is nothing to roll back.
    """
    chain = _promotion_chain(adaptations)
    if not chain:
        raise ModelError(
            "no network of this inventory's own is in force: nothing to roll back"
        )
    for row in reversed(chain[:-1]):
        with suppress(ModelError):
            _load(adapted_folder(database) / row.bundle, row.digest)
            return row
    return None


def rolled_back(database: Place, adaptations: Sequence[Adaptation]) -> Adaptation:
    """Return the row of a rollback; the inventory writes it and sets its number.

    Raises ModelError if there is no network to go back from, or to.
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


def next_name(database: Place, adaptations: Sequence[Adaptation], base: str) -> str:
    """Return the name of the next bundle that is adapted from the bundle `base`.

    Unused on disk and in the history: the inventory may have been copied without its
    bundles.
    """
    names = {path.name for path in adapted_folder(database).glob(f"{base}-*")}
    names |= {row.bundle for row in adaptations if row.bundle.startswith(f"{base}-")}
    return f"{base}-{max((_age(name)[0] for name in names), default=0) + 1}"


def adapted_bundles(
    database: Place, adaptations: Sequence[Adaptation]
) -> tuple[AdaptedBundle, ...]:
    """List the bundles beside an inventory, the oldest first."""
    current = in_force(adaptations)
    bundles = []
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
        bundles.append(
            AdaptedBundle(
                folder.name,
                folder,
                fate_of(folder.name, adaptations),
                current is not None and current.bundle == folder.name,
                bundle,
                problem,
            )
        )
    return tuple(bundles)


def fate_of(name: str, adaptations: Sequence[Adaptation]) -> str:
    """Return the fate of the own bundle of this name: promoted or refused, and when.

    "not recorded" if it has no row.
    """
    for row in reversed(adaptations):
        if row.bundle == name and row.outcome is not Outcome.ROLLED_BACK:
            return f"{row.outcome} {row.at.astimezone():%Y-%m-%d}"
    return "not recorded"


def forget_refused(
    database: Place, adaptations: Sequence[Adaptation], *, keep: int
) -> None:
    """Remove all refused bundles except the newest `keep`: each night may add one.

    A bundle whose name was ever promoted stays.
    """
    refused = [row.bundle for row in adaptations if row.outcome is Outcome.REFUSED]
    promoted = {row.bundle for row in adaptations if row.outcome is Outcome.PROMOTED}
    old = set(refused[: max(0, len(refused) - keep)]) - promoted
    for folder in adapted_folder(database).glob("*/"):
        if folder.name in old:
            shutil.rmtree(folder, ignore_errors=True)


def discard(database: Place, name: str) -> None:
    """Remove a bundle that has no row in the history."""
    shutil.rmtree(adapted_folder(database) / name, ignore_errors=True)


def _load(folder: Path, digest: str) -> Bundle:
    bundle = load_bundle(folder)
    if bundle.card.digest != digest:
        raise ModelError(f"{folder} holds another network than the promoted one")
    return bundle


def _promotion_chain(adaptations: Sequence[Adaptation]) -> list[Adaptation]:
    """Return the own bundles up to the one in force, as rollbacks go through them."""
    chain: list[Adaptation] = []
    for row in adaptations:
        if row.outcome is Outcome.PROMOTED:
            chain.append(row)
        elif row.outcome is Outcome.ROLLED_BACK:
            # The rollback went to the bundle of its row, or to one for everybody.
            del chain[-1:]
            while chain and (not row.beside or chain[-1].digest != row.digest):
                chain.pop()
    return chain


def _age(name: str) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else 0, name
