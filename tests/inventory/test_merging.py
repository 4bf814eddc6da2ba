"""Many shops, one inventory: the order of the merges does not matter."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import FakeClassifier
from support.inventories import digest_of, lasting, new_inventory, raw, tagged

from tagger.errors import InventoryError, ModelError
from tagger.inventory import Inventory
from tagger.inventory.merging import Age, InventoryMerged
from tagger.inventory.records import (
    Answer,
    DecidedBy,
    Decision,
    DecisionKind,
    Note,
    Selection,
)
from tagger.policy.decide import adjusted_predictions, decide
from tagger.records import ImageFile, Policy, State, UnreadableImage
from tagger.system.paths import in_shop, is_shop, shop_of

pytestmark = pytest.mark.sqlite_only("what is merged is a file")

ROOT = Path("/srv/photos")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SHOPS = ("paris", "rome", "oslo")


def moment(minutes: int) -> datetime:
    return LONG_AGO + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Shop:
    """What one shop has: pictures by path, and what its people said.

    A picture is the number of its content and whether it is flagged; None is a file
    that cannot be read. `adjusted` holds the contents that a mix of that age changed.
    """

    pictures: dict[str, tuple[int, bool] | None]
    decisions: Sequence[Decision] = ()
    notes: Sequence[Note] = ()
    tags: dict[str, int] | None = None
    kind_tags: dict[str, tuple[str, int]] | None = None
    pattern: str | None = None
    adjusted: dict[int, int] | None = None


def fill(inventory: Inventory, shop: Shop, root: Path = ROOT) -> None:
    """Bring an inventory to the state of a shop, as scans and people do."""
    with inventory.recording(FakeClassifier().identity, options={}) as recording:
        known = recording.known(root)
        gone = [row for path, row in known.items() if path not in shop.pictures]
        if gone:
            recording.forget(gone)
        outcomes = [
            (
                ImageFile(path, 1, 2),
                UnreadableImage("broken", digest_of(99))
                if picture is None
                else tagged(picture[0], 0.5 + picture[0] / 10, flagged=picture[1]),
            )
            for path, picture in shop.pictures.items()
        ]
        recording.record(root, outcomes, known, {})
        recording.finish([root], exit_code=0, counts={})
    inventory.set_item_pattern([str(root)], shop.pattern)
    inventory.merge_decisions([*shop.decisions, *shop.notes])
    with raw(inventory.path) as connection, connection:
        write = connection.execute
        for tag, at in (shop.tags or {}).items():
            when = f"{moment(at):%Y-%m-%dT%H:%M:%S.%fZ}"
            write("INSERT OR REPLACE INTO own_tag VALUES (?, ?, 'anna')", (tag, when))
        for kind, (tag, at) in (shop.kind_tags or {}).items():
            when = f"{moment(at):%Y-%m-%dT%H:%M:%S.%fZ}"
            values = (kind, tag, when)
            write("INSERT OR REPLACE INTO kind_tag VALUES (?, ?, ?, 'anna')", values)
        for content, at in (shop.adjusted or {}).items():
            write(
                "UPDATE prediction SET tag = 'Dress', confidence = ?, other = 0.5, "
                "kind = 'skirt', adjusted = x'00', adjusted_by = ? WHERE digest = ?",
                (at / 10, f"1 since {moment(at).isoformat()}:", digest_of(content)),
            )


contents = st.integers(0, 2)
pictures = st.dictionaries(
    st.sampled_from(["a.jpg", "b.jpg", "sub/c.jpg", "d\udcff.jpg"]),
    st.none() | st.tuples(contents, st.booleans()),
    min_size=2,
)


@st.composite
def said(draw: st.DrawFn) -> list[Decision]:
    """The decisions of the whole chain: no two of one moment, some undone."""
    made = []
    for at in range(draw(st.integers(0, 6))):
        tag = draw(st.sampled_from([None, "Dress", "Coat"]))
        kind = DecisionKind.CORRECT if tag else DecisionKind.NOT_CATALOGUE
        answer = Answer(digest_of(draw(contents)), kind, tag, b"views")
        who = draw(st.sampled_from(["anna", "ben"]))
        made.append(Decision(0, answer, who, moment(at), "review", "Shirt"))
    return made


@st.composite
def chains(draw: st.DrawFn) -> tuple[Shop, ...]:
    """Three shops that share contents, some decisions, and some notes."""
    decisions = draw(said())
    notes = [Note(digest_of(n), "torn", "ben", moment(n)) for n in range(3)]

    def known_there() -> list[Decision]:
        undone = st.none() | st.integers(7, 9).map(moment)
        return [
            replace(made, undone_at=draw(undone))
            for made in decisions
            if draw(st.booleans())
        ]

    word = st.sampled_from(["Skirt", "Scarf"])
    return tuple(
        Shop(
            pictures=draw(pictures),
            decisions=known_there(),
            notes=[note for note in notes if draw(st.booleans())],
            tags=draw(st.dictionaries(word, st.integers(0, 9))),
            kind_tags=draw(
                st.dictionaries(
                    st.sampled_from(["skirt", "scarf"]),
                    st.tuples(word, st.integers(0, 9)),
                )
            ),
            pattern=draw(st.sampled_from([None, r"(\w)\.jpg"])),
            adjusted=draw(st.dictionaries(contents, st.integers(0, 3), min_size=2)),
        )
        for _ in SHOPS
    )


@contextmanager
def inventories(*shops: Shop) -> Iterator["Many"]:
    """Open the inventories of shops, and as many new ones as a test asks for."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        many = Many(Path(folder), stack)
        for shop, name in zip(shops, SHOPS, strict=False):
            many.shops[name] = many.new()
            fill(many.shops[name], shop)
        yield many


