"""Modal screens of the full-screen review: questions, contact sheet, summary.

Each returns the reviewer's choice, or None if the reviewer goes back.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tagger.inventory.records import QueueItem
from tagger.labels import kind_named
from tagger.records import NOT_CATALOGUE
from tagger.review import rendering
from tagger.review.end_summary import end_summary
from tagger.review.group_pages import GroupPages, describe_group, distinct_names
from tagger.review.line_mode import decision_text
from tagger.review.prefetch import Shown
from tagger.review.session import (
    NEW_TAG_FORM,
    Conflict,
    Offer,
    ReviewSession,
    tag_to_offer,
)
from tagger.text import nearest, printable, two_decimals

if TYPE_CHECKING:
    from textual.timer import Timer

T = TypeVar("T")

_HELP = """\
Enter    the answer marked ▶ is right
0 to 9   another tag
t        another tag by its name; ↓ then Enter adds a new one
x        not a catalogue item: none of the tags fits, or not for sale
k        add the offered tag ("k Skirt") to your tags and use it
s        skip; the picture comes back at the end
u        undo the last answer, then the one before, and so on
a        show all pictures of the product, or all similar ones, to
         answer them together
n        write a note about this picture
v        enlarge the views that the network saw
/        go to a picture by a part of its path
q        leave; every answer is already saved
Ctrl-Z   go to the shell; fg comes back

You can also click on a key. To change an earlier decision:
tagger review --redo PATH

The bars are the network's five most probable tags. The small
picture is what the network saw, light on dark: if it is cut
off or reversed, do not trust the tag."""

_THUMBNAIL_CELLS = 22
"""Width of a thumbnail's picture."""

_THUMBNAIL_LINES = 14
"""Height of a thumbnail with its name and its prediction."""

_MARK_CELLS = 4
"""Width of the check mark before a thumbnail's name."""

_SHEET_TEXT_LINES = 5
"""Most lines that the title and the keys of a contact sheet take."""

_AT_ONCE = 0.001
"""A timer cannot wait for 0 s."""

SCREENS_CSS: Final = """
    ModalScreen { align: center middle; background: $background 60%; }
    .box {
        width: auto; max-width: 100%; height: auto; max-height: 100%;
        padding: 0 2; border: round $foreground; background: $surface;
    }
    .box > Static { width: auto; height: auto; }
    .box > .title { text-style: bold; margin: 0 0 1 0; }
    .box > .hint { color: $text-muted; margin: 1 0 0 0; }
    .box > Input, .box > OptionList { width: 64; max-width: 100%; }
    EndScreen > .box { width: 72; }
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


class HelpScreen(ModalScreen[None]):
    """Lists the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,v,space", "dismiss", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        with VerticalScroll(classes="box"):
            yield Static("Keys", classes="title")
            yield Static(_HELP, markup=False)
            yield Static("Esc goes back", classes="hint")


