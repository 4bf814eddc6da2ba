"""A group in pages: what was seen, and by which names its pictures differ."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.review.group_pages import GroupPages, describe_group, distinct_names

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("see"), st.just(0)),
        st.tuples(st.just("turn"), st.integers(-3, 3)),
        st.tuples(st.just("turn_to"), st.integers(-5, 70)),
        st.tuples(st.just("resize"), st.integers(0, 20)),
    ),
    max_size=40,
)


@given(st.integers(1, 60), st.integers(0, 20), STEPS)
def test_a_group_is_seen_when_each_member_stood_on_a_page_that_was_seen(
    count: int, size: int, steps: list[tuple[str, int]]
) -> None:
    pages = GroupPages(range(count), size)
    seen: set[int] = set()

    for name, argument in steps:
        if name == "see":
            seen |= set(pages.page)
            pages.see()
        else:
            getattr(pages, name)(argument)
        assert pages.page  # never an empty page
        assert 1 <= pages.number <= pages.count

    assert pages.unseen == count - len(seen)
    assert pages.counter == f"{len(seen)} of {count} seen"


@given(st.integers(1, 60), st.integers(0, 20))
def test_turning_page_by_page_shows_everything_once(count: int, size: int) -> None:
    pages = GroupPages(range(count), size)
    shown: list[int] = []

    for _ in range(pages.count):
        assert pages.unseen
        shown += pages.page
        pages.see()
        pages.turn(1)

    assert shown == list(range(count))
    assert pages.unseen == 0


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.integers(0, 59))
def test_another_size_keeps_the_first_member_in_view(
    count: int, size: int, other: int, member: int
) -> None:
    pages = GroupPages(range(count), size)
    pages.turn_to(member)
    first = pages.page[0]

    pages.resize(other)

    assert first in pages.page


PATHS = st.lists(
    st.lists(st.text("ab1-_ ", min_size=1, max_size=6), min_size=1, max_size=3).map(
        lambda parts: Path("/srv", *parts)
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(PATHS, st.integers(8, 60))
def test_names_are_short_and_differ(paths: list[Path], width: int) -> None:
    names = distinct_names(paths, width)

    assert len(names) == len(paths)
    assert all(len(name) <= width for name in names)
    if not any(name.endswith("…") for name in names) or width > 30:
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["/a/1.jpg", "/a/2.jpg"], ["1.jpg", "2.jpg"]),
        (["/a/1.jpg", "/b/1.jpg"], ["a/1.jpg", "b/1.jpg"]),
        (
            ["/a/long-name-of-a-shirt-12.jpg", "/a/long-name-of-a-shirt-13.jpg"],
            ["…12.jpg", "…13.jpg"],
        ),
        (
            ["/a/1.jpg", "/a/long-name-of-a-shirt-13.jpg"],
            ["1.jpg", "long-name-of-a-sh…"],
        ),
    ],
)
def test_a_name_shows_where_it_differs(paths: list[str], shown: list[str]) -> None:
    assert distinct_names(list(map(Path, paths)), 18) == shown


@pytest.mark.parametrize(
    ("of_product", "words"),
    [
        (0, "16 similar pictures"),
        (1, "16 similar pictures"),
        (5, "16 pictures: 5 of one product, 11 similar"),
        (16, "16 pictures of one product"),
    ],
)
def test_a_group_says_what_it_has_in_common(of_product: int, words: str) -> None:
    assert describe_group(16, of_product) == words
