"""Merge the inventory of another shop into this one: many shops, one inventory.

A root of another shop is named after it, `paris:/srv/photos`. No scan here reads it.
The rows of a shop are those of its newest inventory that was merged, as a whole: an
older inventory does not change them. All else is about contents, and adds up, in any
order: predictions, decisions, notes, tags. So the result does not depend on the order
in which inventories arrive, on repetition, or on whether a region merged them before.

The functions take a connection to each inventory; their caller opens both transactions.
They read in batches, and use little memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    RowMapping,
    Select,
    func,
    insert,
    select,
    update,
)

from tagger.errors import InventoryError, ModelError
from tagger.inventory import decisions, roots
from tagger.inventory.bulk import update_rows
from tagger.inventory.mapping import insert_one, now
from tagger.inventory.records import Merged
from tagger.inventory.tables import (
    FINGERPRINT,
    IMAGE,
    KIND_TAG,
    MODEL,
    OWN_TAG,
    PREDICTION,
    ROOT,
    RUN,
)
from tagger.system.paths import in_shop, shop_of

_ROWS: Final = 500
"""Rows in a batch: their keys fit one IN list."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_KEY: Final = ("digest", "model_id", "preparing")
"""What identifies a prediction."""

_SAID: Final = (
    "tag",
    "confidence",
    "runner_up",
    "margin",
    "probabilities",
    "adjusted",
    "adjusted_by",
    "other",
    "kind",
)
"""The columns of a prediction that an own mix or a tag of a kind may change."""

_STATE: Final = (
    "digest",
    "size",
    "mtime_ns",
    "state",
    "reason",
    "flagged",
    "flag_reason",
    "prediction_id",
    "width",
    "height",
    "format",
    "first_seen",
    "last_seen",
)
"""The columns of an image that are its state in its shop."""

Progress = Callable[[str, int], None]
"""Called with what is being merged, and the number of its rows so far."""


class Age(StrEnum):
    """How the merged inventory of a shop compares with the one merged before."""

    NEW = "new"
    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class ShopMerged:
    """What became of the rows of one shop, which are of the moment `as_of`.

    `items` counts them; `gone` those deleted here because the shop no longer has them.
    """

    shop: str
    as_of: datetime
    age: Age
    items: int = 0
    added: int = 0
    changed: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class InventoryMerged:
    """What a merge added and changed, by kind of row.

    `predictions`, `tags` and `kind_tags` count the new and changed rows.
    """

    shops: tuple[ShopMerged, ...]
    predictions: int
    tags: int
    kind_tags: int
    decisions: Merged


def merge(
    target: Connection,
    source: Connection,
    shop: str,
    *,
    max_missing: float,
    progress: Progress = lambda _what, _rows: None,
) -> InventoryMerged:
    """Merge the inventory `source` of a shop into the inventory `target`.

    Raises InventoryError if more than the share `max_missing` of a shop's items would
    disappear here, or if `source` holds merged items of a shop of that name; ModelError
    if a network has other labels here.
    """
    states = _states(source, shop)
    ages = {state: state.age_in(target) for state in states}
    fresh = [state for state in states if ages[state] is not Age.OLDER]
    models = _merge_models(target, source)
    predictions = _Predictions(
        target, source, models, _ids_here(target, fresh), _ids_there(fresh)
    )
    changed = predictions.merge(progress)
    shops = []
    for state in states:
        done = ShopMerged(state.shop, state.as_of, ages[state])
        if state in fresh:
            before = _count(target, state.shop)
            done = _Images(target, source, models, progress).merge(state, ages[state])
            _check_missing(done, before, max_missing)
        shops.append(done)
    _merge_fingerprints(target, source)
    tags = _merge_words(target, source, OWN_TAG.c.tag, _first_added)
    kind_tags = _merge_words(target, source, KIND_TAG.c.kind, _last_mapped)
    decided = decisions.merge(target, decisions.every_record(source))
    return InventoryMerged(tuple(shops), changed, tags, kind_tags, decided)


