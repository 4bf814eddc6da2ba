"""Figures of a review session: decisions, rate, agreement, confusions."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tagger.inventory.records import Answer, QueueItem
from tagger.records import NOT_CATALOGUE

_RECENT = 30
"""Decisions that the rate is computed from: the most recent ones."""

_PAUSE = 60.0
"""Seconds between two decisions that count as a break."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """The figures of a session at one moment.

    `right` counts the decisions that agree with the network. `confusions` counts the
    others by the network's answer and the person's. `seconds` is the
    session's duration. `per_minute` is 0 until it can be computed.
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
    """Counts decisions. All moments, `began` too, are seconds of one clock."""

    began: float
    decided: int = 0
    right: int = 0
    undone: int = 0
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(self, item: QueueItem, answer: Answer, moment: float) -> None:
        """Count a decision; the members of a group have the same moment."""
        self.decided += 1
        if _agree(item, answer):
            self.right += 1
        else:
            self.confusions[item.answer, answer.tag or NOT_CATALOGUE] += 1
        self._recent.append(moment)

    def take_away(self, item: QueueItem, answer: Answer) -> None:
        """Remove an undone decision from the figures."""
        self.decided -= 1
        self.undone += 1
        if self._recent:
            self._recent.pop()
        if _agree(item, answer):
            self.right -= 1
        else:
            self.confusions[item.answer, answer.tag or NOT_CATALOGUE] -= 1

    def per_minute(self) -> float:
        """Return the recent decisions a minute, without breaks; 0 for too few."""
        moments = list(self._recent)
        gaps = [b - a for a, b in pairwise(moments)]
        working = [gap for gap in gaps if gap < _PAUSE]
        if len(working) < 2 or sum(working) <= 0:  # noqa: PLR2004  two gaps of three answers
            return 0.0
        return 60 * len(working) / sum(working)

    def summary(self, *, skipped: int, now: float) -> SessionSummary:
        """Return the figures at the moment `now`."""
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
    """Whether a person gave the network's answer; its doubt agrees with no tag."""
    if answer.tag is None:
        return item.doubtful
    return answer.tag == item.answer


def remaining(left: int, per_minute: float) -> str:
    """Format the time left; "" until it can be computed."""
    if not per_minute or not left:
        return ""
    minutes = left / per_minute
    if minutes < 1:
        return "under a minute left"
    if minutes < 120:  # noqa: PLR2004  two hours
        return f"{round(minutes)} min left"
    return f"{minutes / 60:.0f} h left"
