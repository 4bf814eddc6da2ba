"""The review in lines, for dumb terminals, screen readers and scripts.

One answer a line. The output is short, begins with the path, and uses words only.
"""

from collections.abc import Callable, Sequence
from time import sleep
from typing import TypeVar

from rich.console import Console

from tagger.errors import InventoryBusyError, ReviewError
from tagger.inventory.records import Decision, QueueItem
from tagger.labels import kind_named
from tagger.records import NOT_CATALOGUE
from tagger.review.group_pages import GroupPages, describe_group
from tagger.review.prefetch import Shown
from tagger.review.session import Conflict, ReviewSession, tag_to_offer
from tagger.review.stats import remaining
from tagger.text import nearest, printable, two_decimals

T = TypeVar("T")

_TOP = 5
"""Predicted tags that are listed, the most probable first."""

_HELP = """\
an empty line  the offered tag is right
a number       another tag: {tags}
a tag          another tag by its name
x              not a catalogue item
k              add the offered tag to your tags and use it
+ TAG          add a tag of your own, and use it
s              skip; the picture comes back at the end
u              undo the last answer, then the one before, and so on
n TEXT         write a note about this picture
a              answer for all pictures of the product, or all similar ones
/ TEXT         go to a picture whose path contains TEXT
q              leave; every answer is already saved"""

_LINES_AT_ONCE = 20
"""Pictures of a group that are listed at a time, as many as a screen shows."""

_PAUSE = 0.5
"""Seconds between two tries while another program writes to the inventory."""


class _LeaveError(Exception):
    """The reviewer leaves, or the input ends."""


