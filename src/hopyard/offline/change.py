"""A change of a group becomes a write of delta-rs: an append, an overwrite, or a merge."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties, write_deltalake
from sqlglot import exp

from hopyard.model.arrow import from_arrow
from hopyard.offline.encoding import CODEC, has_dictionary, has_statistics
from hopyard.ports import Change

_SOURCE, _TARGET = "source", "target"
_SLACK_US = 1_000
"""Statistics of timestamps are cut to milliseconds: bounds on a timestamp leave room for that."""
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


def apply(table: DeltaTable, change: Change, properties: CommitProperties) -> None:
    """Write a change as one version of the table."""
    schema = pa.schema(table.schema().to_arrow())
    rows = change.rows if change.kind == "delete" else _complete(schema, change.rows)
    writer_properties = _writer(schema, rows)
    if change.kind in ("append", "overwrite"):
        write_deltalake(
            table, rows, mode=change.kind, writer_properties=writer_properties, commit_properties=properties
        )  # fmt: skip
        return
    merge = table.merge(
        source=rows,
        predicate=merge_condition(rows, change.on).sql(dialect="postgres"),
        source_alias=_SOURCE,
        target_alias=_TARGET,
        writer_properties=writer_properties,
        commit_properties=properties,
    )
    if change.kind == "delete":
        merge.when_matched_delete().execute()
    else:
        merge.when_matched_update_all().when_not_matched_insert_all().execute()


def merge_condition(rows: pa.Table, on: tuple[str, ...]) -> exp.Expr:
    """Return when a row of the table is the same as one of `rows`: equal in the columns `on`.

    What is implied is said too, in literals: between which values the rows are. It keeps the files of other values from
    being read. Only columns of the row's identity may be bounded: the old row may have any value in the others.
    """
    equal = [exp.EQ(this=_column(name, _TARGET), expression=_column(name, _SOURCE)) for name in on]
    bounds = [bound for name in on for bound in _bounds(name, rows.column(name))]
    return exp.and_(*equal, *bounds, copy=False)


def feature_types(table: DeltaTable) -> dict[str, str]:
    """Return the feature types of the table's columns; Delta does not keep the fixed size of an array."""
    schema = pa.schema(table.schema().to_arrow())
    return {field.name: str(from_arrow(field.type, column=field.name)) for field in schema}


def unsized(type_: str) -> str:
    """Return a feature type without the sizes of its arrays."""
    return re.sub(r"\[\d+\]", "", type_)


def _writer(schema: pa.Schema, rows: pa.Table) -> WriterProperties:
    columns = {
        field.name: ColumnProperties(
            # A removal brings keys only; whether the others repeat is not known.
            dictionary_enabled=field.name not in rows.column_names or has_dictionary(rows.column(field.name)),
            statistics_enabled="PAGE" if has_statistics(field.type) else "NONE",
        )
        for field in schema
        if not pa.types.is_nested(field.type)
    }
    # What is inside of arrays and structs cannot be named one by one.
    default = ColumnProperties(statistics_enabled="NONE")
    return WriterProperties(
        compression=CODEC,
        default_column_properties=default,
        column_properties=columns,
    )


def _complete(schema: pa.Schema, rows: pa.Table) -> pa.Table:
    """Return the rows with every column of the table: one that died before its feature was registered is null."""
    for name, type_ in zip(schema.names, schema.types, strict=True):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, type_))
    return rows.select(schema.names)


def _bounds(name: str, values: pa.ChunkedArray) -> Iterator[exp.Expr]:
    type_ = values.type
    words: tuple[str, ...]
    if pa.types.is_timestamp(type_):
        words, slack, values = ('Timestamp(Microsecond, Some("UTC"))',), _SLACK_US, values.cast(pa.int64())
    elif pa.types.is_date32(type_):
        words, slack, values = ("Int32", "Date32"), 0, values.cast(pa.int32())
    elif pa.types.is_int32(type_) or pa.types.is_int64(type_):
        words, slack = (f"Int{type_.bit_width}",), 0
    else:
        return
    found = pc.min_max(values).as_py()
    if found["min"] is None:
        return
    low, high = max(found["min"] - slack, _SMALLEST), min(found["max"] + slack, _GREATEST)
    yield exp.GTE(this=_column(name, _TARGET), expression=_literal(low, words))
    yield exp.LTE(this=_column(name, _TARGET), expression=_literal(high, words))


def _literal(value: int, words: tuple[str, ...]) -> exp.Expr:
    """Return a whole number as a value of the last of these types of Arrow, by way of the others."""
    tree: exp.Expr = exp.Literal.number(value) if abs(value) < _GREATEST else exp.Literal.string(str(value))
    for word in words:
        tree = exp.Anonymous(this="arrow_cast", expressions=[tree, exp.Literal.string(word)])
    return tree


def _column(name: str, table: str) -> exp.Expr:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table, quoted=True))
