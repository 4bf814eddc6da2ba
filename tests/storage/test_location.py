import pickle
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import RequestError
from tagger.storage import RemotePath, is_within, location, typed_location

NAMES = st.text(
    st.characters(exclude_characters="/?#@", exclude_categories=["Cs", "Cc"]),
    min_size=1,
).filter(lambda name: "::" not in name and name.strip(".:=&") == name)
URLS = st.builds(
    lambda store, names: RemotePath("s3", "/".join([store, *names])),
    st.sampled_from(["shop", "shop-2"]),
    st.lists(NAMES, max_size=4),
)


def remote(text: str) -> RemotePath:
    place = location(text)
    assert isinstance(place, RemotePath)
    return place


@given(URLS)
def test_a_url_survives_its_text_and_a_pickle(place: RemotePath) -> None:
    assert location(str(place)) == place
    assert location(f"{place}/") == place
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301


@given(URLS, st.lists(NAMES, min_size=1, max_size=3))
def test_what_is_joined_lies_in_it(place: RemotePath, names: list[str]) -> None:
    inside = place / "/".join(names)

    assert is_within(inside, place)
    assert not is_within(place, inside)
    assert inside.relative_to(place) == PurePosixPath(*names)
    assert location(str(place), *names) == inside
    assert location(f"{place}/{'/'.join(names)}") == inside
    assert inside.name == names[-1]
    assert inside.parent == place / "/".join(names[:-1])
    assert place in inside.parents
    assert all(is_within(inside, above) for above in inside.parents)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("s3://shop/photos", "s3://shop/photos-2"),
        ("s3://shop", "s3://shop-2"),
        ("s3://shop/photos", "gs://shop/photos"),
        ("s3://shop/photos", "/shop/photos"),
        ("/srv/photos", "s3://srv/photos"),
    ],
)
def test_other_places_are_apart(text: str, other: str) -> None:
    one, two = location(text), location(other)

    assert not is_within(one, two)
    assert not is_within(two, one)


def test_a_path_stays_a_path() -> None:
    assert location("/srv/photos", "a.jpg") == Path("/srv/photos/a.jpg")
    assert location("C:/photos") == Path("C:/photos")
    assert location("s3:/photos") == Path("s3:/photos")
    assert location("file:///srv/photos") == Path("/srv/photos")


def test_schemes_have_one_name() -> None:
    assert str(location("S3A://shop/photos/")) == "s3://shop/photos"
    assert str(location("gcs://shop/photos")) == "gs://shop/photos"


def test_a_path_in_an_archive_survives_its_text_and_what_reports_make_of_it() -> None:
    root = remote("zip://photos::/srv/all.zip")

    assert str(root) == "zip://photos::file:///srv/all.zip"
    assert location(str(root)) == root
    assert location(f"{root}/new/a.jpg") == root / "new/a.jpg"
    assert (root / "new/a.jpg").relative_to(root) == PurePosixPath("new/a.jpg")


@pytest.mark.parametrize(
    "text",
    [
        "s3://KEY:S3CRET@shop/photos",
        "s3://S3CRET@shop/photos",
        "https://me:S3CRET@example.com/photos",
        "https://example.com/photos?token=S3CRET",
        "https://example.com/photos?X-Amz-Signature=S3CRET",
        "az://photos/a?sv=2024&sig=S3CRET",
        "zip://a::https://me:S3CRET@example.com/a.zip",
        "sftp://me:S3CRET@example.com/photos",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RequestError, match="put it into") as caught:
        typed_location(text)

    assert "S3CRET" not in str(caught.value)


def test_a_user_without_a_password_is_none() -> None:
    for text in ("sftp://me@example.com/photos", "abfs://box@shop.example/photos"):
        assert str(typed_location(text)) == text


def test_a_picture_may_have_a_name_that_looks_like_a_secret() -> None:
    root = remote("s3://shop/photos")

    for name in ("a?token=1.jpg", "a::b.jpg", "me:you@home.jpg"):
        assert location(str(root), name) == location(f"{root}/{name}") == root / name


def test_a_file_in_a_store_is_only_read() -> None:
    with pytest.raises(ValueError, match="only read"):
        remote("s3://shop/a.jpg").open("wb")
    with pytest.raises(ValueError, match="is not in"):
        remote("s3://shop/a.jpg").relative_to("/shop")


def test_a_folder_in_the_store_of_another_shop_keeps_its_name_and_is_not_here() -> None:
    root = remote("Paris:s3://shop/photos")

    assert str(root / "a.jpg") == "Paris:s3://shop/photos/a.jpg"
    assert not root.is_dir()
    assert not (root / "a.jpg").exists()
