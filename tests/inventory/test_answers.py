"""Where no tag fits, the network's answer says so: in every place that shows it."""

import asyncio
import csv
import io
import json
import sqlite3
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import GOLDEN, Photo, scan
from support.inventories import raw
from support.kinds import DRESS, LABELS, SKIRT, VASE, Knowing
from support.program import Tagger, in_a_terminal, refused
from support.reviews import decided, in_lines, on_screen, order_of, press, sit, text_of

from tagger.exchange import Style, Table, write_table
from tagger.exchange.corrections import Comparison, compare
from tagger.exchange.products import products
from tagger.inventory import Inventory
from tagger.inventory.columns import COLUMNS
from tagger.inventory.records import DecidedBy, DecisionKind, Item, Selection
from tagger.labels import OTHER
from tagger.policy.decide import predict
from tagger.records import NOT_CATALOGUE, Format, Policy, State


@pytest.fixture
def stock(shop: Path, inventory: Inventory, photo: Photo) -> dict[str, Item]:
    photo("vase.png", VASE)
    photo("skirt.png", SKIRT)
    photo("dress.png", DRESS)
    scan([shop], inventory, Knowing(), Policy(0.7))
    return _items(inventory)


def _items(inventory: Inventory) -> dict[str, Item]:
    return {item.path: item for item in inventory.items()}


def _decide(inventory: Inventory, item: Item, tag: str | None) -> None:
    kind = DecisionKind.CORRECT if tag else DecisionKind.NOT_CATALOGUE
    inventory.decide(item.digest or "", kind, tag=tag, reviewer="anna")


def test_an_item_without_a_fitting_tag_has_no_tag(stock: dict[str, Item]) -> None:
    vase, dress = stock["vase.png"], stock["dress.png"]

    assert (vase.tag, vase.machine_tag) == (None, NOT_CATALOGUE)
    assert vase.confidence == vase.no_tag == pytest.approx(0.956)
    assert vase.runner_up == "Pullover"
    assert vase.margin == pytest.approx(0.926)
    assert vase.state is State.TAGGED
    assert (dress.tag, dress.machine_tag) == ("Dress", "Dress")
    assert dress.no_tag == pytest.approx(0.08)


def test_a_person_is_believed_and_the_machine_remembered(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    _decide(inventory, stock["vase.png"], "Dress")
    _decide(inventory, stock["dress.png"], None)

    items = _items(inventory)
    vase, dress = items["vase.png"], items["dress.png"]
    assert (vase.tag, vase.machine_tag) == ("Dress", NOT_CATALOGUE)
    assert (dress.tag, dress.reason) == (None, NOT_CATALOGUE)
    assert (dress.state, dress.decided_by) == (State.TAGGED, DecidedBy.PERSON)


def test_the_status_splits_what_is_tagged(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    _decide(inventory, stock["vase.png"], None)

    status = inventory.status()

    assert dict(status.tags) == {NOT_CATALOGUE: 1, "no tag: skirt": 1, "Dress": 1}
    split = {
        tag: (n.accepted, n.waiting, n.decided) for tag, n in status.by_tag.items()
    }
    assert split == {
        "Dress": (1, 0, 0),
        "no tag: skirt": (0, 1, 0),
        NOT_CATALOGUE: (0, 0, 1),
    }
    assert sum(sum(n) for n in split.values()) == status.states[State.TAGGED]


@pytest.mark.usefixtures("stock")
def test_the_answer_is_exported_with_its_probability(
    tagger: Tagger, inventory: Inventory
) -> None:
    text = tagger("export", "--db", inventory.place).stdout

    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(text))}
    assert list(rows["vase.png"])[-1] == "no_tag"
    assert rows["vase.png"]["tag"] == ""
    assert rows["vase.png"]["machine_tag"] == NOT_CATALOGUE
    assert rows["skirt.png"]["machine_tag"] == "no tag: skirt"
    assert float(rows["skirt.png"]["confidence"]) == pytest.approx(0.88)


