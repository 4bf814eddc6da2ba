"""The review on the whole screen: this module, `screens` and `halfblocks` know Textual.

The screen shows the session's current item and turns keys into calls of the session,
in a thread, so that a slow disk or a busy inventory never freezes it. Keys that come
before an answer is saved, or before the next picture could have been seen, are dropped:
nobody decides what they have not looked at.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import ClassVar, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static
from textual_image import renderable
from textual_image.widget import SixelImage, TGPImage

from tagger.errors import InventoryBusyError, InventoryError, ReviewError
from tagger.inventory.records import QueueItem
from tagger.review import halfblocks, rendering
from tagger.review.halfblocks import HalfBlocks
from tagger.review.prefetch import Shown
from tagger.review.screens import (
    SCREENS_CSS,
    ConflictScreen,
    ContactSheet,
    EndScreen,
    EnlargedScreen,
    HelpScreen,
    JumpScreen,
    NoteScreen,
    TagScreen,
)
from tagger.review.session import Conflict, ReviewSession
from tagger.system.native_stderr import original_stderr, suppress_native_stderr
from tagger.text import printable

T = TypeVar("T")

UNSEEN_SECONDS = 0.15
"""A key that comes sooner after a picture was not meant for it: a key held down, or
typed ahead. People need 0.2 s to react to what they see."""

_PATIENCE = 0.5
"""Seconds that saving may take before the screen says what it waits for."""

_GRACE = 5.0
"""Seconds that are left to give the leases back when the terminal has hung up; what was
decided is in the inventory anyway."""

_LARGE_LINES = 40
"""From this height the network's array is drawn pixel for pixel."""

_Photograph = HalfBlocks | SixelImage | TGPImage


