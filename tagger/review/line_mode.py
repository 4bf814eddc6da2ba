"""The review in lines: for dumb terminals, screen readers and scripts.

One answer a line. What is printed is short, begins with the path, and says everything
in words.
"""

import math
from collections.abc import Callable, Sequence
from time import sleep
from typing import TypeVar

from rich.console import Console

from tagger.errors import InventoryBusyError
from tagger.inventory.records import Decision, QueueItem
from tagger.records import NOT_CATALOGUE
from tagger.review.prefetch import Shown
from tagger.review.session import Conflict, ReviewSession
from tagger.review.stats import remaining
from tagger.text import printable

T = TypeVar("T")

_TOP = 5
_HELP = """\
an empty line  the tag that is offered
a number       another tag: {tags}
a tag          the same by its name
x              not a catalogue item
k              add the tag that is offered for it, and give it
s              skip: it comes back at the end
u              undo: take back the last answer, then the one before
n TEXT         write a note about this picture
a              apply the answer to all pictures that look alike
/ TEXT         go to a picture whose path holds the text
q              leave; what was answered is saved"""

_PAUSE = 0.5
"""Seconds between two tries while another program writes to the inventory."""


class _LeaveError(Exception):
    """The reviewer leaves, or has nothing more to say."""


class LineReview:
    """Asks for the items of a session line by line."""

    def __init__(
        self, session: ReviewSession, console: Console, read: Callable[[str], str]
    ) -> None:
        """`read` prints a prompt and returns a line; EOFError ends the review."""
        self._sitting = session
        self._console = console
        self._read = read

    def run(self) -> None:
        """Ask until the queue is empty, or the reviewer leaves."""
        try:
            shown = self._patiently(self._sitting.advance)
            while shown is not None:
                self._show(shown)
                while self._sitting.current is shown:
                    self._handle(shown, self._ask(self._prompt(shown)))
                shown = self._sitting.current
        except _LeaveError:
            pass

    def _show(self, shown: Shown) -> None:
        item, (at, of) = shown.item, self._sitting.position
        left = self._sitting.left or 0
        time = remaining(left, self._sitting.summary().per_minute)
        self._say("")
        counted = f" of {of}" if of is not None else ""
        self._say(f"{at}{counted}" + (f", {time}" if time else ""))
        self._say(printable(str(shown.path)))
        if shown.trouble:
            self._say(f"  {printable(shown.trouble)}: s skips it")
        elif self._sitting.blind:
            self._say(f"  {self._tags()}")
        else:
            self._say(f"  {printable(item.reason) or 'accepted by the machine'}")
            self._say(f"  {self._candidates(item)}")
        self._show_history(shown)

    def _show_history(self, shown: Shown) -> None:
        if not self._sitting.blind:
            for one in shown.item.decisions:
                self._say(f"  earlier: {printable(said(one))}")
        for note in shown.item.notes:
            self._say(f"  note by {printable(f'{note.reviewer}: {note.text}')}")
        for path in shown.item.same_bytes:
            self._say(f"  the same picture: {printable(path)}")
        if alike := self._sitting.alike():
            self._say(f"  {len(alike)} others look alike: a shows them")

    def _candidates(self, item: QueueItem) -> str:
        digits = {tag: n for n, tag in enumerate(self._sitting.tags)}
        can_say = item.probabilities.keys() & digits.keys()
        ranked = sorted(can_say, key=lambda tag: (-item.probabilities[tag], tag))
        said = [
            f"{digits[tag]} {printable(tag)} {share(item.probabilities[tag])}"
            for tag in ranked[:_TOP]
        ]
        if item.doubtful:
            said.insert(0, f"x {item.none_as} {share(item.none)}")
        if self._sitting.new_tag:
            said.append(f"k adds the tag {printable(self._sitting.new_tag)}")
        return ", ".join(said)

    def _tags(self) -> str:
        return ", ".join(
            f"{n} {printable(t)}" for n, t in enumerate(self._sitting.tags)
        )

    def _prompt(self, shown: Shown) -> str:
        if shown.trouble:
            return "s, u, q or ?: "
        if self._sitting.blind:
            return "tag (0-9, x, s, u, q or ?): "
        return f"{printable(shown.item.tag)}? (Enter, 0-9, x, s, u, q or ?): "

    def _handle(self, shown: Shown, line: str) -> None:
        if line == "n" or line.startswith("n "):  # and no tag that begins with it
            self._note(line[1:].strip())
        elif line.startswith("/"):
            self._jump(line[1:].strip())
        elif line == "q":
            raise _LeaveError
        elif line == "?":
            self._say(_HELP.format(tags=self._tags()))
        elif line == "s":
            self._patiently(self._sitting.skip)
        elif line == "u":
            if not self._patiently(self._sitting.undo):
                self._say("nothing to take back in this session; --redo PATH goes back")
        elif line == "a":
            self._group()
        elif shown.trouble:
            self._say("there is nothing to see: s skips it")
        else:
            self._answer(line, [shown])

    def _answer(self, line: str, items: Sequence[Shown]) -> bool:
        """Give items the tag that a line says; False where it says none."""
        tags = self._sitting.tags
        if line == "" and not self._sitting.blind:
            tag: str | None = items[0].item.tag
        elif line == "x":
            tag = None
        elif line == "k" and (new := self._patiently(self._sitting.add_new_tag)):
            tag = new
        elif line.isdecimal() and int(line) < len(tags):
            tag = tags[int(line)]
        elif line.casefold() in (named := {one.casefold(): one for one in tags}):
            tag = named[line.casefold()]
        else:
            self._say(f"'{printable(line)}' is no answer: ? lists them")
            return False
        conflict = self._patiently(lambda: self._sitting.answer_all(tag, items))
        if conflict is not None:
            self._settle(conflict)
        else:
            many = f", {len(items)} pictures" if len(items) > 1 else ""
            self._say(f"  {printable(tag or NOT_CATALOGUE)}{many}")
        return True

    def _settle(self, conflict: Conflict) -> None:
        """Show what another decided meanwhile, and ask whose answer shall stand."""
        for mine, other in zip(conflict.answers, conflict.others, strict=True):
            self._say(f"  meanwhile {printable(said(other))}")
            self._say(f"  you say {printable(mine.tag or NOT_CATALOGUE)}")
        line = self._ask("Enter leaves theirs, r replaces it with yours: ")
        if line == "r":
            self._patiently(lambda: self._sitting.insist(conflict))
        else:
            self._patiently(lambda: self._sitting.yield_to_other(conflict))

    def _note(self, text: str) -> None:
        text = text or self._ask("note: ")
        self._patiently(lambda: self._sitting.write_note(text))

    def _jump(self, text: str) -> None:
        text = text or self._ask("path: ")
        found = self._sitting.find(text)
        if not found:
            self._say("no picture that waits has that in its path")
            return
        chosen = found[0]
        if len(found) > 1:
            for n, item in enumerate(found):
                self._say(f"  {n} {printable(f'{item.root}/{item.path}')}")
            line = self._ask("which? ")
            if not line.isdecimal() or int(line) >= len(found):
                return
            chosen = found[int(line)]
        self._patiently(lambda: self._sitting.jump(chosen))

    def _group(self) -> None:
        members = self._patiently(self._sitting.group)
        if len(members) < 2:  # noqa: PLR2004  the current one alone
            self._say(self._sitting.none_alike())
            return
        for member in members:
            machine = f"{member.item.tag} {share(member.item.confidence)}"
            self._say(f"  {printable(f'{member.path}, {machine}')}")
        tag = printable(members[0].item.tag)
        line = self._ask(f"all {len(members)}: {tag}? (Enter, 0-9, x; b goes back): ")
        if line == "b" or not self._answer(line, members):
            self._sitting.release_group(members)

    def _ask(self, prompt: str) -> str:
        try:
            return self._read(prompt).strip()
        except EOFError:
            raise _LeaveError from None

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do something as soon as no other program is writing to the inventory."""
        told = False
        while True:
            try:
                return work()
            except InventoryBusyError:
                if not told:
                    self._say("  the inventory is busy (a scan?): your answer is kept")
                    told = True
                sleep(_PAUSE)

    def _say(self, text: str) -> None:
        self._console.print(
            text, soft_wrap=True, markup=False, highlight=False, emoji=False
        )


def said(one: Decision) -> str:
    """Tell a decision in words."""
    tag = one.answer.tag or NOT_CATALOGUE
    undone = ", taken back" if one.undone_at else ""
    when = f"{one.decided_at.astimezone():%Y-%m-%d %H:%M}"
    return f"{one.reviewer} said {tag}, {when}{undone}"


def share(probability: float) -> str:
    """Write a probability rounded down, as the reason of a flag has it."""
    return f"{math.floor(probability * 100 + 1e-6) / 100:.2f}"