@pytest.mark.usefixtures("stock")
def test_all_probabilities_are_exported_on_request(
    tagger: Tagger, inventory: Inventory
) -> None:
    export = ("export", "--db", inventory.place)
    columns = ("--columns", "path,probabilities")

    found = tagger(*export, *columns, "-f", "jsonl").stdout
    told = refused(tagger, *export, *columns, "--changed")

    by_path = {row["path"]: row for row in map(json.loads, found.splitlines())}
    probabilities = json.loads(by_path["vase.png"]["probabilities"])
    assert tuple(probabilities) == LABELS
    assert probabilities[OTHER] == pytest.approx(0.906)
    assert "--changed" in told
    assert ",probabilities" not in tagger(*export).stdout


@pytest.mark.usefixtures("stock")
def test_enter_gives_the_most_probable_answer_in_lines(inventory: Inventory) -> None:
    # Ordered by the probability of the answer: the skirt 0.88, the vase 0.956.
    assert order_of(inventory) == ["skirt.png", "vase.png"]

    told = in_lines(inventory, "s", "", "q")

    assert f"x {NOT_CATALOGUE} 0.95" in told
    assert f"{NOT_CATALOGUE}? (Enter" in told
    assert decided(inventory) == {"vase.png": (None, "not-a-catalogue-item")}


@pytest.mark.usefixtures("stock")
def test_enter_gives_no_tag_that_the_shop_lacks(inventory: Inventory) -> None:
    told = in_lines(inventory, "", "k", "q")

    assert "k adds the tag Skirt" in told
    assert "no tag Skirt yet" in told
    assert decided(inventory) == {"skirt.png": ("Skirt", "correct")}


def test_enter_gives_the_tag_of_a_kind_once_there_is_one(
    stock: dict[str, Item], inventory: Inventory, photo: Photo, shop: Path
) -> None:
    assert stock
    photo("skirt2.png", SKIRT + 1)
    scan([shop], inventory, Knowing(), Policy(0.7))

    in_lines(inventory, "k", "", "q")

    assert set(decided(inventory).values()) == {("Skirt", "correct")}
    assert len(decided(inventory)) == 2


@pytest.mark.usefixtures("stock")
def test_the_screen_marks_the_most_probable_answer(inventory: Inventory) -> None:
    async def run() -> tuple[str, str]:
        with sit(inventory) as begun:
            async with on_screen(begun) as pilot:
                skirt = text_of(pilot)
                await press(pilot, "enter")  # there is no answer to give
                assert decided(inventory) == {}
                await press(pilot, "s")
                vase = text_of(pilot)
                await press(pilot, "enter", "q")
                return skirt, vase

    skirt, vase = asyncio.run(run())
    assert "▶" not in skirt
    assert "k add the tag Skirt" in skirt
    assert f"▶ x {NOT_CATALOGUE}" in vase
    assert "▶ 0" not in vase
    assert decided(inventory) == {"vase.png": (None, "not-a-catalogue-item")}


def test_an_answer_that_agrees_with_the_doubt_counts_as_right(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    _decide(inventory, stock["vase.png"], None)
    _decide(inventory, stock["skirt.png"], None)
    _decide(inventory, stock["dress.png"], None)

    stats = inventory.auto_tagging_stats()
    judged = inventory.overview(pictures=0, lines=0).judgements

    assert stats is not None
    assert stats.confused == (("Dress", None, 1),)
    assert {j.machine: j.agreed for j in judged} == {
        NOT_CATALOGUE: True,
        "no tag: skirt": True,
        "Dress": False,
    }


@pytest.mark.usefixtures("stock")
def test_the_report_captions_and_counts_the_answer(
    tagger: Tagger, inventory: Inventory
) -> None:
    target = tagger.folder / "report.html"

    tagger("report", "--db", inventory.place, "-o", target)

    page = target.read_text(encoding="utf-8")
    assert f"<strong>{NOT_CATALOGUE} 0.95</strong>" in page
    assert "<strong>no tag: skirt 0.88</strong>" in page
    assert "Pullover 0.03</strong>" not in page
    assert "<dt>accepted</dt><dd>1</dd>" in page


def _sheet(inventory: Inventory, **cells: str) -> Comparison:
    """Compare an export, in which all rows have these cells, with the inventory."""
    stream = io.BytesIO()
    table = Table(COLUMNS, inventory.rows(COLUMNS))
    write_table(table, stream, Format.CSV, Style(","))
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode(), newline="")))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*rows[0], *(c for c in cells if c not in rows[0])])
    writer.writeheader()
    writer.writerows(row | cells for row in rows)
    return compare(io.BytesIO(text.getvalue().encode()), inventory)


