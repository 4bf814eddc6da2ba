"""URLs of databases: what is shown of them, and what tells two apart."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import RequestError
from tagger.system.database_url import DatabaseUrl, place

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8)


@given(WORD, st.sampled_from(["postgresql", "postgresql+psycopg", "postgres"]))
def test_a_password_is_never_shown(word: str, scheme: str) -> None:
    password = quote(word, safe="")
    for url in (
        f"{scheme}://anna:{password}@db.example.org:5433/shop?sslmode=require",
        f"{scheme}://anna@db.example.org/shop?password={password}&sslmode=require",
    ):
        found = place(url)

        assert isinstance(found, DatabaseUrl)
        for text in (str(found), repr(found), found.identity):
            assert password not in text.replace("db.example.org", "")
            assert "password" not in text
        assert "anna@db.example.org" in str(found)
        assert found.secret.startswith("postgresql://anna")


@pytest.mark.parametrize("mark", "@/?#")
def test_a_password_that_ends_the_host_early_is_refused_unseen(mark: str) -> None:
    with pytest.raises(RequestError) as caught:
        place(f"postgresql://anna:herr{mark}ing@host/shop")

    assert "%40" in str(caught.value)
    assert "herr" not in str(caught.value)
    assert "ing@" not in str(caught.value)


def test_a_url_of_another_kind_is_refused_without_its_password() -> None:
    with pytest.raises(RequestError, match="postgresql://") as caught:
        place("mysql://anna:swordfish@host/shop")

    assert caught.value.exit_code == 2
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("password", ["herr ing", "%ZZherr", "herr%00", "herr\tring"])
def test_what_a_url_cannot_have_is_refused_unseen(password: str) -> None:
    with pytest.raises(RequestError, match="%20") as caught:
        place(f"postgresql://anna:{password}@host/shop")

    assert "herr" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/anna:swordfish@host/shop",
        "postgresql:anna:swordfish@host/shop",
        "postgresql//anna:swordfish@host/shop",
        "postgres+psycopg:/anna:swordfish@host/shop",
        " postgresql://anna:swordfish@host/shop",
        "jdbc:postgresql://host/shop?user=anna&password=swordfish",
        "host=db user=anna password=swordfish dbname=shop",
    ],
)
def test_a_misspelt_url_is_no_file_and_is_not_shown(text: str) -> None:
    with pytest.raises(RequestError, match="postgresql://user@host/name") as caught:
        place(text)

    assert caught.value.exit_code == 2
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql:///?service=shop", "postgresql:///shop"])
def test_what_is_shown_of_a_url_names_the_same_database(url: str) -> None:
    assert place(str(place(url))) == place(url)


def test_a_name_has_its_letters_however_they_are_written() -> None:
    written, escaped = "postgresql://db/größe", "postgresql://db/gr%C3%B6%C3%9Fe"

    assert DatabaseUrl(escaped).name == "größe"
    assert DatabaseUrl(escaped).identity == DatabaseUrl(written).identity


@pytest.mark.parametrize(
    "name",
    [
        "inventory.db",
        "postgres.db",
        "postgresql/a.db",
        "a:b/c.db",
        "/x//y.db",
        "c:\\x",
        "",
    ],
)
def test_what_is_no_url_is_the_name_of_a_file(name: str) -> None:
    assert place(name) == Path(name)


def test_the_identity_is_that_of_the_database_and_not_of_its_user() -> None:
    def identity(url: str) -> str:
        return DatabaseUrl(url).identity

    here = identity("postgresql://anna:a@db/shop")
    assert here == identity("postgresql://ben@db:5432/shop?connect_timeout=3")
    for other in (
        "postgresql://anna@db/shop2",
        "postgresql://anna@db2/shop",
        "postgresql://anna@db:5433/shop",
        "postgresql://anna@db/shop?options=-csearch_path%3Dhats",
        "postgresql:///?service=shop",
    ):
        assert identity(other) != here


@pytest.mark.parametrize("word", ["50%off", "two words", "half\tway", "end%00"])
def test_a_password_that_libpq_would_repeat_is_refused_unseen(word: str) -> None:
    for url in (
        f"postgresql://anna:{word}@host/shop",
        f"postgresql://anna@host/shop?password={word}",
    ):
        with pytest.raises(RequestError, match="%25") as caught:
            place(url)

        assert word not in str(caught.value)
