"""What is known of a picture follows its file when tagger rewrites that."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import CAREFUL, Photo, Scan
from support.inventories import raw

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind
from tagger.inventory.rewriting import KnownPicture, Rewritten
from tagger.records import FileStamp, State

NEW = "e" * 64


@pytest.fixture
def known(inventory: Inventory, photo: Photo, run: Scan) -> KnownPicture:
    """A picture with two decisions, one of them undone, and a note."""
    photo("a.png")
    run(policy=CAREFUL)
    (batch,) = inventory.rewriting().batches((), 10)
    (picture,) = batch
    digest = str(picture.item.digest)
    for tag, note in (("Coat", ""), ("Bag", "a clutch")):
        inventory.decide(
            digest, DecisionKind.CORRECT, tag=tag, reviewer="anna", note=note
        )
    with raw(inventory.place) as connection, connection:
        undone = "UPDATE decision SET undone_at = decided_at WHERE tag = 'Coat'"
        connection.execute(undone)
    return picture


def told(inventory: Inventory, digest: str) -> dict[str, list[tuple[object, ...]]]:
    """All that an inventory says of a content."""
    queries = {
        "decisions": "SELECT id, tag, undone_at, reviewer FROM decision",
        "notes": "SELECT id, text FROM note",
        "predictions": "SELECT tag, probabilities FROM prediction",
        "fingerprints": "SELECT bits FROM fingerprint",
    }
    with raw(inventory.place) as connection:
        if isinstance(inventory.place, Path):  # a server always checks them
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {
            name: connection.execute(f"{query} WHERE digest = ?", (digest,)).fetchall()
            for name, query in queries.items()
        }


def rewrite(path: Path, known: KnownPicture, digest: str) -> Rewritten:
    path.write_bytes(path.read_bytes() + b"more")
    return Rewritten(known, digest, FileStamp.of(path.stat()))


def test_all_that_is_known_moves_and_keeps_its_numbers(
    inventory: Inventory, known: KnownPicture, shop: Path
) -> None:
    digest = str(known.item.digest)
    before = told(inventory, digest)
    assert len(before["decisions"]) == 2
    rewriting = inventory.rewriting()

    assert rewriting.expect({digest: NEW}) == set()
    assert told(inventory, digest) == before
    rewriting.settle([rewrite(shop / "a.png", known, NEW)])

    assert told(inventory, NEW) == before
    assert not any(told(inventory, digest).values())
    (item,) = inventory.items()
    assert (item.tag, item.digest, item.reviewer) == ("Bag", NEW, "anna")


def test_a_kill_before_the_file_is_replaced_changes_nothing(
    inventory: Inventory, known: KnownPicture, run: Scan
) -> None:
    (before,) = inventory.items()

    inventory.rewriting().expect({str(known.item.digest): NEW})

    assert run(policy=CAREFUL).unchanged == 1
    assert list(inventory.items()) == [before]


def test_a_kill_after_the_file_was_replaced_loses_nothing(
    inventory: Inventory, known: KnownPicture, run: Scan, shop: Path
) -> None:
    from hashlib import sha256

    path = shop / "a.png"
    digest = sha256(path.read_bytes() + b"more").hexdigest()
    inventory.rewriting().expect({str(known.item.digest): digest})
    rewrite(path, known, digest)

    assert run(policy=CAREFUL).classified == 0

    (item,) = inventory.items()
    assert (item.tag, item.digest) == ("Bag", digest)


def test_a_second_try_after_a_kill_copies_nothing_twice(
    inventory: Inventory, known: KnownPicture, shop: Path
) -> None:
    digest = str(known.item.digest)
    before = told(inventory, digest)
    rewriting = inventory.rewriting()
    rewriting.expect({digest: NEW})
    rewriting.expect({digest: NEW})

    rewriting.settle([rewrite(shop / "a.png", known, NEW)])

    assert told(inventory, NEW) == before


def test_a_picture_that_waits_goes_on_waiting(
    inventory: Inventory, photo: Photo, run: Scan, shop: Path
) -> None:
    photo("a.png")
    run(policy=replace(CAREFUL, threshold=1.0))
    ((known,),) = inventory.rewriting().batches((), 10)
    digest = str(known.item.digest)
    inventory.rewriting().expect({digest: NEW})
    inventory.rewriting().settle([rewrite(shop / "a.png", known, NEW)])

    with raw(inventory.place) as connection:
        waiting = connection.execute("SELECT digest FROM waiting").fetchall()
    assert waiting == [(NEW,)]
    assert inventory.status().flagged == 1
    assert inventory.status().states[State.TAGGED] == 1


def test_batches_are_all_pictures_in_order(
    inventory: Inventory, photo: Photo, run: Scan
) -> None:
    names = ["a.png", "a/b.png", "a/c.png", "b.png", "é.png"]
    for number, name in enumerate(names):
        photo(name, 40 * number + 20)
    run(policy=CAREFUL)

    for size in (1, 2, 5, 9):
        batches = list(inventory.rewriting().batches((), size))
        found = [known.item.path for batch in batches for known in batch]
        assert found == sorted(names, key=str.encode)
        assert all(1 <= len(batch) <= size for batch in batches)
