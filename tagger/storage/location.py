"""Locations: a local path, or a path in a store, which a URL names.

`Path("s3://bucket/photos")` loses a slash, so `location` parses every text.
"""

import os
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath, PurePosixPath
from typing import Final, NamedTuple

from tagger.errors import RequestError

_SAME: Final = {"s3a": "s3", "gcs": "gs"}
"""Schemes with two names, and the one in the inventory."""

_WITHOUT_USER: Final = frozenset({"s3", "gs", "http", "https"})
"""Schemes where a user before the host can only be a key or a token."""

_PRIVATE: Final = r"[?&][^=]*(?:x-amz|key|token|sig|secret|password|credential)[^=]*="
"""Part of a URL with a key or a token. Texts, since few commands meet a URL."""

_ARCHIVE: Final = "::"
"""Between a path in an archive and the archive, in the URLs of fsspec."""

_ARCHIVES: Final = frozenset({"tar", "zip"})

_ARCHIVE_AND_PATH: Final = r"(.+?\.(?:zip|tar|tar\.gz|tgz))(?:/(.*))?"
"""An archive, and a path in it: reports put a slash between a root and a path."""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A folder or a file in a store, with the reading half of pathlib's interface.

    `key` has the bucket (or the host) and the path, without a slash at its end.
    `archive` is empty, or "::" and the URL of the archive that the path lies in.
    A value can be hashed, pickled and compared, and `location(str(path)) == path`.
    The methods that read raise OSError with the reason in `strerror`, RequestError for
    an unknown scheme and MissingExtraError if a package is not installed.
    """

    scheme: str
    key: str
    archive: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}{self.archive}"

    def __truediv__(self, other: str | PurePath) -> "RemotePath":
        below = other if isinstance(other, str) else other.as_posix()
        below = below.strip("/")
        if below in {"", "."}:
            return self
        key = f"{self.key}/{below}" if self.key else below
        return RemotePath(self.scheme, key, self.archive)

    def as_posix(self) -> str:
        """Return the URL: its separators are slashes on every system."""
        return str(self)

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket or host, and the names below it."""
        return tuple(self.key.split("/")) if self.key else ()

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """The folder that this lies in; the bucket lies in itself."""
        above = self.key.rpartition("/")[0]
        return RemotePath(self.scheme, above or self.key, self.archive)

    @property
    def parents(self) -> tuple["RemotePath", ...]:
        """The folders that this lies in, the nearest first, the bucket last."""
        above = range(len(self.parts) - 1, 0, -1)
        keys = ("/".join(self.parts[:number]) for number in above)
        return tuple(RemotePath(self.scheme, key, self.archive) for key in keys)

    def is_relative_to(self, other: "Location | str") -> bool:
        """Whether this is the other location, or lies in it."""
        if isinstance(other, str):
            other = location(other)
        if not isinstance(other, RemotePath):
            return False
        same_store = (self.scheme, self.archive) == (other.scheme, other.archive)
        inside = self.key == other.key or self.key.startswith(f"{other.key}/")
        return same_store and (inside or not other.key)

    def relative_to(self, other: "Location | str") -> PurePosixPath:
        """Return the path from the other location; ValueError if this is not in it."""
        if isinstance(other, str):
            other = location(other)
        if not isinstance(other, RemotePath) or not self.is_relative_to(other):
            raise ValueError(f"{self} is not in {other}")
        return PurePosixPath(self.key[len(other.key) :].lstrip("/"))

    def stat(self) -> "Status":
        """Return kind, size and time."""
        from tagger.storage.remote import status  # noqa: PLC0415

        return status(self)

    def exists(self) -> bool:
        """Whether there is a file or a folder; False if the store cannot be asked."""
        try:
            self.stat()
        except OSError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is a folder; False if the store cannot be asked."""
        try:
            self.check_folder()
        except OSError:
            return False
        return True

    def check_folder(self) -> None:
        """Raise OSError unless there is a folder: a bucket, or what keys begin with."""
        from tagger.storage.remote import check_folder  # noqa: PLC0415

        check_folder(self)

    def read_bytes(self) -> bytes:
        """Return the content, with one request where the store can."""
        from tagger.storage.remote import content  # noqa: PLC0415

        return content(self)

    def open(self, mode: str = "rb") -> BytesIO:
        """Open the content for reading, which the mode "rb" alone allows."""
        if mode != "rb":
            raise ValueError(f"a file in a store is only read, not opened as {mode!r}")
        return BytesIO(self.read_bytes())


Location = Path | RemotePath
"""Where a folder or a picture is."""


class Content(NamedTuple):
    """The content of a file, and its name, whose ending may matter."""

    name: str
    data: bytes


class Wanted(NamedTuple):
    """A file in a store to read, and its size as listed; None if it is not known."""

    path: RemotePath
    size: int | None = None


class Status(NamedTuple):
    """The part of `os.stat_result` that a store knows."""

    st_mode: int
    st_size: int
    st_mtime_ns: int


def location(text: str | Location, *below: str) -> Location:
    """Return the location that a text names, or a path below it.

    A URL loses the slash at its end; `file://` gives a local path.
    """
    if not isinstance(text, str):
        place = text
    elif is_url(text):
        scheme, _, rest = text.partition("://")
        place = _parsed(scheme if ":" in scheme else scheme.lower(), rest)
    else:
        return Path(text, *below)
    for path in below:
        place /= path
    return place


def typed_location(text: str | Location) -> Location:
    """Return the location that a person typed.

    Raises RequestError for a URL with a password or a token, which would end up in the
    inventory and in logs; the message does not repeat it.
    """
    if isinstance(text, str) and is_url(text):
        for url in text.split(_ARCHIVE):
            scheme, slashes, key = url.partition("://")
            if slashes:
                _refuse_secrets(scheme.lower(), key)
    return location(text)


def is_url(text: str) -> bool:
    """Whether a text begins with a scheme; one letter is a drive of Windows.

    A colon stands between a shop and the scheme of its folder, `paris:s3://…`.
    """
    scheme, slashes, _ = text.partition("://")
    known = re.fullmatch(r"[\w.-]+:?[A-Za-z0-9+.-]+", scheme) if slashes else None
    return known is not None


def _parsed(scheme: str, rest: str) -> Location:
    scheme = _SAME.get(scheme, scheme)
    if scheme in _ARCHIVES:
        return _in_archive(scheme, *rest.partition(_ARCHIVE)[::2])
    return Path(rest) if scheme == "file" else RemotePath(scheme, rest.rstrip("/"))


def _in_archive(scheme: str, key: str, text: str) -> RemotePath:
    found = re.fullmatch(_ARCHIVE_AND_PATH, text, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise RequestError(
            f"{scheme}:// needs the name of an archive that ends in .zip or .tar: "
            f"{scheme}://FOLDER::/srv/photos.{scheme}"
        )
    archive = location(found[1])
    if isinstance(archive, Path):  # links stay
        archive = RemotePath("file", Path(os.path.abspath(archive)).as_posix())  # noqa: PTH100
    root = RemotePath(scheme, key.rstrip("/"), f"{_ARCHIVE}{archive}")
    return root / (found[2] or "")


def _refuse_secrets(scheme: str, key: str) -> None:
    scheme = _SAME.get(scheme, scheme)
    host, _, path = key.partition("/")
    user, at, _ = host.rpartition("@")
    is_secret = at and (":" in user or scheme in _WITHOUT_USER)
    if is_secret or re.search(_PRIVATE, key, re.IGNORECASE):
        raise RequestError(
            f"the {scheme}:// address contains a password, a key or a token: leave it "
            f"out, and put it {_STANDARD_PLACES.get(scheme, _OTHER_PLACE)}"
        )
    if scheme in {"http", "https"} and ("?" in path or "#" in path):
        raise RequestError(
            f"the {scheme}:// address has a question mark or a hash: name a folder "
            "without them"
        )


_STANDARD_PLACES: Final = {
    "s3": "into ~/.aws/credentials or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "into the file that GOOGLE_APPLICATION_CREDENTIALS names",
    "az": "into AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_OTHER_PLACE: Final = "into fsspec's configuration, ~/.config/fsspec"


def is_listed(place: Location) -> bool:
    """Whether a folder lists this file or folder, even as a link that leads nowhere.

    True if a store cannot be asked: then reading says why.
    """
    if isinstance(place, Path):
        return os.path.lexists(place)
    try:
        place.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def is_within(place: Location, folder: Location) -> bool:
    """Whether a location is a folder or lies in it; False in different stores."""
    if isinstance(place, RemotePath):
        return place.is_relative_to(folder)
    return isinstance(folder, Path) and place.is_relative_to(folder)
