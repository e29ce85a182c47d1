"""From a resolved plan to one SQL tree.

Every node becomes a scan `n0, n1, ...` with columns called `n1.temp`; every join a step `j1, j2, ...` on top of the one
before; the last SELECT gives the outputs their names. A step never multiplies or drops rows of the root: what an inner
join excludes is decided once, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from sqlglot import exp

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Snapshot
from hopyard.model.plan import And, FrameSource, Not, Or, Plan, Predicate
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import row_identity
from hopyard.ports import Statement
from hopyard.query.scan import column, condition, event_micros, read_files

TIME = "__time"
MATCH = "__match"
ROW = "__row"
COUNT = "__count"


def lower(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    limit: int | None = None,
) -> Statement:
    """Return the statement that answers a resolved plan.

    Args:
        snapshots: what each group node reads.
        frame: the rows of a frame root.
        order_by: (node, feature) pairs to sort by, ascending; a frame root's own order comes first.
    """
    return _Lowering(plan, snapshots).statement(frame, order_by, limit)


def multiples(
    plan: Plan, snapshots: Mapping[int, Snapshot], node: int, *, frame: pa.Table | None = None
) -> Statement:
    """Return the statement that finds a join key of `node` with several right rows: key and `__count`, or nothing."""
    return _Lowering(plan, snapshots).multiples(node, frame)


class _Lowering:
    def __init__(self, plan: Plan, snapshots: Mapping[int, Snapshot]) -> None:
        self.plan = plan
        self.snapshots = snapshots
        self.needed = _needed_features(plan)

    def statement(
        self, frame: pa.Table | None, order_by: Sequence[tuple[int, str]], limit: int | None
    ) -> Statement:
        for node, feature in order_by:
            self.needed[node].add(feature)
        plan = self.plan
        outputs = [
            exp.alias_(self.final(out.node, out.feature), out.name, quoted=True) for out in plan.outputs
        ]
        tree = exp.select(*outputs, copy=False).from_(exp.to_table(f"j{len(plan.joins)}"), copy=False)
        conditions = [
            self.has_match(child) for child in plan.children(0) if plan.join_of(child).how == "inner"
        ]
        if plan.filter is not None:
            conditions.append(condition(plan.filter, self.final, self.type_of))
        if conditions:
            tree = tree.where(exp.and_(*conditions, copy=False), copy=False)
        orders = [
            exp.Ordered(this=self.final(node, feature), nulls_first=False) for node, feature in order_by
        ]
        if isinstance(plan.root.source, FrameSource):
            orders.insert(0, exp.Ordered(this=column(f"n0.{ROW}"), nulls_first=False))
        if orders:
            tree = tree.order_by(*orders, copy=False)
        if limit is not None:
            tree = tree.limit(limit, copy=False)
        return self.finished(tree, len(plan.joins), plan.schema, frame)

    def multiples(self, node: int, frame: pa.Table | None) -> Statement:
        join = self.plan.join_of(node)
        keys = [column(f"n{node}.{key.right}", "r") for key in join.keys]
        lefts = exp.select(*(column(f"n{join.parent}.{key.left}") for key in join.keys)).distinct()
        equal = exp.and_(
            *(exp.EQ(this=column(f"n{join.parent}.{key.left}", "l"), expression=right.copy())
              for key, right in zip(join.keys, keys, strict=True)),
            copy=False,
        )  # fmt: skip
        n_rows = exp.Count(this=exp.Star())
        named = [
            exp.alias_(right.copy(), key.right, quoted=True)
            for key, right in zip(join.keys, keys, strict=True)
        ]
        tree = (
            exp.select(*named, exp.alias_(n_rows, COUNT, quoted=True))
            .from_(lefts.from_(exp.to_table(f"j{node - 1}")).subquery("l"))
            .join(exp.alias_(exp.to_table(f"n{node}"), "r", table=True), on=equal)
            .group_by(*keys)
            .having(exp.GT(this=n_rows.copy(), expression=exp.Literal.number(1)))
            .order_by(*(key.copy() for key in keys))
            .limit(1)
        )
        fields = [self.plan.field(node, key.right) for key in join.keys]
        schema = (*fields, Field(name=COUNT, type="bigint"))
        return self.finished(tree, node, schema, frame)

    def finished(self, tree: exp.Select, n_joins: int, schema: Schema, frame: pa.Table | None) -> Statement:
        """Return the statement of a SELECT over the first `n_joins` steps and the scan after them."""
        last = min(n_joins, len(self.plan.nodes) - 1)
        for index in range(last + 1):
            tree = tree.with_(f"n{index}", as_=self.scan(index), copy=False)
            tree = tree.with_(f"j{index}", as_=self.step(index), copy=False)
        frames: dict[str, pa.Table] = {}
        if isinstance(self.plan.root.source, FrameSource):
            assert frame is not None, "a plan over a frame runs with the frame"
            frames["spine"] = frame.append_column(ROW, pa.array(range(frame.num_rows), pa.int64()))
        return Statement(tree=tree, schema=to_arrow_schema(schema), frames=frames)

    def type_of(self, node: int, feature: str) -> str:
        return self.plan.field(node, feature).type

    def scan(self, index: int) -> exp.Select:
        """Return the needed columns of one node's rows, filtered; one row per key and time for a joined node."""
        node = self.plan.nodes[index]
        source = node.source
        features = {field.name: field for field in source.fields if field.name in self.needed[index]}
        columns = [exp.alias_(column(feature), f"n{index}.{feature}", quoted=True) for feature in features]
        if source.event_time is not None:
            field = features.get(source.event_time) or self.plan.field(index, source.event_time)
            features.setdefault(field.name, field)
            micros = event_micros(field, source.event_time_unit, column(field.name))
            columns.append(exp.alias_(micros, f"n{index}.{TIME}", quoted=True))
        columns.append(exp.alias_(exp.true(), f"n{index}.{MATCH}", quoted=True))
        rows: exp.Expr
        if isinstance(source, FrameSource):
            columns.append(exp.alias_(column(ROW), f"n{index}.{ROW}", quoted=True))
            rows = exp.to_table("spine")
        else:
            rows = read_files(self.snapshots[index], tuple(features.values()))
        tree = exp.select(*columns, copy=False).from_(rows, copy=False)
        if node.filter is not None:
            # Its columns are numbered as in the group's own query, where this node was the only one.
            here = condition(
                node.filter,
                lambda _, feature: column(feature),
                lambda _, feature: self.type_of(index, feature),
            )
            tree = tree.where(here, copy=False)
        if index > 0:
            self.keep_one(tree, index)
        return tree

    def keep_one(self, tree: exp.Select, index: int) -> None:
        """Among rows that a join could not tell apart, keep the one that the rules name; change `tree` in place."""
        join, source = self.plan.join_of(index), self.plan.nodes[index].source
        remaining = self.plan.remaining_key(index)
        if join.rule == "equal" or (join.rule == "point_in_time" and not remaining):
            return
        partition: list[exp.Expr] = [column(f"n{index}.{key.right}") for key in join.keys]
        order: list[exp.Expr] = []
        time = column(f"n{index}.{TIME}")
        (partition if join.rule == "point_in_time" else order).append(time)
        order += [column(f"n{index}.{feature}") for feature in remaining]
        number = exp.Window(
            this=exp.RowNumber(),
            partition_by=partition,
            order=exp.Order(
                expressions=[exp.Ordered(this=value, desc=True, nulls_first=False) for value in order]
            ),
        )
        assert source.primary_key
        tree.set("qualify", exp.Qualify(this=exp.EQ(this=number, expression=exp.Literal.number(1))))

    def step(self, index: int) -> exp.Select:
        """Return the rows so far with the columns of one more node, null where it has no match."""
        if index == 0:
            return exp.select("*").from_(exp.to_table("n0"))
        join = self.plan.join_of(index)
        matches: exp.Expr = exp.and_(
            *(
                exp.EQ(
                    this=column(f"n{join.parent}.{key.left}", "l"),
                    expression=column(f"n{index}.{key.right}", "r"),
                )
                for key in join.keys
            ),
            copy=False,
        )
        is_asof = join.rule == "point_in_time"
        if is_asof:
            newer = exp.GTE(this=column(f"n0.{TIME}", "l"), expression=column(f"n{index}.{TIME}", "r"))
            matches = exp.And(this=matches, expression=newer)
        joined = exp.Join(
            this=exp.alias_(exp.to_table(f"n{index}"), "r", table=True),
            side="LEFT",
            on=matches,
            **({"method": "ASOF"} if is_asof else {}),
        )
        columns = [exp.Column(this=exp.Star(), table=exp.to_identifier("l")), *self.joined_columns(index)]
        tree = exp.select(*columns, copy=False).from_(
            exp.alias_(exp.to_table(f"j{index - 1}"), "l", table=True), copy=False
        )
        tree.append("joins", joined)
        return tree

    def joined_columns(self, index: int) -> list[exp.Expr]:
        match: exp.Expr = column(f"n{index}.{MATCH}", "r")
        limit = self.plan.age_limit_us(index)
        features = [
            field.name for field in self.plan.nodes[index].source.fields if field.name in self.needed[index]
        ]
        values: dict[str, exp.Expr] = {feature: column(f"n{index}.{feature}", "r") for feature in features}
        if limit is not None:
            age = exp.Sub(this=column(f"n0.{TIME}", "l"), expression=column(f"n{index}.{TIME}", "r"))
            match = exp.LTE(this=age, expression=exp.Literal.number(limit))
            values = {feature: _when(match.copy(), value) for feature, value in values.items()}
        found = exp.Coalesce(this=match, expressions=[exp.false()])
        return [
            *(exp.alias_(value, f"n{index}.{feature}", quoted=True) for feature, value in values.items()),
            exp.alias_(found, f"n{index}.{MATCH}", quoted=True),
        ]

    def final(self, node: int, feature: str) -> exp.Expr:
        """Return a feature as the result shows it: null where its node, or one it hangs on, has no match."""
        value = column(f"n{node}.{feature}")
        masks = []
        at = node
        while at > 0:
            if any(self.plan.join_of(child).how == "inner" for child in self.plan.children(at)):
                masks.append(self.has_match(at))
            at = self.plan.join_of(at).parent
        return _when(exp.and_(*masks, copy=False), value) if masks else value

    def has_match(self, node: int) -> exp.Expr:
        """Return whether `node` has a match, counting the inner joins that hang on it."""
        inner = [child for child in self.plan.children(node) if self.plan.join_of(child).how == "inner"]
        return exp.and_(column(f"n{node}.{MATCH}"), *(self.has_match(child) for child in inner), copy=False)


