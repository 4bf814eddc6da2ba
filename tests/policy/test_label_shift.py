import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support import AT_ONCE, Photo, scan

from tagger.inventory import Inventory
from tagger.inventory.records import DecisionKind, Item
from tagger.labels import OTHER
from tagger.policy.label_shift import LEAST_FOR_MIX, common_prior, estimate, reweighed
from tagger.records import PREPARING, ModelIdentity, Policy
from tagger.scan.records import OwnMix, RunSummary

LABELS = ("Dress", "Shirt", "Coat", OTHER, "other/skirt")
PRIOR = (0.2,) * 5


@st.composite
def some_rows(draw: st.DrawFn, least: int = LEAST_FOR_MIX) -> NDArray[np.float32]:
    shares = st.floats(2**-20, 1, width=32)
    row = st.lists(shares, min_size=5, max_size=5)
    found = np.array(draw(st.lists(row, min_size=least, max_size=40)), np.float32)
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)


@st.composite
def priors(draw: st.DrawFn) -> tuple[float, ...]:
    found = np.array(draw(st.lists(st.floats(0.05, 1), min_size=5, max_size=5)))
    return tuple((found / found.sum()).tolist())


@given(some_rows(), priors())
def test_a_mix_is_shares_and_what_it_weighs_stays_probabilities(
    rows: NDArray[np.float32], prior: tuple[float, ...]
) -> None:
    mix = estimate(rows, prior)

    assert mix is not None
    assert sum(mix.shares) == pytest.approx(1)
    assert min(mix.shares) > 0
    weighed = reweighed(rows, mix)
    assert ((weighed >= 0) & (weighed <= 1)).all()
    np.testing.assert_allclose(weighed.sum(axis=1), 1, atol=1e-5)


