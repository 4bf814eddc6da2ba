"""Read many files of a store at a time, in bounded memory.

The time of a request is mostly waiting, so many wait together.
"""

from collections import deque
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Final

from tagger.storage.location import Content, Wanted

if TYPE_CHECKING:
    from concurrent.futures import Future

AT_ONCE: Final = 32
"""Requests under way."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""Most bytes that are read ahead, unless one file has more."""


def read_ahead(files: Iterable[Wanted], largest: int) -> Generator[Content | OSError]:
    """Yield the content of each file, in order, or why it cannot be read.

    Each file is read once. At most `AT_ONCE` files or `MOST_BYTES` bytes are read ahead
    of the one that is yielded. A file over `largest` bytes is not read. One whose size
    differs from its listing was replaced meanwhile, and gives an error.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  no local scan does

    under_way: deque[tuple[int, Future[Content | OSError]]] = deque()
    ahead = 0
    threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read")
    try:
        for file in files:
            size = file.size or 0
            under_way.append((size, threads.submit(_read, file, largest)))
            ahead += size
            while len(under_way) >= AT_ONCE or ahead > MOST_BYTES:
                size, future = under_way.popleft()
                ahead -= size
                yield future.result()
        for _, future in under_way:
            yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _read(file: Wanted, largest: int) -> Content | OSError:
    too_large = OSError(0, f"larger than {largest // 2**20} MB")
    if (file.size or 0) > largest:
        return too_large
    try:
        data = file.path.read_bytes()
    except OSError as error:
        return error
    if len(data) > largest:
        return too_large
    if file.size not in {None, len(data)}:
        return OSError(0, "changed while it was read")
    return Content(file.path.name, data)
