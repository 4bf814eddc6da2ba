"""Whether the pictures of a night are like those of the month before."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import FakeClassifier, Photo, Scan, many, scan
from support.inventories import raw

from tagger.inventory import Inventory
from tagger.records import Policy
from tagger.scan.drift import Tally, compare, describe, stability_index
from tagger.scan.records import RunSummary


def test_a_root_with_the_id_of_one_forgotten_has_no_past(
    run: Scan, photo: Photo, shop: Path, inventory: Inventory
) -> None:
    many(photo, 3)
    run()
    shop.rename(shop.with_name("old"))
    photo("a.png")

    inventory.forget_root(shop)
    summary = run()

    with raw(inventory.path) as connection:
        assert connection.execute("SELECT id FROM root").fetchall() == [(1,)]
    assert summary.drift == ()


def test_a_night_like_the_month_before_has_not_drifted(
    run: Scan, photo: Photo, shop: Path
) -> None:
    for day in range(3):
        for shade in range(0, 240, 4):
            photo(f"{day}/{shade}.png", shade=shade).touch()
            with (shop / str(day) / f"{shade}.png").open("ab") as stream:
                stream.write(bytes([day]))
        summary = run()

    (drift,) = summary.drift
    assert (drift.root, drift.images, drift.before) == (str(shop), 60, 120)
    assert not drift.moved
    assert summary.warnings == ()
    assert "class mix as before" in describe(drift)


def test_a_root_that_drifts_is_named_with_what_moved(
    run: Scan, photo: Photo, shop: Path
) -> None:
    for shade in range(0, 240, 4):
        photo(f"left/{shade}.png", shade=shade)
        photo(f"right/{shade}.png", shade=shade + 1)
    run(shop / "left", shop / "right")
    for number in range(60):
        photo(f"right/new{number}.png", shade=240 + number % 10)
        (shop / "right" / f"bad{number}.png").write_bytes(b"bad%d" % number)
        with photo(f"left/{number}b.png", shade=number * 4).open("ab") as stream:
            stream.write(b"x")

    summary = run(shop / "left", shop / "right")

    left, right = summary.drift
    assert not left.moved
    moved = {measure.name for measure in right.measures if measure.moved}
    assert moved == {"class mix", "mean confidence", "unreadable"}
    (warning,) = summary.warnings
    assert warning.startswith(f"drift in {shop}/right: class mix moved (")
    assert "unreadable moved (50%, was 0%)" in warning


def test_what_another_network_said_is_no_drift(
    shop: Path, photo: Photo, inventory: Inventory
) -> None:
    for shade in range(0, 240, 4):
        photo(f"{shade}.png", shade=shade)

    def night(network: FakeClassifier) -> RunSummary:
        return scan([shop], inventory, network, Policy(0.9))

    def new_pictures(start: int) -> None:
        for shade in range(start, 240, 4):
            photo(f"new/{shade}.png", shade=shade)

    shops = FakeClassifier("shops")
    learnt = FakeClassifier("shops-1", shops.identity.labels[::-1])
    prepared_anew = FakeClassifier("shops-1", learnt.identity.labels)
    prepared_anew.identity = replace(learnt.identity, preparing="views28-3")
    night(shops)

    for promoted in (learnt, prepared_anew):
        summary = night(promoted)
        assert summary.classified == 60
        assert (summary.drift, summary.warnings) == ((), ())
    new_pictures(1)
    (drift,) = night(prepared_anew).drift
    assert (drift.images, drift.before, drift.moved) == (60, 60, False)

    with raw(inventory.path) as connection, connection:  # runs of an older tagger
        connection.execute("UPDATE run SET counts = json_remove(counts, '$.said_by')")
    new_pictures(2)
    assert night(prepared_anew).drift == ()


counts = st.lists(st.integers(0, 1000), min_size=2, max_size=10)


@given(counts)
def test_the_stability_index_of_the_same_is_nothing(bins: list[int]) -> None:
    assert stability_index(bins, bins) == pytest.approx(0)


@given(st.data())
def test_the_stability_index_does_not_care_which_came_first(
    data: st.DataObject,
) -> None:
    now = data.draw(counts)
    before = data.draw(
        st.lists(st.integers(0, 1000), min_size=len(now), max_size=len(now))
    )

    assert stability_index(now, before) >= 0
    assert stability_index(now, before) == pytest.approx(stability_index(before, now))


def test_chance_seldom_drifts() -> None:
    import numpy as np

    generator = np.random.default_rng(1)
    shares = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.04, 0.03, 0.03])
    names = [str(number) for number in range(10)]

    def drawn(size: int) -> Tally:
        tags = dict(
            zip(names, generator.multinomial(size, shares).tolist(), strict=True)
        )
        said = generator.beta(5, 2, size)
        return Tally(
            images=size,
            flagged=int(generator.binomial(size, 0.4)),
            confidence=float(said.sum()),
            squares=float((said**2).sum()),
            tags=tags,
        )

    sizes = (1, 2, 5, 10, 30, 100, 1000)
    alarms = [
        compare("/shop", drawn(size), drawn(before)).moved
        for size in sizes
        for before in sizes
        for _ in range(40)
    ]
    assert sum(alarms) <= len(alarms) * 0.01


def test_what_was_never_read_has_not_drifted() -> None:
    nothing = compare("/shop", Tally(), Tally())
    assert not nothing.moved
    assert "too few to tell" in describe(nothing)
    assert Tally().mean_confidence == 0