@given(some_rows(), priors(), st.integers(0, 99))
def test_a_mix_does_not_depend_on_the_order(
    rows: NDArray[np.float32], prior: tuple[float, ...], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    first, again = estimate(rows, prior), estimate(rows[order], prior)

    assert first is not None
    assert again is not None
    assert first.shares == pytest.approx(again.shares, abs=1e-6)
    assert not first.moved_from(again)


@given(some_rows(1), priors())
def test_few_pictures_have_no_mix(
    rows: NDArray[np.float32], prior: tuple[float, ...]
) -> None:
    assert estimate(rows[: LEAST_FOR_MIX - 1], prior) is None


@given(st.integers(0, 4), st.integers(LEAST_FOR_MIX, 3000))
def test_a_shop_of_one_label_leaves_every_other_possible(
    label: int, count: int
) -> None:
    rows = np.full((count, 5), 0.001, np.float32)
    rows[:, label] = 0.996

    mix = estimate(rows, PRIOR)

    assert mix is not None
    assert mix.shares[label] == max(mix.shares)
    # However many there are, the common prior keeps its part.
    assert min(mix.shares) > 0.04
    assert max(mix.ratios) / min(mix.ratios) < 25


@given(some_rows(), st.integers(0, 4))
def test_what_persons_decided_pulls_the_mix_towards_it(
    rows: NDArray[np.float32], label: int
) -> None:
    blind = estimate(rows, PRIOR)
    known = estimate(rows, PRIOR, [label] * len(rows))

    assert blind is not None
    assert known is not None
    assert known.shares[label] >= blind.shares[label] - 1e-9
    assert known.shares[label] == max(known.shares)


def test_a_common_prior_leaves_no_label_impossible() -> None:
    rows = np.array([[1, 0, 0, 0, 0]] * 9, np.float32)

    prior = common_prior(rows)

    assert sum(prior) == pytest.approx(1)
    assert prior == pytest.approx((0.6, 0.1, 0.1, 0.1, 0.1))


class Undecided:
    """Says of a dark item Dress, and of a light one hardly more Dress than Shirt."""

    def __init__(self) -> None:
        digest = "e" * 64
        self.identity = ModelIdentity("undecided", digest, LABELS, PREPARING)

    def classify(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        dark = batch[..., 0].max(axis=(1, 2)) > 200
        rows = np.where(
            dark[:, None],
            np.array([0.96, 0.01, 0.01, 0.01, 0.01]),
            np.array([0.44, 0.50, 0.02, 0.02, 0.02]),
        )
        return rows.astype(np.float32)


Run = Callable[..., RunSummary]


@pytest.fixture
def dresses(photo: Photo) -> Photo:
    """Put eleven dresses into the shop, and one garment that may be either."""
    for number in range(11):
        photo(f"dress{number}.png", 10 + number)
    photo("either.png", 120)
    return photo


@pytest.fixture
def run(shop: Path, inventory: Inventory) -> Run:
    def scan_shop(prior: tuple[float, ...] = PRIOR, **more: object) -> RunSummary:
        frozen = bool(more.pop("frozen", False))
        return scan(
            [shop],
            inventory,
            Undecided(),
            Policy(0.9, tags={"Dress": 0.6}),
            own_mix=OwnMix(prior, frozen),
            **more,  # type: ignore[arg-type]
        )

    return scan_shop


def items(inventory: Inventory) -> dict[str, Item]:
    return {item.path: item for item in inventory.items()}


@pytest.mark.usefixtures("dresses")
def test_the_mix_of_a_shop_decides_what_was_undecided(
    run: Run, inventory: Inventory, shop: Path
) -> None:
    summary = run()

    either = items(inventory)["either.png"]
    assert either.tag == "Dress"
    assert either.confidence is not None
    assert 0.44 < either.confidence < 1
    history = inventory.history(shop / "either.png")
    assert history is not None
    assert history.before_mix["Shirt"] == pytest.approx(0.5)
    assert history.probabilities["Dress"] == pytest.approx(either.confidence)
    assert summary.tags["Dress"] == 12
    assert summary.mix[str(shop)]["Dress"] > 0.4


@pytest.mark.usefixtures("dresses")
def test_without_a_prior_or_a_wish_nothing_is_weighed(
    run: Run, inventory: Inventory, shop: Path
) -> None:
    run(())
    assert items(inventory)["either.png"].tag == "Shirt"

    run()
    assert items(inventory)["either.png"].tag == "Dress"

    run(())  # switched off again
    assert items(inventory)["either.png"].tag == "Shirt"
    history = inventory.history(shop / "either.png")
    assert history is not None
    assert not history.before_mix


@pytest.mark.usefixtures("dresses")
def test_a_second_scan_changes_nothing(run: Run, inventory: Inventory) -> None:
    run()
    before = items(inventory)

    summary = run()

    assert summary.classified == 0
    assert items(inventory) == before


def test_one_picture_more_changes_no_tag_of_yesterday(
    run: Run, dresses: Photo, inventory: Inventory
) -> None:
    run()
    before = items(inventory)

    dresses("new.png", 121)
    run()

    after = items(inventory)
    assert after.pop("new.png").confidence == before["either.png"].confidence
    assert after == before


@pytest.mark.usefixtures("dresses")
def test_the_mix_does_not_depend_on_batches(
    run: Run, inventory: Inventory, shop: Path, tmp_path: Path
) -> None:
    run()
    with Inventory(tmp_path / "other.db") as other:
        scan(
            [shop],
            other,
            Undecided(),
            Policy(0.9, tags={"Dress": 0.6}),
            options=replace(AT_ONCE, batch_size=1),
            own_mix=OwnMix(PRIOR),
        )
        never = datetime.min.replace(tzinfo=UTC)
        found, expected = (
            [replace(item, updated_at=never) for item in one.items()]
            for one in (other, inventory)
        )
    assert found == expected


@pytest.mark.usefixtures("dresses")
def test_a_persons_decision_stays_and_counts(run: Run, inventory: Inventory) -> None:
    run()
    dress = items(inventory)["dress0.png"]
    assert dress.digest is not None
    inventory.decide(dress.digest, DecisionKind.CORRECT, tag="Coat", reviewer="anna")
    before = inventory.run()

    run()

    assert items(inventory)["dress0.png"].tag == "Coat"
    assert before is not None
    after = inventory.run()
    assert after is not None
    assert after.counts["newest_decision"] != before.counts["newest_decision"]


@pytest.mark.usefixtures("dresses")
def test_a_scan_that_was_killed_before_it_weighed_is_made_good(
    run: Run, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.scan import run as scanning

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(scanning, "adjust_to_own_mix", dies)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert items(inventory)["either.png"].tag == "Shirt"

    run()

    assert items(inventory)["either.png"].tag == "Dress"


def test_under_a_certificate_the_mix_stays_as_it_was(run: Run, dresses: Photo) -> None:
    run()
    mix = run().mix
    for number in range(20):
        dresses(f"more{number}.png", 122 + number)

    assert run(frozen=True).mix == mix

    dresses("last.png", 150)
    assert run().mix != mix


def test_few_pictures_are_not_weighed(run: Run, photo: Photo) -> None:
    photo("either.png", 120)

    assert run().mix == {}


@pytest.mark.usefixtures("dresses")
def test_a_forgotten_root_takes_its_mix_with_it(
    run: Run, inventory: Inventory, shop: Path
) -> None:
    run()

    inventory.forget_root(shop)

    assert inventory.roots() == []


@pytest.mark.usefixtures("dresses")
def test_a_root_that_is_taken_in_is_weighed_by_the_mix_of_the_whole(
    run: Run, inventory: Inventory, shop: Path
) -> None:
    run()
    before = items(inventory)["either.png"].confidence
    outer = shop.parent
    (outer / "more").mkdir()
    for number in range(30):
        pixels = np.full((80, 60), 255, np.uint8)
        pixels[10:70, 15:45] = 100 + number
        Image.fromarray(pixels).save(outer / "more" / f"{number}.png")

    summary = scan([outer], inventory, Undecided(), Policy(0.9), own_mix=OwnMix(PRIOR))

    assert list(summary.mix) == [str(outer)]
    found = items(inventory)[f"{shop.name}/either.png"].confidence
    assert found != before
    assert len({item.confidence for item in inventory.items() if item.digest}) == 2


@pytest.mark.usefixtures("dresses")
def test_roots_that_are_scanned_one_by_one_are_all_weighed(
    inventory: Inventory, shop: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(shop, other)
    for path in other.iterdir():  # other bytes, which the other root has alone
        with Image.open(path) as picture:
            picture.resize((61, 81)).save(path)

    def one(root: Path, prior: tuple[float, ...]) -> None:
        policy = Policy(0.9, tags={"Dress": 0.6})
        scan([root], inventory, Undecided(), policy, own_mix=OwnMix(prior))

    for prior in ((), PRIOR):
        for root in (shop, other):
            one(root, prior)

    assert {item.root for item in inventory.items()} == {str(shop), str(other)}
    either = [i for i in inventory.items() if i.path == "either.png"]
    assert [item.tag for item in either] == ["Dress", "Dress"]
