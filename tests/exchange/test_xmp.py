"""XMP packets: our keyword goes in and out, and all else stays byte for byte."""

from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.metadata import (
    DARKTABLE,
    DIGIKAM,
    LIGHTROOM,
    RDF,
    exiftool,
    keywords,
    read_by_digikam,
    shown_by_exiftool,
)

from tagger.exchange.xmp import (
    EMPTY_PACKET,
    EMPTY_SIDECAR,
    DamagedXmpError,
    Keyword,
    Packet,
    merged,
)

BOOT = Keyword("Ankle boot", "machine", 0.98765, "shops")
BAG = Keyword("Bag & <purse>", "person", parent="Clothing")
FOREIGN = {"lightroom": LIGHTROOM, "darktable": DARKTABLE, "digikam": DIGIKAM}

EMPTY_BAG = (
    f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<rdf:Description><dc:subject><rdf:Bag/></dc:subject></rdf:Description></rdf:RDF>"
)

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffe"),
    max_size=12,
)


def listed(
    packet: bytes, name: str = "{http://purl.org/dc/elements/1.1/}subject"
) -> list[str]:
    """The keywords that another XML library finds."""
    root = ET.fromstring(packet)  # noqa: S314  the test wrote it
    return [li.text or "" for one in root.iter(name) for li in one.iter(f"{{{RDF}}}li")]


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Packets as others might write them, and their keywords."""
    words = draw(st.lists(TEXT, max_size=4))
    rdf, dc = (
        draw(st.sampled_from(["rdf", "r", "RDF-1"])),
        draw(st.sampled_from(["dc", "d"])),
    )
    line = draw(st.sampled_from(["\n", "\r\n", "", "\n\t  "]))
    container = draw(st.sampled_from(["Bag", "Seq"]))
    items = "".join(f"{line}<{rdf}:li>{escape(word)}</{rdf}:li>" for word in words)
    bag = f"<{rdf}:{container}>{items}{line}</{rdf}:{container}>"
    subject = f"{line}<{dc}:subject>{bag}</{dc}:subject>"
    about = quoteattr(draw(TEXT))
    title = quoteattr(draw(TEXT), {"\n": "&#10;"})
    note = draw(st.sampled_from(["", "<!-- <dc:subject> > -->", "<?x y?>"]))
    described = (
        f"{line}<{rdf}:Description {rdf}:about={about} xmlns:{dc}="
        f"'http://purl.org/dc/elements/1.1/' xmlns:o='other:' o:title={title}>"
        f"{note}{subject if words else ''}</{rdf}:Description>"
    )
    head = draw(st.sampled_from(["", "\ufeff", '<?xml version="1.0"?>\n']))
    text = (
        f"{head}<x:xmpmeta xmlns:x='adobe:ns:meta/'>{line}"
        f"<{rdf}:RDF xmlns:{rdf}='{RDF}'>"
        f"{described}{line}</{rdf}:RDF></x:xmpmeta>{line}"
    )
    return text.encode(), words


KEYWORDS = st.builds(
    Keyword,
    TEXT.filter(str.strip),
    st.sampled_from(["machine", "person"]),
    st.none() | st.floats(0, 1),
    st.none() | TEXT,
    TEXT,
)


@given(packets(), KEYWORDS, KEYWORDS)
def test_a_keyword_goes_in_and_out_and_leaves_no_trace(
    packet: tuple[bytes, list[str]], first: Keyword, second: Keyword
) -> None:
    before, words = packet

    once = merged(before, first)
    twice = merged(once, second)

    assert listed(once) == words + [first.tag] * (first.tag not in words)
    assert listed(twice) == words + [second.tag] * (second.tag not in words)
    assert merged(twice, second) is twice
    assert merged(twice, None) == merged(once, None) == before
    assert merged(before, None) is before


@pytest.mark.parametrize("empty", [EMPTY_SIDECAR, EMPTY_PACKET])
def test_a_packet_of_ours_ends_as_it_began(empty: bytes) -> None:
    assert merged(merged(empty, BOOT), None) == empty


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_stays_byte_for_byte(name: str) -> None:
    before = FOREIGN[name].encode()
    after = merged(before, BAG)

    rest = iter(after)
    assert all(byte in rest for byte in before)  # nothing is gone, in the same order
    assert merged(after, None) == before


@pytest.mark.parametrize("name", FOREIGN)
def test_exiftool_and_digikam_find_the_tag_beside_those_of_others(
    tmp_path: Path, name: str
) -> None:
    sidecar = tmp_path / "a.xmp"
    sidecar.write_text(FOREIGN[name])
    subjects, shown = keywords(sidecar), read_by_digikam(sidecar)

    sidecar.write_bytes(merged(sidecar.read_bytes(), BAG))

    assert keywords(sidecar) == [*subjects, "Bag & <purse>"]
    assert read_by_digikam(sidecar) == [*shown, "Clothing/Bag & <purse>"]


def test_exiftool_reads_what_we_say_of_the_tag(tmp_path: Path) -> None:
    sidecar = tmp_path / "a.xmp"
    sidecar.write_bytes(merged(EMPTY_SIDECAR, BOOT))

    told = shown_by_exiftool(sidecar)

    assert told["XMP-tagger:Tag"] == "Ankle boot"
    assert float(told["XMP-tagger:Confidence"]) == pytest.approx(0.9877)
    assert told["XMP-tagger:Model"] == "shops"
    assert told["XMP-tagger:DecidedBy"] == "machine"


def test_a_sidecar_that_exiftool_rewrote_is_still_ours_to_replace(
    tmp_path: Path,
) -> None:
    sidecar = tmp_path / "a.xmp"
    sidecar.write_bytes(merged(EMPTY_SIDECAR, BOOT))
    exiftool(
        "-overwrite_original", "-XMP-dc:Subject+=spring", "-XMP-xmp:Rating=3", sidecar
    )

    sidecar.write_bytes(merged(sidecar.read_bytes(), BAG))
    assert sorted(keywords(sidecar)) == ["Bag & <purse>", "spring"]
    assert keywords(sidecar, "XMP-lr:HierarchicalSubject") == ["Clothing|Bag & <purse>"]

    sidecar.write_bytes(merged(sidecar.read_bytes(), None))
    told = shown_by_exiftool(sidecar)
    assert keywords(sidecar) == ["spring"]
    assert told["XMP-xmp:Rating"] == 3
    assert not [name for name in told if "tagger" in name or "XMP-lr" in name]


def test_a_prefix_that_another_program_chose_is_followed() -> None:
    ours = merged(EMPTY_SIDECAR, BOOT)
    renamed = ours.replace(b"tagger:", b"ns1:").replace(b"xmlns:tagger=", b"xmlns:ns1=")

    assert b"ns1:" in renamed
    assert merged(renamed, None) == EMPTY_SIDECAR
    assert listed(merged(renamed, BAG)) == ["Bag & <purse>"]


def test_properties_written_as_elements_are_ours_too() -> None:
    elements = f"""<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""
      xmlns:t="https://tagger.invalid/xmp/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
      <t:Tag>Coat</t:Tag><t:DecidedBy>person</t:DecidedBy><t:AddedTo>subject</t:AddedTo>
      <dc:subject><rdf:Bag><rdf:li>Coat</rdf:li><rdf:li>x</rdf:li></rdf:Bag></dc:subject>
      </rdf:Description></rdf:RDF>""".encode()

    after = merged(elements, BOOT)

    assert listed(after) == ["x", "Ankle boot"]
    assert Packet.parse(after).tag == "Ankle boot"
    assert after.count(b"DecidedBy") == 1


def test_a_keyword_that_was_there_before_us_stays_after_us() -> None:
    before = LIGHTROOM.replace("spring<", "Ankle boot<").encode()

    after = merged(before, BOOT)

    assert listed(after).count("Ankle boot") == 1
    assert merged(after, None) == before


@pytest.mark.parametrize(
    "form",
    [
        f'<rdf:RDF xmlns:rdf="{RDF}"/>',
        f'<rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF>',
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""/></rdf:RDF>',
        EMPTY_BAG,
        EMPTY_SIDECAR.decode() + "\0\0\0",
    ],
)
def test_bare_forms_take_a_keyword(form: str) -> None:
    after = merged(form.encode(), BOOT)

    assert listed(after.rstrip(b"\0")) == ["Ankle boot"]
    assert listed(merged(after, None).rstrip(b"\0")) == []


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (b"", "line 1"),
        (b"\x00\xff\xfe", "UTF-8"),
        (LIGHTROOM.encode("utf-16"), "UTF-8"),
        (b"<a>", "line 1"),
        (b"<a/>", "rdf:RDF"),
        (LIGHTROOM[:700].encode(), "line"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        (b"<a>" * 5000 + b"</a>" * 5000, "nested"),
        (LIGHTROOM.replace("rdf:Bag", "rdf:Box").encode(), "not a list"),
        (b" " * (17 << 20), "too large"),
    ],
)
def test_a_damaged_packet_is_refused(packet: bytes, says: str) -> None:
    with pytest.raises(DamagedXmpError, match=says):
        merged(packet, BOOT)


@given(st.integers(0, len(LIGHTROOM)), st.binary(max_size=3))
def test_damage_anywhere_is_refused_or_harmless(at: int, noise: bytes) -> None:
    whole = LIGHTROOM.encode()
    try:
        after = merged(whole[:at] + noise + whole[at + len(noise) :], BOOT)
    except DamagedXmpError:
        return
    assert Packet.parse(after).says(BOOT)