class ReviewApp(App[int]):
    """The full-screen review; its result is the exit status."""

    TITLE = "tagger review"
    ENABLE_COMMAND_PALETTE = False
    CSS = (
        SCREENS_CSS
        + """
    Static {
        link-style: none; link-background: initial; link-color: $foreground;
        link-style-hover: underline; link-color-hover: $foreground;
        link-background-hover: initial;
    }
    #progress { height: 1; background: $panel; }
    #left { width: 1fr; }
    #reviewer { width: auto; }
    #path { height: 1; }
    #body { height: 1fr; }
    #photo { width: 1fr; height: 100%; align: center middle; }
    #photo > * { width: auto; height: auto; }
    #photo > HalfBlocks { width: 1fr; height: 1fr; }
    #trouble { text-align: center; }
    #side { width: 42; padding: 0 0 0 1; }
    #reason { height: auto; max-height: 3; text-style: italic; }
    #tags { height: auto; }
    .large #reason, .large #tags { margin: 0 0 1 0; }
    #below { height: 1fr; }
    #seen { width: 14; height: 7; margin: 0 1 0 0; }
    .large #seen { width: 28; height: 14; }
    #facts { width: 1fr; height: 1fr; color: $text-muted; }
    .large #below { layout: vertical; }
    #status { height: 1; color: $text-muted; }
    #keys { height: 1; background: $panel; }
    """
    )

    def __init__(
        self, session: ReviewSession, *, unseen: float = UNSEEN_SECONDS
    ) -> None:
        super().__init__()
        self.session = session
        self.unseen = unseen

    @classmethod
    def hold(cls, session: ReviewSession) -> int:
        """Show a session until its reviewer leaves; return the exit status."""
        app = cls(session)
        with (
            _terminal_of_its_own() as terminal,
            _hang_up_ends(app, terminal) as hung_up,
        ):
            try:
                app.run()
            except OSError:
                if not hung_up:  # else the terminal failed Textual, as it must
                    raise
        if hung_up:
            _send_nowhere(1, 2)  # what is said at the end, too
            return hung_up[0]
        if app.return_value is None:
            # Textual wrote what befell where nobody could read it.
            raise ReviewError(
                "the screen of the review failed; every answer that was given is kept: "
                "'tagger review --plain' asks in lines"
            )
        return app.return_value

    def on_mount(self) -> None:
        """Show the first item; leave in order when a signal asks for it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows has none of this
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(number, self.exit, 128 + number)
        self.push_screen(ReviewScreen(self.session))


class ReviewScreen(Screen[None]):
    """One item with all that helps to decide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False),
        *(Binding(str(n), f"tag({n})", show=False) for n in range(10)),
        Binding("t", "name_tag", show=False),
        Binding("x", "no_item", show=False),
        Binding("k", "new_tag", show=False),
        Binding("s", "skip", show=False),
        Binding("u", "undo", show=False),
        Binding("a", "group", show=False),
        Binding("n", "note", show=False),
        Binding("v", "enlarge", show=False),
        Binding("slash", "jump", show=False),
        Binding("question_mark", "help", show=False),
        Binding("q", "leave", show=False),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._sitting = session
        self._busy = False
        self.painted: Shown | None = None
        self._painted_at: float | None = None
        self._picture: _Photograph = _drawn_by()()
        self._room: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        with Horizontal(id="progress"):
            yield Static(id="left")
            yield Static(printable(self._sitting.reviewer), id="reviewer", markup=False)
        yield Static(id="path")
        with Horizontal(id="body"):
            with Center(id="photo"):
                yield self._picture
                yield Static(id="trouble")
            with Vertical(id="side"):
                yield Static(id="reason")
                yield Static(id="tags")
                with Horizontal(id="below"):
                    yield HalfBlocks(id="seen")
                    yield Static(id="facts")
        yield Static(id="status")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Show the first item, and keep reporter what is found out meanwhile."""
        self._sitting.when_read(self._draw_ahead)
        self._tell("looking for what waits…")
        self._work(self._sitting.advance, then=lambda _: self._tell(""))
        self.set_interval(1.0, self._refresh_news)

    def on_resize(self, event: events.Resize) -> None:
        """Use the room there is."""
        self.set_class(event.size.height >= _LARGE_LINES, "large")
        self._show()

    def action_accept(self) -> None:
        """Accept the machine's tag."""
        if self._sitting.blind:
            self._tell("an audit hides the machine's tag: choose one, or x")
        elif (shown := self._sitting.current) is not None:
            self._answer(shown.item.tag)

    def action_tag(self, number: int) -> None:
        """Choose a tag by its key."""
        tags = self._sitting.tags
        if number < len(tags):
            self._answer(tags[number])

    def action_name_tag(self) -> None:
        """Choose a tag by its name: there may be more than there are digits."""
        if self._sitting.current is not None and self._was_seen():
            self.app.push_screen(TagScreen(self._sitting.tags), self._answer_named)

    def action_no_item(self) -> None:
        """Say that this is no catalogue item."""
        self._answer(None)

    def action_new_tag(self) -> None:
        """Add the tag that names what the item probably shows, and give it."""
        if not self._sitting.new_tag:
            self._tell("k adds a tag for a kind that the network knows: t names one")
        elif self._ready() and self._was_seen():
            self._work(
                self._sitting.add_new_tag,
                then=lambda tag: self._answer(tag) if tag else None,
                repaint=False,
            )

    def action_skip(self) -> None:
        """Put the item off."""
        if self._was_seen():
            self._tell("skipped: it comes back at the end")
            self._work(self._sitting.skip)

    def action_undo(self) -> None:
        """Take the last answer back."""
        if not self._sitting.can_undo:
            self._tell("nothing to take back; tagger review --redo PATH goes further")
            return
        self._work(self._sitting.undo, then=lambda _: self._tell("taken back"))

    def action_group(self) -> None:
        """Show what looks alike."""
        if not self._ready() or not self._was_seen():
            return
        if not self._sitting.alike():
            self._tell(self._sitting.none_alike())
            return
        self._tell("gathering what looks alike…")
        self._work(self._sitting.group, then=self._show_group, repaint=False)

    def action_note(self) -> None:
        """Ask for a note."""
        if self._sitting.current is not None:
            self.app.push_screen(NoteScreen(), self._write_note)

    def action_jump(self) -> None:
        """Ask where to go."""
        self.app.push_screen(JumpScreen(self._sitting), self._jump)

    def action_enlarge(self) -> None:
        """Show what the network saw."""
        shown = self._sitting.current
        if shown is not None and shown.prepared is not None:
            self.app.push_screen(EnlargedScreen(shown))

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """Leave; an answer that is being saved is waited for."""
        if self._busy:
            self._tell("saving your answer first; Ctrl-C leaves without it")
        else:
            self.app.exit(0)

    def action_interrupt(self) -> None:
        """Leave at once."""
        self.app.exit(128 + signal.SIGINT)

    def _answer(self, tag: str | None, items: Sequence[Shown] | None = None) -> None:
        shown = self._sitting.current
        if shown is None or not self._was_seen():
            return
        if not self._ready():
            self._tell("there is nothing to see here: s skips it")
            return
        group = list(items or [shown])

        def told(conflict: Conflict | None) -> None:
            if conflict is not None:
                self.app.push_screen(ConflictScreen(conflict), self._settle(conflict))
            else:
                self._tell(rendering.answered(group[0], tag, len(group)))

        self._work(lambda: self._sitting.answer_all(tag, group), then=told)

    def _answer_named(self, tag: str | None) -> None:
        if tag is not None:
            self._answer(tag)

    def _settle(self, conflict: Conflict) -> Callable[[bool | None], None]:
        def settle(insist: bool | None) -> None:  # noqa: FBT001  Textual's way
            first, answer = conflict.items[0], conflict.answers[0]
            yours = rendering.answered(first, answer.tag, len(conflict.items))
            theirs = Text("what the other said stays")
            work = self._sitting.insist if insist else self._sitting.yield_to_other
            told = yours if insist else theirs
            self._work(lambda: work(conflict), then=lambda _: self._tell(told))

        return settle

    def _show_group(self, members: list[Shown]) -> None:
        if len(members) < 2:  # noqa: PLR2004  the current one alone
            self._tell("what looked alike is decided, or before another reviewer")
            return

        def done(chosen: "tuple[str | None, list[Shown]] | None") -> None:
            decided = chosen[1] if chosen else []
            rest = [one for one in members if one not in decided]
            self._sitting.release_group(rest)
            if chosen:
                self._answer(*chosen)

        sheet = ContactSheet(members, self._sitting.tags)
        self.app.push_screen(sheet, done)

    def _write_note(self, text: str | None) -> None:
        if text:
            noted = self._sitting.write_note
            self._work(lambda: noted(text), then=lambda _: self._tell("noted"))

    def _jump(self, item: QueueItem | None) -> None:
        if item is not None:
            self._work(lambda: self._sitting.jump(item))

    def _ready(self) -> bool:
        shown = self._sitting.current
        return shown is not None and shown.prepared is not None

    def _was_seen(self) -> bool:
        """Whether the current picture has been on the screen long enough to be seen."""
        if self._painted_at is None or self._busy:
            return False
        return monotonic() - self._painted_at >= self._review_app.unseen

    @property
    def _review_app(self) -> ReviewApp:
        app = self.app
        if not isinstance(app, ReviewApp):
            raise TypeError(app)
        return app

    def _work(
        self,
        work: Callable[[], T],
        *,
        then: Callable[[T], None] = lambda _: None,
        repaint: bool = True,
    ) -> None:
        """Call the session in a thread, then show what is current; one at a time."""
        if self._busy:
            return
        self._busy = True
        self.run_worker(
            self._carry_out(work, then, repaint=repaint), exit_on_error=True
        )

    async def _carry_out(
        self, work: Callable[[], T], then: Callable[[T], None], *, repaint: bool
    ) -> None:
        slow = self.set_timer(_PATIENCE, self._tell_waiting)
        try:
            result = await _patiently(work)
        except (InventoryError, ReviewError) as error:
            self._tell(f"NOT SAVED: {error}")
            return
        finally:
            slow.stop()
            self._busy = False
        then(result)
        if repaint:
            self._show()
            if self._sitting.current is None:
                self._finish()

    def _finish(self) -> None:
        self.app.push_screen(EndScreen(self._sitting), self._go_on)

    def _go_on(self, wish: str | None) -> None:
        if wish == "again":
            self._work(self._sitting.review_skipped)
        elif wish == "undo":
            self.action_undo()
        else:
            self.app.exit(0)

    def _tell(self, what: str | Text) -> None:
        self._put("#status", Text(printable(what)) if isinstance(what, str) else what)

    def _put(self, where: str, what: RenderableType) -> None:
        """Show something; in a group, for Textual trims the spaces of a mere text."""
        self.query_one(where, Static).update(Group(what))

    def _tell_waiting(self) -> None:
        self._tell("waiting for another program that writes to the inventory (a scan?)")

    def _refresh_news(self) -> None:
        """Show what threads found out: how many are left, what looks alike."""
        shown = self._sitting.current
        alike = self._sitting.alike()
        self._put("#left", rendering.progress(self._sitting))
        keys = rendering.keys(self._sitting, shown, len(alike), self.size.width)
        self._put("#keys", keys)
        if shown is not None:
            self._put("#facts", rendering.facts(shown, self._sitting, alike))

    def _show(self) -> None:
        """Show the current item."""
        shown = self._sitting.current
        self._painted_at = None
        if shown is None:
            return
        with self.app.batch_update():
            self._draw(shown)
            self._refresh_news()
        self.call_after_refresh(self._note_painted, shown)

    def _draw(self, shown: Shown) -> None:
        self._picture.display = shown.photograph is not None
        room = self.query_one("#photo").size
        self._room = room.width, room.height
        if isinstance(self._picture, HalfBlocks):
            self._picture.show(halfblocks.photograph(shown, *self._room))
        else:
            self._picture.image = shown.photograph
        trouble = self.query_one("#trouble", Static)
        trouble.display = bool(shown.trouble)
        trouble.update(Text(f"⚠ {printable(shown.trouble)}\n\ns skips it"))
        width = self.size.width
        self._put("#path", rendering.path_line(shown, width))
        reason = rendering.reason(self._sitting, shown)
        self._put("#reason", reason)
        self._put("#tags", rendering.tags(self._sitting, shown.item))
        seen = self.query_one("#seen", HalfBlocks)
        seen.show(halfblocks.seen(shown, self._seen_lines))

    def _draw_ahead(self, shown: Shown) -> None:
        """Draw a picture to come; in the thread that reads ahead."""
        halfblocks.seen(shown, self._seen_lines)
        if isinstance(self._picture, HalfBlocks) and self._room is not None:
            halfblocks.photograph(shown, *self._room)

    @property
    def _seen_lines(self) -> int:
        return 14 if self.has_class("large") else 7

    def _note_painted(self, shown: Shown) -> None:
        if shown is self._sitting.current:
            self.painted = shown
            self._painted_at = monotonic()