class EnlargedScreen(ModalScreen[None]):
    """Shows the three views that the network saw, as large as the terminal allows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,v,space", "dismiss", show=False),
    ]

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def compose(self) -> ComposeResult:
        """Draw the views; only the gray one if three do not fit."""
        width, height = self.app.size
        fits = min((width - 14) // 3, 2 * (height - 10))
        side = max(28, 28 * (fits // 28))
        prepared = self._shown.prepared
        if prepared is None:
            return
        drawn = rendering.views(prepared, side)
        if 3 * (side + 2) + 8 > width:
            side = max(28, 28 * (min(width - 8, 2 * (height - 10)) // 28))
            drawn = rendering.views(prepared, side)[:1]
        with Vertical(classes="box"):
            yield Static("What the network saw", classes="title")
            with Horizontal(id="views"):
                for name, pixels in drawn:
                    with Vertical():
                        picture = Static(pixels)
                        picture.styles.width = side
                        yield picture
                        yield Static(name)
            yield Static(
                "The item should fill the view, light on dark. Esc goes back",
                classes="hint",
            )


class NoteScreen(ModalScreen[str]):
    """Asks for a note."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        with Vertical(classes="box"):
            yield Static("A note about this picture", classes="title")
            yield Input(max_length=500)
            yield Static("Enter saves it, Esc goes back", classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the note."""
        self.dismiss(event.value)


class FindScreen(ModalScreen[T]):
    """Finds an object by a part of its name and returns it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        # Without priority: the input takes the letters typed before them first.
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]
    ASKED: ClassVar[tuple[str, str]]
    """The title, and the placeholder of the input."""

    NONE_FOUND: ClassVar[str] = "no match"

    def __init__(self) -> None:
        super().__init__()
        self._results: Sequence[tuple[str, T]] = ()
        self._looked_for: str | None = None

    def find(self, part: str) -> Sequence[tuple[str, T]]:
        """Return (name, object) pairs whose name contains `part`; runs in a thread."""
        raise NotImplementedError

    def likeliest(self) -> int | None:
        """Return which result Enter selects before any is chosen; None for none."""
        return 0 if self._looked_for and self._results else None

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        title, placeholder = self.ASKED
        with Vertical(classes="box"):
            yield Static(title, classes="title")
            yield Input(placeholder=placeholder)
            yield OptionList(id="found", compact=True)
            yield Static("↑ ↓ move, Enter selects, Esc goes back", classes="hint")

    async def on_mount(self) -> None:
        """Show the results for an empty input."""
        await self._catch_up()

    def on_input_changed(self) -> None:
        """Search for the input."""
        # A coroutine would be lost if the next letter came before it began.
        self.run_worker(self._catch_up, exclusive=True)  # type: ignore[arg-type]

    async def on_input_submitted(self) -> None:
        """Return the highlighted result of what is typed."""
        await self._catch_up()
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is not None and highlighted < len(self._results):
            self.dismiss(self._results[highlighted][1])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the clicked result."""
        self.dismiss(self._results[event.option_index][1])

    async def action_move(self, by: int) -> None:
        """Highlight another result of what is typed."""
        await self._catch_up()
        options = self.query_one(OptionList)
        if self._results:
            at = options.highlighted
            first = 0 if by > 0 else -1
            to = first if at is None else at + by
            options.highlighted = to % len(self._results)

    async def _catch_up(self) -> None:
        """Show the results for what is typed, unless they are shown already."""
        part = self.query_one(Input).value.strip()
        if part == self._looked_for:
            return
        results = await asyncio.to_thread(self.find, part)
        if part == self.query_one(Input).value.strip() != self._looked_for:
            self._list(part, results)

    def _list(self, part: str, results: Sequence[tuple[str, T]]) -> None:
        self._looked_for, self._results = part, results
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(Text(printable(name))) for name, _ in results])
        if part and not results:
            options.add_option(Option(self.NONE_FOUND, disabled=True))
        options.highlighted = self.likeliest()


class JumpScreen(FindScreen[QueueItem]):
    """Finds a picture in the queue by a part of its path."""

    ASKED = ("Go to a picture in the queue", "a part of its path")

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._session = session

    def find(self, part: str) -> Sequence[tuple[str, QueueItem]]:
        """Search the queue in the inventory."""
        items = self._session.find(part)
        return [(f"{item.root}/{item.path}", item) for item in items]


class TagScreen(FindScreen[str]):
    """Finds a tag by a part of its name, or returns a new one to add."""

    ASKED = ("Which tag?", "a part of its name, or a new tag")
    NONE_FOUND = f"no such tag, and a new one has {NEW_TAG_FORM}"

    def __init__(self, tags: Sequence[str], kinds: Sequence[str] = ()) -> None:
        super().__init__()
        self._tags = tags
        self._kinds = kinds

    def find(self, part: str) -> Sequence[tuple[str, str]]:
        """Return the tags that contain `part`, and the new tag it would be.

        All tags for an empty part; the nearest tag if none contains it. The new tag
        comes first if it names one of the `kinds`: "skirt" does not mean "Shirt". It is
        never the likeliest: a word with a typing error is not a new tag.
        """
        found = [tag for tag in self._tags if part.casefold() in tag.casefold()]
        if not found and (near := nearest(part, self._tags)):
            found = [near]
        results = [(tag, tag) for tag in found]
        new = tag_to_offer(part)
        if new and new.casefold() not in {tag.casefold() for tag in self._tags}:
            at = 0 if kind_named(new, self._kinds) else len(results)
            offer = f"{new} is not a tag yet: ↓ then Enter adds and gives it"
            results.insert(at, (offer, new))
        return results

    def likeliest(self) -> int | None:
        """Return the first result, unless it is a new tag."""
        first = super().likeliest()
        known = first is not None and self._results[first][1] in self._tags
        return first if known else None


class ConflictScreen(ModalScreen[bool]):
    """Shows a conflict; returns True to replace the other reviewer's answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,k", "dismiss(False)", show=False),
        Binding("r", "dismiss(True)", show=False),
    ]

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self._conflict = conflict

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        pairs = zip(self._conflict.answers, self._conflict.others, strict=True)
        lines = [
            printable(f"{decision_text(other)}; you say {mine.tag or NOT_CATALOGUE}")
            for mine, other in pairs
        ]
        with Vertical(classes="box"):
            yield Static("Another reviewer decided meanwhile", classes="title")
            yield Static(Text("\n".join(lines)))
            hint = "Enter keeps the other answer, r replaces it with yours"
            yield Static(hint, classes="hint")


