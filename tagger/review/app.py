"""The review on the whole screen. The only module that knows Textual.

The screen shows the sitting's current item and turns keys into calls of the sitting,
in a thread, so that a slow disk or a busy inventory never freezes it. Keys that come
before an answer is saved, or before the next picture could have been seen, are dropped:
nobody decides what they have not looked at.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import (
    Center,
    Grid,
    Horizontal,
    Vertical,
    VerticalScroll,
)
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual_image import renderable
from textual_image.widget import HalfcellImage, SixelImage, TGPImage

from tagger.errors import InventoryBusyError, InventoryError
from tagger.records import Waiting
from tagger.review import drawing
from tagger.review.ending import ending
from tagger.review.pictures import Shown
from tagger.review.plain import said
from tagger.review.sitting import Conflict, Sitting
from tagger.review.tally import NOT_CATALOGUE
from tagger.text import printable

T = TypeVar("T")

UNSEEN_SECONDS = 0.15
"""A key that comes sooner after a picture was not meant for it: a key held down, or
typed ahead. People need 0.2 s to react to what they see."""

_PATIENCE = 0.5
"""Seconds that saving may take before the screen says what it waits for."""

_LARGE_LINES = 34
"""From this height the network's array is drawn pixel for pixel."""

_Photograph = HalfcellImage | SixelImage | TGPImage

_HELP = """\
Enter      the tag marked ▶ is right
0 to 9     another tag
x          not a catalogue item: not one of these, or not for sale
s          skip; it comes back at the end
u          undo: the last answer, then the one before, back to the first
a          answer for all pictures that look alike, after a look at them
n          write a note about this picture
v          enlarge what the network saw
/          go to a picture, by a part of its path
q          leave; every answer is saved as it is given

A decision of an earlier day is taken up again with  tagger review --redo PATH.
Bars show the five tags the machine finds most probable. The small picture is what
the network saw: the item light on a dark ground. Where it is cut off or reversed, do
not trust the tag."""


class ReviewApp(App[int]):
    """The full-screen review; its result is the exit status."""

    TITLE = "tagger review"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #progress { height: 1; background: $panel; }
    #left { width: 1fr; }
    #reviewer { width: auto; }
    #path { height: 1; }
    #body { height: 1fr; }
    #photo { width: 1fr; height: 100%; align: center middle; }
    #photo > * { width: auto; height: auto; }
    #trouble { text-align: center; }
    #side { width: 42; padding: 0 0 0 1; }
    #reason { height: auto; max-height: 3; text-style: italic; margin: 0 0 1 0; }
    #tags { height: auto; margin: 0 0 1 0; }
    #below { height: 1fr; }
    #seen { width: auto; height: auto; margin: 0 1 0 0; }
    #facts { width: 1fr; height: 1fr; color: $text-muted; }
    .large #below { layout: vertical; }
    #status { height: 1; color: $text-muted; }
    #keys { height: 1; background: $panel; }

    ModalScreen { align: center middle; background: $background 60%; }
    .box {
        width: auto; max-width: 90%; height: auto; max-height: 90%;
        padding: 1 2; border: round $foreground; background: $surface;
    }
    .box > Static { width: auto; height: auto; }
    .box > .title { text-style: bold; margin: 0 0 1 0; }
    .box > .hint { color: $text-muted; margin: 1 0 0 0; }
    .box > Input, .box > OptionList { width: 64; max-width: 100%; }
    #views { width: auto; height: auto; }
    #views > Vertical { width: auto; height: auto; margin: 0 2 0 0; }
    #views Static { width: auto; height: auto; }

    ContactSheet { align: left top; background: $background; }
    ContactSheet > .title { text-style: bold; height: auto; }
    ContactSheet > .hint { dock: bottom; height: auto; background: $panel; }
    ContactSheet Grid { height: auto; grid-gutter: 0 1; }
    Thumbnail { width: 24; height: 14; border: blank; }
    Thumbnail:focus { border: heavy $foreground; }
    """

    def __init__(self, sitting: Sitting, *, unseen: float = UNSEEN_SECONDS) -> None:
        super().__init__()
        self.sitting = sitting
        self.unseen = unseen

    @classmethod
    def hold(cls, sitting: Sitting) -> int:
        """Show a sitting until its reviewer leaves; return the exit status."""
        app = cls(sitting)
        app.run()
        return app.return_value if app.return_value is not None else 1

    def on_mount(self) -> None:
        """Show the first item; leave in order when a signal asks for it."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            with suppress(NotImplementedError):  # Windows has none of this
                if number is not None:
                    loop = asyncio.get_running_loop()
                    loop.add_signal_handler(number, self.exit, 128 + number)
        self.push_screen(ReviewScreen(self.sitting))