@pytest.mark.usefixtures("stock")
def test_a_sheet_with_empty_tags_comes_back_unchanged(inventory: Inventory) -> None:
    found = _sheet(inventory)

    assert (found.corrections, found.bad, found.unchanged) == ((), (), 3)


def test_a_sheet_from_before_the_network_changed_its_mind_is_no_correction(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    assert stock
    stream = io.BytesIO()
    write_table(Table(COLUMNS, inventory.rows(COLUMNS)), stream, Format.CSV, Style(","))
    with raw(inventory.place) as connection:
        connection.execute("UPDATE prediction SET confidence = 0.97, other = 0.02")
        connection.commit()

    found = compare(io.BytesIO(stream.getvalue()), inventory)

    assert _items(inventory)["vase.png"].tag == "Pullover"
    assert (found.corrections, found.bad) == ((), ())


@pytest.mark.usefixtures("stock")
def test_a_sheet_confirms_what_is_not_a_catalogue_item(inventory: Inventory) -> None:
    found = _sheet(inventory, confirmed="yes")

    by_path = {made.path: (made.tag, made.kind) for made in found.corrections}
    assert by_path["vase.png"] == (None, DecisionKind.NOT_CATALOGUE)
    assert by_path["dress.png"] == ("Dress", DecisionKind.ACCEPT)
    assert "skirt.png" not in by_path  # which tag should it have?
    assert len(found.bad) == 1


@pytest.mark.usefixtures("stock")
def test_a_product_of_no_tag_has_none(inventory: Inventory) -> None:
    joined = {
        product.path: product
        for product in products(inventory.photographs(), {}, inventory.policies())
    }

    assert joined["vase.png"].tag is None
    assert joined["vase.png"].flagged
    assert joined["vase.png"].confidence == pytest.approx(0.956)
    assert joined["vase.png"].photographs == 1
    assert joined["dress.png"].tag == "Dress"


def test_a_product_that_a_person_called_no_item_is_decided(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    _decide(inventory, stock["vase.png"], None)

    joined = {
        product.path: product
        for product in products(inventory.photographs(), {}, inventory.policies())
    }

    vase = joined["vase.png"]
    assert (vase.tag, vase.decided_by, vase.reason) == (
        None,
        DecidedBy.PERSON,
        NOT_CATALOGUE,
    )
    assert (vase.photographs, vase.flagged) == (1, False)


def test_the_review_offers_the_tag_of_a_kind_before_the_next_scan(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    assert stock
    inventory.add_tag("Skirt", "anna")

    in_lines(inventory, "", "q")

    assert decided(inventory) == {"skirt.png": ("Skirt", "correct")}


@pytest.mark.usefixtures("stock")
def test_the_history_says_what_the_network_believed(
    tagger: Tagger, inventory: Inventory, shop: Path
) -> None:
    explain = ("explain", "--db", inventory.place)

    vase = tagger(*explain, shop / "vase.png").stdout
    skirt = tagger(*explain, shop / "skirt.png").stdout

    assert f"{NOT_CATALOGUE}, 0.95" in vase
    assert "a skirt, for which there is no tag" in skirt


@pytest.mark.sqlite_only("revision 0013 was in files only")
@given(
    st.lists(
        st.lists(st.floats(0.001, 1), min_size=5, max_size=5), min_size=1, max_size=8
    )
)
def test_an_old_inventory_gets_the_answers_that_a_scan_would_write(
    tmp_path_factory: pytest.TempPathFactory, weights: list[list[float]]
) -> None:
    rows = np.array(weights)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    expected = predict(rows, LABELS)
    path = tmp_path_factory.mktemp("old") / "old.db"
    with raw(path) as connection:
        script = (GOLDEN / "schemas" / "0013.sql").read_text(encoding="utf-8")
        connection.executescript(script)
        connection.executescript(
            "DELETE FROM decision; DELETE FROM image; DELETE FROM prediction;"
        )
        connection.execute("UPDATE model SET labels = ?", (json.dumps(LABELS),))
        for n, (row, said) in enumerate(zip(rows, expected, strict=True), 1):
            _put_old(connection, n, struct.pack("<5f", *row), said.tag, said.confidence)
        connection.commit()

    with Inventory(path) as inventory:
        items = _items(inventory)
        status = inventory.status()
        queue = order_of(inventory)

    for n, said in enumerate(expected, 1):
        item = items[str(n)]
        assert item.machine_tag == said.answer
        assert item.tag == (None if said.doubtful else said.tag)
        assert item.confidence == pytest.approx(said.answer_confidence)
        assert item.no_tag == pytest.approx(said.other)
    assert sum(status.tags.values()) == len(rows)
    confidences = [items[name].confidence or 0 for name in queue]
    assert confidences == sorted(confidences)


def _put_old(
    connection: sqlite3.Connection, n: int, packed: bytes, tag: str, confidence: float
) -> None:
    """Insert a flagged picture as revision 0013 kept it."""
    digest = f"{n:064x}"
    connection.execute(
        "INSERT INTO prediction (id, digest, model_id, preparing, tag, confidence,"
        " runner_up, margin, probabilities) VALUES (?, ?, 1, 'p', ?, ?, 'x', 0.1, ?)",
        (n, digest, tag, confidence, packed),
    )
    connection.execute(
        "INSERT INTO image (id, root_id, path, digest, size, mtime_ns, state, reason,"
        " flagged, flag_reason, prediction_id, first_seen, updated_at)"
        " VALUES (?, 1, ?, ?, 1, 1, 'tagged', '', 1, 'unsure', ?, ?, ?)",
        (n, str(n), digest, n, *["2026-01-02T03:04:05.000006Z"] * 2),
    )


def test_old_decisions_agree_with_the_doubt_of_their_time(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with raw(path) as connection:
        script = (GOLDEN / "schemas" / "0013.sql").read_text(encoding="utf-8")
        connection.executescript(script)
        connection.executescript("DELETE FROM decision;")
        labels = json.dumps(["Shirt", OTHER])
        connection.execute("UPDATE model SET labels = ?", (labels,))
        connection.execute(
            "UPDATE prediction SET tag = 'Shirt', confidence = 0.25, probabilities = ?"
            " WHERE id = 1",
            (struct.pack("<2f", 0.25, 0.75),),
        )
        connection.execute(
            "INSERT INTO decision (digest, kind, reviewer, decided_at, machine_tag)"
            " SELECT digest, 'not-a-catalogue-item', 'anna',"
            " '2026-01-02T03:04:05.000006Z', 'Shirt' FROM prediction WHERE id = 1"
        )
        connection.commit()

    with Inventory(path) as inventory:
        stats = inventory.auto_tagging_stats()

    assert stats is not None
    assert stats.confused == ()


def test_status_and_review_count_the_same_pictures(
    inventory: Inventory, shop: Path, photo: Photo, tagger: Tagger
) -> None:
    photo("vase.png", VASE)
    photo("copies/vase.png", VASE)
    photo("skirt.png", SKIRT)
    scan([shop], inventory, Knowing(), Policy(0.7))

    status = inventory.status()
    with inventory.reviewing("anna", Selection()) as opened:
        left = opened.left()

    assert (status.flagged, status.waiting_pictures, left) == (3, 2, 2)
    told = tagger("status", "--db", inventory.place, COLUMNS="200").stdout
    assert "3 waiting for review, 2 without copies" in told


def test_the_tag_of_a_kind_agrees_with_the_kind(
    stock: dict[str, Item], inventory: Inventory
) -> None:
    inventory.add_tag("Skirt", "anna")
    _decide(inventory, stock["skirt.png"], "Skirt")
    _decide(inventory, stock["vase.png"], "Skirt")

    stats = inventory.auto_tagging_stats()
    judged = inventory.overview(pictures=0, lines=0).judgements

    assert stats is not None
    assert stats.confused == ((NOT_CATALOGUE, "Skirt", 1),)
    assert {j.machine: j.agreed for j in judged} == {
        "no tag: skirt": True,
        NOT_CATALOGUE: False,
    }


@pytest.mark.usefixtures("stock")
def test_a_status_names_the_next_step(tagger: Tagger, inventory: Inventory) -> None:
    told = in_a_terminal(
        [sys.executable, "-m", "tagger", "status", "--db", str(inventory.place)], tagger
    )

    assert "Next: 'tagger review'" in told
    assert "--audit 1'" in told  # one picture is accepted
