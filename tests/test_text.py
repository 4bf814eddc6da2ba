from unicodedata import normalize

from hypothesis import example, given
from hypothesis import strategies as st

from tagger.text import comparable, nearest, printable, spellings


@given(st.text(st.characters()))
@example("\x1b[31m\n\r\t\x9b\u202e\u200f\ud800\udcff")
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    shown.encode()


@given(st.text().filter(str.isprintable))
def test_what_is_harmless_stays(text: str) -> None:
    assert printable(text) == text


def test_a_stray_byte_is_shown_as_itself() -> None:
    assert printable("caf\udce9\n") == "caf\\xe9\\n"


@given(st.text())
def test_a_name_is_compared_alike_however_it_is_composed(name: str) -> None:
    composed, decomposed = normalize("NFC", name), normalize("NFD", name)

    assert comparable(composed) == comparable(decomposed) == comparable(name)
    assert composed in spellings(decomposed)
    assert decomposed in spellings(composed)
    assert spellings(name)[0] == name


@given(st.text(st.characters(codec="ascii")))
def test_the_quick_way_for_ascii_gives_the_same(name: str) -> None:
    assert comparable(name) == normalize("NFC", name.casefold())
    assert spellings(name) == (name,)


def test_the_beginning_of_one_name_stands_for_it() -> None:
    tags = ["Shirt", "T-shirt/top", "Sandal", "Sneaker"]

    assert nearest("t-shirt", tags) == "T-shirt/top"
    assert nearest("S", tags) != "Shirt"
    assert nearest("Shrit", tags) == "Shirt"
