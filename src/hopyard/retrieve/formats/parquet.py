"""Parquet, by pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema

ROW_GROUP_ROWS = 122_880


class ParquetFormat:
    """One file per split, ZSTD, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        """Accept every type: Parquet keeps them all."""

    def write(self, table: pa.Table, folder: Path) -> Sequence[Path]:
        path = folder / "part-00000.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)
        return [path]

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        wanted = to_arrow_schema(schema)
        tables = [pq.read_table(path, partitioning=None).cast(wanted) for path in files]
        return pa.concat_tables(tables) if tables else wanted.empty_table()
