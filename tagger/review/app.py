"""The full-screen review, as a Textual application.

The screen shows the session's current item and turns keys into calls of the session.
The calls run in a thread, so that a slow disk or a busy inventory never freezes the
screen. Keys pressed while an answer is being saved, or too soon after a picture
appeared, are dropped: they were not meant for it.

Only this module, `screens` and `picture_widget` import Textual.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, Timer
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
from tagger.review import picture_widget, rendering
from tagger.review.half_blocks import has_few_colours
from tagger.review.picture_widget import HalfBlocks
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
"""Drop keys that come sooner after a picture: they are held down or typed ahead.
People need 0.2 s to react to a picture."""

_AFTER_SHELL = 0.3
"""Seconds to drop keys after the program comes back from the shell."""

_PATIENCE = 0.5
"""Seconds of saving after which the screen explains the wait."""

_LOOK_EVERY = 1.0
"""Seconds between two looks if the terminal is still there."""

_GRACE = 5.0
"""Seconds to give the leases back after the terminal has hung up; the decisions are in
the inventory already."""

_LARGE_LINES = 40
"""Lines of a terminal from which the network's view is drawn pixel for pixel."""

_Photograph = HalfBlocks | SixelImage | TGPImage


class ReviewApp(App[int]):
    """The full-screen review; its result is the exit status."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]
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
        """Run a session until its reviewer leaves; return the exit status."""
        app = cls(session)
        with (
            _terminal_of_its_own() as terminal,
            _hang_up_ends(app, terminal) as hung_up,
        ):
            try:
                app.run()
            except OSError:
                if not hung_up:  # Textual fails on a terminal that is gone
                    raise
        if hung_up:
            _send_nowhere(1, 2)  # the summary cannot be printed either
            return hung_up[0]
        if app.return_value is None:
            # Textual wrote its traceback to the screen that is gone.
            raise ReviewError(
                "the review screen failed, but all your answers are saved: "
                "continue with 'tagger review --plain'"
            )
        return app.return_value

    def on_mount(self) -> None:
        """Show the first item; leave in an orderly way on a signal."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # on Windows
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(number, self.exit, 128 + number)
        self._review = ReviewScreen(self.session)
        self.push_screen(self._review)

    def action_suspend_process(self) -> None:
        """Go to the shell, but not while an answer is being saved.

        A stopped process would lock the inventory in the middle of a write.
        """
        if self._review.may_stop():
            self._review.see_again()  # keys may come back before the signal of it
            super().action_suspend_process()

    def action_interrupt(self) -> None:
        """Leave at once, whatever is shown."""
        self.exit(128 + signal.SIGINT)


