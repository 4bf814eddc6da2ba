"""Pictures that shops have, and that similar programs read wrongly."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.pictures import bmp, chunk, drawn, encoded, png, tiff, with_chunk

from tagger.imaging.decode import decode
from tagger.imaging.prepare import prepare_bytes
from tagger.records import PreparedImage, UnreadableImage

PLAIN = encoded(drawn())
CUT_OUT = Image.new("RGBA", (120, 160), (255, 255, 255, 0))
CUT_OUT.paste((30, 30, 30, 255), (10, 20, 50, 100))
LIGHT = np.asarray(drawn().convert("L")) > 100
"""Where the ground is."""


def prepared(data: bytes, ending: str = "") -> PreparedImage:
    result = prepare_bytes(data, ending=ending)
    assert isinstance(result, PreparedImage), result
    return result


def assert_same(data: bytes, expected: bytes = PLAIN, atol: int = 1) -> None:
    found = prepared(data)
    assert not found.damaged
    np.testing.assert_allclose(
        found.pixels.astype(int), prepared(expected).pixels.astype(int), atol=atol
    )


def inside(image: PreparedImage) -> NDArray[np.int64]:
    """The pixels that no rounding of the item's edge can reach."""
    return image.pixels[2:-2, 10:18].astype(np.int64)


# Metadata

BOMB = zlib.compress(bytes(9_000_000))


@pytest.mark.parametrize(
    "name",
    [
        "acTL",
        "cHRM",
        "eXIf",
        "fcTL",
        "gAMA",
        "iCCP",
        "iTXt",
        "pHYs",
        "sRGB",
        "sBIT",
        "tEXt",
        "tIME",
        "tRNS",
        "zTXt",
    ],
)
@pytest.mark.parametrize("content", [b"", b"x", b"\0\xff", b"k\0\0junk" * 5])
@pytest.mark.parametrize("sound", [True, False])
def test_damaged_metadata_of_a_png_does_not_show(
    name: str, content: bytes, *, sound: bool
) -> None:
    assert_same(with_chunk(PLAIN, chunk(name.encode(), content, sound=sound)))


@pytest.mark.parametrize(
    "added",
    [
        chunk(b"zTXt", b"C\0\0" + BOMB),
        chunk(b"iTXt", b"C\0\1\0\0\0" + BOMB),
        chunk(b"iCCP", b"i\0\0" + BOMB),
        chunk(b"tEXt", b"C\0" + bytes(3_000_000)),
    ],
)
def test_a_large_text_or_profile_does_not_show(added: bytes) -> None:
    assert_same(with_chunk(PLAIN, added))


