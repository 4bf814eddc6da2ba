"""Write and read decisions as JSON lines, to move or to archive them.

One object a line, keyed by the digest of the content. A decision holds the views that
the network saw (`prepared`: base64 of zlib of (28, 28, 3) bytes), so that a network can
be trained from the file alone; `preparing` is the preprocessing id. A note is a line of
its own. Importing is idempotent and independent of the order of the lines.
"""

import base64
import binascii
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from tagger.errors import DecisionsError
from tagger.inventory.records import Answer, Decision, DecisionKind, Note
from tagger.records import FIRST_PREPARING, IMAGE_SIDE, VIEWS
from tagger.system.atomic import atomic_write
from tagger.text import encodable

VERSION: Final = 2
"""Version of the format; a newer one is refused. Version 1 had no `preparing`."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREPARED_BYTES = IMAGE_SIDE * IMAGE_SIDE * VIEWS
_LONGEST_LINE = 1_000_000
_LONGEST_TEXT = 10_000


def write_lines(
    records: Iterable[tuple[Decision | Note, list[str]]], stream: TextIO
) -> int:
    """Write decisions and notes with the paths of their content; return the number."""
    count = 0
    for record, paths in records:
        fields = _note(record) if isinstance(record, Note) else _decision(record)
        fields["paths"] = [encodable(path) for path in paths]
        stream.write(json.dumps(fields, ensure_ascii=False) + "\n")
        count += 1
    return count


def write_file(
    records: Iterable[tuple[Decision | Note, list[str]]], target: Path
) -> int:
    """Write decisions and notes to a file atomically; return their number.

    Raises ExportError as `atomic_write` does.
    """
    with atomic_write(target) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        count = write_lines(records, text)
        text.detach()  # flushed; `atomic_write` closes the stream
    return count


def read_lines(stream: BinaryIO, name: str) -> Iterator[Decision | Note]:
    """Yield decisions and notes, with id 0: each inventory assigns its own ids.

    Raises DecisionsError with the number of the first malformed line.
    """
    number = 0
    while line := stream.readline(_LONGEST_LINE + 1):
        number += 1
        try:
            if line.strip():
                yield _record(_loaded(line))
        except (ValueError, RecursionError) as error:
            hint = "not JSON (import an edited export with 'tagger import')"
            raise DecisionsError(f"{name}, line {number}: {hint}") from error
        except _RefusedError as error:
            raise DecisionsError(f"{name}, line {number}: {error}") from error


class _RefusedError(Exception):
    """A line is not a valid decision or note; the message says why."""


def _decision(decision: Decision) -> dict[str, Any]:
    prepared = decision.answer.prepared
    packed = None if prepared is None else base64.b64encode(zlib.compress(prepared))
    return {
        "record": "decision",
        "version": VERSION,
        "digest": decision.answer.digest,
        "kind": decision.answer.kind.value,
        "tag": decision.answer.tag,
        "machine_tag": decision.machine_tag,
        "reviewer": decision.reviewer,
        "decided_at": _moment(decision.decided_at),
        "source": decision.source,
        "undone_at": None
        if decision.undone_at is None
        else _moment(decision.undone_at),
        "prepared": None if packed is None else packed.decode("ascii"),
        "preparing": decision.answer.preparing,
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        "record": "note",
        "version": VERSION,
        "digest": note.digest,
        "text": note.text,
        "reviewer": note.reviewer,
        "written_at": _moment(note.written_at),
    }


def _loaded(line: bytes) -> object:
    if len(line) > _LONGEST_LINE:
        raise _RefusedError("longer than a decision can be")
    return json.loads(line)


def _record(fields: object) -> Decision | Note:
    if not isinstance(fields, dict):
        raise _RefusedError("not a JSON object")
    version = fields.get("version")
    if version not in (1, VERSION):  # a tuple: a damaged one may be a list
        raise _RefusedError(f"version {version!r} is not supported: upgrade tagger")
    digest = _text(fields, "digest")
    if not _DIGEST.fullmatch(digest):
        raise _RefusedError("digest is not a SHA-256")
    if fields.get("record") == "note":
        text, moment = _text(fields, "text"), _time(fields, "written_at")
        return Note(digest, text, _text(fields, "reviewer"), moment)
    if fields.get("record") != "decision":
        raise _RefusedError("record is neither decision nor note")
    return Decision(
        id=0,
        answer=Answer(
            digest,
            *_kind_and_tag(fields),
            _prepared(fields),
            _optional_text(fields, "preparing") or FIRST_PREPARING,
        ),
        reviewer=_text(fields, "reviewer"),
        decided_at=_time(fields, "decided_at"),
        source=_text(fields, "source"),
        machine_tag=_optional_text(fields, "machine_tag"),
        undone_at=None
        if fields.get("undone_at") is None
        else _time(fields, "undone_at"),
    )


def _kind_and_tag(fields: dict[str, Any]) -> tuple[DecisionKind, str | None]:
    try:
        kind = DecisionKind(str(fields.get("kind")))
    except ValueError:
        raise _RefusedError(f"kind {fields.get('kind')!r} is unknown") from None
    tag = _optional_text(fields, "tag")
    if (kind is DecisionKind.NOT_CATALOGUE) != (tag is None):
        raise _RefusedError(f"tag {tag!r} does not go with {kind}")
    return kind, tag


def _prepared(fields: dict[str, Any]) -> bytes | None:
    packed = _optional_text(fields, "prepared")
    if packed is None:
        return None
    try:
        squeezed = base64.b64decode(packed, validate=True)
        # The limit guards against a zip bomb: a short line may hold gigabytes.
        prepared = zlib.decompressobj().decompress(squeezed, _PREPARED_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise _RefusedError("prepared is damaged") from None
    if len(prepared) != _PREPARED_BYTES:
        raise _RefusedError(f"prepared is not {_PREPARED_BYTES:,} bytes")
    return prepared


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
        raise _RefusedError(f"{name} is missing or not a text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _RefusedError(f"{name} has half of a surrogate pair")
    return value


def _optional_text(fields: dict[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _moment(when: datetime) -> str:
    text = when.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _time(fields: dict[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(fields, name))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _RefusedError(f"{name} is not a date and time with a time zone")
