"""List the file name endings of pictures, and limit the size of their files."""

from typing import Final

MAX_BYTES: Final = 256 * 1024 * 1024
"""Largest file that is read."""

FORMATS: Final = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The file name endings that are read, and the format that each promises. The content
may have any of these formats."""

CAMERA_RAW: Final = frozenset(
    {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"}
)
"""Endings of cameras' raw files, which are read by the JPEG preview inside them."""

ENDINGS: Final = (*FORMATS, *sorted(CAMERA_RAW))
"""All file name endings that are read, in lower case, with their dot."""

FOREIGN_PICTURES: Final = frozenset(
    {
        ".3fr",  # Hasselblad's raw files
        ".ai",
        ".cdr",
        ".crw",  # Canon's raw files before 2004
        ".emf",
        ".eps",
        ".exr",
        ".fff",  # Imacon's raw files
        ".hdr",
        ".ico",
        ".iiq",  # Phase One's raw files
        ".indd",
        ".j2k",
        ".jp2",
        ".jxl",  # its only plugin for Pillow is under the GPL
        ".jxr",
        ".mrw",  # Minolta's raw files
        ".pbm",
        ".pcx",
        ".pdf",
        ".pgm",
        ".pnm",
        ".ppm",
        ".psb",
        ".psd",
        ".qoi",
        ".raw",
        ".svg",
        ".tga",
        ".wmf",
        ".x3f",  # Sigma's raw files
        ".xcf",
    }
)
"""Endings of pictures that are not read: their owner needs an explanation."""


def promised(name: str) -> str:
    """Return the format that a file's name promises; empty if it promises none."""
    _, dot, ending = name.rpartition(".")
    return FORMATS.get(dot + ending.lower(), "")
