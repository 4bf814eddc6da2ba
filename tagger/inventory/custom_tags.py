"""Custom tags, and the tags that a shop gives to kinds.

The functions take a connection; their caller opens the transaction.
"""

from collections import Counter
from itertools import chain

from sqlalchemy import Connection, delete, distinct, func, insert, select

from tagger.errors import ReviewError
from tagger.inventory.mapping import kind_tags, now
from tagger.inventory.records import CustomTag, KindInShop
from tagger.inventory.tables import (
    DECISION,
    IMAGE,
    IN_FORCE,
    KIND_TAG,
    MODEL,
    OWN_TAG,
    PREDICTION,
    WAITING,
    is_doubtful,
    is_standing,
)
from tagger.labels import is_tag, kind_named, kinds_of
from tagger.records import AMBIGUOUS, FASHION_LABELS, State, is_without_tag
from tagger.text import as_typed

LONGEST = 64
"""Maximum characters of a tag: it must fit a column of the screen."""


def add(connection: Connection, tag: str, reviewer: str) -> bool:
    """Add a custom tag; return False if the tag exists already.

    If it names a kind that the networks here know, the kind gets this tag. Raises
    ReviewError if the text cannot be a tag, is a reserved word, or differs from an
    existing tag only in upper and lower case.
    """
    _check(tag)
    existing_tags = {existing.casefold(): existing for existing in every(connection)}
    existing = existing_tags.get(tag.casefold())
    if existing is not None and existing != tag:
        raise ReviewError(
            f"the tag {existing} exists already, and differs only in upper and lower "
            "case: use that one"
        )
    if existing is None:
        values = {"tag": tag, "added_at": now(), "added_by": reviewer}
        connection.execute(insert(OWN_TAG).values(**values))
    kind = kind_named(tag, kinds(connection))
    if kind is not None and kind not in kind_tags(connection):
        _put(connection, kind, tag, reviewer)
    return existing is None


def map_kind(connection: Connection, word: str, tag: str, reviewer: str) -> str:
    """Give a kind an existing tag; return the kind.

    Raises ReviewError, with the known names, if no network here knows the kind, or if
    the tag does not exist.
    """
    kind = _kind(connection, word)
    existing_tags = {existing.casefold(): existing for existing in every(connection)}
    if tag.casefold() not in existing_tags:
        raise ReviewError(
            f"there is no tag {tag}: 'tagger tags add {as_typed(tag)}' adds it, or use "
            "one of " + ", ".join(existing_tags.values())
        )
    _put(connection, kind, existing_tags[tag.casefold()], reviewer)
    return kind


def unmap_kind(connection: Connection, word: str) -> str:
    """Take the tag of a kind away; return the kind. ReviewError if it has no tag."""
    kind = _kind(connection, word)
    deleted = connection.execute(delete(KIND_TAG).where(KIND_TAG.c.kind == kind))
    if not deleted.rowcount:
        raise ReviewError(f"{kind} has no tag here: see 'tagger tags suggest'")
    return kind


def kinds_in_shop(connection: Connection) -> tuple[KindInShop, ...]:
    """Return the kinds that the networks find here, longest queue first.

    Each with the tags that people gave to its pictures, and its own tag, if any.
    """
    known = kinds(connection)
    waiting: dict[str, set[str]] = {kind: set() for kind in known}
    in_force: dict[str, dict[str, str | None]] = {kind: {} for kind in known}
    query = (
        select(
            PREDICTION.c.kind,
            IMAGE.c.digest,
            WAITING.c.image_id,
            IN_FORCE.c.id,
            IN_FORCE.c.tag,
        )
        .join(PREDICTION, PREDICTION.c.id == IMAGE.c.prediction_id)
        .outerjoin(WAITING, WAITING.c.image_id == IMAGE.c.id)
        .outerjoin(IN_FORCE, IN_FORCE.c.digest == IMAGE.c.digest)
        .where(
            IMAGE.c.state == State.TAGGED,
            is_doubtful(),
            PREDICTION.c.kind.in_(known),
        )
    )
    for kind, digest, waits, decided, tag in connection.execute(query):
        if waits is not None:
            waiting[kind].add(str(digest))
        if decided is not None:
            in_force[kind][str(digest)] = tag
    tags = kind_tags(connection)
    answers = {
        kind: Counter(by_digest.values()) for kind, by_digest in in_force.items()
    }
    in_shop = (
        KindInShop(
            kind, len(waiting[kind]), tuple(answers[kind].most_common()), tags.get(kind)
        )
        for kind in known
        if waiting[kind] or answers[kind] or kind in tags
    )
    return tuple(sorted(in_shop, key=lambda here: (-here.waiting, here.kind)))


