"""From a resolved plan to SQL trees.

Every node becomes a scan `n0, n1, ...` with columns called `n1.temp`; every join a step `j1, j2, ...` on top of the one
before; the last SELECT gives the outputs their names. A step never multiplies or drops rows of the root: what an inner
join excludes is decided once, at the end.

`lower` says all in one statement. `lower_narrow` leaves out the features of nodes that are `late`, and gives the
address of each winner instead: `lower_fetch` reads those features for the winners alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Snapshot
from hopyard.model.plan import And, FrameSource, Not, Or, Output, Plan, Predicate
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import row_identity
from hopyard.ports import EngineCapabilities, Statement
from hopyard.query.nodes import MATCH, ROW, SPINE, TIME, Scope, scan
from hopyard.query.prune import reach
from hopyard.query.scan import (
    ADDRESS,
    ADDRESS_BITS,
    ADDRESS_OF_ROW,
    FILE_ROW,
    File,
    column,
    condition,
    count_where,
    is_not_null,
    read_paths,
)
from hopyard.query.steps import keys_equal, steps, visible

COUNT = "__count"
PLACE = "__place"
_FILE_ROW = "__file_row"
WANTED = "wanted"


def lower(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    limit: int | None = None,
) -> Statement:
    """Return the one statement that answers a resolved plan.

    Args:
        snapshots: what each group node reads.
        engine: what the engine can say.
        frame: the rows of a frame root.
        order_by: (node, feature) pairs to sort by, ascending, nulls last; then by the place in a frame root.
    """
    return lower_narrow(plan, snapshots, engine, late=(), frame=frame, order_by=order_by, limit=limit)


def lower_narrow(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    *,
    late: Collection[int],
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    limit: int | None = None,
) -> Statement:
    """Return the statement of a plan without what `late_outputs` names, and with a column of addresses per late node.

    An address is null where the node has no match; that of a frame is the number of its row.
    """
    scope = _scope(plan, snapshots, engine, late, order_by, frame)
    fetched = late_outputs(plan, late, order_by)
    shown = [out for out in plan.outputs if out not in fetched]
    columns = [exp.alias_(_final(scope, out.node, out.feature), out.name, quoted=True) for out in shown]
    for node in sorted(late):
        place = ROW if isinstance(plan.nodes[node].source, FrameSource) else ADDRESS
        columns.append(exp.alias_(_final(scope, node, place), address_name(node), quoted=True))
    tree = exp.select(*columns, copy=False).from_(exp.to_table(f"j{len(plan.joins)}"), copy=False)
    conditions = [_has_match(plan, child) for child in plan.children(0) if plan.join_of(child).how == "inner"]
    if plan.filter is not None:
        conditions.append(condition(plan.filter, lambda *place: _final(scope, *place), _type_of(plan)))
    if conditions:
        tree = tree.where(exp.and_(*conditions, copy=False), copy=False)
    orders = [exp.Ordered(this=_final(scope, *place), nulls_first=False) for place in order_by]
    if isinstance(plan.root.source, FrameSource):
        orders.append(exp.Ordered(this=column(f"n0.{ROW}"), nulls_first=False))
    if orders:
        tree = tree.order_by(*orders, copy=False)
    if limit is not None:
        tree = tree.limit(limit, copy=False)
    schema = tuple(Field(name=out.name, type=plan.field(out.node, out.feature).type) for out in shown)
    addresses = tuple(Field(name=address_name(node), type="bigint") for node in sorted(late))
    return _finished(scope, tree, len(plan.joins), (*schema, *addresses), frame)


def lower_fetch(files: Sequence[File], outputs: Mapping[str, Field], wanted: pa.Table) -> Statement:
    """Return the statement that reads rows by their addresses: the outputs, and each row's `__place`.

    Args:
        files: in whose order the addresses count.
        outputs: the feature to read by the name that it gets.
        wanted: rows of `__address` and `__place`; an address may occur several times.
    """
    fields = {field.name: field for field in outputs.values()}
    rows = read_paths(files, tuple(fields.values()), {ADDRESS: ADDRESS_OF_ROW, _FILE_ROW: FILE_ROW})
    columns = [exp.alias_(column(field.name, "t"), name, quoted=True) for name, field in outputs.items()]
    tree = exp.select(*columns, column(PLACE, "w"), copy=False).from_(
        exp.alias_(rows, "t", table=True), copy=False
    )
    same = exp.EQ(this=column(ADDRESS, "t"), expression=column(ADDRESS, "w"))
    tree = tree.join(exp.alias_(exp.to_table(WANTED), "w", table=True), on=same, copy=False)
    # Parts of files outside of all wanted rows are skipped.
    in_files = pc.bit_wise_and(wanted.column(ADDRESS), pa.scalar((1 << ADDRESS_BITS) - 1, pa.int64()))
    bounds = pc.min_max(in_files).as_py()
    if bounds["min"] is not None:
        low, high = (exp.Literal.number(bounds[name]) for name in ("min", "max"))
        tree = tree.where(exp.Between(this=column(_FILE_ROW, "t"), low=low, high=high), copy=False)
    schema = [Field(name=name, type=field.type) for name, field in outputs.items()]
    return Statement(
        tree=tree,
        schema=to_arrow_schema((*schema, Field(name=PLACE, type="bigint"))),
        frames={WANTED: wanted},
    )


def late_outputs(
    plan: Plan, late: Collection[int], order_by: Sequence[tuple[int, str]] = ()
) -> tuple[Output, ...]:
    """Return the outputs that are left to be fetched when these nodes are late: what no join, filter or order needs."""
    deciding = _deciding_features(plan, order_by)
    return tuple(out for out in plan.outputs if out.node in late and out.feature not in deciding[out.node])


def address_name(node: int) -> str:
    """Return the name of the column with a late node's addresses."""
    return f"{ADDRESS}{node}"


