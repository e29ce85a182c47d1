"""Explains a query: its join tree, why each key was chosen, what is read, and what became of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa

from hopyard.model.commit import Snapshot
from hopyard.model.explanation import ExplainedFeature, ExplainedNode, Explanation, KeyReason, StepCounts
from hopyard.model.plan import FrameSource, GroupSource, Join, JoinKey, Output, Plan, Source
from hopyard.query.lower import COUNT, lower, lower_counts, lower_nulls
from hopyard.query.nodes import files_of
from hopyard.query.predicate_text import predicate_text
from hopyard.query.prune import prune
from hopyard.query.resolve import existing_features, resolve
from hopyard.retrieve.assemble import late_nodes
from hopyard.retrieve.read import as_of_now
from hopyard.session import Session

Snapshots = Mapping[int, Snapshot]


def explain(
    session: Session, plan: Plan, *, frame: pa.Table | None = None, analyze: bool = False
) -> Explanation:
    """Return what a query does, and with `analyze` what became of its rows; see `Query.explain`."""
    resolved, whole = resolve(session, plan)
    resolved = existing_features(resolved, whole)
    pruned = prune(resolved, whole, frame)
    engine = session.engine.capabilities
    n_root_rows = frame.num_rows if frame is not None else pruned[0].n_rows
    late = late_nodes(resolved, pruned, n_root_rows, (), session.config)
    nodes = tuple(
        _node(resolved, index, whole, pruned, frame, is_late=index in late)
        for index in range(len(resolved.nodes))
    )
    features = tuple(
        ExplainedFeature(
            name=out.name, node=out.node, feature=out.feature, type=resolved.field(out.node, out.feature).type
        )
        for out in resolved.outputs
    )
    explanation = Explanation(
        nodes=nodes,
        features=features,
        filter="" if resolved.filter is None else predicate_text(resolved, resolved.filter),
        as_known_delay_us=resolved.known_delay_us,
        notes=as_of_now(resolved),
        sql=lower(resolved, pruned, engine, frame=frame).tree.sql(dialect=engine.dialect, pretty=True),
    )
    return _analyzed(session, explanation, resolved, whole, frame) if analyze else explanation


def _analyzed(
    session: Session, explanation: Explanation, plan: Plan, snapshots: Snapshots, frame: pa.Table | None
) -> Explanation:
    nodes = tuple(
        msgspec.structs.replace(
            shown,
            n_rows_kept=_n_rows_kept(session, plan, shown.node, snapshots, frame),
            counts=_step_counts(session, plan, shown.node, snapshots, frame) if shown.node else None,
        )
        for shown in explanation.nodes
    )
    pruned = prune(plan, snapshots, frame)
    counted = _only_row(session, lower_nulls(plan, pruned, session.engine.capabilities, frame=frame))
    n_rows = counted[COUNT]
    features = tuple(
        msgspec.structs.replace(feature, null_rate=1 - counted[f"c{place}"] / n_rows if n_rows else None)
        for place, feature in enumerate(explanation.features)
    )
    return msgspec.structs.replace(
        explanation, nodes=nodes, features=features, n_rows=n_rows, is_analyzed=True
    )


def _only_row(session: Session, statement: Any) -> dict[str, int]:
    rows: list[dict[str, int]] = session.engine.collect(statement).to_pylist()
    return rows[0]


def _n_rows_kept(
    session: Session, plan: Plan, index: int, snapshots: Snapshots, frame: pa.Table | None
) -> int:
    """Return how many rows of a node take part, after its own filter and time travel."""
    node = plan.nodes[index]
    any_feature = node.source.fields[0].name
    alone = Plan(nodes=(node,), outputs=(Output(name=any_feature, node=0, feature=any_feature),))
    own = {} if isinstance(node.source, FrameSource) else {0: snapshots[index]}
    counted = lower_nulls(alone, prune(alone, own, frame), session.engine.capabilities, frame=frame)
    return _only_row(session, counted)[COUNT]


def _step_counts(
    session: Session, plan: Plan, node: int, snapshots: Snapshots, frame: pa.Table | None
) -> StepCounts:
    """Return what became of the left rows where a node is joined.

    Each relaxation of the rule leaves at most those rows without a match that the one before left, so the differences
    count the causes. Rows without a match are counted, as those with one may come several times: without the filter
    that leaves one row per left row, a plain join on a part of the key multiplies them.
    """
    path, own, at = _path(plan, node, snapshots)

    def count(asked: Plan) -> dict[str, int]:
        needed = prune(asked, own, frame)  # what the query itself leaves out may count here
        return _only_row(session, lower_counts(asked, needed, session.engine.capabilities, at, frame=frame))

    def unmatched(counts: dict[str, int]) -> int:
        return counts["n_rows"] - counts["n_matched"]

    found = count(path)
    of_any_age = _of_any_age(path, at)
    any_age = unmatched(count(of_any_age))
    any_commit = any_age
    if path.known_delay_us is not None:
        of_any_age = msgspec.structs.replace(of_any_age, known_delay_us=None)
        any_commit = min(any_age, unmatched(count(of_any_age)))
    without_filter = _unfiltered(of_any_age, at)
    unfiltered = min(any_commit, unmatched(count(without_filter)))
    any_time = unfiltered
    if path.join_of(at).rule == "point_in_time":
        any_time = min(unfiltered, unmatched(count(_of_any_time(without_filter, at))))
    n_parent_unmatched = found["n_rows"] - found["n_with_parent"]
    n_null_key = found["n_with_parent"] - found["n_with_key"]
    return StepCounts(
        n_rows_in=found["n_rows"],
        n_matched=found["n_matched"],
        n_parent_unmatched=n_parent_unmatched,
        n_null_key=n_null_key,
        n_no_key=any_time - n_parent_unmatched - n_null_key,
        n_only_later=unfiltered - any_time,
        n_filtered=any_commit - unfiltered,
        n_not_known=any_age - any_commit,
        n_too_old=unmatched(found) - any_age,
    )


def _path(plan: Plan, node: int, snapshots: Snapshots) -> tuple[Plan, dict[int, Snapshot], int]:
    """Return the plan of a node and those that it hangs on alone, and its place there."""
    chain = [node]
    while chain[0] != 0:
        chain.insert(0, plan.join_of(chain[0]).parent)
    places = {old: new for new, old in enumerate(chain)}
    joins = tuple(
        msgspec.structs.replace(plan.join_of(old), parent=places[plan.join_of(old).parent], how="left")
        for old in chain[1:]
    )
    nodes = tuple(plan.nodes[old] for old in chain)
    own = {places[old]: snapshots[old] for old in chain if old in snapshots}
    return (
        msgspec.structs.replace(plan, nodes=nodes, joins=joins, outputs=(), filter=None),
        own,
        len(chain) - 1,
    )


def _of_any_age(plan: Plan, node: int) -> Plan:
    """Return the plan without the limits to the age of a node's rows."""
    source = plan.nodes[node].source
    assert isinstance(source, GroupSource)
    plan = _with_join(plan, node, msgspec.structs.replace(plan.join_of(node), max_age_us=None))
    return _with_node(plan, node, source=msgspec.structs.replace(source, ttl_us=None))