def _when(test: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case(ifs=[exp.If(this=test, true=value)])


def _needed_features(plan: Plan) -> list[set[str]]:
    """Return the features of each node that the plan reads."""
    needed: list[set[str]] = [set() for _ in plan.nodes]
    for out in plan.outputs:
        needed[out.node].add(out.feature)
    for index, join in enumerate(plan.joins, start=1):
        needed[join.parent].update(key.left for key in join.keys)
        needed[index].update(key.right for key in join.keys)
        needed[index].update(plan.remaining_key(index))
    for index, node in enumerate(plan.nodes):
        if node.filter is not None:
            for _, feature in _columns(node.filter):
                needed[index].add(feature)
    for node_index, feature in _columns(plan.filter) if plan.filter is not None else ():
        needed[node_index].add(feature)
    return needed


def _columns(predicate: Predicate) -> list[tuple[int, str]]:
    if isinstance(predicate, (And, Or)):
        return _columns(predicate.left) + _columns(predicate.right)
    if isinstance(predicate, Not):
        return _columns(predicate.operand)
    return [(predicate.column.node, predicate.column.feature)]


def identity_order(plan: Plan) -> tuple[tuple[int, str], ...]:
    """Return the root's row identity as a sort order; empty for a keyless root (see `retrieve.training`).

    Where a join may multiply rows, the open part of the right key follows.
    """
    source = plan.root.source
    order = [(0, feature) for feature in row_identity(source.primary_key, source.event_time)]
    for index, join in enumerate(plan.joins, start=1):
        if join.allow_many and order:
            order += [(index, feature) for feature in plan.remaining_key(index)]
    return tuple(order)
