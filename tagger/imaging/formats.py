"""List the file name endings of pictures."""

from typing import Final

FORMATS: Final = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The file name endings that are read, and the format their content must have."""

FOREIGN_PICTURES: Final = frozenset({".dng", ".heic", ".heif", ".psd", ".raw", ".svg"})
"""Endings of pictures that are not read: their owner needs an explanation."""