def multiples(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    node: int,
    *,
    frame: pa.Table | None = None,
) -> Statement:
    """Return the statement that finds a join key of `node` with several right rows: key and `__count`, or nothing."""
    scope = _scope(plan, snapshots, engine, (), (), frame)
    join = plan.join_of(node)
    keys = [column(f"n{node}.{key.right}", "r") for key in join.keys]
    lefts = [column(f"n{join.parent}.{key.left}") for key in join.keys]
    conditions = keys_equal(join, node, "l", "r")
    groups: list[exp.Expr] = [key.copy() for key in keys]
    if scope.is_known(node):
        lefts.append(column(f"n0.{TIME}"))
        conditions += visible(scope, node, "l", "r")
        groups.append(column(f"n0.{TIME}", "l"))
    n_rows = exp.Count(this=exp.Star())
    named = [
        exp.alias_(right.copy(), key.right, quoted=True) for key, right in zip(join.keys, keys, strict=True)
    ]
    tree = (
        exp.select(*named, exp.alias_(n_rows, COUNT, quoted=True))
        .from_(exp.select(*lefts).distinct().from_(exp.to_table(f"j{node - 1}")).subquery("l"))
        .join(exp.alias_(exp.to_table(f"n{node}"), "r", table=True), on=exp.and_(*conditions, copy=False))
        .group_by(*groups)
        .having(exp.GT(this=n_rows.copy(), expression=exp.Literal.number(1)))
        .order_by(*(group.copy() for group in groups))
        .limit(1)
    )
    fields = [plan.field(node, key.right) for key in join.keys]
    return _finished(scope, tree, node, (*fields, Field(name=COUNT, type="bigint")), frame)


def lower_counts(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    node: int,
    *,
    frame: pa.Table | None = None,
) -> Statement:
    """Return the statement that counts what becomes of the left rows where `node` is joined.

    Its columns: all left rows, those whose parent has a match, those whose key is not null either, those with a match.
    """
    scope = _deciding_scope(plan, snapshots, engine, frame)
    join = plan.join_of(node)
    has_parent = column(f"n{join.parent}.{MATCH}")
    has_key = exp.and_(
        has_parent.copy(),
        *(is_not_null(column(f"n{join.parent}.{key.left}")) for key in join.keys),
        copy=False,
    )
    counts = {
        "n_rows": exp.Count(this=exp.Star()),
        "n_with_parent": count_where(has_parent),
        "n_with_key": count_where(has_key),
        "n_matched": count_where(column(f"n{node}.{MATCH}")),
    }
    tree = exp.select(*(exp.alias_(count, name, quoted=True) for name, count in counts.items()))
    schema = tuple(Field(name=name, type="bigint") for name in counts)
    return _finished(scope, tree.from_(exp.to_table(f"j{node}")), node, schema, frame)


def lower_matches(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    *,
    frame: pa.Table | None = None,
) -> Statement:
    """Return the statement that counts the rows with a match of each joined node, in the order of the nodes."""
    scope = _deciding_scope(plan, snapshots, engine, frame)
    names = {f"n{node}": column(f"n{node}.{MATCH}") for node in range(1, len(plan.nodes))}
    tree = exp.select(*(exp.alias_(count_where(match), name, quoted=True) for name, match in names.items()))
    schema = tuple(Field(name=name, type="bigint") for name in names)
    return _finished(scope, tree.from_(exp.to_table(f"j{len(plan.joins)}")), len(plan.joins), schema, frame)


def lower_nulls(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    *,
    frame: pa.Table | None = None,
) -> Statement:
    """Return the statement that counts the rows of a plan, and the values of each output, by its place: `c0`, `c1`."""
    rows = lower(plan, snapshots, engine, frame=frame)
    counts = [exp.alias_(exp.Count(this=exp.Star()), COUNT, quoted=True)]
    counts += [
        exp.alias_(exp.Count(this=column(out.name)), f"c{place}", quoted=True)
        for place, out in enumerate(plan.outputs)
    ]
    assert isinstance(rows.tree, exp.Select)
    tree = exp.select(*counts).from_(rows.tree.subquery("result"))
    schema = [Field(name=COUNT, type="bigint")]
    schema += [Field(name=f"c{place}", type="bigint") for place in range(len(plan.outputs))]
    return Statement(tree=tree, schema=to_arrow_schema(tuple(schema)), frames=rows.frames)


