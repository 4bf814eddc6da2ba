"""How a session goes: the count, the rate, how often the machine was right."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tagger.inventory.records import Answer, QueueItem
from tagger.records import NOT_CATALOGUE

_RECENT = 30
"""Decisions that the rate is told from: what is behind a pause soon does not count."""

_PAUSE = 60.0
"""Seconds between two decisions beyond which the reviewer was elsewhere."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session at one moment.

    `right` counts the decisions that agree with the machine. `confusions` counts the
    others by (machine's tag, person's tag or "not a catalogue item"). `per_minute` is
    0 before it can be told.
    """

    decided: int
    right: int
    skipped: int
    undone: int
    seconds: float
    per_minute: float
    confusions: Mapping[tuple[str, str], int]


@dataclass(slots=True)
class SessionStats:
    """Counts what a reviewer does. `began` is a moment in seconds, as all others."""

    began: float
    decided: int = 0
    right: int = 0
    undone: int = 0
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, item: QueueItem, answer: Answer, moment: float) -> None:
        """Count a decision; those that one key made have one moment."""
        self.decided += 1
        if _agree(item, answer):
            self.right += 1
        else:
            self.confusions[item.tag, answer.tag or NOT_CATALOGUE] += 1
        self._recent.append(moment)

    def take_away(self, item: QueueItem, answer: Answer) -> None:
        """Take a decision out of the count."""
        self.decided -= 1
        self.undone += 1
        if self._recent:
            self._recent.pop()
        if _agree(item, answer):
            self.right -= 1
        else:
            self.confusions[item.tag, answer.tag or NOT_CATALOGUE] -= 1

    def per_minute(self) -> float:
        """Return the decisions a minute of late, pauses left out; 0 for too few."""
        moments = list(self._recent)
        gaps = [b - a for a, b in pairwise(moments)]
        working = [gap for gap in gaps if gap < _PAUSE]
        if len(working) < 2 or sum(working) <= 0:  # noqa: PLR2004  two gaps, three keys
            return 0.0
        return 60 * len(working) / sum(working)

    def summary(self, *, skipped: int, now: float) -> SessionSummary:
        """Return how the session stands."""
        return SessionSummary(
            decided=self.decided,
            right=self.right,
            skipped=skipped,
            undone=self.undone,
            seconds=now - self.began,
            per_minute=self.per_minute(),
            confusions={
                pair: count for pair, count in self.confusions.most_common() if count
            },
        )


def _agree(item: QueueItem, answer: Answer) -> bool:
    """Whether a person said what the machine had, its doubt of any tag included."""
    if answer.tag is None:
        return item.doubtful
    return answer.tag == item.tag


def remaining(left: int, per_minute: float) -> str:
    """Say how long what is left will take; "" before that can be told."""
    if not per_minute or not left:
        return ""
    minutes = left / per_minute
    if minutes < 1:
        return "under a minute left"
    if minutes < 120:  # noqa: PLR2004  two hours
        return f"{round(minutes)} min left"
    return f"{minutes / 60:.0f} h left"
