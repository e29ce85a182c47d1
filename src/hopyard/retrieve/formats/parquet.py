"""Parquet, by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema
from hopyard.retrieve.formats.rows import Blocks

ROW_GROUP_ROWS = 122_880


class ParquetWriter:
    """Writes a split as one file, a row group at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._blocks = path, Blocks(schema, ROW_GROUP_ROWS)
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            compression_level=1,
            # Training reads all rows. Dictionaries of numbers and statistics would take half of the time of a write.
            use_dictionary=[field.name for field in schema if pa.types.is_string(field.type)],
            write_statistics=False,
        )

    def write(self, rows: pa.Table) -> None:
        for block in self._blocks.add(rows):
            self._writer.write_table(block, row_group_size=ROW_GROUP_ROWS)

    def close(self) -> Sequence[Path]:
        rest = self._blocks.rest()
        with self._file, self._writer:  # the writer does not close the file where its end cannot be written
            if rest.num_rows:
                self._writer.write_table(rest, row_group_size=ROW_GROUP_ROWS)
        return [self._path]


class ParquetFormat:
    """One file per split, ZSTD, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        """Accept every type: Parquet keeps them all."""

    def open(self, folder: Path, schema: pa.Schema) -> ParquetWriter:
        return ParquetWriter(folder / "part-00000.parquet", schema)

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        wanted = to_arrow_schema(schema)
        tables = [pq.read_table(path, partitioning=None).cast(wanted) for path in files]
        return pa.concat_tables(tables) if tables else wanted.empty_table()

    def batches(self, files: Sequence[Path], schema: Schema) -> Iterator[pa.Table]:
        wanted = to_arrow_schema(schema)
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROW_GROUP_ROWS):
                    yield pa.Table.from_batches([batch]).cast(wanted)
