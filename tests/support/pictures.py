"""Bytes of pictures, made by hand where no program writes them."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def drawn(
    ground: tuple[int, int, int] = (255, 255, 255),
    item: tuple[int, int, int] = (30, 30, 30),
    size: tuple[int, int] = (120, 160),
) -> Image.Image:
    """An item half as wide as it is tall, off centre on a ground."""
    picture = Image.new("RGB", size, ground)
    picture.paste(item, (10, 20, 10 + size[0] // 3, 20 + size[0] * 2 // 3))
    return picture


def chunk(name: bytes, data: bytes, *, sound: bool = True) -> bytes:
    """A chunk of a PNG, with a wrong checksum if it is not sound."""
    checksum = zlib.crc32(name + data) ^ (not sound)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png(depth: int, colours: int, rows: list[bytes], width: int, *more: bytes) -> bytes:
    """A PNG of packed rows, with more chunks before them."""
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colours, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", head), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return PNG_START + b"".join(chunks)


def with_chunk(data: bytes, added: bytes) -> bytes:
    """Put a chunk behind the head of a PNG."""
    return data[:33] + added + data[33:]


def bmp(bgra: NDArray[np.uint8]) -> bytes:
    """A BMP with an alpha mask."""
    height, width = bgra.shape[:2]
    size = bgra.nbytes
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, size, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    start = b"BM" + struct.pack("<IHHI", 122 + size, 0, 0, 122)
    return start + head + masks + b"BGRs" + bytes(48) + bgra[::-1].tobytes()


def tiff(rgba: NDArray[np.uint8], alpha: int) -> bytes:
    """A TIFF whose fourth sample is premultiplied (`alpha` 1) or not (2)."""
    height, width = rgba.shape[:2]
    count = 10
    depths = 8 + 2 + 12 * count + 4
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 4, depths),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, depths + 8),
        (277, 3, 1, 4),
        (278, 3, 1, height),
        (279, 4, 1, rgba.nbytes),
        (338, 3, 1, alpha),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, count)
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head + body + bytes(4) + struct.pack("<4H", 8, 8, 8, 8) + rgba.tobytes()