@pytest.mark.parametrize("length", [4, 23, 32, 40])
def test_damaged_exif_of_a_jpeg_does_not_show(length: int) -> None:
    """Its length may lead into the next segment."""
    whole = encoded(drawn(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", length) + b"Exif\0\0some garbage in it"

    assert_same(whole[:2] + segment + whole[2:], whole)


def test_a_jpeg_without_its_end_marker_is_whole() -> None:
    whole = encoded(drawn(), "JPEG")

    assert_same(whole[:-2], whole)


# Transparency


@pytest.mark.parametrize("shade", [230, 245, 255])
def test_a_white_cut_out_does_not_vanish(shade: int) -> None:
    layer = Image.new("RGBA", (120, 160), (0, 0, 0, 0))
    layer.paste((shade, shade, shade, 255), (10, 20, 50, 100))

    found = prepared(encoded(layer)).pixels[:, :, 0] > 200

    np.testing.assert_array_equal(found, prepared(PLAIN).pixels[:, :, 0] > 0)


def packed(depth: int) -> list[bytes]:
    """The rows of a picture with 1 for the ground and 0 for the item."""
    rows = np.zeros((160, 120 * depth // 8), np.uint8)
    each = 8 // depth
    for place in range(each):
        rows |= LIGHT[:, place::each].astype(np.uint8) << (8 - depth * (place + 1))
    return [row.tobytes() for row in rows]


def deep(ground: int) -> list[bytes]:
    values = np.where(LIGHT, ground, 30 * 257).astype(">u2")
    return [row.tobytes() for row in values]


def deep_rgb(ground: int) -> list[bytes]:
    values = np.where(LIGHT, ground, 30 * 257).astype(">u2")
    return [row.tobytes() for row in np.repeat(values, 3, axis=1)]


def premultiplied() -> NDArray[np.uint8]:
    rgba = np.array(CUT_OUT)
    rgba[LIGHT] = 0
    return rgba


def opaque_behind(alpha: int) -> NDArray[np.uint8]:
    bgr = np.asarray(drawn())[:, :, ::-1]
    return np.dstack([bgr, np.full(LIGHT.shape, alpha, np.uint8)])


BLACK = encoded(drawn(item=(0, 0, 0)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(CUT_OUT), PLAIN),
        (encoded(CUT_OUT.convert("LA")), PLAIN),
        (encoded(CUT_OUT.quantize(8)), PLAIN),
        (encoded(CUT_OUT, "WEBP", lossless=True), PLAIN),
        (png(16, 0, deep(5), 120, chunk(b"tRNS", b"\0\5")), PLAIN),
        (png(16, 2, deep_rgb(5), 120, chunk(b"tRNS", b"\0\5" * 3)), PLAIN),
        (png(4, 0, packed(4), 120, chunk(b"tRNS", b"\0\1")), BLACK),
        (png(2, 0, packed(2), 120, chunk(b"tRNS", b"\0\1")), BLACK),
        (tiff(premultiplied(), 1), PLAIN),
        (tiff(np.asarray(CUT_OUT), 2), PLAIN),
        (bmp(opaque_behind(0)), PLAIN),
        (bmp(opaque_behind(255)), PLAIN),
    ],
    ids=[
        "rgba",
        "la",
        "palette",
        "webp",
        "gray16",
        "rgb16",
        "gray4",
        "gray2",
        "premultiplied",
        "unassociated",
        "bmp-empty",
        "bmp-full",
    ],
)
def test_what_is_transparent_is_ground(data: bytes, expected: bytes) -> None:
    assert_same(data, expected)


# Values that are no usual ones


def overwritten(value: float, *, rows: int) -> bytes:
    values = np.asarray(drawn().convert("L")).astype(np.float32) / 255
    values[:rows, :3] = value
    return encoded(Image.fromarray(values), "TIFF")


@pytest.mark.parametrize("value", [1.2, 40.0, 1e30, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("rows", [1, 8])
def test_single_odd_values_of_a_float_picture_do_not_show(
    value: float, rows: int
) -> None:
    assert_same(overwritten(value, rows=rows), atol=2)


def test_a_float_picture_may_go_a_little_over_one() -> None:
    values = np.asarray(drawn().convert("L")).astype(np.float32) / 255 * 1.1

    assert_same(encoded(Image.fromarray(values), "TIFF"), atol=4)


# Damage


NOISE = Image.fromarray(
    np.random.default_rng(2).integers(0, 256, (200, 200, 3), np.uint8)
)


def with_hole(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 400 :]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def closed(data: bytes) -> bytes:
    ends = {b"\xff\xd8": b"\xff\xd9", b"\x89P": chunk(b"IEND", b""), b"GI": b"\0;"}
    return halved(data) + ends.get(data[:2], b"")


def emptied(data: bytes) -> bytes:
    return halved(data) + bytes(len(data) - len(data) // 2)


def other_sum(data: bytes) -> bytes:
    last = data.rindex(b"IEND") - 8
    return data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :]


@pytest.mark.parametrize("harm", [with_hole, halved, closed, emptied])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_rows": 2}),
        ("JPEG", {"subsampling": 0, "optimize": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
    ],
)
def test_no_damaged_picture_passes_for_whole(
    harm: Callable[[bytes], bytes], kind: str, options: dict[str, object]
) -> None:
    result = prepare_bytes(harm(encoded(NOISE, kind, **options)), ending="")

    if isinstance(result, UnreadableImage):
        assert "Error" not in result.reason
        assert "not a picture" not in result.reason
    else:
        assert result.damaged


def test_damage_within_a_tiff_of_jpegs_is_known() -> None:
    whole = encoded(NOISE, "TIFF", compression="jpeg")
    start = len(whole) // 2

    found = prepared(whole[:start] + bytes(400) + whole[start + 400 :])

    assert found.damaged
    assert not prepared(whole).damaged


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("TIFF", {"compression": "jpeg"}), ("JPEG", {}), ("JPEG", {"progressive": True})],
)
def test_whole_pictures_are_not_damaged(
    mode: str, kind: str, options: dict[str, object]
) -> None:
    for picture in (NOISE, drawn(), Image.new("RGB", (900, 900), "white")):
        assert not prepared(encoded(picture.convert(mode), kind, **options)).damaged


def test_an_even_picture_whose_data_ends_in_zeros_is_not_damaged() -> None:
    for kind in ("WEBP", "AVIF"):
        picture = Image.new("RGB", (1500, 1500), "white")
        assert not prepared(encoded(picture, kind)).damaged


def test_wrong_pixels_of_a_png_are_known_by_their_checksum() -> None:
    assert prepared(other_sum(encoded(NOISE))).damaged


# Large pictures


def claiming(width: int, height: int, **options: object) -> bytes:
    """A JPEG of a few pixels that claims to be larger, and ends early."""
    data = bytearray(encoded(drawn(), "JPEG", **options))
    frame = data.index(b"\xff\xc2" if options else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def test_a_picture_of_200_megapixels_is_read() -> None:
    picture = Image.new("L", (16_384, 12_288), 255)
    picture.paste(30, (4096, 3072, 8192, 9216))

    result = prepared(encoded(picture, "JPEG"))

    assert (result.width, result.height) == picture.size
    assert result.pixels[:, :, 0].max() > 200


def test_a_small_item_on_a_huge_picture_keeps_the_limit_of_memory() -> None:
    data = encoded(Image.new("L", (16_384, 12_288), 255), "JPEG")

    decoded = decode(data, lambda *_: 1)  # as finely as a small item asks for

    assert decoded.rgb.shape == (6_144, 8_192, 3)


@pytest.mark.parametrize(
    "data",
    [claiming(60_000, 60_000), claiming(30_000, 30_000, progressive=True)],
)
def test_a_jpeg_that_would_take_too_much_is_refused(data: bytes) -> None:
    result = prepare_bytes(data, ending=".jpg")

    assert isinstance(result, UnreadableImage)
    assert "megapixels" in result.reason


# Colour profiles


def with_profile(picture: Image.Image, profile: bytes, kind: str = "PNG") -> bytes:
    return encoded(picture, kind, icc_profile=profile)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped() -> bytes:
    """A profile in which red is green and green is red."""
    profile = srgb()
    red, green = (profile.index(name) for name in (b"rXYZ", b"gXYZ"))
    changed = bytearray(profile)
    changed[red : red + 4], changed[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(changed)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_colour_profile_is_applied(kind: str) -> None:
    red = drawn(ground=(250, 20, 20), item=(20, 20, 90))
    green = drawn(ground=(20, 250, 20), item=(20, 20, 90))

    found = inside(prepared(with_profile(red, swapped(), kind)))

    expected = inside(prepared(encoded(green, kind)))
    np.testing.assert_allclose(found, expected, atol=20)
    assert np.abs(found - inside(prepared(encoded(red, kind)))).max() > 50


def test_a_profile_of_srgb_changes_no_bit() -> None:
    picture = drawn(ground=(250, 240, 230), item=(20, 60, 90))

    found = prepared(with_profile(picture, srgb(), "JPEG"))

    np.testing.assert_array_equal(
        found.pixels, prepared(encoded(picture, "JPEG")).pixels
    )


@pytest.mark.parametrize("profile", [b"junk", srgb()[:200], bytes(128), swapped()[4:]])
def test_a_damaged_profile_is_ignored(profile: bytes) -> None:
    assert_same(with_profile(drawn(), profile))


# Pages and frames


def test_the_largest_page_of_a_tiff_counts() -> None:
    small = drawn(item=(200, 0, 0), size=(60, 80)).rotate(90, expand=True)
    pages = [small, drawn(), small]

    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])

    assert_same(data)
    assert prepared(data).height == 160


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})]
)
def test_the_first_frame_that_is_not_blank_counts(
    kind: str, options: dict[str, object]
) -> None:
    blank = Image.new("RGB", (120, 160), (250, 250, 250))
    other = drawn().rotate(90)
    frames = [drawn(), other]

    data = encoded(blank, kind, save_all=True, append_images=frames, **options)

    assert_same(data, atol=2)


# Raw files


def test_the_largest_preview_of_a_raw_file_counts_turned_as_the_file_says() -> None:
    stored = drawn().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    head = exif.tobytes().removeprefix(b"Exif\0\0")
    thumbnail = encoded(drawn(size=(30, 40)), "JPEG")
    data = head + bytes(99) + thumbnail + bytes(99) + encoded(stored, "JPEG") + b"raw"

    result = prepared(data, ".nef")

    assert (result.width, result.height, result.format) == (120, 160, "RAW")
    np.testing.assert_allclose(inside(result), inside(prepared(PLAIN)), atol=25)


def test_a_raw_file_without_a_preview_is_unreadable() -> None:
    result = prepare_bytes(b"II*\0" + bytes(500), ending=".nef")

    assert isinstance(result, UnreadableImage)


def test_bytes_that_only_begin_as_a_picture_are_told_damaged() -> None:
    for start in (b"\xff\xd8\xff\xe0", b"GIF89a", io.BytesIO(PLAIN).read(20)):
        result = prepare_bytes(start, ending=".jpg")

        assert isinstance(result, UnreadableImage)
        assert "damaged" in result.reason or "truncated" in result.reason
