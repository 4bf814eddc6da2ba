"""Reach a store through fsspec: list, look at and read files.

Credentials, regions and endpoints come from where each store's own tools look, or from
fsspec's configuration; never from a URL.
"""

import errno
import hashlib
import random
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final, TypeVar

from tagger.errors import MissingExtraError, RequestError
from tagger.storage.faults import in_words
from tagger.storage.location import RemotePath, Status

_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 10
_ATTEMPTS: Final = 4
"""A store that does not answer is given up after a minute or two. If 1 % of requests
fail, four in a row fail once in 100 million times."""

_SILENT_TIMES: Final = 3
"""After so many questions without an answer, a store is silent."""

_SILENT_SECONDS: Final = 60
"""For so long it is not asked again."""

_WEB: Final = frozenset({"http", "https"})

_WEB_AT_ONCE: Final = 32
"""Requests under way while the files of a web server are looked at."""

_PACKAGES: Final = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "az": ("adlfs", "az"),
    "abfs": ("adlfs", "az"),
    "abfss": ("adlfs", "az"),
}
"""Packages and extras of schemes; fsspec, of the extra "remote", for all others."""

_one_reads: Final = Lock()
_Answer = TypeVar("_Answer")


def status(path: RemotePath) -> Status:
    """Return kind, size and time of one file or folder: a request or two."""
    system = _system(path)
    info = _asked(path, lambda: system.info(_inside(system, path)))
    is_folder = info.get("type") == "directory"
    kind = stat.S_IFDIR | 0o555 if is_folder else stat.S_IFREG | 0o444
    return Status(kind, info.get("size") or 0, _mtime_ns(info))


def content(path: RemotePath) -> bytes:
    """Return the content of a file."""
    system = _system(path)
    options = {"max_concurrency": 1} if path.scheme == "s3" else {}
    inside = _inside(system, path)
    if path.archive:
        with _one_reads:  # an archive is one open file
            return _asked(path, lambda: bytes(system.cat_file(inside)))
    return _asked(path, lambda: bytes(system.cat_file(inside, **options)))


def check_folder(path: RemotePath) -> None:
    """Make sure, with a request or two, that there is a folder.

    A bucket is one, and whatever keys begin with. Raises FileNotFoundError,
    NotADirectoryError or another OSError.
    """
    system = _system(path)
    inside = _inside(system, path)
    if path.scheme == "s3":
        start = path.key.partition("/")[2]
        page = _s3_page(system, path, f"{start}/" if start else "", MaxKeys=1)
        if page.get("KeyCount") or not start:
            return
    elif path.scheme in _WEB:
        _asked(path, lambda: system.ls(f"{inside}/"))
        return
    if not stat.S_ISDIR(status(path).st_mode):
        raise NotADirectoryError(0, "a file")


def files(folder: RemotePath) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of all files below a folder, in any order.

    The paths are relative to the folder. A store's listing has sizes and times, so that
    a file takes no request of its own; a web server's has not. A size that is not known
    is 0. Raises OSError if any of the folders cannot be listed.
    """
    system = _system(folder)
    inside = _inside(system, folder)
    start = f"{inside}/" if inside else ""
    if folder.scheme in _WEB:
        yield from _web_files(system, folder, start)
        return
    if folder.scheme == "s3":
        yield from _s3_files(system, folder)
        return
    if folder.archive or folder.scheme in _PACKAGES:  # lists all folders at once
        found = _asked(folder, lambda: system.find(inside, detail=True)).values()
    else:
        found = _walked(system, folder, inside)
    for info in found:
        name = info["name"]
        if info["type"] == "file" and name.startswith(start):
            yield name[len(start) :], info.get("size") or 0, _mtime_ns(info)


def _s3_files(
    system: Any,  # noqa: ANN401
    folder: RemotePath,
) -> Iterator[tuple[str, int, int]]:
    """List page by page: s3fs's own `find` holds a kilobyte a file until its end."""
    start = folder.key.partition("/")[2]
    start += "/" if start else ""
    follows: dict[str, str] | None = {}
    while follows is not None:
        page = _s3_page(system, folder, start, **follows)
        for entry in page.get("Contents", ()):
            yield entry["Key"][len(start) :], entry["Size"], _mtime_ns(entry)
        token = page.get("NextContinuationToken")
        follows = {"ContinuationToken": token} if token else None


