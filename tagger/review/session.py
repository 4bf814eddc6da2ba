"""A review session: the current item, answers, skips and undo; no display.

Each answer is committed to the inventory, in a transaction of its own, before the next
item becomes current. Only one thread at a time may call a session.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from tagger.labels import kinds_of, new_tag, phrase, tag_for, tags_of
from tagger.records import NOT_CATALOGUE
from tagger.review.groups import Groups
from tagger.review.prefetch import Lookahead, Shown, look_at
from tagger.review.stats import SessionStats, SessionSummary
from tagger.text import printable

if TYPE_CHECKING:
    from tagger.inventory import Reviewing

GROUP_AT_MOST: Final = 60
"""The most members of a group that are shown and decided together."""

_RENEW_SECONDS = 60.0
"""Seconds between two renewals of the leases."""

_COUNT_EVERY = 20
"""Decisions between two counts of the queue, which other reviewers work on too."""


NEW_TAG_FORM: Final = "2 to 30 letters, digits, blanks, - / & '"
"""What a new tag may consist of where it is typed into a box or in passing."""

_NEW_TAG = re.compile(r"(?:[^\W_]|[ \-/&']){2,30}")


def tag_to_offer(text: str) -> str:
    """Return the new tag that a typed text may be: "Skirt" for "skirt"; "" for none."""
    new = new_tag(text)
    return new if _NEW_TAG.fullmatch(new) else ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Decisions that others made since these items were shown, and that differ.

    `answers` are not recorded yet; `others` are the decisions in force. `answers`,
    `items` and `others` have the same order.
    """

    answers: tuple[Answer, ...]
    items: tuple[Shown, ...]
    others: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer that Enter gives: a tag, or None for "not a catalogue item"."""

    tag: str | None

    @property
    def text(self) -> str:
        """The answer in words, fit to be shown."""
        return printable(self.tag or NOT_CATALOGUE)


@dataclass(frozen=True, slots=True)
class Undone:
    """What `undo` took back; `removed` are new tags that nothing uses any more."""

    removed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Say it in words, fit to be shown."""
        tags = "".join(f"; the tag {tag} is removed again" for tag in self.removed)
        return printable(f"undone{tags}")


@dataclass(frozen=True, slots=True)
class _Step:
    """One step that `undo` takes back: decisions, or a skip if it has none."""

    items: tuple[Shown, ...]
    ids: tuple[int, ...] = ()
    answers: tuple[Answer, ...] = ()


