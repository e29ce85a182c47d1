"""Keys of a feature view, as entries of feature vectors and as a spine of point-in-time rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from hopyard.compute.row_hash import hash_pairs, row_hashes
from hopyard.compute.scalar import coerce
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.plan import Column, FrameSource, GroupSource, IsNull, Join, JoinKey, Node, Output, Plan
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FeatureViewSpec
from hopyard.model.types import parse_type
from hopyard.online.serving_plan import ServingPlan
from hopyard.online.vectors import Entry
from hopyard.query.resolve import resolve
from hopyard.retrieve.read import stream_resolved
from hopyard.retrieve.spine import Spine
from hopyard.retrieve.view import feature_outputs
from hopyard.session import Session

_AT = Field(name="__at", type="timestamp")

Commits = Mapping[str, int | None]
"""The commit at which each online group is read, by its id; None: nothing of it is online yet."""


@dataclass(frozen=True, slots=True)
class VectorKeys:
    """Keys of a view: what vectors are asked with, and the same as columns of the view's root.

    Attributes:
        entries: the serving keys of each vector.
        passed: the features of a root that is not online.
        rows: in the same order, the root's columns that decide the vectors: its primary key if it is online, else the
            columns by which other groups are joined to it, and its features.
    """

    entries: Sequence[Entry]
    passed: Sequence[Entry]
    rows: pa.Table


def sample_keys(
    session: Session, view: FeatureViewSpec, plan: ServingPlan, states: Sequence[Commits], sample: int
) -> VectorKeys:
    """Return keys of a view: those of the root's rows, and those of the groups that are joined to a root offline.

    A root that is not online gives its features, too; a key of a joined group alone stands with nulls.

    Args:
        states: at which commits the groups have them, in one or in several states.
        sample: at most so many: those with the smallest hashes, so that equal data gives equal samples.
    """
    fields, names = _root_fields(view, plan), _key_names(plan)
    taken = _Sample(fields, names, sample)
    root = {field.name: field.name for field in fields}
    for commits in states if states[0] != states[-1] else states[:1]:
        for table in _stream(session, view, 0, root, commits):
            taken.add(table, rank=0)
        for node in plan.nodes if plan.root is None else ():
            if node.parent == 0:
                columns = {
                    key.alias: column.name for key, column in zip(node.keys, node.table.key, strict=True)
                }
                for table in _stream(session, view, node.node, columns, commits):
                    taken.add(table, rank=1)
    return _keys(plan, taken.rows)


def keys_of_entries(view: FeatureViewSpec, plan: ServingPlan, entries: Sequence[Entry]) -> VectorKeys:
    """Return the keys that these entries name. Raises FeatureVectorError: a value of another type."""
    aliases = _aliases(plan)
    columns = {}
    for field in _root_fields(view, plan):
        type_ = parse_type(field.type)
        given = [_first(entry, aliases.get(field.name, ()), field.name) for entry in entries]
        columns[field.name] = pa.array([coerce(field.name, type_, value) for value in given], to_arrow(type_))
    keys = _keys(plan, pa.table(columns))
    return VectorKeys(list(entries), keys.passed, keys.rows)


def point_in_time_spine(
    view: FeatureViewSpec, plan: ServingPlan, keys: VectorKeys, commits: Commits, at_us: int, *, any_age: bool
) -> Spine:
    """Return the view's query over a spine of keys, each with the same event time, at the commits that are online.

    A root that is online becomes a group joined to the spine by its primary key. Filters on the root are left out: they
    choose what to train on.

    Args:
        at_us: the event time, in UTC microseconds.
        any_age: without limits to the age of rows.
    """
    old = view.plan
    nodes = [_pinned(old, index, commits, any_age=any_age) for index in range(len(old.nodes))]
    joins = [
        msgspec.structs.replace(join, how="left" if join.parent == 0 else join.how) for join in old.joins
    ]
    if any_age:
        joins = [msgspec.structs.replace(join, max_age_us=None) for join in joins]
    outputs = feature_outputs(view)
    frame = FrameSource(
        fields=(_AT, *_root_fields(view, plan)), event_time=_AT.name if old.root.source.event_time else None
    )
    if plan.root is None:
        nodes = [Node(source=frame), *nodes[1:]]
    else:
        source = old.root.source
        by_key = Join(
            parent=0,
            keys=tuple(JoinKey(left=name, right=name) for name in source.primary_key),
            rule="point_in_time" if source.event_time else "equal",
        )
        nodes = [Node(source=frame), *nodes]
        joins = [by_key, *(msgspec.structs.replace(join, parent=join.parent + 1) for join in joins)]
        # The key is known from the entry, also where there is no row.
        outputs = tuple(
            msgspec.structs.replace(out, node=out.node + 1)
            if out.node > 0 or out.feature not in source.primary_key
            else out
            for out in outputs
        )
    at = pa.array([at_us] * keys.rows.num_rows, pa.int64()).cast(to_arrow(parse_type(_AT.type)))
    return Spine(
        plan=Plan(
            nodes=tuple(nodes), joins=tuple(joins), outputs=outputs
        ),  # all that is online is known by now
        rows=keys.rows.add_column(0, _AT.name, at),
    )


def _root_fields(view: FeatureViewSpec, plan: ServingPlan) -> Schema:
    if plan.root is None:
        return plan.root_fields
    source = view.plan.root.source
    return tuple(view.plan.field(0, name) for name in source.primary_key)


def _key_names(plan: ServingPlan) -> tuple[str, ...]:
    """Return the columns of the root that are serving keys."""
    return tuple(_aliases(plan))


def _aliases(plan: ServingPlan) -> dict[str, tuple[str, ...]]:
    """Return the names in an entry of each column of the root that is a serving key."""
    if plan.root is not None:
        return {key.column: (key.name,) for key in plan.root.keys}
    names: dict[str, tuple[str, ...]] = {}
    for node in plan.nodes:
        if node.parent == 0:
            for key in node.keys:
                names[key.alias] = (*names.get(key.alias, ()), key.name)
    return names


def _first(entry: Entry, names: Iterable[str], column: str) -> object:
    return next((entry[name] for name in (*names, column) if name in entry), None)


def _keys(plan: ServingPlan, rows: pa.Table) -> VectorKeys:
    names = [(name, column) for column, names in _aliases(plan).items() for name in names]
    features = [(out.name, out.feature) for out in plan.outputs if out.node == 0 and plan.root is None]
    found = rows.to_pylist()
    return VectorKeys(
        entries=[{name: row[column] for name, column in names} for row in found],
        passed=[{name: row[feature] for name, feature in features} for row in found],
        rows=rows,
    )


def _stream(
    session: Session, view: FeatureViewSpec, node: int, columns: Mapping[str, str], commits: Commits
) -> Iterator[pa.Table]:
    """Yield columns of a group, by new names."""
    source = _pinned(view.plan, node, commits, any_age=True)
    outputs = tuple(Output(name=name, node=0, feature=feature) for name, feature in columns.items())
    if outputs:
        resolved, snapshots = resolve(session, Plan(nodes=(source,), outputs=outputs))
        for batch in stream_resolved(session, resolved, snapshots, missing="null"):
            yield pa.Table.from_batches([batch])


def _pinned(plan: Plan, index: int, commits: Commits, *, any_age: bool) -> Node:
    """Return a node without its filter, at the commit that is online; without rows if none is."""
    node = msgspec.structs.replace(plan.nodes[index], filter=None if index == 0 else plan.nodes[index].filter)
    source = node.source
    if not isinstance(source, GroupSource):
        return node
    if any_age:
        node = msgspec.structs.replace(node, source=msgspec.structs.replace(source, ttl_us=None))
    if source.id not in commits:
        return node
    commit = commits[source.id]
    if commit is not None:
        return msgspec.structs.replace(node, commit=commit)
    is_null = IsNull(column=Column(feature=source.primary_key[0], node=index))
    return msgspec.structs.replace(node, filter=is_null)  # no primary key is null


class _Sample:
    """Keeps the rows with the smallest hashes of their keys, one of each key, whatever order they come in."""

    def __init__(self, fields: Schema, keys: Sequence[str], n_rows: int) -> None:
        self._fields = fields
        self._keys = tuple(field for field in fields if field.name in keys) or fields
        self._n_rows = n_rows
        self._ranks = np.empty(0, np.int8)
        self.rows = to_arrow_schema(fields).empty_table()

    def add(self, table: pa.Table, *, rank: int) -> None:
        """Take rows; columns that they lack are null. Of two rows with one key, the one of the lower rank stays."""
        schema = self.rows.schema
        columns = [
            table.column(name)
            if name in table.column_names
            else pa.nulls(table.num_rows, schema.field(name).type)
            for name in schema.names
        ]
        rows = pa.concat_tables([self.rows, pa.Table.from_arrays(columns, schema=schema)])
        ranks = np.concatenate([self._ranks, np.full(table.num_rows, rank, np.int8)])
        first, second = hash_pairs(rows, self._keys)
        order = np.lexsort((row_hashes(rows, self._fields), ranks, second, first))
        first, second = first[order], second[order]
        is_new = np.ones(len(order), dtype=bool)
        is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        kept = order[is_new][: self._n_rows]
        self.rows = rows.take(pa.array(kept))
        self._ranks = ranks[kept]
