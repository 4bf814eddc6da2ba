import io
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support import GOLDEN, SAMPLES, expected_by_file
from support.pictures import drawn, encoded

from tagger.imaging import decode as decoder
from tagger.imaging import prepare as images
from tagger.imaging.formats import FORMATS
from tagger.imaging.prepare import prepare, prepare_bytes, upright
from tagger.records import PreparedImage, UnreadableImage

PREPARED = GOLDEN / "prepared.npz"


def pixels_of(result: PreparedImage | UnreadableImage) -> NDArray[np.uint8]:
    """The gray view."""
    assert isinstance(result, PreparedImage), result
    return result.pixels[:, :, 0]


def inside(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The pixels that no rounding of the item's edge can reach."""
    return pixels[2:-2, 9:19].astype(np.int64)


def test_every_sample_stands_in_the_table_and_only_they() -> None:
    files = {path.name for path in SAMPLES.iterdir()} - {"README.md"}

    assert set(expected_by_file()) == files
    assert len(files) >= 30


@pytest.mark.parametrize("name", sorted(expected_by_file()))
def test_samples_are_prepared_or_refused_as_their_table_says(name: str) -> None:
    result = prepare(SAMPLES / name)

    if expected_by_file()[name] == "unreadable":
        assert isinstance(result, UnreadableImage)
        assert result.reason
    else:
        assert pixels_of(result).any()


def test_prepared_samples_equal_the_golden_arrays(
    request: pytest.FixtureRequest,
) -> None:
    prepared = {
        name: result.pixels
        for name in expected_by_file()
        if isinstance(result := prepare(SAMPLES / name), PreparedImage)
    }
    if request.config.getoption("--update-golden"):
        np.savez_compressed(PREPARED, **prepared)  # type: ignore[arg-type]
    golden = np.load(PREPARED)

    assert set(golden.files) == set(prepared)
    for name, pixels in prepared.items():
        # Decoders round differently from release to release, by a level or two.
        difference = np.abs(pixels.astype(int) - golden[name].astype(int))
        assert difference.mean() <= 1, name


def test_the_item_fills_the_longest_edge_and_stands_in_the_centre() -> None:
    pixels = pixels_of(prepare_bytes(encoded(drawn()), ending=".png"))
    rows, columns = np.nonzero(pixels)

    assert (rows.min(), rows.max()) == (0, 27)
    assert (columns.min(), columns.max()) == (7, 20)


@pytest.mark.parametrize(
    "ground", [(255, 255, 255), (0, 0, 0), (90, 120, 160), (200, 60, 60)]
)
def test_any_plain_ground_becomes_zero(ground: tuple[int, int, int]) -> None:
    pixels = pixels_of(
        prepare_bytes(encoded(drawn(ground, (250, 250, 10))), ending=".png")
    )

    assert not pixels[:, :6].any()
    assert pixels[:, 8:20].min() > 10


def test_on_white_the_array_is_the_negative_of_the_picture() -> None:
    pixels = pixels_of(prepare_bytes(encoded(drawn(item=(55, 55, 55))), ending=".png"))

    assert abs(int(pixels[14, 14]) - 200) <= 1


def test_a_picture_without_a_plain_ground_is_kept_whole() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (56, 56, 3), np.uint8)
    pixels = pixels_of(prepare_bytes(encoded(Image.fromarray(noise)), ending=".png"))

    assert pixels.shape == (28, 28)
    assert pixels.min(axis=0).max() > 0


def test_a_thin_frame_is_no_part_of_the_item() -> None:
    framed = drawn()
    plain = pixels_of(prepare_bytes(encoded(framed), ending=".png"))
    canvas = Image.new("RGB", (124, 164), (60, 60, 60))
    canvas.paste(framed, (2, 2))

    found = pixels_of(prepare_bytes(encoded(canvas), ending=".png"))

    np.testing.assert_allclose(found, plain, atol=40)
    assert not found[:, :6].any()


def test_a_blank_picture_is_all_ground() -> None:
    blank = Image.new("RGB", (50, 50), (180, 190, 200))

    assert not pixels_of(prepare_bytes(encoded(blank), ending=".png")).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 2), (28, 28)])
def test_every_shape_of_picture_is_prepared(size: tuple[int, int]) -> None:
    result = prepare_bytes(encoded(Image.new("L", size, 9)), ending=".png")

    assert pixels_of(result).shape == (28, 28)


TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the pixels lie in a file of each orientation."""

ON_BLOCKS = Image.new("RGB", (160, 240), "white")
ON_BLOCKS.paste((30, 30, 30), (32, 32, 80, 128))
ON_BLOCKS.paste((30, 30, 30), (80, 32, 112, 64))
"""An item that looks different after each turn, with its edges between JPEG blocks."""


def stored(orientation: int, kind: str) -> bytes:
    picture = ON_BLOCKS
    if orientation in TURNED:
        picture = picture.transpose(TURNED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "HEIF":  # stores the turn in the boxes "irot" and "imir"
        stream = io.BytesIO()
        heif = pillow_heif.from_pillow(picture)
        heif.save(stream, exif=exif.tobytes(), quality=-1)
        return stream.getvalue()
    options: dict[str, object] = {"exif": exif, "lossless": True, "quality": 100}
    if kind == "TIFF-LZW":
        options = {"exif": exif, "compression": "tiff_lzw"}
    return encoded(picture, kind.partition("-")[0], **options)


@pytest.mark.parametrize(
    "kind", ["AVIF", "HEIF", "JPEG", "PNG", "TIFF", "TIFF-LZW", "WEBP"]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_stored_turn_shows_nowhere(
    orientation: int, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "item"
    path.write_bytes(stored(orientation, kind))

    result = prepare(path)
    seen = np.asarray(upright(path, side=240)).astype(int)

    expected = pixels_of(prepare_bytes(encoded(ON_BLOCKS), ending=".png"))
    np.testing.assert_allclose(pixels_of(result), expected, atol=4)
    assert isinstance(result, PreparedImage)
    assert (result.width, result.height) == ON_BLOCKS.size
    np.testing.assert_allclose(seen, np.asarray(ON_BLOCKS), atol=4)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_every_mode_gives_the_same_array(mode: str) -> None:
    picture = drawn(item=(0, 0, 0))
    expected = pixels_of(prepare_bytes(encoded(picture), ending=".png"))
    if mode == "I;16":
        deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        changed = Image.fromarray(deep)
    else:
        changed = picture.convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"

    result = prepare_bytes(encoded(changed, kind), ending="." + kind.lower())

    np.testing.assert_allclose(pixels_of(result), expected, atol=1)


def saved(kind: str) -> bytes:
    if kind != "HEIF":
        return encoded(drawn(), kind)
    stream = io.BytesIO()
    pillow_heif.from_pillow(drawn()).save(stream, quality=-1)
    return stream.getvalue()


@pytest.mark.parametrize("kind", sorted(set(FORMATS.values())))
@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_every_format_is_read_under_every_ending(ending: str, kind: str) -> None:
    expected = pixels_of(prepare_bytes(encoded(drawn()), ending=".png"))

    result = prepare_bytes(saved(kind), ending=ending.upper())

    found = pixels_of(result)
    np.testing.assert_allclose(inside(found), inside(expected), atol=12)
    np.testing.assert_array_equal(found > 20, expected > 20)
    assert isinstance(result, PreparedImage)
    assert result.format == kind


def test_what_is_transparent_is_white() -> None:
    layer = Image.new("RGBA", (120, 160), (255, 0, 0, 0))
    layer.paste((30, 30, 30, 255), (10, 20, 50, 100))

    result = prepare_bytes(encoded(layer), ending=".png")

    expected = pixels_of(prepare_bytes(encoded(drawn()), ending=".png"))
    np.testing.assert_array_equal(pixels_of(result), expected)


def test_a_float_picture_is_scaled_to_its_range() -> None:
    values = np.asarray(drawn().convert("L")).astype(np.float32) / 255

    result = prepare_bytes(encoded(Image.fromarray(values), "TIFF"), ending=".tiff")

    expected = pixels_of(prepare_bytes(encoded(drawn()), ending=".png"))
    np.testing.assert_allclose(pixels_of(result), expected, atol=2)


def test_a_large_jpeg_is_prepared_like_its_small_self() -> None:
    small = drawn(size=(300, 400))
    large = small.resize((1800, 2400), Image.Resampling.BICUBIC)

    from_small = pixels_of(prepare_bytes(encoded(small), ending=".png"))
    from_large = pixels_of(prepare_bytes(encoded(large, "JPEG"), ending=".jpg"))

    np.testing.assert_allclose(inside(from_large), inside(from_small), atol=12)
    np.testing.assert_array_equal(from_large > 0, from_small > 0)


def test_a_small_item_in_a_large_jpeg_is_decoded_again_and_finer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, decoded = simplejpeg.decode_jpeg, []

    def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        decoded.append(options["min_width"])
        return decode(*arguments, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted)
    picture = Image.new("RGB", (2400, 2400), "white")
    checks = np.indices((80, 80)).sum(axis=0) // 20 % 2 * 200
    picture.paste(Image.fromarray(checks.astype(np.uint8)).convert("RGB"), (1000, 900))

    pixels = pixels_of(prepare_bytes(encoded(picture, "JPEG"), ending=".jpg"))

    assert decoded == [300, 2400]
    whole = pixels_of(prepare_bytes(encoded(picture), ending=".png"))
    assert np.abs(pixels.astype(int) - whole.astype(int)).mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [150, 300, 500, 1000])
def test_a_jpeg_has_the_pixels_that_pillow_would_give_it(
    side: int, mode: str, *, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (side, side + 7, 3), np.uint8)
    picture = Image.fromarray(noise).convert(mode)
    data = encoded(picture, "JPEG", progressive=progressive)
    fast = prepare_bytes(data, ending=".jpg")

    monkeypatch.setattr(decoder, "_whole_jpeg", lambda *_: None)
    slow = prepare_bytes(data, ending=".jpg")

    np.testing.assert_array_equal(pixels_of(fast), pixels_of(slow))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_a_large_picture_is_prepared_like_its_small_self(kind: str) -> None:
    small = drawn(size=(300, 400))
    large = small.resize((1800, 2400), Image.Resampling.BICUBIC)

    from_small = pixels_of(prepare_bytes(encoded(small), ending=".png"))
    from_large = pixels_of(prepare_bytes(encoded(large, kind), ending=f".{kind}"))

    np.testing.assert_allclose(inside(from_large), inside(from_small), atol=12)


@given(st.binary(max_size=400), st.sampled_from(sorted(FORMATS)))
def test_arbitrary_bytes_never_raise(data: bytes, ending: str) -> None:
    result = prepare_bytes(data, ending=ending)

    assert isinstance(result, PreparedImage | UnreadableImage)


@given(
    name=st.sampled_from(
        sorted(n for n in expected_by_file() if (SAMPLES / n).stat().st_size < 30_000)
    ),
    cut=st.floats(0, 1),
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8
    ),
)
def test_damaged_samples_never_raise(
    name: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray((SAMPLES / name).read_bytes())
    for place, value in flips if data else []:
        data[int(place * len(data))] = value
    damaged = bytes(data[: max(1, int(cut * len(data)))])

    result = prepare_bytes(damaged, ending=Path(name).suffix)

    if isinstance(result, UnreadableImage):
        assert result.reason
        assert "0x" not in result.reason
    else:
        assert result.pixels.shape == (28, 28, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_half_a_picture_is_unreadable(kind: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (90, 90, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)

    result = prepare_bytes(data[: len(data) // 2], ending="." + kind.lower())

    assert isinstance(result, UnreadableImage)


def test_a_picture_of_absurd_size_is_refused_by_its_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims = bytearray(encoded(Image.new("L", (8, 8))))
    claims[16:24] = (60_000).to_bytes(4) * 2
    claims[29:33] = zlib.crc32(claims[12:29]).to_bytes(4)
    bomb = prepare_bytes(bytes(claims), ending=".png")

    monkeypatch.setattr(decoder, "MAX_PIXELS", 63)
    large = prepare_bytes(encoded(Image.new("L", (8, 8))), ending=".png")

    assert isinstance(bomb, UnreadableImage)
    assert "megapixels" in bomb.reason
    assert isinstance(large, UnreadableImage)


def test_a_file_of_absurd_length_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.jpg"
    path.write_bytes(b"x" * 11)
    monkeypatch.setattr(images, "MAX_BYTES", 10)

    result = prepare(path)

    assert isinstance(result, UnreadableImage)
    assert result.digest is None


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    assert prepare(tmp_path / "gone.jpg") == UnreadableImage(
        "No such file or directory"
    )


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        shutil.copy(SAMPLES / "tiny.png", tmp_path / name)

    first, second = prepare(tmp_path / "a.png"), prepare(tmp_path / "b.png")

    assert first.digest == second.digest
    assert first.digest is not None
    assert len(first.digest) == 64


def test_a_person_sees_the_picture_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = drawn().transpose(Image.Transpose.ROTATE_90)
    (tmp_path / "item.jpg").write_bytes(encoded(stored, "JPEG", exif=exif))

    picture = upright(tmp_path / "item.jpg", side=80)

    assert picture.size == (60, 80)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe has no name there")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")

    result = prepare(tmp_path / "pipe.jpg")

    assert result == UnreadableImage("not a regular file")


@pytest.mark.parametrize(
    ("kind", "options"), [("TIFF", {"compression": "tiff_lzw"}), ("JPEG", {})]
)
def test_libraries_do_not_talk_to_standard_error(
    kind: str, options: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = encoded(drawn(), kind, **options)
    for place in range(8, len(whole) - 99, 97):
        damaged = bytearray(whole)
        damaged[place : place + 9] = b"\xff" * 9
        prepare_bytes(bytes(damaged), ending=f".{kind}")

    assert capfd.readouterr().err == ""


def test_a_large_picture_under_the_limit_is_read() -> None:
    picture = encoded(Image.new("1", (9_900, 9_900)))

    assert isinstance(prepare_bytes(picture, ending=".png"), PreparedImage)