class ReviewSession:
    """One reviewer's work on a selection. Use `review_session` to begin one.

    Items come from the queue through a `Lookahead`, which leases them and reads their
    photographs in a thread of its own. At the end of the queue, or of the limit, come
    the skipped items. A second thread renews the leases and counts the queue.
    """

    def __init__(
        self,
        reviewing: "Reviewing",
        *,
        limit: int | None,
        groups: Groups,
        redo: QueueItem | None,
        remove_unused: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.reviewer = reviewing.reviewer
        self.blind = reviewing.selection.audit_id is not None
        self.whole = redo is None and reviewing.selection.whole_queue
        self.current: Shown | None = None
        self._reviewing = reviewing
        self._custom_tags = reviewing.custom_tags()
        self._kind_tags = reviewing.kind_tags()
        self._added: list[str] = []
        self._remove_unused = remove_unused
        self._groups = groups
        self._steps: list[_Step] = []
        self._tally = SessionStats(monotonic())

        # Where the next item comes from. `_offered` counts the items taken from the
        # queue, for the limit.
        self._limit = limit
        self._offered = 0
        self._redo = redo
        self._one_only = redo is not None
        self._current_decided = False

        # Skipped items by digest; `_again` holds those of the second round.
        self._skipped: dict[str, Shown] = {}
        self._again: list[Shown] = []
        self._second_round = False

        # The length of the queue at its last count, and the decisions until then.
        self._counted: int | None = 1 if self._one_only else None
        self._decided_when_counted = 0

        # The threads come last: they call this session.
        self._lookahead = Lookahead(self._take)
        self._closed = False
        self._wake_keeper = Event()
        self._keeper = Thread(target=self._keep, daemon=True, name="leases")
        self._keeper.start()

    # The state of the session

    @property
    def position(self) -> tuple[int, int | None]:
        """The number of the current item and of all items; None before the count."""
        at = self._tally.decided + len(self._skipped) + (self.current is not None)
        left = self.left
        return at, None if left is None else max(at, self._tally.decided + left)

    @property
    def left(self) -> int | None:
        """Items left in this session, at most its limit; None before the count."""
        left = self.waiting
        if left is not None and self._limit is not None:
            left = min(left, max(0, self._limit - self._tally.decided))
        return left

    @property
    def waiting(self) -> int | None:
        """Items left in the queue, whatever the limit; None before the count."""
        if self._counted is None:
            return None
        since = self._tally.decided - self._decided_when_counted
        return max(0, self._counted - since)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags to choose from: the network's in its order, then custom tags."""
        if self.current is None:
            return ()
        known = tags_of(tuple(self.current.item.probabilities))
        return tuple(dict.fromkeys([*known, *self._custom_tags, *self._added]))

    def offer(self, shown: Shown) -> Offer | None:
        """Return the answer that Enter gives for a picture.

        That is the last decision, if there is one, else the network's answer. None in
        an audit, which is blind, and for a kind that has no tag in this shop.
        """
        item = shown.item
        if self.blind:
            return None
        if item.in_force is not None:
            return Offer(item.in_force.answer.tag)
        if tag := self.tag_of_kind(item):
            return Offer(tag)
        if item.kind:
            return None
        return Offer(None if item.doubtful else item.tag)

    def tag_of_kind(self, item: QueueItem) -> str:
        """Return this shop's tag for the kind that an item probably shows.

        "" if the network finds no kind, if the kind has no tag here, and in an audit.
        """
        return "" if self.blind else self._tag_found(item)

    def _tag_found(self, item: QueueItem) -> str:
        return self._tag_of(item.kind) if item.kind else ""

    def reason(self, item: QueueItem) -> str:
        """Return why an item waits, fit to be shown; "" if it was accepted.

        The scan writes that a kind has no tag; the shop may have added one since.
        """
        why = printable(item.reason)
        if tag := self.tag_of_kind(item):
            what = phrase(item.kind)
            yours = f"{what}: your tag {printable(tag)}"
            why = why.replace(f"{what}, for which there is no tag", yours)
        return why

    def why_no_offer(self) -> str:
        """Return what to press where Enter has no answer to give."""
        if self.blind:
            return "an audit hides the network's tag: choose a tag, or x"
        tag = printable(self.new_tag)
        return f"no tag {tag} yet: k adds it, x: {NOT_CATALOGUE}, or choose another tag"

    def _tag_of(self, kind: str) -> str:
        """Return the tag of a kind in this shop; "" if it has none."""
        named = tag_for(kind).casefold()
        known = (tag for tag in self._custom_tags if tag.casefold() == named)
        return self._kind_tags.get(kind) or next(known, "")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds without a tag that the network tells apart."""
        if self.current is None:
            return ()
        return kinds_of(tuple(self.current.item.probabilities))

    @property
    def new_tag(self) -> str:
        """A custom tag to add for the predicted kind, as "Skirt"; "" for none.

        Offered only if the shop does not have a tag for it yet.
        """
        if self.current is None or self.blind or not self.current.item.kind:
            return ""
        kind = self.current.item.kind
        return "" if self._tag_of(kind) else tag_for(kind)

    def add_new_tag(self) -> str:
        """Add `new_tag` to the custom tags; return it."""
        tag = self.new_tag
        if tag:
            self.add_tag(tag)
        return tag

    def add_tag(self, tag: str) -> None:
        """Add a custom tag. Raises ReviewError if the text cannot be a tag."""
        known = self.tags
        self._reviewing.add_tag(tag)
        if tag not in known:
            self._added.append(tag)
        self._read_tags()

    def _remove_added(self, tags: Iterable[str | None]) -> tuple[str, ...]:
        """Remove those of the tags that this session added and nothing uses."""
        removed = []
        with suppress(InventoryError):  # busy: an unused tag costs nothing
            for tag in dict.fromkeys(tags):
                if tag in self._added and self._remove_unused(tag):
                    self._added.remove(tag)
                    removed.append(tag)
            self._read_tags()
        return tuple(removed)

    def _read_tags(self) -> None:
        """Read the custom tags and the tags of kinds, which others may change too."""
        self._custom_tags = self._reviewing.custom_tags()
        self._kind_tags = self._reviewing.kind_tags()

    @property
    def skipped(self) -> int:
        """Skipped items that are not decided yet."""
        return len(self._skipped)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has a step to take back."""
        return bool(self._steps)

    def when_read(self, do: Callable[[Shown], object]) -> None:
        """Call `do` with each picture once it is read, in the thread that reads ahead.

        A screen uses it to draw pictures before they are shown.
        """
        self._lookahead.when_read = do

    def audit(self) -> AuditResult | None:
        """Return the result so far of the audit of this session; None without one."""
        return self._reviewing.audit()

    def summary(self) -> SessionSummary:
        """Return the figures of the session so far."""
        return self._tally.summary(skipped=len(self._skipped))

    # Answers

    def advance(self) -> Shown | None:
        """Make the next item current and return it; None at the end."""
        self._current_decided = False
        self.current = self._next()
        return self.current

    def answer(self, tag: str | None) -> Conflict | None:
        """Record a tag for the current item, then advance.

        `tag` is None for "not a catalogue item". If another reviewer has decided
        otherwise since the item was shown, record nothing and return the conflict:
        settle it with `insist` or `yield_to_other`. Raises InventoryError if the answer
        cannot be recorded; it may be given again.
        """
        if self.current is None or self.current.prepared is None:
            return None
        return self.answer_all(tag, [self.current])

    def answer_all(self, tag: str | None, items: Sequence[Shown]) -> Conflict | None:
        """Record one tag for several items; advance if the current one is included."""
        pairs = [
            (shown, _answer(shown, tag))
            for shown in items
            if shown.prepared is not None
        ]
        return self._record(pairs, insist=False)

    def insist(self, conflict: Conflict) -> None:
        """Record the withheld answers; the others' decisions stay in the history."""
        pairs = zip(conflict.items, conflict.answers, strict=True)
        self._record(list(pairs), insist=True)

    def yield_to_other(self, conflict: Conflict) -> None:
        """Leave the others' decisions in force, and advance."""
        digests = [answer.digest for answer in conflict.answers]
        self._reviewing.release(digests)
        self._drop(digests)
        self._advance_if_decided()

    def skip(self) -> None:
        """Postpone the current item to the end; others may be offered it meanwhile."""
        if self.current is None:
            return
        shown = self.current
        with suppress(InventoryError):  # busy: the lease expires later
            self._reviewing.release([shown.item.digest])
        self._lookahead.leave_out(shown.item.digest)
        self._skipped[shown.item.digest] = shown
        self._steps.append(_Step((shown,)))
        self.advance()

    def undo(self) -> Undone | None:
        """Take back the last decision or skip; its item becomes current again.

        A tag that this session added for it goes, too, unless something else uses it.
        Return None if there is nothing to take back.
        """
        if not self._steps:
            return None
        step = self._steps[-1]
        if step.ids:
            self._reviewing.undo(step.ids)
        self._steps.pop()
        for shown, _ in zip(step.items, step.answers, strict=False):
            self._tally.take_away(shown.item)
        removed = self._remove_added(answer.tag for answer in step.answers)
        # The queue continues with the rest of the step, then with the former current.
        first, *rest = step.items
        if self.current is not None:
            self._put_back(self.current)
        for shown in reversed(rest):
            self._put_back(shown)
        self._make_current(first.item)
        return Undone(removed)

    def write_note(self, text: str) -> None:
        """Keep a note about the current item, decided or not."""
        if self.current is not None and text.strip():
            self._reviewing.write_note(self.current.item.digest, text.strip())
            self.current = self._read(self.current.item)

    def find(self, text: str, most: int = 8) -> list[QueueItem]:
        """Return at most `most` items of the queue whose path contains `text`."""
        return self._reviewing.find(text, most) if text else []

    def jump(self, item: QueueItem) -> None:
        """Make an item of the queue current; the former current one comes next."""
        if self.current is not None:
            if self.current.item.digest == item.digest:
                return
            self._put_back(self.current)
        self._lookahead.forget([item.digest])
        self._make_current(item)
        self._offered += 1

    # Groups: pictures that look alike or show one product

    def alike(self) -> list[str]:
        """Return the paths of the queue's other items known to belong to this one."""
        if self.current is None or self.blind:
            return []
        return [self._groups.path(digest) for digest in self._digests_alike()]

    def of_product(self, digests: Collection[str] | None = None) -> int:
        """Count the items of the current one's product; 0 if no pattern finds it.

        Counts them among `digests`, by default in all of the queue.
        """
        if self.current is None or self.blind:
            return 0
        product = self._groups.product(self.current.item.digest)
        return len(product if digests is None else {*product}.intersection(digests))

    def none_alike(self) -> str:
        """Return the message that no similar picture is known, yet or at all."""
        if self._groups.finished():
            return "no other picture in the queue looks like this one"
        return "no similar picture found yet: ask again in a moment"

    def group(self) -> list[Shown]:
        """Return the current item and the free items that belong with it.

        They are leased; `release_group` gives them back.
        """
        if self.current is None or self.current.prepared is None or self.blind:
            return []
        leased = self._reviewing.take_these(self._digests_alike())
        others = [look_at(item) for item in leased]
        return [self.current, *(shown for shown in others if not shown.trouble)]

    def release_group(self, members: Sequence[Shown]) -> None:
        """Give back members of a group, except the current one and those read ahead."""
        in_use = {shown.item.digest for shown in self._lookahead.ready()}
        if self.current is not None:
            in_use.add(self.current.item.digest)
        digests = [m.item.digest for m in members if m.item.digest not in in_use]
        with suppress(InventoryError):  # busy: the leases expire later
            self._reviewing.release(digests)

    def review_skipped(self) -> Shown | None:
        """Offer the skipped items once more; return the first."""
        self._again = list(self._skipped.values())
        self._lookahead.wake()
        return self.advance()

    def close(self) -> None:
        """End the threads and count the queue; the inventory gives back the leases."""
        self._closed = True
        self._wake_keeper.set()
        self._groups.close()
        self._lookahead.close()
        self._keeper.join()
        if not self._one_only:
            with suppress(InventoryError):  # busy: the last count is shown
                self._count()

    # Where items come from

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
        """Return the next skipped item of this round; None at its end.

        The first round begins by itself, later ones by `review_skipped`.
        """
        if not self._second_round:
            self._second_round = True
            skipped = self._skipped.values()
            self._again = [shown for shown in skipped if not shown.trouble]
        while self._again:
            postponed = self._again.pop(0)
            if postponed.item.digest not in self._skipped:
                continue  # decided or shown since, as a member of a group
            del self._skipped[postponed.item.digest]
            if shown := self._lease_again(postponed):
                return shown
        return None

    def _read(self, item: QueueItem) -> Shown:
        """Read an item anew; one that was deleted is shown as it was, to be skipped."""
        return look_at(self._reviewing.reread(item.image_id) or item)

    def _lease_again(self, shown: Shown) -> Shown | None:
        """Read a skipped item; None if another reviewer holds or has decided it."""
        (item,) = self._reviewing.take_these([shown.item.digest]) or (None,)
        if item is None:
            return None
        return look_at(item)

    def _put_back(self, shown: Shown) -> None:
        """Offer an item next; it no longer counts for the limit."""
        self._lookahead.put_back(shown)
        self._offered -= 1

    def _make_current(self, item: QueueItem) -> None:
        """Show an item, and keep the queue from offering it once more."""
        self._skipped.pop(item.digest, None)
        self._lookahead.leave_out(item.digest)
        self.current = self._read(item)

    def _digests_alike(self) -> list[str]:
        """Return the digests that belong with the current item, without its own."""
        if self.current is None:
            return []
        return self._groups.alike(self.current.item.digest)[: GROUP_AT_MOST - 1]

    def _take(self, most: int, without: Collection[str]) -> list[QueueItem]:
        """Lease items for the lookahead; a session of one item takes none."""
        return [] if self._one_only else self._reviewing.take(most, without=without)

    # Recording answers

    def _record(
        self, pairs: Sequence[tuple[Shown, Answer]], *, insist: bool
    ) -> Conflict | None:
        """Record answers; return those in conflict, if any, else advance.

        `insist` records them even if another reviewer decided otherwise meanwhile.
        """
        # The inventory compares these with the decisions that are in force now.
        decisions_shown = {
            shown.item.digest: shown.item.in_force.id if shown.item.in_force else None
            for shown, _ in pairs
        }
        recorded = self._reviewing.decide(
            [answer for _, answer in pairs], decisions_shown, even_if_in_conflict=insist
        )
        others = {other.answer.digest: other for other in recorded.conflicts}
        self._enter(
            [(shown, answer) for shown, answer in pairs if answer.digest not in others],
            recorded.ids,
        )
        withheld = [pair for pair in pairs if pair[1].digest in others]
        if withheld:
            items, answers = zip(*withheld, strict=True)
            decisions = tuple(others[answer.digest] for answer in answers)
            return Conflict(answers, items, decisions)
        self._advance_if_decided()
        return None

    def _enter(
        self, pairs: Sequence[tuple[Shown, Answer]], ids: tuple[int, ...]
    ) -> None:
        """Enter recorded answers in the steps and the figures of the session."""
        if pairs:
            items, answers = zip(*pairs, strict=True)
            self._steps.append(_Step(items, ids, answers))
        moment = monotonic()
        for shown, answer in pairs:
            of_kind = self._tag_found(shown.item)
            self._tally.add(shown.item, answer, moment, of_kind=of_kind)
        # The current item was counted when it was offered, the rest of a group was not.
        self._offered += sum(shown is not self.current for shown, _ in pairs)
        self._drop([answer.digest for _, answer in pairs])
        if self._tally.decided % _COUNT_EVERY == 0:
            self._wake_keeper.set()

    def _advance_if_decided(self) -> None:
        """Advance, unless the current item still waits for an answer."""
        if self._current_decided:
            self.advance()

    def _drop(self, digests: Collection[str]) -> None:
        """Offer decided contents no more."""
        if self.current is not None and self.current.item.digest in digests:
            self._current_decided = True
        for digest in digests:
            self._skipped.pop(digest, None)
        self._lookahead.forget(digests)

    # The thread that renews the leases

    def _count(self) -> None:
        # Read first, so that a decision made during the query is not left out.
        decided = self._tally.decided
        self._counted = self._reviewing.left()
        self._decided_when_counted = decided

    def _keep(self) -> None:
        """Renew the leases, custom tags and count of the queue until the end."""
        while not self._closed:
            with suppress(InventoryError):  # busy: try again in a minute
                self._reviewing.renew()
                self._read_tags()
                if not self._one_only:
                    self._count()
            self._wake_keeper.wait(_RENEW_SECONDS)
            self._wake_keeper.clear()


@contextmanager
def review_session(
    reviewing: "Reviewing",
    *,
    limit: int | None = None,
    patterns: Mapping[str, re.Pattern[str]] | None = None,
    redo: QueueItem | None = None,
    remove_unused: Callable[[str], bool] = lambda _: False,
) -> Iterator[ReviewSession]:
    """Begin a session of at most `limit` items, or of the one item to `redo`.

    `remove_unused` removes a custom tag, and returns False if something uses it.
    """
    groups = Groups(reviewing, patterns or {})
    opened = ReviewSession(
        reviewing,
        limit=limit,
        groups=groups,
        redo=redo,
        remove_unused=remove_unused,
    )
    try:
        if not opened.blind and redo is None:
            groups.start()
        yield opened
    finally:
        opened.close()


def _answer(shown: Shown, tag: str | None) -> Answer:
    """Return an answer as the inventory keeps it, with the views the network saw."""
    if tag is None:
        kind = DecisionKind.NOT_CATALOGUE
    elif tag == shown.item.answer:
        kind = DecisionKind.ACCEPT
    else:
        kind = DecisionKind.CORRECT
    prepared = shown.prepared.pixels.tobytes() if shown.prepared is not None else None
    return Answer(shown.item.digest, kind, tag, prepared)
