"""The rows that a search for leakage looks at: features and labels, and beside them every row's keys and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.event_time import event_times_us
from hopyard.model.plan import Output, Plan
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import row_identity

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]


def hidden_outputs(plan: Plan) -> tuple[Output, ...]:
    """Return outputs with the keys and the event time of every node, under names that no feature has."""
    found = []
    for index, node in enumerate(plan.nodes):
        source = node.source
        names = [*row_identity(source.primary_key, source.event_time)]
        names += [source.event_time] if source.event_time else []
        names += [key.column for key in source.foreign_key] if index == 0 else []
        found += [Output(name=hidden(index, name), node=index, feature=name) for name in dict.fromkeys(names)]
    return tuple(found)


def hidden(node: int, feature: str) -> str:
    """Return the name under which a key or an event time is read."""
    return f"__{node}_{feature}"


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Rows of a query, in an order that depends on nothing physical.

    Attributes:
        plan: resolved.
        table: features, labels and the hidden outputs.
        split: the place of each row's split in `split_names`; empty names where there is no split.
    """

    plan: Plan
    table: pa.Table
    features: tuple[Output, ...]
    labels: tuple[Output, ...]
    split: npt.NDArray[np.int16]
    split_names: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return int(self.table.num_rows)

    def group(self, node: int) -> str:
        """Return the name of a node's group, as `name_version`."""
        return self.plan.nodes[node].source.label

    def field(self, out: Output) -> Field:
        """Return name and type of a column of the result."""
        return Field(name=out.name, type=self.plan.field(out.node, out.feature).type)

    def features_of(self, node: int) -> tuple[str, ...]:
        """Return the names of the features that come from a node."""
        return tuple(out.name for out in self.features if out.node == node)

    def is_known(self, name: str) -> Mask:
        """Return in which rows a column has a value: neither null nor NaN."""
        column = self.table.column(name)
        known = column.is_valid()
        if pa.types.is_floating(column.type):
            known = pc.and_(known, pc.invert(pc.is_nan(column).fill_null(True)))
        return np.asarray(known)

    def times(self, node: int) -> tuple[Times, Mask] | None:
        """Return a node's event times as UTC microseconds, and in which rows it has one; None: it has no event time."""
        source = self.plan.nodes[node].source
        if source.event_time is None:
            return None
        column = self.table.column(hidden(node, source.event_time))
        times = event_times_us(self.plan.field(node, source.event_time), source.event_time_unit, column)
        return np.asarray(times.fill_null(0)), np.asarray(times.is_valid())

    def label_times(self, label: Output) -> tuple[Times, Mask] | None:
        """Return when the label's event was: its own group's event time, else that of the left-most group."""
        own = self.times(label.node)
        return own if own is not None or label.node == 0 else self.times(0)

    def identity(self, node: int) -> Schema:
        """Return the columns that identify a row of a node."""
        source = self.plan.nodes[node].source
        names = row_identity(source.primary_key, source.event_time)
        return tuple(self.plan.field(node, name) for name in names)

    def identities(self, node: int) -> pa.Table:
        """Return the identity of the row of a node that each row was joined with, null where there is none."""
        names = [field.name for field in self.identity(node)]
        columns = [self.table.column(hidden(node, name)) for name in names]
        return pa.Table.from_arrays(columns, names=names)

    def entities(self) -> list[tuple[str, ...]]:
        """Return what the rows are of: the left-most group's primary key without event time, and each foreign key."""
        source = self.plan.root.source
        key = tuple(name for name in source.primary_key if name != source.event_time)
        found = [key] if source.primary_key else []
        found += [(foreign.column,) for foreign in source.foreign_key]
        return list(dict.fromkeys(found))

    def key_columns(self, names: Sequence[str]) -> list[pa.ChunkedArray]:
        """Return keys of the left-most group."""
        return [self.table.column(hidden(0, name)) for name in names]

    def example(self, row: int, more: Mapping[str, object] | Sequence[str] = ()) -> dict[str, object]:
        """Return what identifies a row of the result, and more of it: columns by name, or values."""
        source = self.plan.root.source
        names = row_identity(source.primary_key, source.event_time)
        if not names:
            names = (
                *([source.event_time] if source.event_time else []),
                *(k.column for k in source.foreign_key),
            )
        shown = {name: self.value(row, hidden(0, name)) for name in names}
        if isinstance(more, Mapping):
            return {**shown, **more}
        return {**shown, **{name: self.value(row, name) for name in more}}

    def value(self, row: int, name: str) -> Any:
        """Return one value as a Python object."""
        return self.table.column(name)[row].as_py()