def _check_missing(done: ShopMerged, before: int, max_missing: float) -> None:
    """Raise InventoryError if too many of a shop's items are gone."""
    if done.gone > max_missing * before:
        raise InventoryError(
            f"{done.gone:,} of the {before:,} items of the shop {done.shop} are not in "
            "this inventory, so nothing was merged: is it the right shop? If they are "
            "gone for good, merge once with --max-missing 100%"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The roots of one shop in an inventory, by their names here, as of a moment."""

    shop: str
    as_of: datetime
    roots: tuple[RowMapping, ...] = field(repr=False)

    def age_in(self, target: Connection) -> Age:
        here = [root for root in _roots(target) if shop_of(root["path"]) == self.shop]
        if not here:
            return Age.NEW
        before = max(root["scanned_at"] or _NEVER for root in here)
        if self.as_of == before:
            return Age.SAME
        return Age.NEWER if self.as_of > before else Age.OLDER

    def name(self, root: RowMapping) -> str:
        """Return the name that a root has in the merged inventory."""
        path = str(root["path"])
        return path if shop_of(path) else in_shop(self.shop, path)


def _states(source: Connection, shop: str) -> list[_State]:
    """Return the state of each shop: of the inventory's own, and of those merged."""
    by_shop: dict[str, list[RowMapping]] = {}
    for root in _roots(source):
        by_shop.setdefault(shop_of(root["path"]), []).append(root)
    if shop in by_shop:
        raise InventoryError(
            f"this inventory has merged items of a shop {shop}: give its own folders "
            "another name with --shop"
        )
    states = [
        _State(name, max(root["scanned_at"] or _NEVER for root in rows), tuple(rows))
        for name, rows in by_shop.items()
        if name
    ]
    if own := by_shop.get(""):
        states.append(_State(shop, _as_of(source, own), tuple(own)))
    return sorted(states, key=lambda state: state.shop)


def _as_of(source: Connection, own: Sequence[RowMapping]) -> datetime:
    """Return the newest moment that an inventory knows of its own roots."""
    of_roots = IMAGE.c.root_id.in_([root["id"] for root in own])
    moments = (
        source.scalar(select(func.max(RUN.c.started_at))),
        source.scalar(select(func.max(RUN.c.ended_at))),
        source.scalar(select(func.max(IMAGE.c.updated_at)).where(of_roots)),
    )
    return max((moment for moment in moments if moment), default=_NEVER)


def _roots(connection: Connection) -> Sequence[RowMapping]:
    return connection.execute(select(ROOT).order_by(ROOT.c.path)).mappings().all()


def _ids_here(target: Connection, states: Sequence[_State]) -> list[int]:
    """Return the ids of the roots here that the states replace."""
    shops = {state.shop for state in states}
    return [root["id"] for root in _roots(target) if shop_of(root["path"]) in shops]


def _ids_there(states: Sequence[_State]) -> list[int]:
    return [root["id"] for state in states for root in state.roots]


def _count(target: Connection, shop: str) -> int:
    ids = [root["id"] for root in _roots(target) if shop_of(root["path"]) == shop]
    query = select(func.count()).select_from(IMAGE).where(IMAGE.c.root_id.in_(ids))
    return target.scalar(query) or 0


def _merge_models(target: Connection, source: Connection) -> dict[int, int]:
    """Add the networks that are new here; return the ids here by the ids there."""
    known = {row["digest"]: row for row in target.execute(select(MODEL)).mappings()}
    ids = {}
    for row in source.execute(select(MODEL)).mappings():
        here = known.get(row["digest"])
        if here is None:
            values = {name: row[name] for name in ("name", "digest", "labels")}
            ids[row["id"]] = insert_one(target, insert(MODEL).values(**values))
        elif here["labels"] != row["labels"]:
            raise ModelError(
                f"the network {row['name']} has other labels in this inventory, with "
                "the same weights: put the former labels back into its card"
            )
        else:
            ids[row["id"]] = here["id"]
    return ids


@dataclass(frozen=True, slots=True)
class _Predictions:
    """Merges predictions. Those of one network for one content are one row.

    They differ only if inventories adjusted them to different mixes or tags of kinds.
    A shop's prediction replaces its former one. If other roots have the content, too,
    this inventory's own roots keep theirs, and of other shops' the later mix counts.
    `here` are the ids of the roots that are replaced, `there` of those that replace.
    """

    target: Connection
    source: Connection
    models: Mapping[int, int]
    here: Sequence[int]
    there: Sequence[int]

    def merge(self, progress: Progress) -> int:
        """Merge all predictions; return how many are new or changed."""
        done = changed = 0
        for rows in _batches(self.source, select(PREDICTION).order_by(PREDICTION.c.id)):
            changed += self._merge(rows)
            done += len(rows)
            progress("merging predictions", done)
        return changed

    def _merge(self, rows: Sequence[RowMapping]) -> int:
        theirs = {
            (row["digest"], self.models[row["model_id"]], row["preparing"]): row
            for row in rows
        }
        ours = _predictions(self.target, [row["digest"] for row in rows])
        new = [
            {name: row[name] for name in (*_SAID, "damaged")}
            | dict(zip(_KEY, key, strict=True))
            for key, row in theirs.items()
            if key not in ours
        ]
        if new:
            self.target.execute(insert(PREDICTION), new)
        both = [(ours[key], row) for key, row in theirs.items() if key in ours]
        differing = [(our, their) for our, their in both if _said(our) != _said(their)]
        better = self._better(differing)
        damaged = [
            (our, our)
            for our, their in both
            if their["damaged"] and not our["damaged"] and our["id"] not in better
        ]
        self._update([*better.values(), *damaged])
        return len(new) + len(better) + len(damaged)

    def _better(
        self, differing: Sequence[tuple[RowMapping, RowMapping]]
    ) -> dict[int, tuple[RowMapping, RowMapping]]:
        """Choose the pairs whose row there replaces the one here, by its id here."""
        if not differing:
            return {}
        used = self._used([their["id"] for _, their in differing])
        others, own = self._held([our["id"] for our, _ in differing])
        return {
            our["id"]: (our, their)
            for our, their in differing
            if their["id"] in used and our["id"] not in own
            if our["id"] not in others or _said(their) > _said(our)
        }

    def _used(self, ids: Sequence[int]) -> set[int]:
        """Return the predictions that the replacing roots use."""
        query = select(IMAGE.c.prediction_id).where(
            IMAGE.c.prediction_id.in_(ids), IMAGE.c.root_id.in_(self.there)
        )
        return set(self.source.scalars(query))

    def _held(self, ids: Sequence[int]) -> tuple[set[int], set[int]]:
        """Return the predictions that other shops use here, and own roots."""
        query = (
            select(IMAGE.c.prediction_id, IMAGE.c.root_id)
            .where(IMAGE.c.prediction_id.in_(ids), IMAGE.c.root_id.not_in(self.here))
            .distinct()
        )
        elsewhere = set(roots.elsewhere(self.target))
        held = self.target.execute(query).all()
        return (
            {row.prediction_id for row in held if row.root_id in elsewhere},
            {row.prediction_id for row in held if row.root_id not in elsewhere},
        )

    def _update(self, pairs: Iterable[tuple[RowMapping, RowMapping]]) -> None:
        """Write the second row of each pair over the first."""
        values = [
            {"id": our["id"], "damaged": our["damaged"] or their["damaged"]}
            | {name: their[name] for name in _SAID}
            for our, their in pairs
        ]
        update_rows(self.target, PREDICTION, values, by="id")


def _said(row: RowMapping) -> tuple[object, ...]:
    """Return what a prediction says, in an order: that of the later mix is greater.

    The name of an adjustment begins with the id of its root, which means nothing here.
    """
    root, since, rest = (row["adjusted_by"] or "").partition(" since ")
    adjusted_by = rest if since else root
    rest_of_it = (row[name] for name in _SAID if not name.startswith("adjusted"))
    return (bool(since), adjusted_by, row["adjusted"] or b"", *rest_of_it)


def _predictions(
    connection: Connection, digests: Iterable[str]
) -> dict[tuple[str, int, str], RowMapping]:
    """Return the predictions of some contents by their key."""
    query = select(PREDICTION).where(PREDICTION.c.digest.in_(list(digests)))
    rows = connection.execute(query).mappings()
    return {(row["digest"], row["model_id"], row["preparing"]): row for row in rows}


@dataclass(slots=True)
class _Images:
    """Replaces the items of a shop by those of its newer inventory."""

    target: Connection
    source: Connection
    models: Mapping[int, int]
    progress: Progress
    _items: int = 0
    _added: int = 0
    _changed: int = 0
    _gone: int = 0
    _at: datetime = field(default_factory=now)

    def merge(self, state: _State, age: Age) -> ShopMerged:
        """Bring a shop's roots to a newer state, and delete those that it lost."""
        known = {
            root["path"]: root["id"]
            for root in _roots(self.target)
            if shop_of(root["path"]) == state.shop
        }
        for root in state.roots:
            name = state.name(root)
            here = known.pop(name, None)
            self._replace(root["id"], self._put_root(here, name, root, state.as_of))
        for lost in known.values():
            self._gone += roots.delete_images(self.target, IMAGE.c.root_id == lost)
            roots.drop(self.target, lost)
        return ShopMerged(
            state.shop,
            state.as_of,
            age,
            self._items,
            self._added,
            self._changed,
            self._gone,
        )

    def _put_root(
        self, here: int | None, name: str, root: RowMapping, as_of: datetime
    ) -> int:
        """Insert or update a root; an item pattern set here stays if it has none."""
        values = {"scanned_at": as_of}
        if root["item_pattern"] is not None:
            values["item_pattern"] = root["item_pattern"]
        if here is None:
            return insert_one(self.target, insert(ROOT).values(path=name, **values))
        self.target.execute(update(ROOT).where(ROOT.c.id == here).values(**values))
        return here

    def _replace(self, there: int, here: int) -> None:
        """Give a root here the items of a root there."""
        query = (
            select(
                IMAGE,
                *(PREDICTION.c[name].label(f"of_{name}") for name in _KEY),
            )
            .outerjoin(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
            .where(IMAGE.c.root_id == there)
            .order_by(IMAGE.c.id)
        )
        before = self._items
        for rows in _batches(self.source, query):
            self._put_images(here, rows)
            self._items += len(rows)
            self.progress("merging items", self._items)
        number = select(func.count()).select_from(IMAGE)
        number = number.where(IMAGE.c.root_id == here)
        if (self.target.scalar(number) or 0) > self._items - before:
            self._delete_vanished(there, here)

    def _put_images(self, here: int, rows: Sequence[RowMapping]) -> None:
        query = select(IMAGE).where(
            IMAGE.c.root_id == here, IMAGE.c.path.in_([row["path"] for row in rows])
        )
        known = {row["path"]: row for row in self.target.execute(query).mappings()}
        predictions = _predictions(
            self.target, {row["of_digest"] for row in rows if row["of_digest"]}
        )
        new, changed = [], []
        for row in rows:
            values = {name: row[name] for name in _STATE}
            values["prediction_id"] = self._prediction_id(row, predictions)
            former = known.get(row["path"])
            if former is None:
                place = {"root_id": here, "path": row["path"], "updated_at": self._at}
                new.append(place | values)
            elif any(former[name] != value for name, value in values.items()):
                changed.append({"id": former["id"], "updated_at": self._at} | values)
        if new:
            self.target.execute(insert(IMAGE), new)
        update_rows(self.target, IMAGE, changed, by="id")
        self._added += len(new)
        self._changed += len(changed)

    def _prediction_id(
        self, row: RowMapping, known: Mapping[tuple[str, int, str], RowMapping]
    ) -> int | None:
        if row["of_digest"] is None:
            return None
        model_id = self.models[row["of_model_id"]]
        return int(known[row["of_digest"], model_id, row["of_preparing"]]["id"])

    def _delete_vanished(self, there: int, here: int) -> None:
        """Delete the items here whose paths the root there no longer has."""
        for rows in _paths_of(self.target, here):
            query = select(IMAGE.c.path).where(
                IMAGE.c.root_id == there,
                IMAGE.c.path.in_([row["path"] for row in rows]),
            )
            kept = set(self.source.scalars(query))
            gone = [row["id"] for row in rows if row["path"] not in kept]
            self._gone += roots.delete_images(self.target, IMAGE.c.id.in_(gone))


def _merge_fingerprints(target: Connection, source: Connection) -> None:
    """Add the perceptual hashes of contents that have none here."""
    for rows in _batches(source, select(FINGERPRINT).order_by(FINGERPRINT.c.digest)):
        digests = [row["digest"] for row in rows]
        query = select(FINGERPRINT.c.digest).where(FINGERPRINT.c.digest.in_(digests))
        known = set(target.scalars(query))
        if new := [dict(row) for row in rows if row["digest"] not in known]:
            target.execute(insert(FINGERPRINT), new)


def _merge_words(
    target: Connection, source: Connection, key: Column[str], choose: "Choice"
) -> int:
    """Merge custom tags or the tags of kinds; return how many are new or changed."""
    table = key.table
    ours = {row[key]: row for row in target.execute(select(table)).mappings()}
    changed = 0
    for their in source.execute(select(table)).mappings().all():
        our = ours.get(their[key])
        if our is None:
            target.execute(insert(table).values(**their))
        elif choose(our, their) != our:
            target.execute(update(table).where(key == their[key]).values(**their))
        else:
            continue
        changed += 1
    return changed


Choice = Callable[[RowMapping, RowMapping], RowMapping]
"""Chooses one of two rows about the same word, whatever their order."""


def _first_added(one: RowMapping, other: RowMapping) -> RowMapping:
    return min(one, other, key=lambda row: (row["added_at"], row["added_by"]))


def _last_mapped(one: RowMapping, other: RowMapping) -> RowMapping:
    order = ("mapped_at", "tag", "mapped_by")
    return max(one, other, key=lambda row: tuple(row[name] for name in order))


def _batches(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    """Yield the rows of a query in batches, and keep only one in memory."""
    some = query.execution_options(yield_per=_ROWS)
    with connection.execute(some) as rows:
        yield from rows.mappings().partitions()


def _paths_of(connection: Connection, root_id: int) -> Iterator[Any]:
    """Yield ids and paths in batches, each read whole, since they may be deleted."""
    last = -1
    query = select(IMAGE.c.id, IMAGE.c.path).where(IMAGE.c.root_id == root_id)
    while True:
        part = query.where(IMAGE.c.id > last).order_by(IMAGE.c.id).limit(_ROWS)
        rows = connection.execute(part).mappings().all()
        if not rows:
            return
        yield rows
        last = rows[-1]["id"]
