"""Pictures that mean harm, made here: each with the end that it must come to."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

FORMATS = "not a picture in a format tagger reads"
LARGE = "more than 100 megapixels"
TRUNCATED = "the picture is truncated"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file and the reason it must be unreadable for; None where it may be tagged."""

    name: str
    data: bytes
    reason: str | None
    """Any reason will do where it is empty."""


def hostile_files() -> Iterator[Hostile]:
    """Yield every file of the corpus; the names end in what tagger reads."""
    yield from _bombs()
    yield from _other_tongues()
    yield from _broken()
    yield from _harmless_but_odd()


def _bombs() -> Iterator[Hostile]:
    yield Hostile("claims-60000.png", _png(60_000, 60_000), LARGE)
    yield Hostile("claims-all.png", _png(2**31 - 1, 2**31 - 1), "")
    yield Hostile("claims-none.png", _png(0, 0), "")
    yield Hostile("one-row-too-long.png", _png(2**31 - 1, 1), "")
    yield Hostile("text-bomb.png", _png(8, 8, _text_bomb()), None)
    yield Hostile("profile-bomb.png", _png(8, 8, _profile_bomb()), None)
    yield Hostile("pixel-bomb.png", _png(8, 8, pixels=bytes(50_000_000)), None)
    gif = bytearray(_saved("GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    yield Hostile("claims-65535.gif", bytes(gif), LARGE)
    bmp = bytearray(_saved("BMP"))
    bmp[18:26] = struct.pack("<ii", 2**31 - 1, -(2**31) + 1)
    yield Hostile("claims-2gb.bmp", bytes(bmp), "")
    jpeg = bytearray(_saved("JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    yield Hostile("claims-65535.jpg", bytes(jpeg), LARGE)
    webp = bytearray(_saved("WEBP"))
    yield Hostile("cut.webp", bytes(webp[: len(webp) // 2]), "")
    frames = [Image.new("L", (64, 64), n % 256) for n in range(2_000)]
    yield Hostile(
        "frames.gif", _saved("GIF", save_all=True, append_images=frames), None
    )


def _other_tongues() -> Iterator[Hostile]:
    """Things that some program would run, or fetch, were it asked to show them."""
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file quit\n"
    yield Hostile("script.jpg", script, FORMATS)
    yield Hostile("script.tiff", script, FORMATS)
    page = b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://localhost/x'/>"
    yield Hostile("page.png", page, FORMATS)
    yield Hostile("page.gif", b"<html><script>alert(1)</script>", FORMATS)
    yield Hostile("report.jpg", b"%PDF-1.7\n1 0 obj\n<< /OpenAction 2 0 R >>", FORMATS)
    yield Hostile("object.png", pickle.dumps(_Harm()), FORMATS)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("x.png", bytes(1_000_000))
    yield Hostile("archive.webp", archive.getvalue(), FORMATS)
    for kind in ("ICO", "PPM", "TGA", "PCX", "ICNS", "JPEG2000"):
        yield Hostile(f"other-{kind}.png".lower(), _saved(kind), FORMATS)
    yield Hostile("lies.jpg", _saved("PNG"), None)
    yield Hostile("program.bmp", b"\x7fELF" + bytes(200), FORMATS)


def _broken() -> Iterator[Hostile]:
    yield Hostile("empty.png", b"", "the file is empty")
    yield Hostile("zeros.jpg", bytes(4096), FORMATS)
    for kind, ending in (("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tiff")):
        whole = _saved(kind, noise=True)
        yield Hostile(f"half.{ending}", whole[: len(whole) // 2], TRUNCATED)
    png = _saved("PNG", noise=True)
    broken_sum = bytearray(png)
    broken_sum[29] ^= 0xFF
    yield Hostile("wrong-sum.png", bytes(broken_sum), "")
    yield Hostile("loop.tiff", _looping_tiff(), "")
    yield Hostile("strips.tiff", _tiff_of_strips(), "")


def _harmless_but_odd() -> Iterator[Hostile]:
    yield Hostile("trailing.jpg", _saved("JPEG") + b"<?php echo 1; ?>" * 99, None)
    exif = Image.Exif()
    exif[0x010E] = "\x1b[31m=cmd|'/c calc'!A1" * 99
    exif[0x0112] = 99
    yield Hostile("exif.jpg", _saved("JPEG", exif=exif), None)
    yield Hostile("=cmd|'.png", _saved("PNG"), None)


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch /tmp/tagger-was-harmed",)


def _saved(kind: str, *, noise: bool = False, **options: object) -> bytes:
    picture = (
        Image.effect_noise((64, 64), 90) if noise else Image.new("L", (64, 64), 90)
    )
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def _png(width: int, height: int, *extra: bytes, pixels: bytes | None = None) -> bytes:
    """Write a gray PNG by hand, so that its header may say what it likes."""
    if pixels is None:
        pixels = (b"\0" + b"\x5a" * min(width, 8)) * min(height, 8)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + b"".join(extra)
        + _chunk(b"IDAT", zlib.compress(pixels, 9))
        + _chunk(b"IEND", b"")
    )


def _text_bomb() -> bytes:
    return _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))


def _profile_bomb() -> bytes:
    return _chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(100_000_000), 9))


def _tiff(*tags: tuple[int, int, int, int], following: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    return head + entries + struct.pack("<I", following)


def _looping_tiff() -> bytes:
    """A directory that names itself as the next one, and its strip as itself."""
    tags = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1)]
    return _tiff(*tags, (273, 4, 1, 8), (279, 4, 1, 2**31), following=8)


def _tiff_of_strips() -> bytes:
    """A directory that promises four thousand million strips."""
    tags = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1)]
    return _tiff(*tags, (273, 4, 2**32 - 1, 8), (279, 4, 2**32 - 1, 8))
