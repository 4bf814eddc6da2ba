"""Write the tags in force as keywords: into XMP sidecars, or into the pictures.

A tag is written if a person decided on it or the policy accepted it. What an earlier
run wrote is replaced, or taken out if the picture has no such tag any more.
"""

import errno
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from tagger.errors import ExportError
from tagger.exchange import embedded, sidecars
from tagger.exchange.containers import MetadataError
from tagger.exchange.embedded import Drafted
from tagger.exchange.in_force import in_force
from tagger.exchange.sidecars import Listing, sidecars_of
from tagger.exchange.xmp import DamagedXmpError, Keyword
from tagger.inventory import Inventory
from tagger.inventory.columns import Condition
from tagger.inventory.records import DecidedBy, Item
from tagger.inventory.rewriting import KnownPicture, Rewriting, Rewritten
from tagger.records import State
from tagger.storage import Location, RemotePath, location
from tagger.system.atomic import Draft
from tagger.system.paths import shop_of
from tagger.system.signals import Interruption
from tagger.text import encodable, printable

_THREADS: Final = 16
"""Threads that wait until the disk has what was written: a disk has what sixteen wrote
about as soon as what one wrote."""

_CHUNK: Final = 8
"""Pictures whose sidecars a thread writes at a time."""

_AT_ONCE: Final = 64
"""Pictures that are drafted before their inventory is written: it is written twice."""

_FOLDERS: Final = 64
"""Folders whose names are kept: the pictures come in the order of their paths."""

_NO_MORE_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Errors after which the next file would fail, too."""


class Done(StrEnum):
    """What became of one picture."""

    WRITTEN = "written"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Which tags to write, and where.

    With `undecided` tags that wait for a person are written, too; with `remove` all
    are taken out. `parent` is a keyword above the tag. A `dry_run` writes nothing.
    """

    conditions: Sequence[Condition] = ()
    into_files: bool = False
    remove: bool = False
    undecided: bool = False
    parent: str = ""
    dry_run: bool = False

    def keyword(self, item: Item) -> Keyword | None:
        """Return the keyword that a picture is to have; None for none."""
        if self.remove or not in_force(item, undecided=self.undecided):
            return None
        certain = item.confidence is not None and item.tag == item.machine_tag
        return Keyword(
            _clean(item.tag or ""),
            (item.decided_by or DecidedBy.MACHINE).value,
            confidence=item.confidence if certain else None,
            model=_clean(item.model) if item.model else None,
            parent=_clean(self.parent),
        )


@dataclass(frozen=True, slots=True)
class Reporting:
    """What is called with each path that is written, and with each that is left out.

    The second gets the reason, too.
    """

    written: Callable[[Location, Keyword | None], None] = lambda _path, _keyword: None
    left_out: Callable[[Location, str], None] = lambda _path, _why: None