class LineReview:
    """Asks about the items of a session line by line."""

    def __init__(
        self, session: ReviewSession, console: Console, read: Callable[[str], str]
    ) -> None:
        """`read` prints a prompt and returns a line; its EOFError ends the review."""
        self._session = session
        self._console = console
        self._read = read

    def run(self) -> None:
        """Ask until the queue is empty, or the reviewer leaves."""
        try:
            shown = self._patiently(self._session.advance)
            while shown is not None:
                self._show(shown)
                while self._session.current is shown:
                    self._handle(shown, self._ask(self._prompt(shown)))
                shown = self._session.current
        except _LeaveError:
            pass

    def _show(self, shown: Shown) -> None:
        item, (number, total) = shown.item, self._session.position
        left = self._session.left or 0
        time = remaining(left, self._session.summary().pace)
        self._say("")
        counted = f" of {total}" if total is not None else ""
        self._say(f"{number}{counted}" + (f", {time}" if time else ""))
        self._say(printable(str(shown.path)))
        if shown.trouble:
            self._say(f"  {printable(shown.trouble)}: s skips it")
        elif self._session.blind:
            self._say(f"  {self._tags()}")
        else:
            self._say(f"  {self._session.reason(item) or 'accepted by the network'}")
            self._say(f"  {self._candidates(item)}")
        self._show_history(shown)

    def _show_history(self, shown: Shown) -> None:
        if not self._session.blind:
            for decision in shown.item.decisions:
                self._say(f"  earlier: {printable(decision_text(decision))}")
        for note in shown.item.notes:
            self._say(f"  note by {printable(f'{note.reviewer}: {note.text}')}")
        for path in shown.item.same_bytes:
            self._say(f"  the same picture: {printable(path)}")
        if alike := self._session.alike():
            group = describe_group(len(alike) + 1, self._session.of_product())
            self._say(f"  {group}: a shows them")

    def _candidates(self, item: QueueItem) -> str:
        digits = {tag: n for n, tag in enumerate(self._session.tags)}
        offered = item.probabilities.keys() & digits.keys()
        ranked = sorted(offered, key=lambda tag: (-item.probabilities[tag], tag))
        candidates = [
            f"{digits[tag]} {printable(tag)} {two_decimals(item.probabilities[tag])}"
            for tag in ranked[:_TOP]
        ]
        if tag := self._session.tag_of_kind(item):
            key, share = digits.get(tag, ""), item.none
            what = f"{key} {printable(tag)} {two_decimals(share)}".strip()
            candidates = [what, *(c for c in candidates if f" {tag} " not in c)]
        elif item.doubtful:
            what = f"{item.none_as} (no tag)" if item.kind else f"x {NOT_CATALOGUE}"
            candidates.insert(0, f"{what} {two_decimals(item.none)}")
        if self._session.new_tag:
            candidates.append(f"k adds the tag {printable(self._session.new_tag)}")
        return ", ".join(candidates)

    def _tags(self) -> str:
        return ", ".join(
            f"{n} {printable(t)}" for n, t in enumerate(self._session.tags)
        )

    def _prompt(self, shown: Shown) -> str:
        if shown.trouble:
            return "s, u, q or ?: "
        if self._session.blind:
            return "tag (0-9, x, s, u, q or ?): "
        if offer := self._session.offer(shown):
            return f"{offer.text}? (Enter, 0-9, x, s, u, q or ?): "
        return "tag (0-9, k, x, s, u, q or ?): "

    def _handle(self, shown: Shown, line: str) -> None:
        if line == "n" or line.startswith("n "):  # not a tag that begins with n
            self._note(line[1:].strip())
        elif line.startswith("/"):
            self._jump(line[1:].strip())
        elif line == "q":
            raise _LeaveError
        elif line == "?":
            self._say(_HELP.format(tags=self._tags()))
        elif line == "s":
            self._patiently(self._session.skip)
        elif line == "u":
            undone = self._patiently(self._session.undo)
            nothing = "nothing to undo in this session; for earlier days: --redo PATH"
            self._say(f"  {undone.text}" if undone else nothing)
        elif line == "a":
            self._group()
        elif shown.trouble:
            self._say("this picture cannot be shown: s skips it")
        else:
            self._answer(line, [shown])

    def _answer(self, line: str, items: Sequence[Shown]) -> bool:
        """Record the answer in a line for items; return False if it is not one."""
        tags = self._session.tags
        offer = self._session.offer(items[0])
        if line == "" and offer is not None:
            tag: str | None = offer.tag
        elif line == "":
            self._say(self._session.why_no_offer())
            return False
        elif line == "x":
            tag = None
        elif new := self._add_as_asked(line):
            tag = new
        elif line.isdecimal() and int(line) < len(tags):
            tag = tags[int(line)]
        elif line.casefold() in (named := {name.casefold(): name for name in tags}):
            tag = named[line.casefold()]
        else:
            self._refuse(line)
            return False
        conflict = self._patiently(lambda: self._session.answer_all(tag, items))
        if conflict is not None:
            self._settle(conflict)
        else:
            many = f", {len(items)} pictures" if len(items) > 1 else ""
            self._say(f"  {printable(tag or NOT_CATALOGUE)}{many}")
        return True

    def _add_as_asked(self, line: str) -> str:
        """Add the custom tag that a line asks for and return it; "" for none."""
        if line == "k":
            return self._patiently(self._session.add_new_tag)
        return self._add(line[1:].strip()) if line.startswith("+") else ""

    def _add(self, tag: str) -> str:
        """Add a custom tag and return it; "" if the text cannot be a tag."""
        known = {name.casefold(): name for name in self._session.tags}
        if tag.casefold() in known:
            return known[tag.casefold()]
        try:
            self._patiently(lambda: self._session.add_tag(tag))
        except ReviewError as error:
            self._say(f"  {printable(str(error))}")
            return ""
        return tag

    def _refuse(self, line: str) -> None:
        """Say why a line is not an answer, and offer to add the tag it may name."""
        why = ["? lists the answers"]
        if new := tag_to_offer(line):
            why.insert(0, f"+ {new} adds this tag and gives it")
            is_kind = kind_named(new, self._session.kinds)
            if not is_kind and (near := nearest(line, self._session.tags)):
                why.insert(0, f"did you mean {near}?")
        shown = printable("; ".join(why).replace("?;", "?"))
        self._say(f"'{printable(line)}' is not an answer: {shown}")

    def _settle(self, conflict: Conflict) -> None:
        """Show the other reviewer's decision, and ask which one to keep."""
        for mine, other in zip(conflict.answers, conflict.others, strict=True):
            self._say(f"  meanwhile {printable(decision_text(other))}")
            self._say(f"  you say {printable(mine.tag or NOT_CATALOGUE)}")
        line = self._ask("Enter keeps the other answer, r replaces it with yours: ")
        if line == "r":
            self._patiently(lambda: self._session.insist(conflict))
        else:
            self._patiently(lambda: self._session.yield_to_other(conflict))

    def _note(self, text: str) -> None:
        text = text or self._ask("note: ")
        self._patiently(lambda: self._session.write_note(text))

    def _jump(self, text: str) -> None:
        text = text or self._ask("path: ")
        items = self._session.find(text)
        if not items:
            self._say("no picture in the queue has that in its path")
            return
        chosen = items[0]
        if len(items) > 1:
            for n, item in enumerate(items):
                self._say(f"  {n} {printable(f'{item.root}/{item.path}')}")
            line = self._ask("which? ")
            if not line.isdecimal() or int(line) >= len(items):
                return
            chosen = items[int(line)]
        self._patiently(lambda: self._session.jump(chosen))

    def _group(self) -> None:
        members = self._patiently(self._session.group)
        if len(members) < 2:  # noqa: PLR2004  the current one alone
            self._say(self._session.none_alike())
            return
        if not self._show_group(GroupPages(members, _LINES_AT_ONCE)):
            self._session.release_group(members)
            return
        of_product = self._session.of_product([one.item.digest for one in members])
        group = describe_group(len(members), of_product)
        offer = self._session.offer(members[0])
        offered = f"{offer.text}? (Enter, " if offer else "tag? ("
        line = self._ask(f"all {group}: {offered}0-9, x; b goes back): ")
        if line == "b" or not self._answer(line, members):
            self._session.release_group(members)

    def _show_group(self, pages: GroupPages[Shown]) -> bool:
        """List a group page by page; return False if the reviewer goes back."""
        while True:
            for member in pages.page:
                item = member.item
                prediction = f"{item.answer} {two_decimals(item.answer_confidence)}"
                self._say(f"  {printable(f'{member.path}, {prediction}')}")
            pages.see()
            if not pages.unseen:
                return True
            line = self._ask(f"{pages.counter} (Enter shows more; b goes back): ")
            if line == "b":
                return False
            if line:
                self._say("  not answered yet: first see all pictures of the group")
            pages.turn(1)

    def _ask(self, prompt: str) -> str:
        try:
            return self._read(prompt).strip()
        except EOFError:
            raise _LeaveError from None

    def _patiently(self, work: Callable[[], T]) -> T:
        """Call `work`; try again while the inventory is busy."""
        announced = False
        while True:
            try:
                return work()
            except InventoryBusyError:
                if not announced:
                    self._say(
                        "  waiting for another program that writes to the inventory"
                        " (a scan?); your answer is kept"
                    )
                    announced = True
                sleep(_PAUSE)

    def _say(self, text: str) -> None:
        self._console.print(
            text, soft_wrap=True, markup=False, highlight=False, emoji=False
        )


def decision_text(decision: Decision) -> str:
    """Describe a decision in words."""
    tag = decision.answer.tag or NOT_CATALOGUE
    undone = ", undone" if decision.undone_at else ""
    when = f"{decision.decided_at.astimezone():%Y-%m-%d %H:%M}"
    return f"{decision.reviewer} said {tag}, {when}{undone}"