class ReviewScreen(Screen[None]):
    """One item with all that helps to decide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False),
        *(Binding(str(n), f"tag({n})", show=False) for n in range(10)),
        Binding("x", "no_item", show=False),
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

    def __init__(self, sitting: Sitting) -> None:
        super().__init__()
        self._sitting = sitting
        self._busy = False
        self._painted_at: float | None = None
        self._alike = 0
        self._picture: _Photograph = _drawn_by()()

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
                    yield Static(id="seen")
                    yield Static(id="facts")
        yield Static(id="status")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Show the first item, and keep telling what is found out meanwhile."""
        self._tell("looking for what waits…")
        self._work(self._sitting.advance)
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

    def action_no_item(self) -> None:
        """Say that this is no catalogue item."""
        self._answer(None)

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
        if not self._alike:
            self._tell("no other picture that waits is known to look like this one")
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
        self.app.push_screen(TextScreen("Keys", Text(_HELP)))

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
                self._tell(drawing.answered(shown, tag, len(group)))

        self._work(lambda: self._sitting.answer_all(tag, group), then=told)

    def _settle(self, conflict: Conflict) -> Callable[[bool | None], None]:
        def settle(insist: bool | None) -> None:  # noqa: FBT001  Textual's way
            if insist:
                self._work(lambda: self._sitting.insist(conflict))
            else:
                self._work(lambda: self._sitting.yield_to_other(conflict))

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

    def _jump(self, item: Waiting | None) -> None:
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
        """Call the sitting in a thread, then show what is current; one at a time."""
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
        except InventoryError as error:
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
        text = Text(printable(what)) if isinstance(what, str) else what
        self.query_one("#status", Static).update(text)

    def _tell_waiting(self) -> None:
        self._tell("waiting for another program that writes to the inventory (a scan?)")

    def _refresh_news(self) -> None:
        """Show what threads found out: how many are left, what looks alike."""
        self._alike = self._sitting.alike()
        self.query_one("#left", Static).update(drawing.progress(self._sitting))
        line = drawing.keys(self._sitting, self._sitting.current)
        self.query_one("#keys", Static).update(line)

    def _show(self) -> None:
        """Show the current item."""
        shown = self._sitting.current
        self._painted_at = None
        if shown is None:
            return
        self._picture.image = shown.photograph
        self._picture.display = shown.photograph is not None
        trouble = self.query_one("#trouble", Static)
        trouble.display = bool(shown.trouble)
        trouble.update(Text(f"⚠ {printable(shown.trouble)}\n\ns skips it"))
        width = self.size.width
        self.query_one("#path", Static).update(drawing.path_line(shown, width))
        reason = drawing.reason(self._sitting, shown)
        self.query_one("#reason", Static).update(reason)
        self.query_one("#tags", Static).update(drawing.tags(self._sitting, shown.item))
        lines = 14 if self.has_class("large") else 7
        seen = drawing.seen(shown.prepared, lines) if shown.prepared else Text()
        self.query_one("#seen", Static).update(seen)
        facts = drawing.facts(shown, self._sitting)
        self.query_one("#facts", Static).update(facts)
        self._refresh_news()
        self.call_after_refresh(self._note_painted, shown)

    def _note_painted(self, shown: Shown) -> None:
        if shown is self._sitting.current:
            self._painted_at = monotonic()


def _drawn_by() -> type[_Photograph]:
    """Choose how photographs are drawn: finely where the terminal can."""
    if renderable.Image is renderable.SixelImage:
        return SixelImage
    if renderable.Image is renderable.TGPImage:
        return TGPImage
    return HalfcellImage


async def _patiently(work: Callable[[], T]) -> T:
    """Do something as soon as no other program is writing to the inventory."""
    while True:
        try:
            return await asyncio.to_thread(work)
        except InventoryBusyError:
            continue


