"""Translate conditions into SQL, always with bound values."""

from collections.abc import Callable, Mapping, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, literal, not_, or_, true

from tagger.inventory.columns import Condition, Operator, Value
from tagger.inventory.dialects import position
from tagger.inventory.tables import VIEW, PathText
from tagger.text import spellings

_COMPARISON: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    Operator.EQUAL: eq,
    Operator.LESS: lt,
    Operator.AT_MOST: le,
    Operator.MORE: gt,
    Operator.AT_LEAST: ge,
}


def meeting(conditions: Sequence[Condition]) -> ColumnElement[bool]:
    """Return the clause for the rows of the view that meet all conditions."""
    return and_(true(), *map(_clause, conditions))


def _clause(condition: Condition) -> ColumnElement[bool]:
    column = VIEW.c[condition.column]
    if condition.operator is Operator.DIFFERENT:
        equal = (_compare(column, Operator.EQUAL, value) for value in condition.values)
        return not_(func.coalesce(or_(*equal), False))
    return or_(
        *(_compare(column, condition.operator, value) for value in condition.values)
    )


def _compare(
    column: ColumnElement[Any], operator: Operator, value: Value
) -> ColumnElement[bool]:
    if not isinstance(value, str):
        return _COMPARISON[operator](column, value)  # type: ignore[no-any-return]
    text = func.coalesce(column, "")
    if operator is Operator.CONTAINS:
        return contains(func.lower(text), value, func.lower)
    if operator is Operator.EQUAL:
        return or_(*(text == literal(name, PathText()) for name in spellings(value)))
    return _COMPARISON[operator](text, literal(value, PathText()))  # type: ignore[no-any-return]


def contains(
    text: ColumnElement[Any],
    part: str,
    read: Callable[[Any], Any] = lambda wanted: wanted,
) -> ColumnElement[bool]:
    """Return the clause for texts that contain a part, however it is composed.

    `read` is applied to the part in SQL.
    """
    wanted = (read(literal(name, PathText())) for name in spellings(part))
    return or_(*(position(text, name) > 0 for name in wanted))