def _s3_page(
    system: Any,  # noqa: ANN401
    folder: RemotePath,
    start: str,
    **options: Any,  # noqa: ANN401
) -> Mapping[str, Any]:
    """Return the next page of the keys that begin so."""
    bucket = folder.key.partition("/")[0]
    asked = {"Bucket": bucket, "Prefix": start, **options, **system.req_kw}
    page: Mapping[str, Any] = _asked(
        folder, lambda: system.call_s3("list_objects_v2", **asked)
    )
    return page


def _web_files(
    system: Any,  # noqa: ANN401  fsspec has no types
    folder: RemotePath,
    start: str,
) -> Iterator[tuple[str, int, int]]:
    """Follow the links of a web server's pages of contents, and look at each file."""
    names = {info["name"] for info in _walked(system, folder, start)}

    def look(name: str) -> tuple[str, int, int] | None:
        try:
            info = _asked(folder, lambda: system.info(name))
        except FileNotFoundError:  # a link that leads nowhere
            return None
        return name[len(start) :], info.get("size") or 0, _mtime_ns(info)

    with ThreadPoolExecutor(_WEB_AT_ONCE) as threads:
        yield from filter(None, threads.map(look, names))


def _walked(
    system: Any,  # noqa: ANN401  fsspec has no types
    folder: RemotePath,
    top: str,
) -> Iterator[Mapping[str, Any]]:
    """Yield what fsspec says of each file below a folder, one folder after another.

    Its own walk leaves out a folder that cannot be listed, as if its files were gone.
    """
    waiting = [top]
    while waiting:
        here = waiting.pop()
        try:
            found = _asked(folder, partial(system.ls, here, detail=True))
        except FileNotFoundError:
            if here == top:
                raise
            continue  # deleted a moment ago
        for info in found:
            name = info["name"]
            below = len(name) > len(here) and name.startswith(here.rstrip("/"))
            if not below or (folder.scheme in _WEB and "?" in name):
                continue  # the folder itself, or a page that is sorted otherwise
            if info["type"] == "directory":
                waiting.append(name)
            else:
                yield info


def _asked(path: RemotePath, question: Callable[[], _Answer]) -> _Answer:
    """Ask a store, unless it has just been silent.

    Raises OSError, with the reason in `strerror`.
    """
    store = path.key.partition("/")[0]
    silence = _silences.setdefault((path.scheme, store), _Silence())
    silence.check()
    try:
        answer = _answered(store, question, _ATTEMPTS if path.scheme in _WEB else 1)
    except TimeoutError:
        silence.heard_nothing()
        raise
    silence.heard()
    return answer


def _answered(store: str, question: Callable[[], _Answer], attempts: int) -> _Answer:
    """Ask so often, with exponential back-off, where the library does not do it.

    With full jitter, so that many readers do not come again at the same moment (AWS
    Architecture Blog, "Exponential Backoff and Jitter", 2015).
    """
    for attempt in range(1, attempts):
        with suppress(ConnectionError, TimeoutError), in_words(store):
            return question()
        time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311
    with in_words(store):
        return question()


class _Silence:
    """How long a store has been silent.

    A question that gets no answer waits for a minute or more, and a report asks for a
    hundred pictures. So a silent store is not asked for a while.
    """

    def __init__(self) -> None:
        self._times = 0
        self._until = 0.0

    def check(self) -> None:
        if self._times >= _SILENT_TIMES and time.monotonic() < self._until:
            raise TimeoutError(errno.ETIMEDOUT, "the store does not answer")

    def heard_nothing(self) -> None:
        self._times += 1
        self._until = time.monotonic() + _SILENT_SECONDS

    def heard(self) -> None:
        self._times = 0