@contextmanager
def _terminal_of_its_own() -> Iterator[int]:
    """Have Textual draw past the silence in which pictures are read ahead.

    It draws on standard error, which goes nowhere while a decoder is at work: what was
    drawn in that moment would be lost. Yields the descriptor that is drawn on.
    """
    former = sys.__stderr__
    with open(original_stderr(), "w", encoding="utf-8") as terminal:  # noqa: PTH123
        sys.__stderr__ = terminal  # type: ignore[misc]
        try:
            with suppress_native_stderr():
                yield terminal.fileno()
        finally:
            sys.__stderr__ = former  # type: ignore[misc]


@contextmanager
def _hang_up_ends(app: ReviewApp, drawn_on: int) -> Iterator[list[int]]:
    """Have the application end, in any case, when its terminal hangs up.

    Yields what the exit status is to be; nothing until then.

    No handler of the loop's: while the line is stalled Textual waits, loop and all, for
    the thread that draws. That thread gives up when the line is gone, and would be
    waited for until somebody kills the program, which goes on renewing its leases.
    """
    status: list[int] = []
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is None:  # Windows has none
        yield status
        return

    def end(number: int, _: object) -> None:
        status.append(128 + number)
        _send_nowhere(0, 1, 2, drawn_on)
        by_force = Timer(_GRACE, os._exit, [128 + number])
        by_force.daemon = True
        by_force.start()
        asyncio.get_running_loop().call_soon_threadsafe(app.exit, 128 + number)

    former = signal.signal(hang_up, end)
    try:
        yield status
    finally:
        signal.signal(hang_up, former)


def _send_nowhere(*descriptors: int) -> None:
    with Path(os.devnull).open("r+b") as nowhere:
        for descriptor in descriptors:
            os.dup2(nowhere.fileno(), descriptor)


def _drawn_by() -> type[_Photograph]:
    """Choose how photographs are drawn: finely where the terminal can."""
    if renderable.Image is renderable.SixelImage:
        return SixelImage
    if renderable.Image is renderable.TGPImage:
        return TGPImage
    return HalfBlocks


async def _patiently(work: Callable[[], T]) -> T:
    """Do something as soon as no other program is writing to the inventory."""
    while True:
        try:
            return await asyncio.to_thread(work)
        except InventoryBusyError:
            continue