def _of_any_time(plan: Plan, node: int) -> Plan:
    """Return the plan in which a node's rows match whatever their time."""
    return _with_join(plan, node, msgspec.structs.replace(plan.join_of(node), rule="newest"))


def _unfiltered(plan: Plan, node: int) -> Plan:
    return _with_node(plan, node, filter=None)


def _with_join(plan: Plan, node: int, join: Join) -> Plan:
    joins = (*plan.joins[: node - 1], join, *plan.joins[node:])
    return msgspec.structs.replace(plan, joins=joins)


def _with_node(plan: Plan, node: int, **changes: Any) -> Plan:
    changed = msgspec.structs.replace(plan.nodes[node], **changes)
    return msgspec.structs.replace(plan, nodes=(*plan.nodes[:node], changed, *plan.nodes[node + 1 :]))


def _node(
    plan: Plan, index: int, whole: Snapshots, pruned: Snapshots, frame: pa.Table | None, *, is_late: bool
) -> ExplainedNode:
    node = plan.nodes[index]
    shown = ExplainedNode(node=index, name=node.source.label, is_late=is_late)
    if node.filter is not None:
        shown = msgspec.structs.replace(shown, filter=predicate_text(plan, node.filter, node=index))
    if isinstance(node.source, FrameSource):
        shown = msgspec.structs.replace(shown, n_rows=0 if frame is None else frame.num_rows)
    else:
        all_files, read = files_of(plan, whole, index), files_of(plan, pruned, index)
        shown = msgspec.structs.replace(
            shown,
            version=node.source.version,
            commit=whole[index].commit,
            committed_at_us=whole[index].committed_at_us,
            n_files=len(all_files),
            n_files_read=len(read),
            size_bytes=sum(file.size_bytes for file in all_files),
            size_bytes_read=sum(file.size_bytes for file in read),
            n_rows=sum(file.n_rows for file in all_files),
            n_rows_read=sum(file.n_rows for file in read),
        )
    if index == 0:
        return shown
    join = plan.join_of(index)
    left = plan.nodes[join.parent].source
    return msgspec.structs.replace(
        shown,
        parent=join.parent,
        join_type=join.how,
        rule=join.rule,
        rule_text=_rule_text(plan, index),
        keys=tuple(
            KeyReason(left=key.left, right=key.right, reason=_reason(join, key, left, node.source))
            for key in join.keys
        ),
        prefix=join.prefix,
        max_age_us=plan.age_limit_us(index),
        open_key=plan.remaining_key(index),
    )


def _reason(join: Join, key: JoinKey, left: Source, right: Source) -> str:
    if not join.inferred:
        return "given with on=, left_on= or right_on="
    for foreign in left.foreign_key:
        if foreign.column == key.left and foreign.references == key.right:
            return f"foreign key {key.left!r} of {left.label}, part of the primary key of {right.label}"
    return f"in the primary keys of both {left.label} and {right.label}"


def _rule_text(plan: Plan, index: int) -> str:
    join = plan.join_of(index)
    remaining = ", ".join(plan.remaining_key(index))
    root = plan.root.source.label
    if join.rule == "equal":
        many = f"; all rows of an open key ({remaining}) match" if remaining and join.allow_many else ""
        return f"equal keys: one of the two groups has no event time{many}"
    if join.rule == "newest":
        text = f"the newest row per key, whenever it came: {root} has no event time"
    else:
        text = f"point in time: the newest row at or before the event time of {root}"
    limit = plan.age_limit_us(index)
    if limit is not None:
        which = "max_age" if join.max_age_us is not None else "ttl of the group"
        text += f", at most {timedelta(microseconds=limit)} old ({which})"
    if plan.known_delay_us is not None:
        text += ", as committed by then"
        if plan.known_delay_us:
            text += f" or up to {timedelta(microseconds=plan.known_delay_us)} later"
    if remaining:
        text += f"; among rows of one time the greatest {remaining}"
    return text