class ReviewScreen(Screen[None]):
    """One item with the facts that help to decide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority, one key is done before the next is read: so the letters typed
        # right after t reach its box.
        Binding(keys, action, show=False, priority=True)
        for keys, action in (
            ("enter", "accept"),
            *((str(n), f"tag({n})") for n in range(10)),
            ("t", "name_tag"),
            ("x", "no_item"),
            ("k", "new_tag"),
            ("s", "skip"),
            ("u", "undo"),
            ("a", "group"),
            ("n", "note"),
            ("v", "enlarge"),
            ("slash", "jump"),
            ("question_mark", "help"),
            ("q", "leave"),
        )
    ]

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._session = session
        self._busy = False
        self.painted: Shown | None = None
        self._painted_at: float | None = None
        self._picture: _Photograph = _drawn_by()()
        self._room: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        with Horizontal(id="progress"):
            yield Static(id="left")
            yield Static(printable(self._session.reviewer), id="reviewer", markup=False)
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
        """Show the first item; refresh the progress and the group every second."""
        self._session.when_read(self._draw_ahead)
        self.app.app_resume_signal.subscribe(self, lambda _: self.see_again())
        self._show_status("loading the queue…")
        self._work(self._session.advance, then=lambda _: self._show_status(""))
        self.set_interval(1.0, self._refresh_news)

    def on_resize(self, event: events.Resize) -> None:
        """Adapt to the size of the terminal."""
        self.set_class(event.size.height >= _LARGE_LINES, "large")
        self._show()

    def action_accept(self) -> None:
        """Accept the offered answer."""
        if (shown := self._session.current) is not None:
            if offer := self._session.offer(shown):
                self._answer(offer.tag)
            else:
                self._show_status(self._session.why_no_offer())

    def action_tag(self, number: int) -> None:
        """Choose a tag by its key."""
        tags = self._session.tags
        if number < len(tags):
            self._answer(tags[number])

    async def action_name_tag(self) -> None:
        """Choose a tag by its name, for those without a digit."""
        if self._session.current is not None and self._was_seen():
            screen = TagScreen(self._session.tags, self._session.kinds)
            await self.app.push_screen(screen, self._answer_named)

    def action_no_item(self) -> None:
        """Answer "not a catalogue item"."""
        self._answer(None)

    def action_new_tag(self) -> None:
        """Add the offered custom tag and answer with it."""
        if not self._session.new_tag:
            self._show_status(
                "no tag is offered for this picture: t chooses or adds one by its name"
            )
        elif self._ready() and self._was_seen():
            self._work(
                self._session.add_new_tag,
                then=lambda tag: self._answer(tag) if tag else None,
                repaint=False,
            )

    def action_skip(self) -> None:
        """Skip the item."""
        if self._was_seen():
            self._show_status("skipped: it comes back at the end")
            self._work(self._session.skip)

    def action_undo(self) -> None:
        """Take back the last answer."""
        if not self._session.can_undo:
            self._show_status(
                "nothing to undo; for earlier days: tagger review --redo PATH"
            )
            return
        self._work(
            self._session.undo,
            then=lambda done: self._show_status(done.text if done else ""),
        )

    def action_group(self) -> None:
        """Show the pictures that look alike."""
        if not self._ready() or not self._was_seen():
            return
        if not self._session.alike():
            self._show_status(self._session.none_alike())
            return
        self._show_status("loading similar pictures…")
        self._work(self._session.group, then=self._show_group, repaint=False)

    async def action_note(self) -> None:
        """Ask for a note."""
        if self._session.current is not None:
            await self.app.push_screen(NoteScreen(), self._write_note)

    async def action_jump(self) -> None:
        """Ask for a picture to go to."""
        await self.app.push_screen(JumpScreen(self._session), self._jump)

    def action_enlarge(self) -> None:
        """Show the views that the network saw."""
        shown = self._session.current
        if shown is not None and shown.prepared is not None:
            self.app.push_screen(EnlargedScreen(shown))

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """Leave, but not while an answer is being saved."""
        if self._busy:
            self._show_status("still saving your answer; Ctrl-C leaves without it")
        else:
            self.app.exit(0)

    def may_stop(self) -> bool:
        """Whether no answer is being saved; if one is, say so."""
        if self._busy:
            self._show_status("still saving your answer; Ctrl-Z again in a moment")
        return not self._busy

    def see_again(self) -> None:
        """Show the item anew after the shell; drop keys that were typed before."""
        self._painted_at = None
        self.set_timer(_AFTER_SHELL, self._show)

    def _answer(self, tag: str | None, items: Sequence[Shown] | None = None) -> None:
        shown = self._session.current
        if shown is None or not self._was_seen():
            return
        if not self._ready():
            self._show_status("this picture cannot be shown: s skips it")
            return
        group = list(items or [shown])

        def report(conflict: Conflict | None) -> None:
            if conflict is not None:
                self.app.push_screen(ConflictScreen(conflict), self._settle(conflict))
            else:
                self._show_status(rendering.answered(group[0], tag, len(group)))

        self._work(lambda: self._give(tag, group), then=report)

    def _give(self, tag: str | None, group: list[Shown]) -> Conflict | None:
        """Record a tag for a group; add it first if it is a new one."""
        if tag is not None and tag not in self._session.tags:
            self._session.add_tag(tag)
        return self._session.answer_all(tag, group)

    def _answer_named(self, tag: str | None) -> None:
        if tag is not None:
            self._answer(tag)

    def _settle(self, conflict: Conflict) -> Callable[[bool | None], None]:
        def settle(insist: bool | None) -> None:  # noqa: FBT001  Textual's callback
            first, answer = conflict.items[0], conflict.answers[0]
            yours = rendering.answered(first, answer.tag, len(conflict.items))
            theirs = Text("the other reviewer's answer stays")
            work = self._session.insist if insist else self._session.yield_to_other
            outcome = yours if insist else theirs
            self._work(
                lambda: work(conflict), then=lambda _: self._show_status(outcome)
            )

        return settle

    def _show_group(self, members: list[Shown]) -> None:
        if len(members) < 2:  # noqa: PLR2004  the current one alone
            self._show_status("similar pictures are decided, or with another reviewer")
            return

        def done(chosen: "tuple[str | None, list[Shown]] | None") -> None:
            decided = chosen[1] if chosen else []
            rest = [member for member in members if member not in decided]
            self._session.release_group(rest)
            if chosen:
                self._answer(*chosen)

        digests = [member.item.digest for member in members]
        sheet = ContactSheet(
            members,
            self._session.tags,
            self._session.offer(members[0]),
            kinds=self._session.kinds,
            of_product=self._session.of_product(digests),
            unseen=self._review_app.unseen,
        )
        self.app.push_screen(sheet, done)

    def _write_note(self, text: str | None) -> None:
        if text:
            write = self._session.write_note
            self._work(
                lambda: write(text), then=lambda _: self._show_status("note saved")
            )

    def _jump(self, item: QueueItem | None) -> None:
        if item is not None:
            self._work(lambda: self._session.jump(item))

    def _ready(self) -> bool:
        shown = self._session.current
        return shown is not None and shown.prepared is not None

    def _was_seen(self) -> bool:
        """Whether the current picture has been shown long enough to be seen.

        A key that comes too soon starts the time again: more that were typed ahead, or
        come from a key held down, may follow it.
        """
        if self._painted_at is None or self._busy:
            return False
        seen = monotonic() - self._painted_at >= self._review_app.unseen
        if not seen:
            self._painted_at = monotonic()
        return seen

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
        """Call the session in a thread, then show the current item; one at a time."""
        if self._busy:
            return
        self._busy = True
        self.run_worker(
            self._carry_out(work, then, repaint=repaint), exit_on_error=True
        )

    async def _carry_out(
        self, work: Callable[[], T], then: Callable[[T], None], *, repaint: bool
    ) -> None:
        slow = self.set_timer(_PATIENCE, self._show_waiting)
        try:
            result = await _patiently(work)
        except (InventoryError, ReviewError) as error:
            self._show_status(f"NOT SAVED: {error}")
            return
        finally:
            slow.stop()
            self._busy = False
        then(result)
        if repaint:
            self._show()
            if self._session.current is None:
                self._finish()

    def _finish(self) -> None:
        self.app.push_screen(EndScreen(self._session), self._go_on)

    def _go_on(self, wish: str | None) -> None:
        if wish == "again":
            self._work(self._session.review_skipped)
        elif wish == "undo":
            self.action_undo()
        else:
            self.app.exit(0)

    def _show_status(self, what: str | Text) -> None:
        self._put("#status", Text(printable(what)) if isinstance(what, str) else what)

    def _put(self, where: str, what: RenderableType) -> None:
        """Show something, in a group: Textual trims the spaces of a plain text."""
        self.query_one(where, Static).update(Group(what))

    def _show_waiting(self) -> None:
        self._show_status(
            "waiting for another program that writes to the inventory (a scan?)"
        )

    def _refresh_news(self) -> None:
        """Show news from the threads: how many are left, which look alike."""
        shown = self._session.current
        alike = self._session.alike()
        self._put("#left", rendering.progress(self._session))
        if shown is not None:
            keys = rendering.keys(self._session, shown, len(alike), self.size.width)
            self._put("#keys", keys)
            self._put("#facts", rendering.facts(shown, self._session, alike))

    def _show(self) -> None:
        """Show the current item."""
        shown = self._session.current
        self._painted_at = None
        # The box at the end stands alone, without the last picture and its keys.
        for part in ("#path", "#body", "#status", "#keys"):
            self.query_one(part).visible = shown is not None
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
            self._picture.show(self._drawn(shown, self._room))
        else:
            self._picture.image = shown.photograph
        trouble = self.query_one("#trouble", Static)
        trouble.display = bool(shown.trouble)
        trouble.update(Text(f"⚠ {printable(shown.trouble)}\n\ns skips it"))
        width = self.size.width
        self._put("#path", rendering.path_line(shown, width))
        reason = rendering.reason(self._session, shown)
        self._put("#reason", reason)
        self._put("#tags", rendering.tags(self._session, shown))
        seen = self.query_one("#seen", HalfBlocks)
        seen.show(self._drawn_seen(shown))

    def _draw_ahead(self, shown: Shown) -> None:
        """Draw a coming picture, in the thread that reads ahead."""
        self._drawn_seen(shown)
        if isinstance(self._picture, HalfBlocks) and self._room is not None:
            self._drawn(shown, self._room)

    def _drawn(self, shown: Shown, room: tuple[int, int]) -> picture_widget.Lines:
        few = has_few_colours(self.app.console)
        return picture_widget.photograph(shown, *room, few_colours=few)

    def _drawn_seen(self, shown: Shown) -> picture_widget.Lines:
        few = has_few_colours(self.app.console)
        return picture_widget.seen(shown, self._seen_lines, few_colours=few)

    @property
    def _seen_lines(self) -> int:
        return 14 if self.has_class("large") else 7

    def _note_painted(self, shown: Shown) -> None:
        if shown is self._session.current:
            self.painted = shown
            self._painted_at = monotonic()


@contextmanager
def _terminal_of_its_own() -> Iterator[int]:
    """Have Textual draw on the terminal even while standard error is silenced.

    Textual draws on standard error, which is discarded while a decoder reads a picture
    ahead. Yields the descriptor to draw on.
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
    """End the application when its terminal hangs up.

    The system says so with SIGHUP, but not to every process: a thread looks, too.
    Yields a list that then holds the exit status; it is empty until then.

    A handler of the event loop would not run: while the line is stalled, the loop waits
    for Textual's drawing thread. The program would hang and renew its leases until
    somebody kills it.
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

    ended = Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            if not os.isatty(drawn_on):
                os.kill(os.getpid(), hang_up)
                return

    former = signal.signal(hang_up, end)
    Thread(target=watch, daemon=True, name="terminal").start()
    try:
        yield status
    finally:
        ended.set()
        signal.signal(hang_up, former)


def _send_nowhere(*descriptors: int) -> None:
    with Path(os.devnull).open("r+b") as nowhere:
        for descriptor in descriptors:
            os.dup2(nowhere.fileno(), descriptor)


def _drawn_by() -> type[_Photograph]:
    """Choose how photographs are drawn: with Sixel or TGP if the terminal can."""
    if renderable.Image is renderable.SixelImage:
        return SixelImage
    if renderable.Image is renderable.TGPImage:
        return TGPImage
    return HalfBlocks


async def _patiently(work: Callable[[], T]) -> T:
    """Call `work` in a thread; try again while the inventory is busy."""
    while True:
        try:
            return await asyncio.to_thread(work)
        except InventoryBusyError:
            continue
