"""Filters as people read them: `temp > 30 and city in ('oslo', 'bergen')`."""

from __future__ import annotations

from hopyard.model.plan import And, Column, IsIn, IsNull, Like, Not, Or, Plan, Predicate
from hopyard.time import show, to_micros

MAX_VALUES = 5


def predicate_text(plan: Plan, predicate: Predicate, *, node: int | None = None) -> str:
    """Return a filter in words.

    Args:
        node: the node whose own filter it is; None: a filter on the joined rows, whose columns name their groups.
    """
    if isinstance(predicate, (And, Or)):
        word = "and" if isinstance(predicate, And) else "or"
        sides = (predicate_text(plan, side, node=node) for side in (predicate.left, predicate.right))
        return f"({f' {word} '.join(sides)})"
    if isinstance(predicate, Not):
        return f"not {predicate_text(plan, predicate.operand, node=node)}"
    name = _name(plan, predicate.column, node)
    if isinstance(predicate, IsNull):
        return f"{name} is null"
    if isinstance(predicate, Like):
        return f"{name} like {predicate.pattern!r}"
    if isinstance(predicate, IsIn):
        values = [_shown(value.to_python()) for value in predicate.values[:MAX_VALUES]]
        more = len(predicate.values) - MAX_VALUES
        return f"{name} in ({', '.join(values)}{f', and {more} more' if more > 0 else ''})"
    return f"{name} {predicate.op} {_shown(predicate.value.to_python())}"


def _name(plan: Plan, column: Column, node: int | None) -> str:
    if node is not None or len(plan.nodes) == 1:
        return column.feature
    return f"{plan.nodes[column.node].source.label}.{column.feature}"


def _shown(value: object) -> str:
    try:
        return show(to_micros(value)) if hasattr(value, "tzinfo") else repr(value)  # type: ignore[arg-type]
    except (OverflowError, ValueError):
        return repr(value)
