"""A change of a group becomes a write of delta-rs: an append, an overwrite, or a merge."""

from __future__ import annotations

import re

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake

from hopyard.model.arrow import from_arrow
from hopyard.ports import Change

_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


def apply(table: DeltaTable, change: Change, properties: CommitProperties) -> None:
    """Write a change as one version of the table."""
    rows = change.rows if change.kind == "delete" else _complete(table, change.rows)
    if change.kind in ("append", "overwrite"):
        write_deltalake(
            table, rows, mode=change.kind, writer_properties=_WRITER, commit_properties=properties
        )  # fmt: skip
        return
    predicate = " AND ".join(f"target.`{column}` = source.`{column}`" for column in change.on)
    merge = table.merge(
        source=rows,
        predicate=predicate,
        source_alias="source",
        target_alias="target",
        writer_properties=_WRITER,
        commit_properties=properties,
    )
    if change.kind == "delete":
        merge.when_matched_delete().execute()
    else:
        merge.when_matched_update_all().when_not_matched_insert_all().execute()


def feature_types(table: DeltaTable) -> dict[str, str]:
    """Return the feature types of the table's columns; Delta does not keep the fixed size of an array."""
    schema = pa.schema(table.schema().to_arrow())
    return {field.name: str(from_arrow(field.type, column=field.name)) for field in schema}


def unsized(type_: str) -> str:
    """Return a feature type without the sizes of its arrays."""
    return re.sub(r"\[\d+\]", "", type_)


def _complete(table: DeltaTable, rows: pa.Table) -> pa.Table:
    """Return the rows with every column of the table: one that died before its feature was registered is null."""
    schema = pa.schema(table.schema().to_arrow())
    for name, type_ in zip(schema.names, schema.types, strict=True):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, type_))
    return rows.select(schema.names)