def kinds(connection: Connection) -> list[str]:
    """Return the kinds known to the networks that classified here."""
    labels = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
    return list(dict.fromkeys(kinds_of(tuple(chain.from_iterable(labels)))))


def _kind(connection: Connection, word: str) -> str:
    known = kinds(connection)
    kind = kind_named(word, known)
    if kind is None:
        if not known:
            raise ReviewError("no kinds are known yet: run 'tagger scan FOLDER' first")
        raise ReviewError(
            f"the network knows no kind {word}: choose one of {', '.join(known)}"
        )
    return kind


def _put(connection: Connection, kind: str, tag: str, reviewer: str) -> None:
    connection.execute(delete(KIND_TAG).where(KIND_TAG.c.kind == kind))
    connection.execute(
        insert(KIND_TAG).values(kind=kind, tag=tag, mapped_at=now(), mapped_by=reviewer)
    )


def remove(connection: Connection, tag: str) -> None:
    """Stop offering a custom tag; ReviewError if it is not a custom tag.

    Decisions stay. Kinds with this tag lose it.
    """
    deleted = connection.execute(delete(OWN_TAG).where(OWN_TAG.c.tag == tag))
    if not deleted.rowcount:
        raise ReviewError(f"{tag} is not a custom tag here: see 'tagger tags list'")
    connection.execute(delete(KIND_TAG).where(KIND_TAG.c.tag == tag))


def own(connection: Connection) -> tuple[CustomTag, ...]:
    """Return the custom tags, oldest first.

    Each with the number of contents to which a person gave it.
    """
    examples = (
        select(func.count(distinct(DECISION.c.digest)))
        .where(DECISION.c.tag == OWN_TAG.c.tag, is_standing())
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            OWN_TAG.c.tag, OWN_TAG.c.added_at, OWN_TAG.c.added_by, examples
        ).order_by(OWN_TAG.c.added_at, OWN_TAG.c.tag)
    )
    return tuple(CustomTag(*row) for row in rows)


def every(connection: Connection) -> list[str]:
    """Return every possible tag, in this order, each once.

    Those of Fashion-MNIST, of the networks that classified here, the custom tags, and
    those of standing decisions.
    """
    of_networks = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
    custom = connection.scalars(select(OWN_TAG.c.tag).order_by(OWN_TAG.c.added_at))
    answers = select(DECISION.c.tag).distinct()
    answers = answers.where(DECISION.c.tag.is_not(None), is_standing())
    decided = connection.scalars(answers.order_by(DECISION.c.tag))
    distinct_labels = dict.fromkeys(
        chain(FASHION_LABELS, chain.from_iterable(of_networks), custom, decided)
    )
    return [tag for tag in distinct_labels if tag is not None and is_tag(tag)]


def _check(tag: str) -> None:
    if not tag or not tag.isprintable() or tag != tag.strip():
        raise ReviewError("a tag is one word or a few, without spaces around them")
    if len(tag) > LONGEST:
        raise ReviewError(f"a tag has at most {LONGEST} characters")
    plain = tag.casefold()
    if plain == AMBIGUOUS or is_without_tag(plain) or not is_tag(plain):
        raise ReviewError(f"{tag} is a reserved word: choose another one")
    if tag.isdecimal() or len(tag) == 1:
        raise ReviewError(
            "digits and single letters are keys in the review: choose a longer word"
        )
