"""Put a keyword into the IPTC data of a picture, and take it out again.

The data are datasets of IPTC-IIM 4.2 in the resource 0x0404 of Photoshop's resources
(Adobe, Photoshop File Formats Specification, "Image Resource Blocks"). What is there
besides the keyword stays byte for byte.
"""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import md5
from typing import Final, NamedTuple

SIGNATURE: Final = b"Photoshop 3.0\0"
"""What Photoshop's resources begin with in a JPEG."""

_IPTC: Final = 0x0404
_DIGEST: Final = 0x0425
"""The MD5 of the IPTC data: if it fits, programs prefer XMP (Metadata Working Group,
Guidelines for Handling Image Metadata 2.0, 3.2)."""

_KEYWORD: Final = (2, 25)
_CHARACTERS: Final = (1, 90)
_UTF8: Final = b"\x1b%G"
_LONGEST: Final = 64
"""Most bytes of a keyword: IPTC-IIM 4.2, dataset 2:25."""


class DamagedIptcError(ValueError):
    """The resources or the datasets end in the middle of one."""


class _Resource(NamedTuple):
    number: int
    name: bytes
    data: bytes


class _Dataset(NamedTuple):
    """A dataset: its record and number, its value, and all of its bytes."""

    key: tuple[int, int]
    value: bytes
    raw: bytes


def has_keyword(resources: bytes, keyword: str) -> bool:
    """Whether Photoshop's resources have a keyword, or cannot have it.

    They are in Latin-1 if they do not say that they are in UTF-8. Raises
    DamagedIptcError.
    """
    found = list(_datasets(_iptc(list(_resources(resources)))))
    wanted = _encoded(keyword, found)
    here = any(one.key == _KEYWORD and one.value == wanted for one in found)
    return here or wanted is None


def with_keyword(resources: bytes, keyword: str) -> bytes:
    """Return Photoshop's resources with one more keyword, if they can have it.

    Raises DamagedIptcError.
    """
    blocks = list(_resources(resources))
    found = list(_datasets(_iptc(blocks)))
    value = _encoded(keyword, found)
    if value is None:
        return resources
    added = [_dataset(_KEYWORD, value)]
    if not found:  # IPTC-IIM is ASCII unless it says otherwise
        head = [_dataset(_CHARACTERS, _UTF8), _dataset((2, 0), b"\0\4")]
        return _written(blocks, [*head, *added])
    # Datasets are in the order of their records.
    before = [one for one in found if one.key[0] <= _KEYWORD[0]]
    return _written(blocks, [*before, *added, *found[len(before) :]])


def without_keyword(resources: bytes, keyword: str) -> bytes:
    """Return Photoshop's resources without one such keyword; b"" if nothing is left.

    Raises DamagedIptcError.
    """
    blocks = list(_resources(resources))
    found = list(_datasets(_iptc(blocks)))
    wanted = _encoded(keyword, found)
    ours = [one for one in found if one.key == _KEYWORD and one.value == wanted][:1]
    kept = [one for one in found if one not in ours]
    if all(one.key in {_CHARACTERS, (2, 0)} for one in kept):
        kept = []
    return _written(blocks, kept)


def _encoded(keyword: str, datasets: list[_Dataset]) -> bytes | None:
    """Encode a keyword as the datasets are encoded; UTF-8 if there are none.

    None if that is not possible.
    """
    told = [one.value for one in datasets if one.key == _CHARACTERS]
    if datasets and told != [_UTF8]:
        with suppress(UnicodeEncodeError):
            return keyword.encode("latin-1")[:_LONGEST]
        return None
    return keyword.encode()[:_LONGEST].decode(errors="ignore").encode()


def _iptc(blocks: list[_Resource]) -> bytes:
    return next((block.data for block in blocks if block.number == _IPTC), b"")


def _written(blocks: list[_Resource], datasets: list[_Dataset]) -> bytes:
    """Write the resources with these datasets, and their digest if it is there."""
    iptc = b"".join(one.raw for one in datasets)
    written, placed = [], False
    for block in blocks:
        if block.number == _IPTC:
            if datasets:
                written.append(block._replace(data=iptc))
            placed = True
        elif block.number == _DIGEST:
            digest = md5(iptc, usedforsecurity=False).digest()
            written += [block._replace(data=digest)] * bool(datasets)
        else:
            written.append(block)
    if datasets and not placed:
        written.append(_Resource(_IPTC, b"\0\0", iptc))
    return b"".join(map(_block, written))


def _block(block: _Resource) -> bytes:
    head = b"8BIM" + block.number.to_bytes(2) + block.name
    size = len(block.data)
    return head + size.to_bytes(4) + block.data + b"\0" * (size % 2)


def _resources(data: bytes) -> Iterator[_Resource]:
    at = 0
    while at + 12 <= len(data):
        if data[at : at + 4] != b"8BIM":
            raise DamagedIptcError("its IPTC data are damaged")
        number = int.from_bytes(data[at + 4 : at + 6])
        named = data[at + 6] + 1
        name = data[at + 6 : at + 6 + named + named % 2]
        start = at + 6 + len(name) + 4
        size = int.from_bytes(data[start - 4 : start])
        if start + size > len(data):
            raise DamagedIptcError("its IPTC data are damaged")
        yield _Resource(number, name, data[start : start + size])
        at = start + size + size % 2
    if data[at:].strip(b"\0"):
        raise DamagedIptcError("its IPTC data are damaged")


def _datasets(data: bytes) -> Iterator[_Dataset]:
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:  # noqa: PLR2004  the tag marker
        size = int.from_bytes(data[at + 3 : at + 5])
        start = at + 5
        if size & 0x8000:  # an extended dataset: the size of its size comes first
            start += size & 0x7FFF
            size = int.from_bytes(data[at + 5 : start])
        if start + size > len(data):
            raise DamagedIptcError("its IPTC data are damaged")
        key = data[at + 1], data[at + 2]
        yield _Dataset(key, data[start : start + size], data[at : start + size])
        at = start + size
    if data[at:].strip(b"\0"):
        raise DamagedIptcError("its IPTC data are damaged")


def _dataset(key: tuple[int, int], value: bytes) -> _Dataset:
    return _Dataset(key, value, bytes((0x1C, *key)) + len(value).to_bytes(2) + value)
