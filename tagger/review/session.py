"""What happens in a review: who shows it, and how, is told elsewhere.

A session has a current item. An answer is in the inventory, in its own transaction,
before the next item is current. One thread at a time may call it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from tagger.errors import InventoryError
from tagger.inventory.records import (
    Answer,
    AuditResult,
    Decision,
    DecisionKind,
    QueueItem,
)
from tagger.labels import tag_for, tags_of
from tagger.review.groups import Groups
from tagger.review.prefetch import Lookahead, Shown, look_at
from tagger.review.stats import SessionStats, SessionSummary

if TYPE_CHECKING:
    from tagger.inventory import Reviewing

GROUP_AT_MOST: Final = 60
"""Members of a group that are shown, and decided, at once."""

_RENEW_SECONDS = 60.0
_COUNT_EVERY = 20
"""Decisions after which what is left is counted anew: others work on it too."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another's decision, made since these items were shown, that says otherwise.

    `answers` are those withheld; `others` the decisions in force, in the same order.
    """

    answers: tuple[Answer, ...]
    items: tuple[Shown, ...]
    others: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that can be taken back: decisions, or a skip where there are none."""

    items: tuple[Shown, ...]
    ids: tuple[int, ...] = ()
    answers: tuple[Answer, ...] = ()


class ReviewSession:
    """One reviewer at work on a selection. Use `review_session` to begin one."""

    def __init__(
        self,
        reviewing: "Reviewing",
        *,
        limit: int | None,
        groups: Groups,
        redo: QueueItem | None,
    ) -> None:
        self.reviewer = reviewing.reviewer
        self.blind = reviewing.selection.audit_id is not None
        self.whole = redo is None and reviewing.selection.whole_queue
        self.current: Shown | None = None
        self._reviewing = reviewing
        self._own_tags = reviewing.own_tags()
        self._groups = groups
        self._limit = limit
        self._redo = redo
        self._one_only = redo is not None
        self._done_with_current = False
        self._offered = 0
        self._steps: list[_Step] = []
        self._skipped: dict[str, Shown] = {}
        self._again: list[Shown] = []
        self._second_round = False
        self._tally = SessionStats(monotonic())
        self._counted: int | None = 1 if self._one_only else None
        self._decided_when_counted = 0
        self._lookahead = Lookahead(self._take)
        self._closed = False
        self._stir = Event()
        self._keeping = Thread(target=self._keep, daemon=True, name="leases")
        self._keeping.start()

    @property
    def position(self) -> tuple[int, int | None]:
        """Which item this is, and of how many; None before they are counted."""
        at = self._tally.decided + len(self._skipped) + (self.current is not None)
        left = self.left
        return at, None if left is None else max(at, self._tally.decided + left)

    @property
    def left(self) -> int | None:
        """How many are to be decided in this session; None before they are counted."""
        left = self.waiting
        if left is not None and self._limit is not None:
            left = min(left, max(0, self._limit - self._tally.decided))
        return left

    @property
    def waiting(self) -> int | None:
        """How many wait, whatever the limit of this session; None before the count."""
        if self._counted is None:
            return None
        since = self._tally.decided - self._decided_when_counted
        return max(0, self._counted - since)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the current item can be given, in the network's order.

        Behind them those that the shop added.
        """
        if self.current is None:
            return ()
        known = tags_of(tuple(self.current.item.probabilities))
        return tuple(dict.fromkeys([*known, *self._own_tags]))

    @property
    def new_tag(self) -> str:
        """The tag that would name what the current item probably shows; "" for none.

        "Skirt" for a skirt, where the shop has no such tag yet.
        """
        if self.current is None or self.blind or not self.current.item.kind:
            return ""
        tag = tag_for(self.current.item.kind)
        known = {one.casefold() for one in self.tags}
        return "" if tag.casefold() in known else tag

    def add_new_tag(self) -> str:
        """Add that tag to the shop's own; return it."""
        tag = self.new_tag
        if tag:
            self._reviewing.add_tag(tag)
            self._own_tags = self._reviewing.own_tags()
        return tag

    @property
    def skipped(self) -> int:
        """How many were skipped and not decided since."""
        return len(self._skipped)

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return bool(self._steps)

    def when_read(self, do: Callable[[Shown], object]) -> None:
        """Have something done with every picture to come, in the thread that reads it.

        Where pictures are drawn, they are then drawn before they are asked for.
        """
        self._lookahead.when_read = do

    def audit(self) -> AuditResult | None:
        """Return how the audit stands that is answered here."""
        return self._reviewing.audit()

    def summary(self) -> SessionSummary:
        """Return how the session stands."""
        return self._tally.summary(skipped=len(self._skipped), now=monotonic())

    def advance(self) -> Shown | None:
        """Make the next item current and return it; None where there is none."""
        self._done_with_current = False
        self.current = self._next()
        return self.current

    def answer(self, tag: str | None) -> Conflict | None:
        """Give the current item a tag, or None: no catalogue item; then go on.

        Where another has decided otherwise since it was shown, nothing is recorded:
        the conflict is returned, and settled by `insist` or `yield_to_other`. Raises
        InventoryError where the answer cannot be recorded; it may be given again.
        """
        if self.current is None or self.current.prepared is None:
            return None
        return self.answer_all(tag, [self.current])

    def answer_all(self, tag: str | None, items: Sequence[Shown]) -> Conflict | None:
        """Give several items the same tag; go on where the current was one of them."""
        pairs = [(one, _answer(one, tag)) for one in items if one.prepared is not None]
        return self._record(pairs, insist=False)

    def insist(self, conflict: Conflict) -> None:
        """Record the withheld answers; the others' stay in the history."""
        self._record(
            list(zip(conflict.items, conflict.answers, strict=True)), insist=True
        )

    def yield_to_other(self, conflict: Conflict) -> None:
        """Leave the others' decisions in force, and go on."""
        digests = [answer.digest for answer in conflict.answers]
        self._reviewing.release(digests)
        self._forget(digests)
        self._go_on()

    def skip(self) -> None:
        """Put the current item off to the end; others may be shown it meanwhile."""
        if self.current is None:
            return
        shown = self.current
        with suppress(InventoryError):  # busy: the lease just runs longer
            self._reviewing.release([shown.item.digest])
        self._lookahead.leave_out(shown.item.digest)
        self._skipped[shown.item.digest] = shown
        self._steps.append(_Step((shown,)))
        self.advance()

    def undo(self) -> bool:
        """Take back the last decision, or skip; what it was about is current again.

        False where there is nothing to take back.
        """
        if not self._steps:
            return False
        step = self._steps[-1]
        if step.ids:
            self._reviewing.undo(step.ids)
        self._steps.pop()
        for shown, answer in zip(step.items, step.answers, strict=False):
            self._tally.take_away(shown.item, answer)
        if self.current is not None:
            self._lookahead.put_back(self.current)
            self._offered -= 1
        for shown in reversed(step.items[1:]):
            self._lookahead.put_back(shown)
            self._offered -= 1
        first = step.items[0]
        self._skipped.pop(first.item.digest, None)
        self._lookahead.leave_out(first.item.digest)
        self.current = self._read(first.item)
        return True

    def write_note(self, text: str) -> None:
        """Write something about the current item, decided or not."""
        if self.current is not None and text.strip():
            self._reviewing.write_note(self.current.item.digest, text.strip())
            self.current = self._read(self.current.item)

    def find(self, text: str, most: int = 8) -> list[QueueItem]:
        """Return items that wait whose path holds `text`."""
        return self._reviewing.find(text, most) if text else []

    def jump(self, item: QueueItem) -> None:
        """Make an item that waits the current one; then comes what was current."""
        if self.current is not None:
            if self.current.item.digest == item.digest:
                return
            self._lookahead.put_back(self.current)
            self._offered -= 1
        self._lookahead.forget([item.digest])
        self._lookahead.leave_out(item.digest)
        self._skipped.pop(item.digest, None)
        self.current = self._read(item)
        self._offered += 1

    def alike(self) -> list[str]:
        """Return the paths of others that wait and are known to belong to this item."""
        if self.current is None or self.blind:
            return []
        digests = self._groups.alike(self.current.item.digest)[: GROUP_AT_MOST - 1]
        return [self._groups.path(digest) for digest in digests]

    def none_alike(self) -> str:
        """Say that no other is known to belong to this item, and if that is all."""
        if self._groups.finished():
            return "no other picture that waits looks like this one"
        return "none that looks like this one is found yet: ask again in a moment"

    def group(self) -> list[Shown]:
        """Return the current item and those that belong with it and are free.

        They are leased; `release_group` gives them back.
        """
        if self.current is None or self.current.prepared is None or self.blind:
            return []
        digests = self._groups.alike(self.current.item.digest)[: GROUP_AT_MOST - 1]
        shown = map(look_at, self._reviewing.take_these(digests))
        return [self.current, *(one for one in shown if not one.trouble)]

    def release_group(self, members: Sequence[Shown]) -> None:
        """Give back the members of a group that are not decided, but the current."""
        mine = {shown.item.digest for shown in self._lookahead.ready()}
        if self.current is not None:
            mine.add(self.current.item.digest)
        digests = [m.item.digest for m in members if m.item.digest not in mine]
        with suppress(InventoryError):  # busy: the leases just run longer
            self._reviewing.release(digests)

    def review_skipped(self) -> Shown | None:
        """Go through what was skipped once more; return the first of it."""
        self._again = list(self._skipped.values())
        self._lookahead.wake()
        return self.advance()

    def close(self) -> None:
        """End the threads, and count what is left. The inventory gives back leases."""
        self._closed = True
        self._stir.set()
        self._groups.close()
        self._lookahead.close()
        self._keeping.join()
        if not self._one_only:
            with suppress(InventoryError):  # busy: what was counted last is told
                self._count()

    def _next(self) -> Shown | None:
        if self._redo is not None:
            item, self._redo = self._redo, None
            return self._read(item)
        if self._limit is not None and self._offered >= self._limit:
            return self._next_skipped()
        while (shown := self._lookahead.pop()) is not None:
            self._offered += 1
            return shown
        return self._next_skipped()

    def _next_skipped(self) -> Shown | None:
        """Offer each of the skipped once more, and then only when asked to."""
        if not self._second_round:
            self._second_round = True
            self._again = [one for one in self._skipped.values() if not one.trouble]
        while self._again:
            put_off = self._again.pop(0)
            if put_off.item.digest not in self._skipped:
                continue
            del self._skipped[put_off.item.digest]
            if shown := self._refreshed(put_off):
                return shown
        return None

    def _read(self, item: QueueItem) -> Shown:
        # What is no more is looked at as it was, and can only be skipped.
        return look_at(self._reviewing.reread(item.image_id) or item)

    def _refreshed(self, shown: Shown) -> Shown | None:
        """Read what was put off; None where another has it or has decided it."""
        (item,) = self._reviewing.take_these([shown.item.digest]) or (None,)
        if item is None:
            return None
        return look_at(item)

    def _record(
        self, pairs: Sequence[tuple[Shown, Answer]], *, insist: bool
    ) -> Conflict | None:
        known = {
            one.item.digest: one.item.in_force.id if one.item.in_force else None
            for one, _ in pairs
        }
        recorded = self._reviewing.decide(
            [answer for _, answer in pairs], known, even_if_in_conflict=insist
        )
        others = {other.answer.digest: other for other in recorded.conflicts}
        kept = [(s, a) for s, a in pairs if a.digest not in others]
        held = [(s, a) for s, a in pairs if a.digest in others]
        if kept:
            items, answers = zip(*kept, strict=True)
            self._steps.append(_Step(items, recorded.ids, answers))
        moment = monotonic()
        for shown, answer in kept:
            self._tally.add(shown.item, answer, moment)
        # The current item was counted when it was offered, the rest of a group was not.
        self._offered += sum(shown is not self.current for shown, _ in kept)
        self._forget([answer.digest for _, answer in kept])
        self._count_now_and_then()
        if held:
            items, answers = zip(*held, strict=True)
            withheld = tuple(others[answer.digest] for answer in answers)
            return Conflict(answers, items, withheld)
        self._go_on()
        return None

    def _go_on(self) -> None:
        """Go to the next item, unless the current one is still to be decided."""
        if self._done_with_current:
            self.advance()

    def _forget(self, digests: Collection[str]) -> None:
        if self.current is not None and self.current.item.digest in digests:
            self._done_with_current = True
        for digest in digests:
            self._skipped.pop(digest, None)
        self._lookahead.forget(digests)

    def _take(self, most: int, without: Collection[str]) -> list[QueueItem]:
        return [] if self._one_only else self._reviewing.take(most, without=without)

    def _count_now_and_then(self) -> None:
        if self._tally.decided % _COUNT_EVERY == 0:
            self._stir.set()

    def _count(self) -> None:
        decided = self._tally.decided
        self._counted = self._reviewing.left()
        self._decided_when_counted = decided

    def _keep(self) -> None:
        """Keep the leases, and the count of what is left, from growing old."""
        while not self._closed:
            with suppress(InventoryError):  # busy: again in a minute
                self._reviewing.renew()
                self._own_tags = self._reviewing.own_tags()
                if not self._one_only:
                    self._count()
            self._stir.wait(_RENEW_SECONDS)
            self._stir.clear()


@contextmanager
def review_session(
    reviewing: "Reviewing",
    *,
    limit: int | None = None,
    patterns: Mapping[str, re.Pattern[str]] | None = None,
    redo: QueueItem | None = None,
) -> Iterator[ReviewSession]:
    """Begin a session of at most `limit` items, or of the one to `redo`."""
    groups = Groups(reviewing, patterns or {})
    opened = ReviewSession(reviewing, limit=limit, groups=groups, redo=redo)
    try:
        if not opened.blind and redo is None:
            groups.start()
        yield opened
    finally:
        opened.close()


def _answer(shown: Shown, tag: str | None) -> Answer:
    """Put a reviewer's answer as the inventory keeps it, with what the network saw."""
    if tag is None:
        kind = DecisionKind.NOT_CATALOGUE
    elif tag == shown.item.tag:
        kind = DecisionKind.ACCEPT
    else:
        kind = DecisionKind.CORRECT
    prepared = shown.prepared.pixels.tobytes() if shown.prepared is not None else None
    return Answer(shown.item.digest, kind, tag, prepared)
