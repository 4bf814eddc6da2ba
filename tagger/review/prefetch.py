"""Prefetch the next photographs of a review."""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Condition, Thread
from time import sleep
from typing import TYPE_CHECKING, Final

from tagger.errors import InventoryBusyError
from tagger.imaging.prepare import held, prepare, upright
from tagger.inventory.records import QueueItem
from tagger.records import UnreadableImage
from tagger.storage import Location, is_listed, location
from tagger.system.paths import shop_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from tagger.records import PreparedImage

PHOTOGRAPH_SIDE: Final = 800
"""Longest edge of a photograph in pixels: more than a terminal shows."""

_BREATH = 0.1
"""Seconds that the screen has the processor to itself to draw a picture, before more
pictures are read."""

_BUSY_PAUSE = 0.2
"""Seconds between two tries while another program writes to the inventory."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """An item with its photograph, for the reviewer.

    `path` is the file that was read. If the photograph cannot be shown, `trouble` says
    why, and the item can only be skipped.
    """

    item: QueueItem
    path: Location
    photograph: "Image | None" = None
    prepared: "PreparedImage | None" = None
    trouble: str = ""


def look_at(item: QueueItem, side: int = PHOTOGRAPH_SIDE) -> Shown:
    """Read an item's photograph, at most `side` pixels, and the network's views.

    Tries the item's path, then other paths with the same content; the content must be
    the scanned one. Never raises for a bad file: `trouble` says what is wrong.
    """
    own = location(item.root, item.path)
    trouble = ""
    for path in (own, *map(location, item.same_bytes)):
        shown = _look(item, path, side)
        if not shown.trouble:
            return shown
        trouble = trouble or shown.trouble
    return Shown(item, own, trouble=trouble)


def _look(item: QueueItem, path: Location, side: int) -> Shown:
    if not is_listed(path):
        if shop := shop_of(str(path)):
            why = f"the picture is in the shop {shop}, not on this computer"
            return Shown(item, path, trouble=why)
        return Shown(item, path, trouble="the file was deleted or moved since the scan")
    source = held(path)
    prepared = prepare(source)
    if prepared.digest is not None and prepared.digest != item.digest:
        return Shown(item, path, trouble="the file has changed since the scan")
    if isinstance(prepared, UnreadableImage):
        return Shown(item, path, trouble=f"the file cannot be read: {prepared.reason}")
    try:
        photograph = upright(source, side=side)
    except (OSError, ValueError) as error:
        return Shown(item, path, trouble=f"the file cannot be shown: {error}")
    return Shown(item, path, photograph, prepared)


class Lookahead:
    """Prefetches items of the queue and their photographs.

    A thread of its own keeps `ahead` of them ready. `take` receives the number of items
    and the digests to leave out; it returns an empty list at the end of the queue.
    `when_read` is called in that thread with each item that was read.
    """

    def __init__(
        self, take: Callable[[int, Collection[str]], list[QueueItem]], *, ahead: int = 4
    ) -> None:
        self.when_read: Callable[[Shown], object] = lambda _: None
        self._take = take
        self._ahead = ahead
        self._ready: deque[Shown] = deque()
        self._out: set[str] = set()
        self._changed = Condition()
        self._exhausted = False
        self._closed = False
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True, name="lookahead")
        self._thread.start()

    def pop(self) -> Shown | None:
        """Return the next item as soon as it is ready; None at the end of the queue.

        Raises InventoryError if items can no longer be read or leased.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready or self._exhausted or self._failure
            )
            if self._ready:
                shown = self._ready.popleft()
                self._changed.notify_all()
                return shown
            if self._failure:
                raise self._failure
            return None

    def ready(self) -> list[Shown]:
        """Return the items that are ready, in order."""
        with self._changed:
            return list(self._ready)

    def put_back(self, shown: Shown) -> None:
        """Make an item the next one."""
        with self._changed:
            self._out.add(shown.item.digest)
            self._ready.appendleft(shown)
            self._changed.notify_all()

    def leave_out(self, digest: str) -> None:
        """Do not take this content, which the reviewer has skipped or holds."""
        with self._changed:
            self._out.add(digest)

    def forget(self, digests: Collection[str]) -> None:
        """Drop the items with these digests, which are decided."""
        with self._changed:
            self._out.difference_update(digests)
            self._ready = deque(
                shown for shown in self._ready if shown.item.digest not in digests
            )
            self._changed.notify_all()

    def wake(self) -> None:
        """Ask for items once more, after the end of the queue."""
        with self._changed:
            self._exhausted = False
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._ready and not self._closed:
                    self._changed.wait_for(lambda: self._closed, _BREATH)
                if self._closed:
                    return
                wanted, without = self._ahead - len(self._ready), set(self._out)
            try:
                # After an empty list the second call starts from the beginning.
                items = self._take(wanted, without) or self._take(wanted, without)
            except InventoryBusyError:
                sleep(_BUSY_PAUSE)
                continue
            except Exception as error:  # noqa: BLE001  `pop` raises it
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            self._add(items)

    def _has_work(self) -> bool:
        return self._closed or (not self._exhausted and len(self._ready) < self._ahead)

    def _add(self, items: Collection[QueueItem]) -> None:
        """Read the photographs of new items; no items are the end of the queue."""
        if not items:
            with self._changed:
                self._exhausted = True
                self._changed.notify_all()
        with self._changed:
            self._out.update(item.digest for item in items)
        for item in items:
            shown = look_at(item)
            with self._changed:
                if self._closed:
                    return
                if item.digest in self._out:
                    self._ready.append(shown)
                    self._changed.notify_all()
            self.when_read(shown)
