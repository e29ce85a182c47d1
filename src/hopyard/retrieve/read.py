"""Run a plan and return Arrow."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa

from hopyard.compute.convert import check_dataframe_type, check_limit, to_dataframe
from hopyard.errors import HopyardWarning, MultipleMatchesError, QueryError
from hopyard.model.commit import Snapshot
from hopyard.model.plan import And, Column, Compare, CompareOp, Output, Plan, Value
from hopyard.model.types import parse_type
from hopyard.query.build import check_ages, find_output
from hopyard.query.dialects import capabilities_of
from hopyard.query.lower import lower, lower_matches, multiples
from hopyard.query.prune import prune
from hopyard.query.resolve import existing_features, resolve
from hopyard.retrieve.assemble import collect, stream
from hopyard.session import Session
from hopyard.time import US_PER_DAY, US_PER_UNIT, show


def read_plan(
    session: Session,
    plan: Plan,
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    missing: Literal["drop", "null"] = "drop",
    limit: int | None = None,
) -> pa.Table:
    """Return the rows of a plan.

    Args:
        frame: the rows of a frame root.
        order_by: (node, feature) pairs to sort by.
        limit: at most so many rows.
        missing: what becomes of features that did not exist at the commit read: left out, or null as through a view.
    Raises:
        MultipleMatchesError: a plain join would multiply rows.
        TimeTravelError: see `query.resolve`.
    """
    resolved, snapshots = resolve(session, plan)
    return read_resolved(
        session, resolved, snapshots, frame=frame, order_by=order_by, missing=missing, limit=limit
    )


def read_resolved(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    missing: Literal["drop", "null"] = "drop",
    limit: int | None = None,
) -> pa.Table:
    """Return the rows of a plan whose commits are resolved; see `read_plan`."""
    plan, needed = _ready(session, plan, snapshots, frame, missing)
    return collect(session, plan, needed, frame=frame, order_by=order_by, limit=limit)


def stream_resolved(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    missing: Literal["drop", "null"] = "drop",
    limit: int | None = None,
) -> pa.RecordBatchReader:
    """Return the rows of a plan whose commits are resolved, as a stream of batches; see `read_plan`."""
    plan, needed = _ready(session, plan, snapshots, frame, missing)
    return stream(session, plan, needed, frame=frame, order_by=order_by, limit=limit)


def _ready(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    frame: pa.Table | None,
    missing: Literal["drop", "null"],
) -> tuple[Plan, Mapping[int, Snapshot]]:
    """Return the plan and the snapshots as they are read, checked; warn of what its user should know."""
    if missing == "drop":
        plan = existing_features(plan, snapshots)
    if not plan.outputs:
        raise QueryError("The query has no column to return. Select at least one feature.")
    check_ages(plan)
    for note in as_of_now(plan):
        warnings.warn(note, HopyardWarning, stacklevel=3)
    needed = prune(plan, snapshots, frame)
    _check_single_matches(session, plan, needed, frame)
    _warn_of_lost_matches(session, plan, needed, frame)
    return plan, needed


def as_of_now(plan: Plan) -> tuple[str, ...]:
    """Return a note for each join that reads the newest row, because the root has no event time to be right at."""
    return tuple(
        f"{plan.root.source.label!r} has no event time, so each row is joined with the newest row of "
        f"{plan.nodes[index].source.label!r}, whenever it came: this data is as of now, not as of the row."
        for index, join in enumerate(plan.joins, start=1)
        if join.rule == "newest"
    )


def with_outputs(plan: Plan, outputs: Sequence[Output]) -> Plan:
    """Return the plan with other outputs."""
    return msgspec.structs.replace(plan, outputs=tuple(outputs))


def time_range(plan: Plan, start_us: int | None, end_us: int | None) -> Plan:
    """Return the plan with only the root's rows with `start <= event time < end` (UTC microseconds).

    Raises:
        QueryError: the root has no event time, or the range ends before it starts.
    """
    source = plan.root.source
    if start_us is None and end_us is None:
        return plan
    if source.event_time is None:
        raise QueryError(f"start_time and end_time select by event time, and {source.label!r} has none.")
    if start_us is not None and end_us is not None and end_us < start_us:
        raise QueryError(
            f"start_time={show(start_us)} is later than end_time={show(end_us)}: no row is in that range. Swap them."
        )
    type_ = plan.field(0, source.event_time).type
    node = plan.root
    bounds: list[tuple[CompareOp, int | None]] = [(">=", start_us), ("<", end_us)]
    for op, micros in bounds:
        if micros is None:
            continue
        value = _event_value(type_, source.event_time_unit, micros)
        compare = Compare(column=Column(feature=source.event_time, node=0), op=op, value=value)
        filter_ = compare if node.filter is None else And(left=node.filter, right=compare)
        node = msgspec.structs.replace(node, filter=filter_)
    return msgspec.structs.replace(plan, nodes=(node, *plan.nodes[1:]))


def _event_value(type_: str, unit: str | None, micros: int) -> Value:
    """Return the smallest stored event time at or after an instant: both bounds compare alike with it."""
    kind = parse_type(type_).kind
    if kind == "timestamp":
        return Value(type="timestamp", value=micros)
    if kind == "date":
        return Value(type="date", value=-(-micros // US_PER_DAY))
    return Value(type="bigint", value=-(-micros // US_PER_UNIT[unit or "us"]))


def _check_single_matches(
    session: Session, plan: Plan, snapshots: Mapping[int, Snapshot], frame: pa.Table | None
) -> None:
    for index, join in enumerate(plan.joins, start=1):
        if join.rule != "equal" or join.allow_many or not plan.remaining_key(index):
            continue
        statement = multiples(plan, snapshots, session.engine.capabilities, index, frame=frame)
        found = session.engine.collect(statement)
        if found.num_rows:
            example = found.drop_columns(["__count"]).to_pylist()[0]
            raise MultipleMatchesError(
                f"{plan.nodes[index].source.label!r} has {found.column('__count')[0].as_py()} rows for {example}: the "
                f"join covers only a part of its primary key (open: {', '.join(plan.remaining_key(index))}), so it "
                f"would multiply rows. Join on the whole key, filter the group first, or pass allow_many=True."
            )


def _warn_of_lost_matches(
    session: Session, plan: Plan, snapshots: Mapping[int, Snapshot], frame: pa.Table | None
) -> None:
    """Warn if as_known() loses most matches of a group: its history was committed later than it happened."""
    if plan.known_delay_us is None or not plan.joins:
        return
    any_time = msgspec.structs.replace(plan, known_delay_us=None)
    found, possible = (
        session.engine.collect(lower_matches(asked, snapshots, session.engine.capabilities, frame=frame))
        for asked in (plan, any_time)
    )
    for index in range(1, len(plan.nodes)):
        n_found, n_possible = (counts.column(index - 1)[0].as_py() for counts in (found, possible))
        if n_found * 2 < n_possible:
            warnings.warn(
                f"as_known() finds a row of {plan.nodes[index].source.label!r} for {n_found} rows, and {n_possible} "
                f"would have one but for when it was committed: most of its history was committed later than it "
                f"happened. Allow for the lag with as_known(delay=...), or load old data with "
                f"insert(..., committed_at=...).",
                HopyardWarning,
                stacklevel=3,
            )


def query_frame(
    session: Session,
    plan: Plan,
    dataframe_type: str,
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> Any:
    """Return the rows of a plan as a dataframe; see `Query.read`."""
    check_dataframe_type(dataframe_type)
    names = (order_by,) if isinstance(order_by, str) else order_by
    places = [find_output(plan, name) for name in names]
    orders = tuple((out.node, out.feature) for out in places)
    check_limit(limit)
    rows = read_plan(session, plan, frame=frame, order_by=orders, limit=limit)
    return to_dataframe(rows, dataframe_type)


def query_batches(session: Session, plan: Plan, *, frame: pa.Table | None = None) -> pa.RecordBatchReader:
    """Return the rows of a plan as a stream of batches; see `Query.read_batches`."""
    resolved, snapshots = resolve(session, plan)
    return stream_resolved(session, resolved, snapshots, frame=frame)


def to_sql(session: Session, plan: Plan, *, frame: pa.Table | None = None, dialect: str | None = None) -> str:
    """Return the SQL of a plan, formatted, over the files that it would read now; see `Query.to_string`."""
    engine = session.engine.capabilities if dialect is None else capabilities_of(dialect)
    resolved, snapshots = resolve(session, plan)
    existing = existing_features(resolved, snapshots)
    statement = lower(existing, prune(existing, snapshots, frame), engine, frame=frame)
    return statement.tree.sql(dialect=engine.dialect, pretty=True)