class Many:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.shops: dict[str, Inventory] = {}
        self._folder = folder
        self._stack = stack
        self._made = 0

    def new(self) -> Inventory:
        self._made += 1
        path = self._folder / f"{self._made}.db"
        return self._stack.enter_context(new_inventory(path))

    def merged(self, *names: str) -> Inventory:
        target = self.new()
        for name in names:
            target.merge(self.shops[name], name)
        return target


def truth(inventory: Inventory) -> dict[str, Any]:
    """All that is in force, without ids and the times of merges."""
    with raw(inventory.path) as connection:
        read = connection.execute
        return {
            "items": sorted(map(repr, lasting(inventory))),
            "roots": inventory.root_records(),
            "decisions": sorted(
                repr(
                    (
                        replace(record, id=0)
                        if isinstance(record, Decision)
                        else record,
                        paths,
                    )
                )
                for record, paths in inventory.decisions()
            ),
            "tags": inventory.custom_tags(),
            "kinds": sorted(read("SELECT * FROM kind_tag")),
            "waiting": sorted(read("SELECT digest, confidence, margin FROM waiting")),
            "counted": sorted(
                read(
                    "SELECT path, state, tag, flagged, number FROM counted "
                    "JOIN root ON root.id = root_id"
                )
            ),
            "predictions": sorted(
                read(
                    "SELECT digest, preparing, tag, confidence, adjusted_by, damaged "
                    "FROM prediction"
                ),
                key=repr,
            ),
        }


@settings(max_examples=20)
@given(chains(), st.permutations(SHOPS))
def test_the_order_of_the_shops_does_not_matter(
    shops: tuple[Shop, ...], order: list[str]
) -> None:
    with inventories(*shops) as many:
        assert truth(many.merged(*SHOPS)) == truth(many.merged(*order))


@settings(max_examples=20)
@given(chains(), st.permutations(SHOPS))
def test_a_region_may_merge_its_shops_first(
    shops: tuple[Shop, ...], order: list[str]
) -> None:
    with inventories(*shops) as many:
        region, chain = many.merged(*order[1:]), many.merged(order[0])

        chain.merge(region, "south")

        assert truth(chain) == truth(many.merged(*SHOPS))


@settings(max_examples=15)
@given(chains(), st.sampled_from(SHOPS))
def test_a_repeated_merge_changes_nothing(shops: tuple[Shop, ...], again: str) -> None:
    with inventories(*shops) as many:
        chain = many.merged(*SHOPS)
        before = truth(chain)

        repeated = chain.merge(many.shops[again], again)

        (shop,) = repeated.shops
        assert (shop.age, shop.added, shop.changed, shop.gone) == (Age.SAME, 0, 0, 0)
        assert (repeated.predictions, repeated.tags, repeated.kind_tags) == (0, 0, 0)
        assert (repeated.decisions.added, repeated.decisions.notes) == (0, 0)
        assert truth(chain) == before


@settings(max_examples=15)
@given(chains(), st.data())
def test_the_newest_inventory_of_a_shop_counts_in_whichever_order_they_come(
    shops: tuple[Shop, ...], data: st.DataObject
) -> None:
    with inventories(*shops) as many:
        old = many.new()
        fill(old, shops[0])
        newer = replace(shops[0], pictures=data.draw(pictures))
        many.shops["paris"] = old
        both, late = many.merged("paris"), many.new()
        new = many.new()
        new.merge(old, "unused")  # only to have decisions, tags and notes of both
        new.forget_root(Path(in_shop("unused", str(ROOT))))
        fill(new, replace(newer, adjusted=None, pattern=shops[0].pattern))
        many.shops["paris"] = new

        both.merge(new, "paris")
        late.merge(new, "paris")
        told = late.merge(old, "paris")

        assert told.shops[0].age is Age.OLDER
        alone = truth(many.merged("paris"))
        for one in (both, late):
            assert truth(one)["items"] == alone["items"]
            assert truth(one)["roots"] == alone["roots"]
            assert truth(one)["counted"] == alone["counted"]
            assert truth(one)["waiting"] == alone["waiting"]


