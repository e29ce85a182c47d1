"""SQL trees of a plan's nodes: the rows of each that take part in a query, with the columns that decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from hopyard.errors import QueryError
from hopyard.model.commit import ChangeFile, Snapshot
from hopyard.model.plan import FrameSource, GroupSource, Node, Plan
from hopyard.model.schema import Schema
from hopyard.model.specs import row_identity
from hopyard.ports import EngineCapabilities
from hopyard.query.history import FROM_US, IS_PUT, TO_US, changed_rows, is_append_only, versions
from hopyard.query.prune import Reach
from hopyard.query.scan import (
    ADDRESS,
    ADDRESS_OF_ROW,
    File,
    column,
    condition,
    event_micros,
    read_files,
    read_paths,
    read_table,
    sql_literal,
    stored_time,
)

TIME = "__time"
MATCH = "__match"
ROW = "__row"
SPINE = "spine"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the parts of a lowering share.

    Attributes:
        carried: by node, the features that its scan gives; a feature of a `late` node that is not carried is fetched
            for the winners alone.
        late: the nodes whose rows are carried by their address.
        reach: between which event times rows of a node can match; said to the engine, which skips parts of files.
    """

    plan: Plan
    snapshots: Mapping[int, Snapshot]
    engine: EngineCapabilities
    carried: Sequence[frozenset[str]]
    late: frozenset[int] = frozenset()
    reach: Mapping[int, Reach] = field(default_factory=dict)

    def is_known(self, node: int) -> bool:
        """Return whether the root's rows see only the versions of `node` that were committed by then."""
        return self.plan.known_delay_us is not None and node > 0

    def has_address(self, node: int) -> bool:
        return node in self.late or self.is_known(node)

    def columns(self, node: int) -> list[str]:
        """Return the names of the columns that a node's scan gives."""
        source = self.plan.nodes[node].source
        names = [field.name for field in source.fields if field.name in self.carried[node]]
        if source.event_time is not None:
            names.append(TIME)
        names.append(MATCH)
        if isinstance(source, FrameSource):
            names.append(ROW)
        elif self.has_address(node):
            names.append(ADDRESS)
        if self.is_known(node):
            names += [FROM_US, TO_US]
        return [f"n{node}.{name}" for name in names]


def files_of(plan: Plan, snapshots: Mapping[int, Snapshot], node: int) -> Sequence[File]:
    """Return the files in whose order the addresses of a node's rows count."""
    snapshot = snapshots[node]
    if plan.known_delay_us is not None and node > 0:
        return snapshot.changes
    if plan.nodes[node].exclude_until_commit is not None:
        later = _later_changes(plan.nodes[node], snapshot)
        return later if is_append_only(later) else snapshot.files
    return snapshot.files


def scan(scope: Scope, index: int) -> exp.Select:
    """Return the carried columns of one node's rows, filtered; one row per key and time for a joined node."""
    plan, node = scope.plan, scope.plan.nodes[index]
    source = node.source
    features = {field.name: field for field in source.fields if field.name in scope.carried[index]}
    columns = [exp.alias_(column(feature), f"n{index}.{feature}", quoted=True) for feature in features]
    if source.event_time is not None:
        time = plan.field(index, source.event_time)
        features.setdefault(time.name, time)
        micros = event_micros(time, source.event_time_unit, column(time.name))
        columns.append(exp.alias_(micros, f"n{index}.{TIME}", quoted=True))
    columns.append(exp.alias_(exp.true(), f"n{index}.{MATCH}", quoted=True))
    rows: exp.Expr
    if isinstance(source, FrameSource):
        columns.append(exp.alias_(column(ROW), f"n{index}.{ROW}", quoted=True))
        rows = exp.to_table(SPINE)
    else:
        places = [ADDRESS] if scope.has_address(index) else []
        places += [FROM_US, TO_US] if scope.is_known(index) else []
        columns += [exp.alias_(column(place), f"n{index}.{place}", quoted=True) for place in places]
        rows = _group_rows(scope, index, source, tuple(features.values()))
    tree = exp.select(*columns, copy=False).from_(rows, copy=False)
    conditions = _in_reach(scope, index)
    if node.filter is not None:
        # Its columns are numbered as in the group's own query, where this node was the only one.
        here = condition(
            node.filter,
            lambda _, feature: column(feature),
            lambda _, feature: plan.field(index, feature).type,
        )
        conditions.append(here)
    if scope.is_known(index) and node.exclude_until_us is not None:
        later = exp.GT(this=column(FROM_US), expression=exp.Literal.number(node.exclude_until_us))
        conditions.append(later)
    if conditions:
        tree = tree.where(*conditions, copy=False)
    if index > 0 and not scope.is_known(index):
        _keep_one(scope, tree, index)
    return tree


