"""The rules of queries, in plain Python: slow, and short enough to be read as their specification.

It takes a plan and the rows of each of its nodes, and says what every engine has to answer. It shares no code with the
engines. Null is None. Two values are equal when their feature types are comparable and their values are equal; nothing
is converted, and null equals nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from hopyard.errors import MultipleMatchesError
from hopyard.model.plan import (
    And,
    Column,
    IsIn,
    IsNull,
    Join,
    Like,
    Not,
    Or,
    Plan,
    Predicate,
    Source,
)
from hopyard.model.types import FeatureType
from hopyard.time import to_micros

Row = Mapping[str, Any]
Chosen = dict[int, Row]
"""One row of the joined result: the row of each node that has a match."""
Look = Callable[[Column], tuple[FeatureType, Any]]
"""Returns the type and the value of a column."""

COMMITTED, REPLACED = "__committed_at_us", "__replaced_at_us"
_UNIT_US = {"s": 1_000_000, "ms": 1_000, "us": 1}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def answer(plan: Plan, tables: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """Return the rows that a plan asks for, in the order of the root's rows, with the names of its outputs.

    Args:
        tables: for each node of the plan its rows, in any order, already as of the commit to read; a feature that a row
            lacks is null. For `as_known` and `exclude_until` a row also has COMMITTED, when it was committed, and
            REPLACED, when a later commit replaced or removed it (absent: never), in UTC microseconds; for `as_known`
            the replaced and removed rows of joined groups are there, too.
    Raises:
        MultipleMatchesError: a join without event times finds several rows for one left row, without `allow_many`.
    """
    root = plan.root.source
    result = []
    for row in _filtered(plan, tables, 0):
        at = None if root.event_time is None else event_time_us(root, row)
        for chosen in _with_joined(plan, tables, 0, row, at):
            if plan.filter is None or holds(plan.filter, _look_in(plan, chosen)):
                result.append({out.name: chosen.get(out.node, {}).get(out.feature) for out in plan.outputs})
    return result


def event_time_us(source: Source, row: Row) -> int:
    """Return the event time of a row in UTC microseconds; a date is 00:00 UTC of that day."""
    assert source.event_time is not None
    value = row[source.event_time]
    return to_micros(value) if isinstance(value, date) else value * _UNIT_US[source.event_time_unit or "us"]


def _filtered(plan: Plan, tables: Sequence[Sequence[Row]], node: int) -> list[Row]:
    """A filter on a group's own query removes rows before any is chosen; all its columns are the group's own."""
    predicate = plan.nodes[node].filter

    def look(row: Row) -> Look:
        return lambda column: (plan.field(node, column.feature).feature_type, row.get(column.feature))

    since = plan.nodes[node].exclude_until_us
    later = [row for row in tables[node] if since is None or row[COMMITTED] > since]
    return [row for row in later if predicate is None or holds(predicate, look(row))]


def _with_joined(
    plan: Plan, tables: Sequence[Sequence[Row]], node: int, row: Row, at: int | None
) -> list[Chosen]:
    """A row with what is joined to it; nothing if an inner join finds nothing, as if the row were not there."""
    combined: list[Chosen] = [{node: row}]
    for child in plan.children(node):
        found = _matches(plan, tables, child, row, at)
        if not found and plan.join_of(child).how == "inner":
            return []
        combined = [{**left, **right} for left in combined for right in found or [{}]]
    return combined


def _matches(
    plan: Plan, tables: Sequence[Sequence[Row]], node: int, parent: Row, at: int | None
) -> list[Chosen]:
    """What a node gives to one row of its parent: at every level the root's event time `at` counts."""
    join = plan.join_of(node)
    equal = [row for row in _filtered(plan, tables, node) if _keys_equal(join, parent, row)]
    if plan.known_delay_us is not None:
        assert at is not None
        equal = [row for row in equal if _is_known(row, at + plan.known_delay_us)]
    chosen = _choose(plan, node, equal, at)
    return [below for row in chosen for below in _with_joined(plan, tables, node, row, at)]


def _is_known(row: Row, when_us: int) -> bool:
    """Of the versions of a row, the one that was committed last by then, unless it was removed by then."""
    return bool(row[COMMITTED] <= when_us and (row.get(REPLACED) is None or when_us < row[REPLACED]))


def _keys_equal(join: Join, parent: Row, row: Row) -> bool:
    pairs = ((parent.get(key.left), row.get(key.right)) for key in join.keys)
    return all(left is not None and right is not None and left == right for left, right in pairs)


def _choose(plan: Plan, node: int, rows: list[Row], at: int | None) -> list[Row]:
    """Of the rows with the join key, those that match."""
    join, source = plan.join_of(node), plan.nodes[node].source
    if join.rule == "equal":
        if len(rows) > 1 and not join.allow_many:
            raise MultipleMatchesError(f"{source.label!r} has {len(rows)} rows for one left row.")
        return rows
    if join.rule == "point_in_time":
        assert at is not None
        rows = [row for row in rows if event_time_us(source, row) <= at]
    if not rows:
        return []
    # Ties are possible where the join leaves a part of the primary key open: the greatest one wins.
    remaining = plan.remaining_key(node)
    newest = max(rows, key=lambda row: (event_time_us(source, row), *(row[column] for column in remaining)))
    limit = plan.age_limit_us(node)
    if limit is not None and at is not None and at - event_time_us(source, newest) > limit:
        return []
    return [newest]


def holds(predicate: Predicate, look: Look) -> bool:
    """Return whether a filter matches: unknown, by SQL's null, is no match."""
    return _truth(predicate, look) is True


def _look_in(plan: Plan, chosen: Chosen) -> Look:
    return lambda column: (
        plan.field(column.node, column.feature).feature_type,
        chosen.get(column.node, {}).get(column.feature),
    )


def _truth(predicate: Predicate, look: Look) -> bool | None:
    """SQL's three answers: true, false, and None for unknown."""
    if isinstance(predicate, Not):
        inner = _truth(predicate.operand, look)
        return None if inner is None else not inner
    if isinstance(predicate, (And, Or)):
        sides = (_truth(predicate.left, look), _truth(predicate.right, look))
        decisive = isinstance(predicate, Or)
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    type_, value = look(predicate.column)
    if isinstance(predicate, IsNull):
        return value is None
    if value is None:
        return None
    if isinstance(predicate, Like):
        return _like(predicate.pattern).fullmatch(value) is not None
    if isinstance(predicate, IsIn):
        return any(_compare(type_, value, "==", item.to_python()) for item in predicate.values)
    return _compare(type_, value, predicate.op, predicate.value.to_python())


def _compare(type_: FeatureType, value: Any, op: str, other: Any) -> bool:
    """Numbers by their exact values, NaN as IEEE has it; text stands for an instant beside a timestamp or a date."""
    if type_.kind in ("timestamp", "date"):
        value, other = to_micros(value), to_micros(other)
    elif type_.kind in ("float", "double"):
        other = float(other)
    elif other != other:  # NaN beside a whole number or a decimal
        return op == "!="
    elif type_.kind == "decimal" and isinstance(other, float) and abs(other) != float("inf"):
        other = Decimal(repr(other))  # 0.1 stands for the decimal 0.1
    return _OPERATORS[op](value, other)


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    return re.compile("".join(parts.get(token) or re.escape(token[-1]) for token in tokens), re.DOTALL)
