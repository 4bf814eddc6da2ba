"""Pictures that get metadata: the pixels stay, and what goes in comes out again."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import SAMPLES
from support.metadata import exiftool, keywords, read_by_digikam, shown_by_exiftool
from support.pictures import encoded

from tagger.exchange import iptc
from tagger.exchange.containers import (
    FileBytes,
    Metadata,
    MetadataError,
    NoMetadataError,
    opened,
)
from tagger.exchange.embedded import pieces_of
from tagger.exchange.xmp import Keyword
from tagger.records import FileStamp

BOOT = Keyword("Ankle boot", "machine", 0.98765, "shops")
SKIRT = Keyword("Schürze-Rock", "person", parent="Kleidung")

WRITTEN = sorted(
    path
    for path in SAMPLES.glob("*.*")
    if path.suffix in {".jpg", ".png", ".webp", ".tiff"}
    and path.name not in {"empty.jpg", "not-an-image.jpg", "huge.jpg"}
)


NAMES = ["sneaker-grey.jpg", "tiny.png", "lossy.webp", "plain.tiff"]


def rewritten(path: Path, keyword: Keyword | None) -> bytes:
    """Write a keyword into a picture, and return its bytes."""
    pieces = pieces_of(path, FileStamp.of(path.stat()), keyword)
    if pieces is not None:
        path.write_bytes(b"".join(pieces))
    return path.read_bytes()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGBA").tobytes()


def exif_of(data: bytes) -> dict[int, object]:
    """What a picture has as Exif; in a TIFF, XMP is one of the tags."""
    with Image.open(io.BytesIO(data)) as picture:
        return {tag: value for tag, value in picture.getexif().items() if tag != 700}


@pytest.mark.parametrize("sample", WRITTEN, ids=lambda path: path.name)
def test_a_tag_goes_into_every_kind_of_picture_and_out_again(
    tmp_path: Path, sample: Path
) -> None:
    before = sample.read_bytes()
    path = tmp_path / sample.name
    path.write_bytes(before)

    once = rewritten(path, BOOT)
    assert once != before
    assert rewritten(path, BOOT) == once
    rewritten(path, SKIRT)
    told = shown_by_exiftool(path)
    assert keywords(told)[-1] == "Schürze-Rock"
    assert "Ankle boot" not in keywords(told)
    assert read_by_digikam(told)[-1] == "Kleidung/Schürze-Rock"
    if "truncated" not in sample.name:
        assert pixels(path.read_bytes()) == pixels(before)
    assert rewritten(path, None) == before


@given(
    st.sampled_from(["RGB", "RGBA", "L", "P", "LA"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["WEBP", "PNG", "JPEG", "TIFF"]),
)
def test_pixels_never_change(
    mode: str,
    width: int,
    height: int,
    lossless: bool,  # noqa: FBT001  Hypothesis gives it by name
    exif: bool,  # noqa: FBT001
    kind: str,
) -> None:
    drawn = np.random.default_rng(width * height).integers(0, 255, (height, width, 4))
    picture = Image.fromarray(drawn.astype(np.uint8), "RGBA")
    options: dict[str, object] = {"lossless": lossless} if kind == "WEBP" else {}
    if exif:
        options["exif"] = Image.Exif()
        options["exif"][271] = "a camera"  # type: ignore[index]
    data = encoded(picture.convert("RGB" if kind == "JPEG" else mode), kind, **options)

    picture_file = opened(FileBytes(io.BytesIO(data)))
    xmp = b"".join(picture_file.written(Metadata(b"<x/>", None)))
    again = opened(FileBytes(io.BytesIO(xmp)))

    assert pixels(xmp) == pixels(data)
    assert again.read().xmp == b"<x/>"
    assert b"".join(again.written(Metadata(None, None))) == data
    with Image.open(io.BytesIO(xmp)) as seen:
        if kind != "TIFF":
            assert seen.info["xmp"] == b"<x/>"
        assert exif_of(xmp) == exif_of(data)


@pytest.mark.parametrize("name", NAMES)
def test_what_exiftool_wrote_before_us_stays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((SAMPLES / name).read_bytes())
    more = ["-IPTC:Keywords=spring", "-IPTC:City=Köln"] if name.endswith("jpg") else []
    exiftool(
        *("-overwrite_original", "-XMP-dc:Subject=spring", "-EXIF:Artist=someone"),
        *("-XMP-xmp:Rating=5", "-codedcharacterset=utf8", *more, path),
    )
    before, shown = path.read_bytes(), shown_by_exiftool(path)

    rewritten(path, SKIRT)

    told = shown_by_exiftool(path)
    lists = {"XMP-dc:Subject", "IPTC:Keywords"}
    volatile = {"File:CurrentIPTCDigest"}
    for key, value in shown.items():
        if key in lists:
            assert told[key] == ["spring", "Schürze-Rock"]
        elif not key.startswith("System:") and key not in volatile:
            assert told[key] == value, key
    if more:
        assert told["IPTC:City"] == "Köln"
    assert rewritten(path, None) == before


def test_the_digest_of_photoshop_follows(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes((SAMPLES / "sneaker-grey.jpg").read_bytes())
    exiftool(*("-overwrite_original", "-IPTC:Keywords=spring", "-IPTCDigest=new", path))

    rewritten(path, BOOT)

    told = shown_by_exiftool(path)
    assert told["Photoshop:IPTCDigest"] == told["File:CurrentIPTCDigest"]


@pytest.mark.parametrize("name", ["first-frame.gif", "plain.avif", "plain.bmp"])
def test_a_format_that_is_not_written_is_left_alone(name: str) -> None:
    with pytest.raises(NoMetadataError, match="sidecar"):
        rewritten(SAMPLES / name, BOOT)
    assert rewritten(SAMPLES / name, None) == (SAMPLES / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_cut_off_anywhere_is_refused_or_keeps_what_it_has(
    tmp_path: Path, name: str
) -> None:
    whole, path = (SAMPLES / name).read_bytes(), tmp_path / name
    for size in [*range(1, 700, 7), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        try:
            rewritten(path, BOOT)
        except MetadataError:
            assert path.read_bytes() == whole[:size]
        else:
            assert rewritten(path, None) == whole[:size]


def test_a_raw_file_of_a_camera_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.NEF"
    path.write_bytes((SAMPLES / "plain.tiff").read_bytes())

    with pytest.raises(NoMetadataError, match="sidecar"):
        rewritten(path, BOOT)


def test_a_tiff_of_several_pages_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    pages = [Image.new("RGB", (9, 7), colour) for colour in ("red", "green", "blue")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    before = path.read_bytes()

    rewritten(path, BOOT)
    rewritten(path, SKIRT)

    with Image.open(path) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        for number, page in enumerate(pages):
            picture.seek(number)
            assert picture.tobytes() == page.tobytes()
    assert keywords(path) == ["Schürze-Rock"]
    assert rewritten(path, None) == before


def test_a_packet_without_room_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    filler = f'<r:RDF xmlns:r="{rdf}"><!-- {"x" * 65_300} --></r:RDF>'.encode()
    data = (SAMPLES / "sneaker-grey.jpg").read_bytes()
    picture = opened(FileBytes(io.BytesIO(data)))
    path.write_bytes(b"".join(picture.written(Metadata(filler, None))))
    before = path.read_bytes()

    with pytest.raises(MetadataError, match="room"):
        rewritten(path, BOOT)
    assert path.read_bytes() == before


WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=30
)


@given(st.lists(WORDS, unique=True, max_size=5), WORDS, st.booleans())
def test_iptc_keywords_go_in_and_out(
    words: list[str],
    word: str,
    utf8: bool,  # noqa: FBT001
) -> None:
    resources = b"8BIM\x03\xed\0\0\0\0\0\x01x\0"
    for other in words:
        resources = iptc.with_keyword(resources, other)
    if not utf8:
        resources = resources.replace(
            b"\x1c\x01\x5a\0\x03\x1b%G", b"\x1c\x01\x5a\0\x03abc"
        )
    had = iptc.has_keyword(resources, word)

    after = iptc.with_keyword(resources, word)

    assert iptc.has_keyword(after, word)
    assert had or iptc.without_keyword(after, word) == resources


@given(st.binary(max_size=60))
def test_damaged_iptc_data_are_refused_or_harmless(noise: bytes) -> None:
    for data in (noise, b"8BIM\x04\x04" + noise, b"8BIM\x04\x04\0\0\0\0\0\x30" + noise):
        try:
            after = iptc.with_keyword(data, "Bag")
        except iptc.DamagedIptcError:
            continue
        assert iptc.has_keyword(after, "Bag")
