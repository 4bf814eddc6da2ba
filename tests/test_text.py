from hypothesis import example, given
from hypothesis import strategies as st

from tagger.text import printable


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