def write_tags(
    inventory: Inventory,
    request: WriteRequest,
    reporting: Reporting,
    interruption: Interruption,
) -> Counter[Done]:
    """Write the tags; return how many pictures came to what.

    A picture that cannot be written is left out, and the run goes on. Raises
    ExportError if no other could be written either, as on a full disk. Each file is
    replaced as a whole. Hold the lock of a scan.
    """
    counts: Counter[Done] = Counter()
    run = _into_files if request.into_files else _into_sidecars
    with ThreadPoolExecutor(_THREADS) as pool:
        for outcome in run(inventory, request, pool):
            counts[_reported(outcome, reporting)] += 1
            interruption.check()
    return counts


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a picture, or of a folder that is gone."""

    path: Location
    keyword: Keyword | None = None
    changed: bool = False
    error: Exception | None = None


def _reported(outcome: _Outcome, reporting: Reporting) -> Done:
    if outcome.error is not None:
        reporting.left_out(outcome.path, _why(outcome.error))
        return Done.LEFT_OUT
    if not outcome.changed:
        return Done.UNCHANGED
    reporting.written(outcome.path, outcome.keyword)
    return Done.WRITTEN if outcome.keyword else Done.REMOVED


def _why(error: Exception) -> str:
    cause = _system_error(error)
    return f"cannot be read or written: {cause.strerror}" if cause else str(error)


def _system_error(error: Exception | None) -> OSError | None:
    cause = error.__cause__ if isinstance(error, ExportError) else error
    return cause if isinstance(cause, OSError) else None


def _unless_all_fail(outcome: _Outcome) -> _Outcome:
    """Return an outcome; raise ExportError if no other file can be written either."""
    cause = _system_error(outcome.error)
    if cause and cause.errno in _NO_MORE_ROOM:
        raise ExportError(
            f"cannot write beside {outcome.path}: {cause.strerror}; what was written "
            "before is whole: make room, and run again"
        )
    return outcome


class _Roots:
    """Finds out which roots are there, once each."""

    def __init__(self) -> None:
        self._absent: dict[str, bool] = {}

    def absent(self, root: str) -> Iterator[_Outcome]:
        """Yield the outcome of a root that is found absent now.

        Nobody expects the pictures of another shop here.
        """
        if root not in self._absent:
            place = location(root)
            self._absent[root] = isinstance(place, RemotePath) or not place.is_dir()
            if self._absent[root] and not shop_of(root):
                error = MetadataError("is not there: is the disk plugged in?")
                if isinstance(place, RemotePath):
                    error = MetadataError("is in a store, where no tags are written")
                yield _Outcome(place, error=error)

    def has(self, item: Item) -> bool:
        """Whether the file of an item may be there."""
        was_read = item.digest is not None and item.state in _PRESENT
        return was_read and not self._absent[item.root]


_PRESENT: Final = {State.TAGGED, State.IGNORED}


def _into_sidecars(
    inventory: Inventory, request: WriteRequest, pool: ThreadPoolExecutor
) -> Iterator[_Outcome]:
    read = lru_cache(_FOLDERS)(Listing)
    one_reads = Lock()
    roots = _Roots()

    def names(folder: Path) -> Listing:
        with one_reads:  # else each thread reads the folder that all are in
            return read(folder)

    def bring(items: Sequence[Item]) -> list[_Outcome]:
        return [_sidecar(item, names, request) for item in items]

    pending: deque[Future[list[_Outcome]]] = deque()
    items = inventory.items(request.conditions)
    while chunk := list(islice(items, _CHUNK)):
        for root in dict.fromkeys(item.root for item in chunk):
            yield from roots.absent(root)
        pending.append(pool.submit(bring, [item for item in chunk if roots.has(item)]))
        if len(pending) >= 2 * _THREADS:
            yield from map(_unless_all_fail, pending.popleft().result())
    for future in pending:
        yield from map(_unless_all_fail, future.result())


def _sidecar(
    item: Item, names: Callable[[Path], Listing], request: WriteRequest
) -> _Outcome:
    """Bring the sidecars of a picture up to date."""
    path, keyword = Path(item.root, item.path), request.keyword(item)
    try:
        changed = [
            _sidecar_changed(sidecar, keyword, dry_run=request.dry_run)
            for sidecar in sidecars_of(path, names(path.parent))
        ]
    except (OSError, ExportError, MetadataError) as error:
        return _Outcome(path, keyword, error=error)
    return _Outcome(path, keyword, any(changed))


def _sidecar_changed(sidecar: Path, keyword: Keyword | None, *, dry_run: bool) -> bool:
    """Bring one sidecar up to date; return whether it had to be changed."""
    try:
        content = sidecars.changed(sidecar, keyword)
        if content is not None and not dry_run:
            sidecars.write(sidecar, content)
    except DamagedXmpError as error:
        raise MetadataError(f"has a sidecar, {sidecar.name}, that {error}") from error
    return content is not None


@dataclass(frozen=True, slots=True)
class _Embedding:
    """A picture on the way to its next content."""

    picture: KnownPicture
    outcome: _Outcome
    drafted: Drafted | None = None


def _into_files(
    inventory: Inventory, request: WriteRequest, pool: ThreadPoolExecutor
) -> Iterator[_Outcome]:
    rewriting, roots = inventory.rewriting(), _Roots()
    for batch in rewriting.batches(request.conditions, _AT_ONCE):
        yield from roots.absent(batch[0].item.root)
        present = [picture for picture in batch if roots.has(picture.item)]
        drafted: list[_Embedding] = []
        try:
            for picture in present:
                drafted.append(_drafted(picture, request))
                _unless_all_fail(drafted[-1].outcome)
            drafted = list(pool.map(_synced, drafted))
            for one in drafted:
                _unless_all_fail(one.outcome)
            outcomes = _replaced(drafted, rewriting)
        finally:
            for one in drafted:
                if one.drafted:
                    one.drafted.draft.discard()
        yield from outcomes


def _synced(one: _Embedding) -> _Embedding:
    """Wait until the disk has a draft."""
    try:
        if one.drafted:
            one.drafted.draft.sync()
    except OSError as error:
        return replace(one, outcome=replace(one.outcome, error=error))
    return one


def _drafted(picture: KnownPicture, request: WriteRequest) -> _Embedding:
    """Write the next content of a picture beside it, if it needs any."""
    item = picture.item
    path, keyword = Path(item.root, item.path), request.keyword(item)
    if not request.dry_run:
        Draft.of(path).discard()  # what a kill left behind
    try:
        pieces = embedded.pieces_of(path, picture.stamp, keyword)
        outcome = _Outcome(path, keyword, changed=pieces is not None)
        if pieces is None or request.dry_run:
            return _Embedding(picture, outcome)
        return _Embedding(picture, outcome, embedded.draft(path, pieces))
    except (OSError, MetadataError) as error:
        return _Embedding(picture, _Outcome(path, keyword, error=error))


def _replaced(drafted: Sequence[_Embedding], rewriting: Rewriting) -> list[_Outcome]:
    """Put the drafts in their places, and let the inventory know them."""
    digests = {
        str(one.picture.item.digest): one.drafted.digest
        for one in drafted
        if one.drafted
    }
    if not digests:
        return [one.outcome for one in drafted]
    held = rewriting.expect(digests)
    outcomes, rewritten = [], []
    try:
        for one in drafted:
            outcome = one.outcome
            if one.drafted and outcome.error is None:
                outcome = _put(
                    one.drafted, outcome, held=one.picture.item.digest in held
                )
                if outcome.changed:
                    made = one.drafted
                    rewritten.append(Rewritten(one.picture, made.digest, made.stamp))
            outcomes.append(outcome)
    finally:
        rewriting.settle(rewritten)
    return outcomes


def _put(drafted: Drafted, outcome: _Outcome, *, held: bool) -> _Outcome:
    if held:
        error = MetadataError("is shown in a review: run again when that has ended")
        return _Outcome(outcome.path, error=error)
    try:
        drafted.draft.replace()
    except OSError as error:
        return _Outcome(outcome.path, error=error)
    return outcome


def _clean(text: str) -> str:
    """Return a text that XML can hold."""
    return printable(encodable(text))