@pytest.fixture
def paris(tmp_path: Path) -> Iterator[Inventory]:
    with new_inventory(tmp_path / "paris.db") as opened:
        fill(opened, Shop({"a.jpg": (0, True), "b.jpg": (1, False), "c.jpg": None}))
        yield opened


def by_path(inventory: Inventory) -> dict[str, Any]:
    return {f"{item.root}/{item.path}": item for item in inventory.items()}


def test_a_person_here_counts_over_the_network_of_a_shop(
    paris: Inventory, inventory: Inventory
) -> None:
    kind = DecisionKind.CORRECT
    inventory.decide(digest_of(0), kind, tag="Coat", reviewer="anna")

    inventory.merge(paris, "paris")

    item = by_path(inventory)["paris:/srv/photos/a.jpg"]
    assert (item.tag, item.decided_by) == ("Coat", DecidedBy.PERSON)
    assert not item.flagged
    assert inventory.status().flagged == 0


def test_files_that_vanished_in_the_shop_are_missing_here(
    paris: Inventory, inventory: Inventory
) -> None:
    inventory.merge(paris, "paris")
    image = by_path(inventory)["paris:/srv/photos/a.jpg"]
    fill(paris, Shop({"b.jpg": (1, False), "c.jpg": None}))
    with raw(paris.path) as connection, connection:
        connection.execute("UPDATE image SET state = 'missing' WHERE path = 'b.jpg'")

    merged = inventory.merge(paris, "paris")

    assert image.state is State.TAGGED
    items = by_path(inventory)
    assert "paris:/srv/photos/a.jpg" not in items  # forgotten there
    assert items["paris:/srv/photos/b.jpg"].state is State.MISSING
    (shop,) = merged.shops
    assert (shop.age, shop.gone, shop.changed) == (Age.NEWER, 1, 1)


def test_a_folder_that_the_shop_forgot_is_forgotten_here(
    paris: Inventory, inventory: Inventory
) -> None:
    fill(paris, Shop({"z.jpg": (3, True)}), Path("/srv/more"))
    inventory.merge(paris, "paris")
    paris.forget_root(Path("/srv/more"))
    fill(paris, Shop({"a.jpg": (0, True)}))

    inventory.merge(paris, "paris")

    assert inventory.roots() == ["paris:/srv/photos"]


def test_the_inventory_of_another_shop_is_not_taken_for_this_shop(
    paris: Inventory, inventory: Inventory, tmp_path: Path
) -> None:
    inventory.merge(paris, "paris")
    before = truth(inventory)
    with new_inventory(tmp_path / "rome.db") as rome:
        fill(rome, Shop({"x.jpg": (3, True)}))
        with pytest.raises(InventoryError, match=r"3 of the 3 items .*right shop"):
            inventory.merge(rome, "paris", max_missing=0.2)

        assert truth(inventory) == before
        inventory.merge(rome, "paris", max_missing=1)

    assert list(by_path(inventory)) == ["paris:/srv/photos/x.jpg"]


def test_a_shop_cannot_have_the_name_of_one_that_it_merged(
    paris: Inventory, inventory: Inventory, tmp_path: Path
) -> None:
    with new_inventory(tmp_path / "region.db") as region:
        region.merge(paris, "paris")
        fill(region, Shop({"x.jpg": (3, True)}))
        with pytest.raises(InventoryError, match=r"paris.*--shop"):
            inventory.merge(region, "paris")

        inventory.merge(region, "south")

    assert inventory.roots() == ["paris:/srv/photos", "south:/srv/photos"]


def test_other_labels_with_the_same_weights_are_refused(
    paris: Inventory, inventory: Inventory
) -> None:
    inventory.merge(paris, "paris")
    with raw(inventory.path) as connection, connection:
        connection.execute("""UPDATE model SET labels = '["Dress"]'""")
    before = truth(inventory)

    with pytest.raises(ModelError, match="labels"):
        inventory.merge(paris, "paris")

    assert truth(inventory) == before


def test_a_scan_here_leaves_the_items_of_a_shop_as_the_shop_has_them(
    paris: Inventory, inventory: Inventory
) -> None:
    fill(paris, Shop({"a.jpg": (0, False)}))
    inventory.merge(paris, "paris")
    before = truth(inventory)
    identity = FakeClassifier().identity
    with inventory.recording(identity, options={}) as recording:
        # A policy under which every picture would wait, and no mix.
        recording.enforce(Policy(1.0), decide)
        recording.adjust(Policy(1.0), adjusted_predictions, decide)
        assert recording.roots() == []
        recording.finish([], exit_code=0, counts={})

    assert truth(inventory) == before


