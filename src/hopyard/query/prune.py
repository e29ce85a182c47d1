"""Which files of its snapshots a plan cannot need, by the ranges of values that the tables' logs know per file.

Only what can be told for sure is left out: a file is kept wherever its range is not known. The answer is the same
without pruning; only the files that are opened differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.event_time import event_times_us
from hopyard.model.commit import DataFile, Snapshot
from hopyard.model.plan import And, Compare, FrameSource, IsIn, Node, Plan, Predicate, Value
from hopyard.model.schema import Field
from hopyard.query.values import convert, exact_bound
from hopyard.time import EPOCH, US_PER_DAY, US_PER_UNIT, to_micros

Range = tuple[int, int]
Reach = tuple[int | None, int]
"""The first and the last instant; None: there is no first."""

_RANGED = frozenset({"int", "bigint", "timestamp", "date"})


def prune(
    plan: Plan, snapshots: Mapping[int, Snapshot], frame: pa.Table | None = None
) -> dict[int, Snapshot]:
    """Return the snapshots with only the files that may hold rows which the plan reads.

    A file is left out if a filter of its own group excludes all its rows; and in a point-in-time join if all its rows
    are later than every row of the root, or too old for every row.
    """
    pruned = {index: _filtered(plan.nodes[index], snapshot) for index, snapshot in snapshots.items()}
    for index, times in reach(plan, pruned, frame).items():
        pruned[index] = _in_reach(plan, index, pruned[index], times)
    return pruned


def reach(plan: Plan, snapshots: Mapping[int, Snapshot], frame: pa.Table | None = None) -> dict[int, Reach]:
    """Return between which event times (UTC microseconds) rows of joined nodes can match, where that is known.

    The newest row before the root's first may be anywhere before it, unless there is a limit to its age.
    """
    if not any(join.rule == "point_in_time" for join in plan.joins):
        return {}
    spine = _root_times(plan, snapshots, frame)
    if spine is None:
        return {}
    limits = {
        index: plan.age_limit_us(index)
        for index, join in enumerate(plan.joins, start=1)
        if join.rule == "point_in_time"
    }
    return {index: (None if limit is None else spine[0] - limit, spine[1]) for index, limit in limits.items()}


def _root_times(plan: Plan, snapshots: Mapping[int, Snapshot], frame: pa.Table | None) -> Range | None:
    """Return between which event times (UTC microseconds) the root's rows are; None: unknown."""
    source = plan.root.source
    if source.event_time is None:
        return None
    if isinstance(source, FrameSource):
        assert frame is not None
        if not frame.num_rows:
            return None
        field = plan.field(0, source.event_time)
        times = event_times_us(field, source.event_time_unit, frame.column(source.event_time))
        bounds = pc.min_max(times).as_py()
        return bounds["min"], bounds["max"]
    ranges = [_times_us(plan, 0, file) for file in snapshots[0].files]
    known = [range_ for range_ in ranges if range_ is not None]
    if not known or len(known) < len(ranges):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _times_us(plan: Plan, node: int, file: DataFile) -> Range | None:
    source = plan.nodes[node].source
    assert source.event_time is not None
    range_ = file.ranges.get(source.event_time)
    if range_ is None:
        return None
    kind = plan.field(node, source.event_time).feature_type.kind
    if kind == "timestamp":
        return range_
    factor = US_PER_DAY if kind == "date" else US_PER_UNIT[source.event_time_unit or "us"]
    return range_[0] * factor, range_[1] * factor


def _in_reach(plan: Plan, node: int, snapshot: Snapshot, times: Reach) -> Snapshot:
    low, high = times

    def is_kept(file: DataFile) -> bool:
        found = _times_us(plan, node, file)
        return found is None or (found[0] <= high and (low is None or found[1] >= low))

    return _only(snapshot, is_kept)


def _filtered(node: Node, snapshot: Snapshot) -> Snapshot:
    conditions = list(_conjuncts(node.filter)) if node.filter is not None else []
    if not conditions:
        return snapshot
    fields = {field.name: field for field in node.source.fields}

    def is_kept(file: DataFile) -> bool:
        return all(_may_match(condition, file, fields) for condition in conditions)

    return _only(snapshot, is_kept)


def _only(snapshot: Snapshot, is_kept: Callable[[DataFile], bool]) -> Snapshot:
    files = tuple(file for file in snapshot.files if is_kept(file))
    return snapshot if len(files) == len(snapshot.files) else msgspec.structs.replace(snapshot, files=files)


def _conjuncts(predicate: Predicate) -> Iterator[Predicate]:
    """Yield conditions that every matching row fulfils."""
    if isinstance(predicate, And):
        yield from _conjuncts(predicate.left)
        yield from _conjuncts(predicate.right)
    else:
        yield predicate


def _may_match(condition: Predicate, file: DataFile, fields: Mapping[str, Field]) -> bool:
    """Return False if no row of a file can fulfil a condition."""
    if not isinstance(condition, (Compare, IsIn)):
        return True
    feature = condition.column.feature
    values = condition.values if isinstance(condition, IsIn) else (condition.value,)
    op = "==" if isinstance(condition, IsIn) else condition.op
    if feature in file.partition:
        held = file.partition[feature]
        if held is None:
            return False  # null matches no comparison
        if op == "==" and all(value.type == held.type for value in values):
            return any(value.value == held.value for value in values)
        return True
    range_, field = file.ranges.get(feature), fields[feature]
    if range_ is None or field.feature_type.kind not in _RANGED:
        return True
    return any(_overlaps(range_, op, value, field) for value in values)


def _overlaps(range_: Range, op: str, value: Value, field: Field) -> bool:
    low, high = range_
    type_ = field.feature_type
    python = convert(field.name, type_, value)
    if isinstance(python, datetime):
        number = to_micros(python)
    elif isinstance(python, date):
        number = python.toordinal() - EPOCH.toordinal()
    else:
        bound = exact_bound(op, python, type_)  # type: ignore[arg-type]
        if isinstance(bound, bool):
            return bound
        op, number = bound[0], int(bound[1])
    return {
        "==": low <= number <= high,
        "!=": True,
        "<": low < number,
        "<=": low <= number,
        ">": high > number,
        ">=": high >= number,
    }[op]