class TextScreen(ModalScreen[None]):
    """A text in a box; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,v,space", "dismiss", show=False),
    ]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        with VerticalScroll(classes="box"):
            yield Static(self._title, classes="title", markup=False)
            yield Static(self._text)
            yield Static("Esc goes back", classes="hint")


class EnlargedScreen(ModalScreen[None]):
    """The three views that the network saw, as large as the terminal allows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,v,space", "dismiss", show=False),
    ]

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def compose(self) -> ComposeResult:
        """Draw the views; only the gray one where three do not fit."""
        width, height = self.app.size
        fits = min((width - 14) // 3, 2 * (height - 10))
        side = max(28, 28 * (fits // 28))
        prepared = self._shown.prepared
        if prepared is None:
            return
        drawn = drawing.views(prepared, side)
        if 3 * (side + 2) + 8 > width:
            side = max(28, 28 * (min(width - 8, 2 * (height - 10)) // 28))
            drawn = drawing.views(prepared, side)[:1]
        with Vertical(classes="box"):
            yield Static("What the network saw", classes="title")
            with Horizontal(id="views"):
                for name, pixels in drawn:
                    with Vertical():
                        yield Static(pixels)
                        yield Static(name)
            yield Static(
                "The item should fill it, light on dark. Esc goes back", classes="hint"
            )


class NoteScreen(ModalScreen[str]):
    """Asks for a note."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        with Vertical(classes="box"):
            yield Static("A note about this picture", classes="title")
            yield Input(max_length=500)
            yield Static("Enter keeps it, Esc goes back", classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the note over."""
        self.dismiss(event.value)


class JumpScreen(ModalScreen[Waiting]):
    """Finds a picture that waits by a part of its path."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, sitting: Sitting) -> None:
        super().__init__()
        self._sitting = sitting
        self._found: list[Waiting] = []

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        with Vertical(classes="box"):
            yield Static("Go to a picture that waits", classes="title")
            yield Input(placeholder="a part of its path")
            yield OptionList(id="found", compact=True)
            yield Static("↑ ↓ choose, Enter goes there, Esc back", classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for what is typed."""
        self.run_worker(self._look_for(event.value), exclusive=True)

    def on_input_submitted(self) -> None:
        """Go to what is marked."""
        marked = self.query_one(OptionList).highlighted
        if marked is not None and marked < len(self._found):
            self.dismiss(self._found[marked])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to what is clicked."""
        self.dismiss(self._found[event.option_index])

    def action_move(self, by: int) -> None:
        """Mark another."""
        options = self.query_one(OptionList)
        if self._found:
            options.highlighted = ((options.highlighted or 0) + by) % len(self._found)

    async def _look_for(self, text: str) -> None:
        found = await asyncio.to_thread(self._sitting.find, text.strip())
        self._found = found
        options = self.query_one(OptionList)
        options.clear_options()
        names = (printable(f"{item.root}/{item.path}") for item in found)
        options.add_options([Option(Text(name)) for name in names])
        options.highlighted = 0 if found else None


class ConflictScreen(ModalScreen[bool]):
    """Shows that another decided otherwise meanwhile; True to replace their answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,k", "dismiss(False)", show=False),
        Binding("r", "dismiss(True)", show=False),
    ]

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self._conflict = conflict

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        pairs = zip(self._conflict.answers, self._conflict.others, strict=True)
        lines = [
            printable(f"{said(other)}; you say {mine.tag or NOT_CATALOGUE}")
            for mine, other in pairs
        ]
        with Vertical(classes="box"):
            yield Static("Meanwhile another reviewer decided", classes="title")
            yield Static(Text("\n".join(lines)))
            hint = "Enter leaves theirs, r replaces it with yours"
            yield Static(hint, classes="hint")


class Thumbnail(Static, can_focus=True):
    """A member of a group, chosen or not."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self.shown = shown
        self.chosen = True

    def on_mount(self) -> None:
        """Draw it."""
        self.draw()

    def on_click(self) -> None:
        """Choose it, or not."""
        self.toggle()

    def toggle(self) -> None:
        """Choose it, or not."""
        self.chosen = not self.chosen
        self.draw()

    def draw(self) -> None:
        """Show the picture with a mark, its name and what the machine says."""
        from rich.console import Group  # noqa: PLC0415

        item = self.shown.item
        mark = "[✓]" if self.chosen else "[ ]"
        name = printable(self.shown.path.name)
        machine = printable(item.tag)
        self.update(
            Group(
                drawing.thumbnail(self.shown, 22, 9),
                Text(f"{mark} {name}", no_wrap=True, overflow="ellipsis"),
                Text(f"    {machine} {item.confidence:.2f}", no_wrap=True),
            )
        )


class ContactSheet(ModalScreen["tuple[str | None, list[Shown]]"]):
    """A group as a contact sheet; hands back a tag and the members it is for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False, priority=True),
        *(Binding(str(n), f"tag({n})", show=False) for n in range(10)),
        Binding("x", "no_item", show=False),
        Binding("space", "choose", show=False),
        Binding("left", "move(-1, 0)", show=False, priority=True),
        Binding("right", "move(1, 0)", show=False, priority=True),
        Binding("up", "move(0, -1)", show=False, priority=True),
        Binding("down", "move(0, 1)", show=False, priority=True),
        Binding("escape,q,b", "dismiss", show=False),
    ]

    def __init__(self, members: list[Shown], tags: Sequence[str]) -> None:
        super().__init__()
        self._members = members
        self._tags = tags
        self._columns = 1

    def compose(self) -> ComposeResult:
        """Lay the sheet out."""
        yield Static(classes="title", id="sheet-title")
        with VerticalScroll(can_focus=False), Grid():
            for shown in self._members:
                yield Thumbnail(shown)
        yield Static(classes="hint", id="sheet-keys")

    def on_mount(self) -> None:
        """Begin at the first."""
        self.query(Thumbnail).first().focus()
        self._tell()

    def on_resize(self, event: events.Resize) -> None:
        """Use the room there is."""
        self._columns = max(1, event.size.width // 25)
        grid = self.query_one(Grid)
        grid.styles.grid_size_columns = self._columns
        rows = -(-len(self._members) // self._columns)
        grid.styles.grid_rows = " ".join(["14"] * rows)

    def on_click(self) -> None:
        """Count what a click may have chosen."""
        self._tell()

    def action_accept(self) -> None:
        """Give all that are chosen the tag of the first."""
        self._dismiss_with(self._members[0].item.tag)

    def action_tag(self, number: int) -> None:
        """Give all that are chosen a tag."""
        if number < len(self._tags):
            self._dismiss_with(self._tags[number])

    def action_no_item(self) -> None:
        """Say of all that are chosen that they are no catalogue items."""
        self._dismiss_with(None)

    def action_choose(self) -> None:
        """Choose the marked one, or not."""
        if isinstance(self.focused, Thumbnail):
            self.focused.toggle()
        self._tell()

    def action_move(self, across: int, down: int) -> None:
        """Mark another."""
        thumbnails = list(self.query(Thumbnail))
        at = next((n for n, one in enumerate(thumbnails) if one.has_focus), 0)
        to = at + across + down * self._columns
        if 0 <= to < len(thumbnails):
            thumbnails[to].focus()

    def _chosen(self) -> list[Shown]:
        return [one.shown for one in self.query(Thumbnail) if one.chosen]

    def _dismiss_with(self, tag: str | None) -> None:
        if chosen := self._chosen():
            self.dismiss((tag, chosen))

    def _tell(self) -> None:
        chosen = len(self._chosen())
        title = f"{len(self._members)} that look alike; the answer goes to {chosen}"
        self.query_one("#sheet-title", Static).update(title)
        tag = printable(self._members[0].item.tag)
        names = "  ".join(f"{n} {printable(t)}" for n, t in enumerate(self._tags[:10]))
        keys = f"Enter {tag} for all  space in or out  ←↑→↓ move  Esc back"
        self.query_one("#sheet-keys", Static).update(
            Text(f"{names}  x no item\n{keys}")
        )


class EndScreen(ModalScreen[str]):
    """Tells how the sitting went; hands back what the reviewer wants next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,a", "again", show=False),
        Binding("u", "undo", show=False),
        Binding("q,escape", "dismiss", show=False),
    ]

    def __init__(self, sitting: Sitting) -> None:
        super().__init__()
        self._sitting = sitting

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        sitting = self._sitting
        told = ending(sitting.summary(), left=sitting.waiting, audit=sitting.audit())
        keys = ["q leave"]
        if sitting.can_undo:
            keys.insert(0, "u take the last one back")
        if sitting.skipped:
            keys.insert(0, f"Enter the {sitting.skipped} skipped once more")
        with Vertical(classes="box"):
            title = "The queue is empty" if not sitting.skipped else "The end"
            yield Static(title, classes="title")
            yield Static(told)
            yield Static("   ".join(keys), classes="hint")

    def action_again(self) -> None:
        """Go through what was skipped."""
        if self._sitting.skipped:
            self.dismiss("again")

    def action_undo(self) -> None:
        """Take the last answer back."""
        if self._sitting.can_undo:
            self.dismiss("undo")
