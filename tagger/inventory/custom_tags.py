"""The tags that a shop added to those that its networks can say.

Functions of a connection; whoever calls them opens the transaction.
"""

from collections import Counter
from itertools import chain

from sqlalchemy import Connection, delete, distinct, func, insert, select

from tagger.errors import ReviewError
from tagger.inventory.mapping import kind_tags, now
from tagger.inventory.records import KindInShop, OwnTag
from tagger.inventory.tables import (
    DECISION,
    IMAGE,
    KIND_TAG,
    MODEL,
    OWN_TAG,
    WAITING,
    is_standing,
)
from tagger.labels import is_tag, kind_named, kinds_of, phrase
from tagger.records import AMBIGUOUS, FASHION_LABELS, NO_TAG, NOT_CATALOGUE, State

LONGEST = 64
"""Characters of a tag: it must fit a column of the screen."""


def add(connection: Connection, tag: str, reviewer: str) -> bool:
    """Add a tag; False where there is one that is spelt so.

    Where it names a kind that the networks here know, the kind has this tag from now
    on. Raises ReviewError where it is no word, or a reserved one, or differs from a tag
    that there is in upper and lower case alone.
    """
    _check(tag)
    known = {one.casefold(): one for one in every(connection)}
    spelt = known.get(tag.casefold())
    if spelt is not None and spelt != tag:
        raise ReviewError(f"there is a tag {spelt}, which differs in case alone")
    if spelt is None:
        values = {"tag": tag, "added_at": now(), "added_by": reviewer}
        connection.execute(insert(OWN_TAG).values(**values))
    kind = kind_named(tag, _kinds(connection))
    if kind is not None and kind not in kind_tags(connection):
        _put(connection, kind, tag, reviewer)
    return spelt is None


def map_kind(connection: Connection, word: str, tag: str, reviewer: str) -> str:
    """Give a kind of thing a tag that there is; return the kind.

    Raises ReviewError, with those that there are, where the networks here know no such
    kind, or where there is no such tag.
    """
    kind = _kind(connection, word)
    known = {one.casefold(): one for one in every(connection)}
    if tag.casefold() not in known:
        raise ReviewError(
            f"there is no tag {tag}: 'tagger tags add' adds one, and these there are: "
            + ", ".join(known.values())
        )
    _put(connection, kind, known[tag.casefold()], reviewer)
    return kind


def unmap_kind(connection: Connection, word: str) -> str:
    """Let a kind have no tag again; return it. ReviewError where it has none."""
    kind = _kind(connection, word)
    gone = connection.execute(delete(KIND_TAG).where(KIND_TAG.c.kind == kind))
    if not gone.rowcount:
        raise ReviewError(f"{kind} has no tag here: see 'tagger tags suggest'")
    return kind


def kinds_in_shop(connection: Connection) -> tuple[KindInShop, ...]:
    """Return the kinds without a tag that the networks find here, most waiting first.

    With a kind go what persons said of its pictures, and the tag that it was given.
    """
    kinds = _kinds(connection)
    by_phrase = {f"{NO_TAG}{phrase(kind)},": kind for kind in kinds}
    waiting: dict[str, set[str]] = {kind: set() for kind in kinds}
    in_force: dict[str, dict[str, str | None]] = {kind: {} for kind in kinds}
    query = (
        select(
            IMAGE.c.flag_reason,
            IMAGE.c.digest,
            WAITING.c.image_id,
            DECISION.c.id,
            DECISION.c.tag,
        )
        .outerjoin(WAITING, WAITING.c.image_id == IMAGE.c.id)
        .outerjoin(
            DECISION,
            (DECISION.c.digest == IMAGE.c.digest) & is_standing(),
        )
        .where(
            IMAGE.c.state == State.TAGGED,
            IMAGE.c.flag_reason.startswith(NO_TAG, autoescape=True),
        )
        .order_by(DECISION.c.decided_at, DECISION.c.id)
    )
    for reason, digest, waits, decided, tag in connection.execute(query):
        kind = next((k for p, k in by_phrase.items() if reason.startswith(p)), None)
        if kind is None:
            continue
        if waits is not None:
            waiting[kind].add(str(digest))
        if decided is not None:
            in_force[kind][str(digest)] = tag  # the newest comes last
    tags = kind_tags(connection)
    said = {kind: Counter(by_digest.values()) for kind, by_digest in in_force.items()}
    found = (
        KindInShop(
            kind, len(waiting[kind]), tuple(said[kind].most_common()), tags.get(kind)
        )
        for kind in kinds
        if waiting[kind] or said[kind] or kind in tags
    )
    return tuple(sorted(found, key=lambda one: (-one.waiting, one.kind)))


def _kinds(connection: Connection) -> list[str]:
    """Return the kinds that the networks know which classified here."""
    labels = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
    return list(dict.fromkeys(kinds_of(tuple(chain.from_iterable(labels)))))


def _kind(connection: Connection, word: str) -> str:
    kinds = _kinds(connection)
    kind = kind_named(word, kinds)
    if kind is None:
        known = ", ".join(kinds) or "none: scan first"
        raise ReviewError(f"no network here knows the kind {word} (known: {known})")
    return kind


def _put(connection: Connection, kind: str, tag: str, reviewer: str) -> None:
    connection.execute(delete(KIND_TAG).where(KIND_TAG.c.kind == kind))
    connection.execute(
        insert(KIND_TAG).values(kind=kind, tag=tag, mapped_at=now(), mapped_by=reviewer)
    )


def remove(connection: Connection, tag: str) -> None:
    """Offer a tag no more; what was decided stays. ReviewError where it is not one.

    Kinds that had it have no tag again.
    """
    gone = connection.execute(delete(OWN_TAG).where(OWN_TAG.c.tag == tag))
    if not gone.rowcount:
        raise ReviewError(
            f"{tag} is no tag that was added here: see 'tagger tags list'"
        )
    connection.execute(delete(KIND_TAG).where(KIND_TAG.c.tag == tag))


def own(connection: Connection) -> tuple[OwnTag, ...]:
    """Return the shop's own tags, the oldest first.

    With the number of pictures, each bytes once, that a person says show it.
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
    return tuple(OwnTag(*row) for row in rows)


def every(connection: Connection) -> list[str]:
    """Return every tag there can be.

    Fashion-MNIST's, those of the networks that classified here, the shop's own, and
    those of decisions.
    """
    of_networks = connection.scalars(select(MODEL.c.labels).order_by(MODEL.c.id))
    own_ones = connection.scalars(select(OWN_TAG.c.tag).order_by(OWN_TAG.c.added_at))
    said = select(DECISION.c.tag).distinct().where(DECISION.c.tag.is_not(None))
    decided = connection.scalars(said.order_by(DECISION.c.tag))
    found = dict.fromkeys(
        chain(FASHION_LABELS, chain.from_iterable(of_networks), own_ones, decided)
    )
    return [tag for tag in found if tag is not None and is_tag(tag)]


def _check(tag: str) -> None:
    if not tag or not tag.isprintable() or tag != tag.strip():
        raise ReviewError("a tag is a word or a few, without spaces around them")
    if len(tag) > LONGEST:
        raise ReviewError(f"a tag has at most {LONGEST} characters")
    if tag.casefold() in {AMBIGUOUS, NOT_CATALOGUE} or not is_tag(tag.casefold()):
        raise ReviewError(f"{tag} is a word that tagger keeps for itself")
    if tag.isdecimal() or len(tag) == 1:
        raise ReviewError("digits and single letters are keys of the review")