def test_a_picture_that_is_here_too_keeps_the_prediction_of_this_inventory(
    paris: Inventory, inventory: Inventory
) -> None:
    fill(inventory, Shop({"same.jpg": (0, False)}))
    fill(paris, Shop({"a.jpg": (0, True)}, adjusted={0: 3}))

    inventory.merge(paris, "paris")

    items = by_path(inventory)
    assert items["/srv/photos/same.jpg"].machine_tag == "T-shirt/top"
    assert not items["/srv/photos/same.jpg"].flagged
    assert items["paris:/srv/photos/a.jpg"].flagged


def test_a_review_and_an_audit_show_only_pictures_that_are_here(
    paris: Inventory, inventory: Inventory
) -> None:
    fill(inventory, Shop({"same.jpg": (0, True), "sure.jpg": (4, False)}))
    fill(paris, Shop({"a.jpg": (0, True), "b.jpg": (1, False), "c.jpg": (2, True)}))
    inventory.merge(paris, "paris")

    with inventory.reviewing("anna", Selection()) as review:
        shown = review.take(5, without=())
        found = review.find("jpg", 5)
        left = review.left()
    with inventory.reviewing("anna", Selection(root="paris:/srv/photos")) as review:
        asked_for = [item.path for item in review.take(5, without=())]
    audit = inventory.draw_audit(5, "anna")

    assert [(item.root, item.path) for item in shown] == [("/srv/photos", "same.jpg")]
    assert [item.path for item in found] in ([], ["same.jpg"])
    assert (left, inventory.status().waiting_pictures) == (1, 1)
    assert inventory.status().flagged == 3
    assert sorted(asked_for) == ["a.jpg", "c.jpg"]
    assert audit is not None
    assert (audit.accepted, audit.sampled) == (1, 1)


def test_an_item_pattern_set_here_stays_until_the_shop_sets_one(
    paris: Inventory, inventory: Inventory
) -> None:
    inventory.merge(paris, "paris")
    inventory.set_item_pattern(["paris:/srv/photos"], "here")
    inventory.merge(paris, "paris")
    kept = inventory.item_patterns()
    paris.set_item_pattern([str(ROOT)], "there")
    inventory.merge(paris, "paris")

    assert kept == {"paris:/srv/photos": "here"}
    assert inventory.item_patterns() == {"paris:/srv/photos": "there"}


def test_rows_of_many_batches_are_merged(inventory: Inventory, tmp_path: Path) -> None:
    with new_inventory(tmp_path / "large.db") as large:
        fill(large, Shop({f"{n:04}.jpg": (n % 5, bool(n % 2)) for n in range(1203)}))
        inventory.merge(large, "paris")
        fill(large, Shop({f"{n:04}.jpg": (n % 5, bool(n % 2)) for n in range(600)}))
        merged: InventoryMerged = inventory.merge(large, "paris")

    assert inventory.count() == 600
    assert (merged.shops[0].gone, merged.shops[0].changed) == (603, 0)


@pytest.mark.parametrize(
    ("path", "shop"),
    [
        ("paris:/srv/photos", "paris"),
        ("rome-2:/srv/photos/a.jpg", "rome-2"),
        (r"oslo:C:\photos", "oslo"),
        (r"oslo:\\server\photos", "oslo"),
        ("oslo:s3://bucket/photos", "oslo"),
        ("/srv/photos", ""),
        ("/srv/paris:/photos", ""),
        ("C:/photos", ""),
        (r"C:\photos", ""),
        ("s3://bucket/photos", ""),
        ("https://shop.example/a.jpg", ""),
        ("paris:notes.txt", ""),
    ],
)
def test_a_root_tells_its_shop(path: str, shop: str) -> None:
    assert shop_of(path) == shop


@given(st.text(), st.sampled_from(["/srv", "//srv", r"C:\a", r"\\s\a", "s3://b/a"]))
def test_a_shop_is_read_from_the_names_that_it_gives(name: str, root: str) -> None:
    if is_shop(name):
        assert shop_of(in_shop(name, root)) == name


def test_of_two_mixes_the_later_one_counts_for_a_picture_of_both_shops() -> None:
    early = Shop({"a.jpg": (0, True)}, adjusted={0: 1})
    late = Shop({"z.jpg": (0, False)}, adjusted={0: 2})
    with inventories(early, late) as many:
        for order in (("paris", "rome"), ("rome", "paris")):
            merged = by_path(many.merged(*order))

            assert {item.no_tag for item in merged.values()} == {0.5}
            with raw(many.merged(*order).path) as connection:
                found = connection.execute("SELECT confidence FROM prediction")
                assert found.fetchall() == [(0.2,)]