def _in_reach(scope: Scope, index: int) -> list[exp.Expr]:
    """Return conditions on the stored event time, which file statistics know; what cannot be said is left out."""
    source = scope.plan.nodes[index].source
    if source.event_time is None or index not in scope.reach:
        return []
    time = scope.plan.field(index, source.event_time)
    conditions: list[exp.Expr] = []
    for micros, comparison in zip(scope.reach[index], (exp.GTE, exp.LTE), strict=True):
        stored = None if micros is None else stored_time(time, source.event_time_unit, micros)
        if stored is not None:
            conditions.append(comparison(this=column(time.name), expression=sql_literal(stored)))
    return conditions


def _group_rows(scope: Scope, index: int, source: GroupSource, fields: Schema) -> exp.Expr:
    snapshot, node = scope.snapshots[index], scope.plan.nodes[index]
    needs_history = scope.is_known(index) or node.exclude_until_commit is not None
    if not scope.engine.has_file_lists:
        if needs_history or scope.late:
            raise QueryError(
                f"as_known() and exclude_until= of {source.label!r} read the files of its changes, which this engine "
                f"({scope.engine.dialect}) cannot do. Run the query on DuckDB."
            )
        return read_table(snapshot, fields)
    identity = row_identity(source.primary_key, source.event_time)
    if scope.is_known(index):
        wanted = {field.name: field for field in (*fields, *_fields(scope.plan, index, identity))}
        return versions(snapshot.changes, tuple(wanted.values()), identity).subquery("versions")
    if node.exclude_until_commit is not None:
        return _later_rows(node, snapshot, fields, _fields(scope.plan, index, identity))
    return read_files(snapshot, fields, with_address=scope.has_address(index))


def _later_rows(node: Node, snapshot: Snapshot, fields: Schema, identity: Schema) -> exp.Expr:
    """Return the rows of a snapshot that were last changed by one of its changes."""
    changes = _later_changes(node, snapshot)
    if is_append_only(changes):
        return read_paths(changes, fields, {ADDRESS: ADDRESS_OF_ROW})
    if not identity:  # a group without key is appended to or overwritten: all that is there came later
        return read_files(snapshot, fields, with_address=True)
    put = exp.select(*(column(field.name) for field in identity)).where(column(IS_PUT))
    changed = put.from_(changed_rows(changes, identity).subquery("changes")).subquery("c")
    wanted = {field.name: field for field in (*fields, *identity)}
    rows = exp.alias_(read_files(snapshot, tuple(wanted.values()), with_address=True), "t", table=True)
    same = exp.and_(
        *(exp.EQ(this=column(f.name, "t"), expression=column(f.name, "c")) for f in identity), copy=False
    )
    names = [*(field.name for field in fields), ADDRESS]
    tree = exp.select(*(column(name, "t") for name in names)).from_(rows, copy=False)
    tree.append("joins", exp.Join(this=changed, kind="SEMI", on=same))
    return tree.subquery("later")


def _later_changes(node: Node, snapshot: Snapshot) -> tuple[ChangeFile, ...]:
    """Return the changes after the commit until which rows are left out; as_known() has needed those before it, too."""
    after = node.exclude_until_commit
    return tuple(change for change in snapshot.changes if after is None or change.commit > after)


def _fields(plan: Plan, index: int, names: Sequence[str]) -> Schema:
    return tuple(plan.field(index, name) for name in names)


def _keep_one(scope: Scope, tree: exp.Select, index: int) -> None:
    """Among rows that a join could not tell apart, keep the one that the rules name; change `tree` in place."""
    plan = scope.plan
    join, source = plan.join_of(index), plan.nodes[index].source
    remaining = plan.remaining_key(index)
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
