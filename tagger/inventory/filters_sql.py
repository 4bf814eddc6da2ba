"""Translate conditions into SQL, always with bound values."""

from collections.abc import Callable, Mapping, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, literal, not_, or_, true

from tagger.inventory.columns import Condition, Operator, Value
from tagger.inventory.tables import VIEW, PathText

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
    text, wanted = func.coalesce(column, ""), literal(value, PathText())
    if operator is Operator.CONTAINS:
        return func.instr(func.lower(text), func.lower(wanted)) > 0
    return _COMPARISON[operator](text, wanted)  # type: ignore[no-any-return]
