"""The benchmark that asks every shop by a network that never saw it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.folds import (
    Said,
    deal,
    joined,
    line_of,
    shortened,
    thresholds,
    weighed,
    without,
)
from tagger.errors import DataError
from tagger.labels import OTHER
from tagger.records import AMBIGUOUS, FASHION_LABELS, Policy
from tagger.training.mixture import Domain
from tagger.training.recipe import Materials, Recipe, Source, Stage

LABELS = ("Dress", "Shirt", OTHER, "other/skirt")
SHOPS = st.dictionaries(
    st.text("abcdef", min_size=1), st.integers(1, 500), min_size=5, max_size=30
)


@given(SHOPS)
def test_every_shop_is_in_one_fold_and_no_fold_is_empty(counts: dict[str, int]) -> None:
    dealt = deal(counts, 5, {})

    assert dealt.keys() == counts.keys()
    assert set(dealt.values()) == set(range(5))
    sums = [sum(n for s, n in counts.items() if dealt[s] == k) for k in range(5)]
    assert max(sums) - min(sums) <= max(counts.values())


@given(SHOPS)
def test_one_shop_under_two_names_is_in_one_fold(counts: dict[str, int]) -> None:
    names = [*sorted(counts), "other name"]
    dealt = deal(counts | {"other name": 7}, 3, {"other name": names[0]})

    assert dealt["other name"] == dealt[names[0]]


@pytest.mark.parametrize(
    ("counts", "same", "named"),
    [
        ({"a": 1, "b": 1}, {}, "2 shops"),
        ({"a": 1, "b": 1, "c": 1, "": 4}, {}, "4 pictures have no shop"),
        ({"a": 1, "b": 1, "c": 1}, {"a": "z"}, "z"),
    ],
)
def test_what_cannot_be_dealt_is_named(
    counts: dict[str, int], same: dict[str, str], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        deal(counts, 3, same)


def said(rows: list[list[float]], labels: list[str], sets: list[str]) -> Said:
    kinds = ["skirt" if label == AMBIGUOUS else "" for label in labels]
    names = [str(n) for n in range(len(labels))]
    return Said(
        np.array(rows, np.float32), *map(np.array, (labels, kinds, sets, names))
    )


def test_what_is_felt_right_counts_what_has_no_tag() -> None:
    found = said(
        [
            [0.9, 0.1, 0.0, 0.0],
            [0.8, 0.2, 0.0, 0.0],
            [0.9, 0.0, 0.1, 0.0],
            [0.7, 0.1, 0.1, 0.1],
            [0.4, 0.0, 0.0, 0.6],  # known for a skirt: flagged
        ],
        ["Dress", "Shirt", OTHER, AMBIGUOUS, AMBIGUOUS],
        ["a", "a", "b", "b", "b"],
    )

    line = line_of(found, found.rows, LABELS, Policy(0.5))

    assert (line.shops, line.items) == (2, 2)
    assert line.right == 0.5
    assert line.accepted == 1
    assert line.precise == pytest.approx(1 / 3)
    assert line.other == 1
    assert line.ambiguous == 0.5
    assert line.felt == pytest.approx(1 / 4)
    assert line.felt_low <= line.felt


def test_a_tag_is_accepted_down_to_where_the_next_are_not_right() -> None:
    rows = [[0.99 - n / 100, 0.01 + n / 100, 0, 0] for n in range(40)]
    labels = ["Dress"] * 20 + ["Shirt"] * 20
    found = said(rows, labels, ["a"] * 40)

    chosen = thresholds(found, found.rows, LABELS, 0.8)

    assert chosen["Dress"] == pytest.approx(0.80, abs=0.02)
    assert chosen["Shirt"] == 0.99  # nothing was called so


def test_each_shop_is_weighed_by_its_own_mix() -> None:
    dresses = [[0.96, 0.02, 0.01, 0.01]] * 12 + [[0.45, 0.5, 0.03, 0.02]]
    shirts = [[0.02, 0.96, 0.01, 0.01]] * 12 + [[0.5, 0.45, 0.03, 0.02]]
    found = joined(
        [
            said(dresses, ["Dress"] * 13, ["a"] * 13),
            said(shirts, ["Shirt"] * 13, ["b"] * 13),
        ]
    )

    rows = weighed(found, (0.25,) * 4)

    assert rows[12].argmax() == 0
    assert rows[25].argmax() == 1


def materials() -> tuple[Recipe, Materials]:
    recipe = Recipe(
        name="mine",
        digest="",
        folder=Path(),
        architecture="residual",
        domains={
            "web": Source(photographs="web"),
            "phone": Source(photographs="phone", textures=True),
            "phone-figures": Source(figures="phone"),
        },
        stages=(Stage(1000, 1e-3, {"web": 0.5, "phone": 0.3, "phone-figures": 0.2}),),
    )
    labels = np.tile(np.arange(10), 3)
    pictures = np.zeros((30, 96, 96, 3), np.uint8)
    sets = np.array(["a"] * 10 + ["b"] * 20)
    web = Domain(1, pictures, labels, sets)
    phone = Domain(1, pictures[:10], labels[:10], np.full(10, ""))
    return recipe, Materials(
        {"web": web, "phone": phone, "phone-figures": phone}, {}, pictures[..., 0]
    )


def test_nothing_of_a_shop_that_is_asked_about_is_trained_on() -> None:
    recipe, every = materials()

    rest = without(every, recipe, {"b", "phone"})
    short = shortened(recipe, list(rest.domains), 0.5)

    assert list(rest.domains) == ["web"]
    assert rest.domains["web"].sets is not None
    assert set(rest.domains["web"].sets.tolist()) == {"a"}
    assert len(rest.textures) == 0
    assert (short.stages[0].pictures, short.stages[0].mixture) == (500, {"web": 0.5})


def test_a_fold_that_leaves_a_tag_without_pictures_is_named() -> None:
    recipe, every = materials()

    with pytest.raises(DataError, match=FASHION_LABELS[0]):
        without(every, recipe, {"a", "b", "phone"})
