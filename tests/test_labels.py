import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagger.labels import (
    OTHER,
    advise_on_tag,
    answers,
    are_tags,
    is_tag,
    kind_label,
    kind_of,
    kinds_of,
    new_tag,
    none_of_the_tags,
    phrase,
    reading,
    tags_of,
)
from tagger.policy.decide import decide, predict
from tagger.records import FASHION_LABELS, Policy

LABELS = ("Dress", "Shirt", "Coat", OTHER, "other/skirt", "other/shorts")


@st.composite
def rows(draw: st.DrawFn, labels: tuple[str, ...] = LABELS) -> NDArray[np.float32]:
    shares = st.floats(2**-10, 1, width=32)
    row = st.lists(shares, min_size=len(labels), max_size=len(labels))
    found = np.array(draw(st.lists(row, min_size=1, max_size=8)), np.float32)
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)


def test_the_ten_tags_are_tags_and_what_has_none_is_not() -> None:
    assert tags_of((*FASHION_LABELS, *LABELS[3:])) == FASHION_LABELS
    assert kinds_of(LABELS) == ("skirt", "shorts")
    assert are_tags(np.array(LABELS)).tolist() == [is_tag(one) for one in LABELS]


@given(st.text(min_size=1))
def test_a_kind_is_read_back_from_its_label(kind: str) -> None:
    assert kind_of(kind_label(kind)) == kind
    assert not is_tag(kind_label(kind))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("skirt", "a skirt"), ("shorts", "shorts"), ("apron", "an apron")],
)
def test_a_kind_is_named_as_a_sentence_has_it(kind: str, said: str) -> None:
    assert phrase(kind) == said


@given(rows())
def test_one_picture_and_many_are_read_alike(found: NDArray[np.float32]) -> None:
    read = answers(found, LABELS)

    for number, row in enumerate(found):
        none, what = none_of_the_tags(row.tolist(), LABELS)
        assert read.none[number] == pytest.approx(none)
        assert LABELS[read.what[number]] == what
        assert is_tag(LABELS[read.tag[number]])
        assert read.confidence[number] == row[:3].max()
        assert read.second[number] <= read.confidence[number]


@given(rows(LABELS[:3]))
def test_a_network_that_knows_tags_alone_doubts_nothing(
    found: NDArray[np.float32],
) -> None:
    read = answers(found, LABELS[:3])

    assert not read.doubtful.any()
    assert none_of_the_tags(found[0].tolist(), LABELS[:3]) == (0.0, "")


@given(rows(), st.floats(0, 1), st.floats(0, 1))
def test_what_probably_has_no_tag_is_never_accepted(
    found: NDArray[np.float32], threshold: float, margin: float
) -> None:
    doubtful = answers(found, LABELS).doubtful
    for said, doubted in zip(predict(found, LABELS), doubtful, strict=True):
        verdict = decide(said, Policy(threshold, margin))
        assert verdict.flagged or not doubted
        assert is_tag(said.tag)


def test_the_reason_names_the_kind() -> None:
    (said,) = predict(np.array([[0.3, 0.05, 0.05, 0.05, 0.5, 0.05]]), LABELS)

    verdict = decide(said, Policy(0.1))

    assert verdict.flagged
    assert "a skirt" in verdict.reason
    assert "no tag" in verdict.reason
    assert "Dress 0.30" in verdict.reason


@given(rows())
def test_what_several_kinds_add_up_to_is_a_probability(
    found: NDArray[np.float32],
) -> None:
    read = reading(LABELS, {"skirt": "Dress", "shorts": "Dress"})

    merged = np.asarray(read.applied(found), np.float32)
    merged[0, 0] = np.nextafter(np.float32(1), np.float32(2))  # as 32 bits round
    for said in predict(merged, read.labels):
        assert 0 <= said.margin <= said.confidence <= 1
        assert 0 <= said.other <= 1


@given(st.text())
def test_a_new_tag_keeps_the_words_that_were_typed(text: str) -> None:
    tag = new_tag(text)

    assert tag == "" or tag.upper() == " ".join(text.split()).upper()
    assert new_tag(tag) == tag


def test_a_word_that_is_no_tag_names_the_command_that_helps() -> None:
    tags, kinds = ["Shirt", "Bag"], ["skirt"]

    assert "tagger tags add Skirt" in advise_on_tag("skirts", tags, kinds)
    assert "tagger tags map skirt" in advise_on_tag("skirts", tags, kinds)
    assert advise_on_tag("shrit", tags, kinds) == ": did you mean 'Shirt'?"
    assert 'tagger tags add "Boa hat"' in advise_on_tag("Boa hat", tags, kinds)
    assert "Shirt, Bag" in advise_on_tag("Boa hat", tags, kinds)