_silences: Final[dict[tuple[str, str], _Silence]] = {}


def _system(path: RemotePath) -> Any:  # noqa: ANN401  fsspec has no types
    """Return the file system of fsspec for a location."""
    store = path.key.partition("/")[0] if not path.archive else ""
    with in_words(store):
        return _opened(path.scheme, store, path.archive)


@lru_cache(maxsize=64)
def _opened(scheme: str, store: str, archive: str) -> Any:  # noqa: ANN401
    package, extra = _PACKAGES.get(scheme, ("fsspec", "remote"))
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import (
            get_filesystem_class,
            known_implementations,
        )
    except ImportError as error:
        raise MissingExtraError(f"{scheme}://", package, extra) from error
    url = f"{scheme}://{store}{archive}"
    if ":" in scheme:
        raise FileNotFoundError(0, "in another shop")
    if scheme not in known_implementations:
        raise RequestError(f"no store is known by the scheme {scheme}://")
    try:
        get_filesystem_class(scheme)
    except ImportError as error:
        if scheme in _PACKAGES or scheme in _WEB:
            raise MissingExtraError(f"{scheme}://", package, extra) from error
        raise RequestError(f"{scheme}:// needs another package: {error}") from error
    system, _ = url_to_fs(url, **_options(url))
    if scheme == "s3":
        system.retries = 2  # botocore tries each request more often
    return system


def _options(url: str) -> dict[str, dict[str, Any]]:
    """Return what the file systems of a URL are made with; the configuration wins."""
    from fsspec.config import conf

    configured = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _ANSWER_SECONDS,
        "max_pool_connections": 64,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
    }
    ours: dict[str, dict[str, Any]] = {
        "s3": {"use_listings_cache": False, "config_kwargs": configured},
        "gs": {"use_listings_cache": False},
        "az": {"use_listings_cache": False},
        "abfs": {"use_listings_cache": False},
    }
    return {
        scheme: given | conf.get(scheme, {})
        for scheme, given in ours.items()
        if f"{scheme}://" in url
    }


def _inside(system: Any, path: RemotePath) -> str:  # noqa: ANN401
    """Return a location as its file system names it."""
    return str(system._strip_protocol(f"{path.scheme}://{path.key}")).rstrip("/")  # noqa: SLF001


_TIMES: Final = ("LastModified", "mtime", "updated", "last_modified", "Last-Modified")
_MARKS: Final = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "CRC")


def _mtime_ns(info: Mapping[str, Any]) -> int:
    """Return a time that changes whenever the content does.

    It is the time that the store gives, in whole seconds if the store also gives a mark
    of the content (ETag, CRC): then the mark decides the fraction, so that two versions
    in one second differ, and a listing agrees with a look at one file, which has no
    fraction. Of a mark without a time, a time before 1989 is made.
    """
    mark = next((info[name] for name in _MARKS if info.get(name)), None)
    at = next((info[name] for name in _TIMES if info.get(name)), None)
    hashed = 0
    if mark is not None:
        hashed = int.from_bytes(hashlib.sha256(str(mark).encode()).digest()[:8])
    moment = _moment(at)
    if moment is None:
        return hashed % 2**59
    if mark is None:
        return round(moment * 1e6) * 1000
    return int(moment) * 10**9 + hashed % 10**9


def _moment(at: object) -> float | None:
    """Return seconds since 1970; None if this is no time."""
    with suppress(ValueError):
        if isinstance(at, str):
            at = parsedate_to_datetime(at) if "," in at else datetime.fromisoformat(at)
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return float(at) if isinstance(at, int | float) else None
