"""Describe the history of a path in sentences."""

from collections.abc import Iterator
from typing import Final

from tagger.inventory.records import DecisionKind, PathEvent, PathHistory
from tagger.labels import phrase
from tagger.records import WITHOUT_TAG, is_without_tag
from tagger.text import two_decimals

_TAGGING: Final = {
    "first seen": "a scan found it",
    "changed": "its content changed",
    "settled": "it was copied completely",
    "returned": "it came back",
    "classified again": "it was classified again",
}
"""Events of a scan that tagged the picture, by the words that are recorded."""

_OTHER: Final = {
    "moved": "it moved here",
    "missing": "it was gone",
    "unreadable": "it could not be read",
    "ignored": "it was ignored",
    "no longer ignored": "it was no longer ignored",
    "unsettled": "it was still being copied",
}

_DECISIONS: Final = {
    DecisionKind.ACCEPT: "accepted {tag}",
    DecisionKind.CORRECT: "corrected it to {tag}",
    DecisionKind.NOT_CATALOGUE: "said that it is not a catalogue item",
}


def sentences(history: PathHistory) -> Iterator[tuple[PathEvent, str]]:
    """Yield each event, oldest first, with a sentence that describes it."""
    tagging = [event for event in history.events if event.what in _TAGGING]
    for event in history.events:
        if event.by:
            yield event, _by_person(event)
        elif event.what in _TAGGING:
            item = history.item
            if tagging[-1] is event and item.machine_tag:
                said = (
                    f"{_said(item.machine_tag)}, {two_decimals(item.confidence or 0)}"
                )
            else:
                said = _recorded(event)
            yield event, f"{_TAGGING[event.what]}{said}"
        else:
            yield event, _of_scan(event)


def _by_person(event: PathEvent) -> str:
    if event.what == "undone":
        return f"the answer of {event.by} was undone"
    if event.what == "note":
        return f"{event.by} noted: {event.detail}"
    said = _DECISIONS[DecisionKind(event.what)].format(tag=event.detail)
    where = {"review": "", "audit": " in an audit"}
    return f"{event.by} {said}{where.get(event.source, f' in {event.source}')}"


def _of_scan(event: PathEvent) -> str:
    words = _OTHER.get(event.what, event.what)
    if event.detail.startswith(("from ", "by ")):
        return f"{words} {event.detail}"
    detail = "" if event.what == "missing" else event.detail
    return f"{words}: {detail}" if detail else words


def _recorded(event: PathEvent) -> str:
    """Return the answer that an earlier scan recorded with its event."""
    answer = event.detail.removeprefix("tagged ").removeprefix("as ")
    return _said(answer) if answer else ""


def _said(answer: str) -> str:
    """Describe a network's answer: a tag, or as `records.without_tag`."""
    if not is_without_tag(answer):
        return f"; the machine tagged it {answer}"
    kind = answer.removeprefix(WITHOUT_TAG)
    what = answer if kind == answer else f"{phrase(kind)}, for which there is no tag"
    return f"; the machine said: {what}"
