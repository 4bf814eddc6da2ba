"""The tags that a shop added to those that its networks can say.

Functions of a connection; whoever calls them opens the transaction.
"""

from itertools import chain

from sqlalchemy import Connection, delete, distinct, func, insert, select

from tagger.errors import ReviewError
from tagger.inventory.rows import now
from tagger.inventory.tables import DECISION, MODEL, OWN_TAG
from tagger.labels import is_tag
from tagger.records import AMBIGUOUS, FASHION_LABELS, NOT_CATALOGUE, OwnTag

LONGEST = 64
"""Characters of a tag: it must fit a column of the screen."""


def add(connection: Connection, tag: str, reviewer: str) -> bool:
    """Add a tag; False where there is one that is spelt so.

    Raises ReviewError where it is no word, or a reserved one, or differs from a tag
    that there is in upper and lower case alone.
    """
    _check(tag)
    known = {one.casefold(): one for one in every(connection)}
    spelt = known.get(tag.casefold())
    if spelt is not None and spelt != tag:
        raise ReviewError(f"there is a tag {spelt}, which differs in case alone")
    if spelt is not None:
        return False
    values = {"tag": tag, "added_at": now(), "added_by": reviewer}
    connection.execute(insert(OWN_TAG).values(**values))
    return True


def remove(connection: Connection, tag: str) -> None:
    """Offer a tag no more; what was decided stays. ReviewError where it is not one."""
    gone = connection.execute(delete(OWN_TAG).where(OWN_TAG.c.tag == tag))
    if not gone.rowcount:
        raise ReviewError(
            f"{tag} is no tag that was added here: see 'tagger tags list'"
        )


def own(connection: Connection) -> tuple[OwnTag, ...]:
    """Return the shop's own tags, the oldest first.

    With the number of pictures, each bytes once, that a person says show it.
    """
    examples = (
        select(func.count(distinct(DECISION.c.digest)))
        .where(DECISION.c.tag == OWN_TAG.c.tag, DECISION.c.undone_at.is_(None))
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
