"""Names by a pattern: never outside, and taken by every system."""

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import RequestError
from tagger.exchange.naming import Pattern, portable
from tagger.inventory.records import DecidedBy, Item
from tagger.records import State


def item(path: str, tag: str = "Bag", root: str = "/srv/shop") -> Item:
    return Item(
        *(root, path, tag, 0.9, False, "", DecidedBy.PERSON, "Coat", 0.5, State.TAGGED),
        *("d" * 64, "shops", datetime.now(UTC), "Bag", "anna"),
    )


@pytest.mark.parametrize(
    ("by", "comes_to"),
    [
        ("{tag}/{path}", "T-shirt_top/new/a_1.JPG"),
        ("{tag}/{name}", "T-shirt_top/a_1.JPG"),
        ("{folder}/{tag}/{name}", "new/T-shirt_top/a_1.JPG"),
        ("{root}/{item}/{tag}-{stem}{ending}", "shop/a/T-shirt_top-a_1.JPG"),
        ("by {decided_by}/{model}/{name}", "by person/shops/a_1.JPG"),
        ("{{x}}//./{name}", "{x}/_/a_1.JPG"),
    ],
)
def test_a_pattern_names_a_picture(by: str, comes_to: str) -> None:
    picture = item("new/a_1.JPG", "T-shirt/top")
    patterns = {"/srv/shop": re.compile(r"(?P<item>[^_/]+)_\d")}

    assert Pattern.parse(by).path_of(picture, patterns) == comes_to


def test_a_picture_at_the_top_has_no_folder() -> None:
    assert Pattern.parse("{folder}/{name}").path_of(item("a.jpg"), {}) == "a.jpg"


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("{tga}/{name}", "did you mean 'tag'"),
        ("{tag", "cannot be read"),
        ("{tag!r}/{name}", "--by has no"),
        ("{tag:>9}/{name}", "--by has no"),
        ("{tag.__class__}/{name}", "--by has no"),
        ("{0}/{name}", "--by has no"),
        ("/{tag}/{name}", "leads out"),
        ("../{name}", "leads out"),
        ("{tag}/../../{name}", "leads out"),
        ("{tag}", "picture's name"),
        ("{name}/{tag}", "picture's name"),
        ("", "picture's name"),
    ],
)
def test_a_pattern_with_a_mistake_is_refused(by: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Pattern.parse(by)


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12)
HOSTILE = NAMES | st.sampled_from(
    ["..", ".", " ", "...", "CON", "con.txt", "NUL .x", "a:b", "\\\\x", "C:\\x", "a\nb"]
)
PATTERNS = st.sampled_from(
    ["{tag}/{path}", "{folder}/{name}", "{item}/{stem}{ending}", "{root}-{tag}/{name}"]
)


@given(PATTERNS, st.lists(HOSTILE, min_size=1, max_size=4), HOSTILE, HOSTILE)
def test_no_name_leads_out_or_is_refused_by_windows(
    by: str, parts: list[str], tag: str, root: str
) -> None:
    picture = item("/".join(parts), tag + "/" + tag, "/" + root)

    name = Pattern.parse(by).path_of(picture, {})

    path, windows = PurePosixPath(name), PureWindowsPath(name)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert not windows.is_absolute()
    assert (windows.drive, windows.root) == ("", "")
    assert not windows.is_reserved()
    assert len(windows.parts) == len(path.parts) >= 1
    for part in path.parts:
        assert part == part.rstrip(" .")
        assert not set(part) & set('<>:"|?*\\\n\0')
        assert portable(part) == part
