"""Describe the history of a path in sentences."""

from collections.abc import Iterator, Mapping
from typing import Final

from tagger.inventory.records import DecisionKind, PathEvent, PathHistory
from tagger.labels import is_tag, kind_of, phrase

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
            last = tagging[-1] is event and history.probabilities
            said = _prediction(history.probabilities) if last else _recorded(event)
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
    """Return the tag that an earlier scan recorded with its event."""
    tag = event.detail.removeprefix("tagged ").removeprefix("as ")
    return f"; the machine tagged it {tag}" if tag else ""


def _prediction(probabilities: Mapping[str, float]) -> str:
    """Describe the newest prediction with its confidence."""
    tags = [label for label in probabilities if is_tag(label)]
    tag = max(tags, key=lambda label: probabilities[label])
    label = max(probabilities, key=lambda name: probabilities[name])
    said = f"; the machine tagged it {tag}, {probabilities[tag]:.2f}"
    if label == tag:
        return said
    named = phrase(kind_of(label)) if kind_of(label) else label
    return f"{said}, in doubt: {named} {probabilities[label]:.2f}"