class Thumbnail(Static, can_focus=True):
    """A member of a group, selected or not."""

    def __init__(self, shown: Shown, name: str) -> None:
        super().__init__()
        self.shown = shown
        self.chosen = True
        self._shown_name = name

    def on_mount(self) -> None:
        """Draw the thumbnail."""
        self.draw()

    def on_click(self) -> None:
        """Select or deselect it."""
        self.toggle()

    def toggle(self) -> None:
        """Select or deselect it."""
        self.chosen = not self.chosen
        self.draw()

    def draw(self) -> None:
        """Show the picture with a check mark, its name and its prediction."""
        item = self.shown.item
        mark = "[✓]" if self.chosen else "[ ]"
        answer = printable(item.answer)
        self.update(
            Group(
                rendering.thumbnail(self.shown, _THUMBNAIL_CELLS, 9),
                Text(f"{mark} {self._shown_name}", no_wrap=True, overflow="ellipsis"),
                Text(
                    f"    {answer} {two_decimals(item.answer_confidence)}", no_wrap=True
                ),
            )
        )


class ContactSheet(ModalScreen["tuple[str | None, list[Shown]]"]):
    """A group as a contact sheet; returns a tag and the members to give it to.

    The members are shown page by page. An answer is not taken before each of them was
    on the screen for `unseen` seconds. `of_product` of them show the same product.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False, priority=True),
        *(Binding(str(n), f"tag({n})", show=False, priority=True) for n in range(10)),
        Binding("t", "name_tag", show=False, priority=True),
        Binding("x", "no_item", show=False, priority=True),
        Binding("space", "choose", show=False, priority=True),
        Binding("left", "move(-1, 0)", show=False, priority=True),
        Binding("right", "move(1, 0)", show=False, priority=True),
        Binding("up", "move(0, -1)", show=False, priority=True),
        Binding("down", "move(0, 1)", show=False, priority=True),
        Binding("pagedown", "turn(1)", show=False, priority=True),
        Binding("pageup", "turn(-1)", show=False, priority=True),
        Binding("escape,q,b", "dismiss", show=False),
    ]

    def __init__(  # noqa: PLR0913  all that the sheet shows
        self,
        members: list[Shown],
        tags: Sequence[str],
        offer: Offer | None,
        *,
        kinds: Sequence[str] = (),
        of_product: int = 0,
        unseen: float = 0.0,
    ) -> None:
        """`offer` is the answer that Enter gives, None for none."""
        super().__init__()
        self._members = members
        self._tags = tags
        self._offer = offer
        self._kinds = kinds
        self._of_product = of_product
        self._unseen = unseen
        self._columns = 1
        self._pages = GroupPages(members, 1)
        self._seeing: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the sheet."""
        names = distinct_names(
            [shown.path for shown in self._members], _THUMBNAIL_CELLS - _MARK_CELLS
        )
        yield Static(classes="title", id="sheet-title")
        with VerticalScroll(can_focus=False), Grid():
            for shown, name in zip(self._members, names, strict=True):
                yield Thumbnail(shown, name)
        yield Static(classes="hint", id="sheet-keys")

    def on_resize(self, event: events.Resize) -> None:
        """Adapt to the size of the terminal."""
        self._columns = max(1, event.size.width // (_THUMBNAIL_CELLS + 3))
        rows = max(1, (event.size.height - _SHEET_TEXT_LINES) // _THUMBNAIL_LINES)
        grid = self.query_one(Grid)
        grid.styles.grid_size_columns = self._columns
        grid.styles.grid_rows = " ".join([str(_THUMBNAIL_LINES)] * rows)
        self._pages.resize(rows * self._columns)
        self._show_page()

    def on_click(self) -> None:
        """Count the selected members, which a click may have changed."""
        self._show_selection()

    def action_accept(self) -> None:
        """Answer with the tag offered for the current item."""
        if self._offer is None:
            self._show_selection("Enter has no answer for these: press a tag's key")
        else:
            self._dismiss_with(self._offer.tag)

    def action_tag(self, number: int) -> None:
        """Answer with a tag by its key."""
        if number < len(self._tags):
            self._dismiss_with(self._tags[number])

    async def action_name_tag(self) -> None:
        """Answer with a tag by its name."""

        def chosen(tag: str | None) -> None:
            if tag is not None:
                self._dismiss_with(tag)

        await self.app.push_screen(TagScreen(self._tags, self._kinds), chosen)

    def action_no_item(self) -> None:
        """Answer "not a catalogue item"."""
        self._dismiss_with(None)

    def action_choose(self) -> None:
        """Select or deselect the focused member."""
        if isinstance(self.focused, Thumbnail):
            self.focused.toggle()
        self._show_selection()

    def action_move(self, across: int, down: int) -> None:
        """Focus another member, on another page if need be."""
        thumbnails = list(self.query(Thumbnail))
        at = next((n for n, member in enumerate(thumbnails) if member.has_focus), 0)
        to = at + across + down * self._columns
        if 0 <= to < len(thumbnails):
            if thumbnails[to].shown not in self._pages.page:
                self._pages.turn_to(to)
                self._show_page()
            thumbnails[to].focus()

    def action_turn(self, by: int) -> None:
        """Turn the page."""
        self._pages.turn(by)
        self._show_page()

    def _show_page(self) -> None:
        """Show the members of the page; they are seen when it has stood a moment."""
        page = self._pages.page
        for thumbnail in self.query(Thumbnail):
            thumbnail.display = thumbnail.shown in page
        if not (isinstance(self.focused, Thumbnail) and self.focused.shown in page):
            next(t for t in self.query(Thumbnail) if t.shown is page[0]).focus()
        self._show_selection()
        self.call_after_refresh(self._begin_to_see)

    def _begin_to_see(self) -> None:
        if self._seeing is not None:
            self._seeing.stop()
        self._seeing = self.set_timer(max(self._unseen, _AT_ONCE), self._see)

    def _see(self) -> None:
        self._pages.see()
        self._show_selection()

    def _chosen(self) -> list[Shown]:
        return [member.shown for member in self.query(Thumbnail) if member.chosen]

    def _dismiss_with(self, tag: str | None) -> None:
        if self._pages.unseen:
            self._show_selection("not answered yet: see all pictures first, PgDn turns")
        elif chosen := self._chosen():
            self.dismiss((tag, chosen))
        else:
            self._show_selection("not answered: select a picture first, space does it")

    def _show_selection(self, refusal: str = "") -> None:
        group = describe_group(len(self._members), self._of_product)
        parts = [group, self._pages.counter, f"{len(self._chosen())} selected"]
        if self._pages.count > 1:
            parts.append(f"page {self._pages.number} of {self._pages.count}")
        self.query_one("#sheet-title", Static).update(" · ".join(parts))
        self.query_one("#sheet-keys", Static).update(
            Text(f"{self._answers()}\n{refusal or self._keys()}")
        )

    def _answers(self) -> str:
        """List the keys that answer."""
        tags = [f"{n} {printable(tag)}" for n, tag in enumerate(self._tags[:10])]
        return _in_lines([*tags, "t other tag", f"x {NOT_CATALOGUE}"], self.size.width)

    def _keys(self) -> str:
        """List the other keys."""
        keys = ["space select", "←↑→↓ move", "Esc back"]
        if self._pages.count > 1:
            keys.insert(2, "PgDn PgUp turn the page")
        if self._offer:
            keys.insert(0, f"Enter {self._offer.text}")
        return _in_lines(keys, self.size.width)


def _in_lines(entries: Sequence[str], width: int) -> str:
    """Join entries, broken between them only, where a line would exceed `width`."""
    lines = [""]
    for entry in entries:
        longer = f"{lines[-1]}  {entry}" if lines[-1] else entry
        if cell_len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(entry)
    return "\n".join(lines)


class EndScreen(ModalScreen[str]):
    """Shows the summary of the session; returns the reviewer's next step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", show=False),
        Binding("a", "again", show=False),
        Binding("u", "undo", show=False),
        Binding("q,escape", "dismiss", show=False),
    ]

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._session = session

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        session = self._session
        summary = end_summary(
            session.summary(),
            left=session.waiting,
            whole=session.whole,
            audit=session.audit(),
        )
        keys = ["q leave" if session.skipped else "Enter leave"]
        if session.can_undo:
            keys.insert(0, "u undo the last answer")
        if session.skipped:
            keys.insert(0, f"Enter review the {session.skipped} skipped")
        with Vertical(classes="box"):
            empty = session.whole and not session.skipped and not session.waiting
            title = "The queue is empty" if empty else "End of this review"
            yield Static(title, classes="title")
            yield Static(summary)
            yield Static("   ".join(keys), classes="hint")

    def action_go_on(self) -> None:
        """Review the skipped items; leave if there are none."""
        self.dismiss("again" if self._session.skipped else None)

    def action_again(self) -> None:
        """Review the skipped items."""
        if self._session.skipped:
            self.dismiss("again")

    def action_undo(self) -> None:
        """Undo the last answer."""
        if self._session.can_undo:
            self.dismiss("undo")