def identity_order(plan: Plan) -> tuple[tuple[int, str], ...]:
    """Return the root's row identity as a sort order; empty for a keyless root (see `retrieve.training`)."""
    source = plan.root.source
    order = tuple((0, feature) for feature in row_identity(source.primary_key, source.event_time))
    return (*order, *multiples_order(plan)) if order else ()


def multiples_order(plan: Plan) -> tuple[tuple[int, str], ...]:
    """Return what orders the rows that `allow_many` joins make of one row of the root: the open parts of the keys."""
    return tuple(
        (index, feature)
        for index, join in enumerate(plan.joins, start=1)
        if join.allow_many
        for feature in plan.remaining_key(index)
    )


def _scope(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    engine: EngineCapabilities,
    late: Collection[int],
    order_by: Sequence[tuple[int, str]],
    frame: pa.Table | None,
) -> Scope:
    carried = _deciding_features(plan, order_by)
    for out in plan.outputs:
        if out.node not in late:
            carried[out.node].add(out.feature)
    frozen = [frozenset(features) for features in carried]
    return Scope(
        plan=plan,
        snapshots=snapshots,
        engine=engine,
        carried=frozen,
        late=frozenset(late),
        reach=reach(plan, snapshots, frame),
    )


def _deciding_scope(
    plan: Plan, snapshots: Mapping[int, Snapshot], engine: EngineCapabilities, frame: pa.Table | None
) -> Scope:
    """Return the scope in which no feature is read but those that decide joins, where the engine can leave them out."""
    return _scope(plan, snapshots, engine, range(len(plan.nodes)) if engine.has_file_lists else (), (), frame)


def _finished(
    scope: Scope, tree: exp.Select, n_joins: int, schema: Schema, frame: pa.Table | None
) -> Statement:
    """Return the statement of a SELECT over the first `n_joins` steps and the scan after them."""
    last = min(n_joins, len(scope.plan.nodes) - 1)
    for index in range(last + 1):
        tree = tree.with_(f"n{index}", as_=scan(scope, index), copy=False)
        for name, step in steps(scope, index):
            tree = tree.with_(name, as_=step, copy=False)
    frames: dict[str, pa.Table] = {}
    if isinstance(scope.plan.root.source, FrameSource):
        assert frame is not None, "a plan over a frame runs with the frame"
        carried = [name for name in frame.column_names if name in scope.carried[0] | _time_of(scope.plan)]
        places = pa.array(np.arange(frame.num_rows, dtype=np.int64))
        frames[SPINE] = frame.select(carried).append_column(ROW, places)
    return Statement(tree=tree, schema=to_arrow_schema(schema), frames=frames)


def _time_of(plan: Plan) -> frozenset[str]:
    event_time = plan.root.source.event_time
    return frozenset() if event_time is None else frozenset([event_time])


def _final(scope: Scope, node: int, feature: str) -> exp.Expr:
    """Return a column of a node as the result shows it: null where the node, or one it hangs on, has no match."""
    plan = scope.plan
    value = column(f"n{node}.{feature}")
    masks = []
    at = node
    while at > 0:
        if any(plan.join_of(child).how == "inner" for child in plan.children(at)):
            masks.append(_has_match(plan, at))
        at = plan.join_of(at).parent
    return exp.Case(ifs=[exp.If(this=exp.and_(*masks, copy=False), true=value)]) if masks else value


def _has_match(plan: Plan, node: int) -> exp.Expr:
    """Return whether `node` has a match, counting the inner joins that hang on it."""
    inner = [child for child in plan.children(node) if plan.join_of(child).how == "inner"]
    return exp.and_(column(f"n{node}.{MATCH}"), *(_has_match(plan, child) for child in inner), copy=False)


def _type_of(plan: Plan) -> Callable[[int, str], str]:
    return lambda node, feature: plan.field(node, feature).type


def _deciding_features(plan: Plan, order_by: Sequence[tuple[int, str]]) -> list[set[str]]:
    """Return the features of each node that joins, filters and order need, whatever the outputs are."""
    needed: list[set[str]] = [set() for _ in plan.nodes]
    for index, join in enumerate(plan.joins, start=1):
        needed[join.parent].update(key.left for key in join.keys)
        needed[index].update(key.right for key in join.keys)
        needed[index].update(plan.remaining_key(index))
    for index, node in enumerate(plan.nodes):
        if node.filter is not None:
            needed[index].update(feature for _, feature in _columns(node.filter))
    for node_index, feature in (*(_columns(plan.filter) if plan.filter is not None else ()), *order_by):
        needed[node_index].add(feature)
    return needed


def _columns(predicate: Predicate) -> list[tuple[int, str]]:
    if isinstance(predicate, (And, Or)):
        return _columns(predicate.left) + _columns(predicate.right)
    if isinstance(predicate, Not):
        return _columns(predicate.operand)
    return [(predicate.column.node, predicate.column.feature)]
