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

_LEAST_SECONDS = 5.0
"""Seconds of work from which decisions a minute mean something."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """The figures of a session at one moment.

    `right` counts the decisions that agree with the network. `confusions` counts the
    others by the network's answer and the person's. `seconds` is the time from the
    beginning to the last decision, and `per_minute` the decisions a minute in it.
    `pace` is that of the recent decisions without breaks, for estimates of the time
    left. Both rates are 0 until they can be computed.
    """

    decided: int
    right: int
    skipped: int
    undone: int
    seconds: float
    per_minute: float
    pace: float
    confusions: Mapping[tuple[str, str], int]


@dataclass(slots=True)
class SessionStats:
    """Counts decisions. All moments, `began` too, are seconds of one clock."""

    began: float
    decided: int = 0
    right: int = 0
    undone: int = 0
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    _last: float | None = None
    _confused: dict[str, tuple[str, str]] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def add(
        self, item: QueueItem, answer: Answer, moment: float, *, of_kind: str = ""
    ) -> None:
        """Count a decision; the members of a group have the same moment.

        `of_kind` is the shop's tag for the kind that the network found, if any.
        """
        self.decided += 1
        if _agree(item, answer, of_kind):
            self.right += 1
        else:
            predicted = item.answer if item.doubtful else of_kind or item.tag
            pair = predicted, answer.tag or NOT_CATALOGUE
            self._confused[item.digest] = pair
            self.confusions[pair] += 1
        self._recent.append(moment)
        self._last = moment

    def take_away(self, item: QueueItem) -> None:
        """Remove an undone decision from the figures."""
        self.decided -= 1
        self.undone += 1
        if self._recent:
            self._recent.pop()
        # The kind may have another tag by now than when the decision was counted.
        pair = self._confused.pop(item.digest, None)
        if pair is None:
            self.right -= 1
        else:
            self.confusions[pair] -= 1

    def pace(self) -> float:
        """Return the recent decisions a minute, without breaks; 0 for too few."""
        moments = list(self._recent)
        gaps = [b - a for a, b in pairwise(moments)]
        working = [gap for gap in gaps if gap < _PAUSE]
        if len(working) < 2 or sum(working) <= 0:  # noqa: PLR2004  two gaps of three answers
            return 0.0
        return 60 * len(working) / sum(working)

    def summary(self, *, skipped: int) -> SessionSummary:
        """Return the figures; the clock stands at the last decision."""
        seconds = 0.0 if self._last is None else self._last - self.began
        counts = seconds >= _LEAST_SECONDS
        return SessionSummary(
            decided=self.decided,
            right=self.right,
            skipped=skipped,
            undone=self.undone,
            seconds=seconds,
            per_minute=60 * self.decided / seconds if counts else 0.0,
            pace=self.pace(),
            confusions={
                pair: count for pair, count in self.confusions.most_common() if count
            },
        )


def _agree(item: QueueItem, answer: Answer, of_kind: str) -> bool:
    """Whether a person gave the network's answer.

    Its doubt agrees with no tag, and with the tag `of_kind` of the kind that it found.
    """
    if answer.tag is None:
        return item.doubtful
    if of_kind or item.doubtful:
        return answer.tag == of_kind
    return answer.tag == item.tag


def remaining(left: int, pace: float) -> str:
    """Format the time left at so many a minute; "" until it can be computed."""
    if not pace or not left:
        return ""
    minutes = left / pace
    if minutes < 1:
        return "under a minute left"
    if minutes < 120:  # noqa: PLR2004  two hours
        return f"{round(minutes)} min left"
    return f"{minutes / 60:.0f} h left"
